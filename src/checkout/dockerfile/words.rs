//! Words, quotes and variables in the value of an instruction: dockerfile-parse's `WordSplitter`.
//!
//! It knows `$NAME` and `${NAME}` only: of `${NAME:-default}` it takes the value of `NAME` and leaves `:-default}` as it
//! is. A backslash quotes whatever the `escape` directive says.

use std::collections::HashMap;
use std::str::Chars;

use super::structure::is_blank;

/// How many bytes variables may add to a file. A variable that names itself twice doubles with each line, so without a
/// limit a short file could fill the memory.
const EXPANSION_LIMIT: usize = 16 << 20;

/// The variables that an instruction sees.
#[derive(Debug, Default)]
pub(super) struct Scope {
    /// Set by `ENV`; they win.
    pub envs: HashMap<String, String>,
    /// Set by `ARG`.
    pub args: HashMap<String, String>,
}

impl Scope {
    fn get(&self, name: &str) -> Option<&str> {
        self.envs.get(name).or_else(|| self.args.get(name)).map(String::as_str)
    }
}

/// More than [`EXPANSION_LIMIT`] bytes came out of variables.
#[derive(Debug, thiserror::Error)]
#[error("variables expand to more than {EXPANSION_LIMIT} bytes: does one name itself?")]
pub(super) struct TooLong;

/// Removes quotes and expands variables, within the limit for one file.
#[derive(Debug)]
pub(super) struct Expander {
    left: usize,
}

impl Default for Expander {
    fn default() -> Self {
        Expander { left: EXPANSION_LIMIT }
    }
}

impl Expander {
    /// The text without quotes and, where a scope is given, with its variables; one that is not set is empty.
    pub(super) fn expand(&mut self, text: &str, scope: Option<&Scope>) -> Result<String, TooLong> {
        let mut expanded = String::with_capacity(text.len());
        let mut quoting = Quoting::default();
        let mut rest = text.chars();
        while let Some(mut character) = rest.next() {
            if let Some(scope) = scope.filter(|_| character == '$' && quoting.expands()) {
                match self.variables(&mut rest, scope, &mut expanded)? {
                    Some(behind) => character = behind,
                    None => continue,
                }
            }
            match quoting.step(character) {
                Kept::Nothing => {}
                Kept::Character => expanded.push(character),
                Kept::BackslashToo => expanded.extend(['\\', character]),
            }
        }
        Ok(expanded)
    }

    /// Expands the variables of which the first `$` was just read, and returns the character behind them that does not
    /// belong to them.
    fn variables(&mut self, rest: &mut Chars, scope: &Scope, to: &mut String) -> Result<Option<char>, TooLong> {
        loop {
            let (name, braced, end) = variable(rest);
            if let Some(value) = scope.get(&name) {
                self.left = self.left.checked_sub(value.len()).ok_or(TooLong)?;
                to.push_str(value);
            }
            match end {
                Some('$') => {}
                Some('}') if braced => return Ok(None),
                end => return Ok(end),
            }
        }
    }
}

/// The name behind a `$`, whether it is in braces, and the character that ends it.
fn variable(rest: &mut Chars) -> (String, bool, Option<char>) {
    let (mut name, mut braced) = (String::new(), false);
    loop {
        match rest.next() {
            Some('{') if name.is_empty() => braced = true,
            Some(character) if is_of_name(character) => name.push(character),
            end => return (name, braced, end),
        }
    }
}

/// The words of a value, as they are written, each with its offset: split at blanks that are neither quoted nor escaped.
pub(super) fn words(value: &str) -> Vec<(usize, &str)> {
    let mut words = Vec::new();
    let mut quoting = Quoting::default();
    let mut start = None;
    for (at, character) in value.char_indices() {
        let escaped = quoting.escaped;
        quoting.step(character);
        if is_blank(character) && !escaped && quoting.quote.is_none() {
            words.extend(start.take().map(|start| (start, &value[start..at])));
        } else {
            start.get_or_insert(at);
        }
    }
    words.extend(start.map(|start| (start, &value[start..])));
    words
}

/// How many characters of a form are looked at for its end: people write short ones.
const LONGEST_FORM: usize = 256;

/// The forms that begin like a variable in braces and go on behind its name, each with its offset: `${NAME:-default}`.
pub(super) fn unknown_expansions(value: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let mut quoting = Quoting::default();
    for (at, character) in value.char_indices() {
        if character == '$' && quoting.expands() {
            let form = &value[at..];
            let name = form.strip_prefix("${").map(|rest| rest.trim_start_matches(is_of_name));
            let is_odd = name.is_some_and(|behind| behind.starts_with([':', '-', '+', '?', '#', '%', '/']));
            let end = form.char_indices().take(LONGEST_FORM).find(|(_, character)| *character == '}');
            found.extend(end.filter(|_| is_odd).map(|(end, _)| (at, &form[..=end])));
        }
        quoting.step(character);
    }
    found
}

fn is_of_name(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

/// Where a character stands to the quotes before it.
#[derive(Debug, Default)]
struct Quoting {
    /// The quote that is open.
    quote: Option<char>,
    /// Whether a backslash precedes.
    escaped: bool,
}

/// What of a character is left when quotes are removed.
#[derive(Debug, PartialEq, Eq)]
enum Kept {
    Nothing,
    Character,
    /// It stands behind a backslash that means nothing there.
    BackslashToo,
}

impl Quoting {
    /// Whether a `$` would begin a variable.
    fn expands(&self) -> bool {
        !self.escaped && self.quote != Some('\'')
    }

    /// Goes over one character.
    fn step(&mut self, character: char) -> Kept {
        if std::mem::take(&mut self.escaped) {
            let quoted = self.quote == Some('"') && character != '"';
            return if quoted { Kept::BackslashToo } else { Kept::Character };
        }
        match (character, self.quote) {
            ('\\', None | Some('"')) => self.escaped = true,
            ('\'' | '"', None) => self.quote = Some(character),
            (_, Some(quote)) if quote == character => self.quote = None,
            _ => return Kept::Character,
        }
        Kept::Nothing
    }
}

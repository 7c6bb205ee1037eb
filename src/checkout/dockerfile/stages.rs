//! What the instructions come to: dockerfile-parse's `DockerfileParser.labels` and `.parent_images`.
//!
//! Every `FROM` starts afresh: labels and variables of earlier stages are forgotten, even of a stage that it names, so
//! the labels are those of the last stage. Values of `ARG` before the first `FROM` count in every `FROM`, and in a stage
//! that names them in an `ARG` of its own.

use std::collections::HashMap;
use std::ops::Range;

use super::structure::{Statement, is_blank};
use super::words::{Expander, Scope, TooLong, words};
use super::{BaseImage, Label};

/// Why an instruction means nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum Problem {
    #[error("FROM names no image")]
    NoImage,
    #[error("{keyword} names nothing: write {keyword} NAME=VALUE")]
    Empty { keyword: String },
    #[error("{keyword}: {word:?} has no \"=\", and the words before it have: quote values that contain blanks")]
    NoEqualsSign { keyword: String, word: String },
    #[error(transparent)]
    TooLong(#[from] TooLong),
}

/// A problem and the line it is on, from 1.
pub(super) type Located = (usize, Problem);

/// The state between two instructions.
#[derive(Debug, Default)]
pub(super) struct Stages {
    pub base_images: Vec<BaseImage>,
    pub labels: Vec<Label>,
    /// Where in `labels` which name is.
    places: HashMap<String, usize>,
    /// Set by `ARG` before the first `FROM`.
    globals: Scope,
    /// What every stage begins with: the variables of the base image.
    parent_env: HashMap<String, String>,
    /// Of the present stage.
    scope: Scope,
    in_stage: bool,
    expander: Expander,
}

/// `NAME=VALUE`, the line on which the name is, and its bytes in the file.
struct Pair<T> {
    name: T,
    value: T,
    line: usize,
    span: Range<usize>,
}

impl Stages {
    /// Stages that begin with the variables of the base image.
    pub(super) fn with_parent_env(variables: &[(String, String)]) -> Stages {
        Stages { parent_env: variables.iter().cloned().collect(), ..Stages::default() }
    }

    /// Goes over one instruction; those that set nothing are passed over.
    pub(super) fn take(&mut self, statement: &Statement) -> Result<(), Located> {
        match statement.keyword.to_ascii_uppercase().as_str() {
            "FROM" => self.from(statement).map_err(|problem| (statement.line, problem))?,
            "ARG" => {
                for pair in self.pairs(statement, false)? {
                    self.set_argument(pair);
                }
            }
            "ENV" => {
                let pairs = self.pairs(statement, true)?;
                self.scope.envs.extend(pairs.into_iter().map(|pair| (pair.name, pair.value)));
            }
            "LABEL" => {
                for pair in self.pairs(statement, true)? {
                    self.set_label(pair);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn from(&mut self, statement: &Statement) -> Result<(), Problem> {
        let written = image_of(&statement.value).ok_or(Problem::NoImage)?;
        let image = self.expander.expand(&statement.value[written.clone()], Some(&self.globals))?;
        self.base_images.push(BaseImage { image, line: statement.line, span: statement.in_file(written) });
        self.in_stage = true;
        self.scope = Scope { envs: self.parent_env.clone(), ..Scope::default() };
        self.labels.clear();
        self.places.clear();
        Ok(())
    }

    fn set_argument(&mut self, Pair { name, value, .. }: Pair<String>) {
        if self.in_stage {
            let value = self.globals.args.get(&name).cloned().unwrap_or(value);
            self.scope.args.insert(name, value);
        } else {
            self.globals.args.insert(name, value);
        }
    }

    fn set_label(&mut self, Pair { name, value, line, span }: Pair<String>) {
        match self.places.get(&name).and_then(|&place| self.labels.get_mut(place)) {
            Some(label) => (label.value, label.line, label.span) = (value, line, span),
            None => {
                self.places.insert(name.clone(), self.labels.len());
                self.labels.push(Label { name, value, line, span });
            }
        }
    }

    /// The pairs of an `ARG`, `ENV` or `LABEL` (`extract_key_values`), all of them expanded with what was set before it.
    fn pairs(&mut self, statement: &Statement, expand: bool) -> Result<Vec<Pair<String>>, Located> {
        let written = written_pairs(statement)?;
        let scope = expand.then_some(&self.scope);
        let mut pairs = Vec::with_capacity(written.len());
        for Pair { name, value, line, span } in written {
            let mut expanded = |text| self.expander.expand(text, scope).map_err(|error| (line, error.into()));
            pairs.push(Pair { name: expanded(name)?, value: expanded(value)?, line, span });
        }
        Ok(pairs)
    }
}

/// Names and values as they are written: `NAME=VALUE ...`, or in the old form one `NAME VALUE`.
fn written_pairs<'a>(statement: &'a Statement) -> Result<Vec<Pair<&'a str>>, Located> {
    let keyword = || statement.keyword.to_ascii_uppercase();
    let words = words(&statement.value);
    let Some(&(start, first)) = words.first() else {
        return Err((statement.line, Problem::Empty { keyword: keyword() }));
    };
    let pair = |start: usize, end, (name, value)| Pair {
        name,
        value,
        line: statement.line_at(start),
        span: statement.in_file(start..end),
    };
    if !first.contains('=') {
        let text = statement.value.trim_start_matches(is_blank);
        let (name, value) = text.split_at(text.find(is_blank).unwrap_or(text.len()));
        let end = statement.value.trim_end_matches(is_blank).len();
        return Ok(vec![pair(start, end, (name, value.trim_start_matches(is_blank)))]);
    }
    let of_word = |(start, word): (usize, &'a str)| {
        let problem =
            || (statement.line_at(start), Problem::NoEqualsSign { keyword: keyword(), word: word.to_owned() });
        word.split_once('=').map(|written| pair(start, start + word.len(), written)).ok_or_else(problem)
    };
    words.into_iter().map(of_word).collect()
}

/// Where in the value of a `FROM` the image is: the first word, or the second one behind `--platform=...` (`image_from`).
fn image_of(value: &str) -> Option<Range<usize>> {
    const PLATFORM: &str = "--platform=";
    let first = word_from(value, 0)?;
    let word = &value[first.clone()];
    let flag = word.get(..PLATFORM.len()).is_some_and(|start| start.eq_ignore_ascii_case(PLATFORM));
    match word_from(value, first.end) {
        _ if !flag => Some(first),
        Some(_) if word.len() == PLATFORM.len() => Some(first),
        second => second,
    }
}

/// The next word at or behind `from`, whatever quotes are in it.
fn word_from(value: &str, from: usize) -> Option<Range<usize>> {
    let rest = &value[from..];
    let start = rest.find(|character| !is_blank(character))?;
    let length = rest[start..].find(is_blank).unwrap_or(rest.len() - start);
    Some(from + start..from + start + length)
}

//! The instructions of a Dockerfile: comments left out, continued lines joined, where each one is.
//!
//! The rules are those of dockerfile-parse's `DockerfileParser.structure`. They are older than BuildKit's: an empty line
//! ends a continued instruction, an instruction that is still continued at the end of the file is dropped, and the lines
//! of a here-document are instructions like any other.

use std::ops::Range;

/// An instruction, its lines joined.
#[derive(Debug)]
pub(super) struct Statement<'a> {
    /// The first word, as it is written.
    pub keyword: &'a str,
    /// What follows it; blanks at the end may be left of the last continued line.
    pub value: String,
    /// The line on which it begins, from 1.
    pub line: usize,
    /// Its lines in the file: from the start of the first one to behind the end of the last one, comments between them
    /// included.
    pub span: Range<usize>,
    /// Where the text of each line came from, ascending.
    origins: Vec<Origin>,
}

/// Where a part of a value is from.
#[derive(Debug)]
struct Origin {
    /// Where it begins in the value.
    in_value: usize,
    /// Where it begins in the file.
    in_file: usize,
    /// The line, from 1.
    line: usize,
}

/// A line of the file with the `\n` at its end.
#[derive(Clone, Copy)]
struct Line<'a> {
    text: &'a str,
    /// From 1.
    number: usize,
    /// The offset of its first byte in the file.
    start: usize,
}

/// What is known between two lines.
struct Reader<'a> {
    /// The character that continues a line.
    escape: char,
    /// Whether only directives were seen so far, so that the next line may be one.
    directives: bool,
    /// The instruction that the last line continues.
    open: Option<Statement<'a>>,
    done: Vec<Statement<'a>>,
}

/// Splits a file into its instructions.
pub(super) fn statements(content: &str) -> Vec<Statement<'_>> {
    let mut reader = Reader { escape: '\\', directives: true, open: None, done: Vec::new() };
    let mut start = 0;
    for (number, text) in (1..).zip(content.split_inclusive('\n')) {
        reader.take(Line { text, number, start });
        start += text.len();
    }
    reader.done
}

/// What Python's `str.isspace` and its `\s` take for a blank: more than Unicode's `White_Space`.
pub(super) fn is_blank(character: char) -> bool {
    character.is_whitespace() || ('\x1c'..='\x1f').contains(&character)
}

impl Line<'_> {
    /// The offset behind its last byte in the file.
    fn end(&self) -> usize {
        self.start + self.text.len()
    }
}

impl<'a> Reader<'a> {
    fn take(&mut self, line: Line<'a>) {
        self.look_for_directive(line.text);
        if line.text.trim_start_matches(is_blank).starts_with('#') {
            return;
        }
        let statement = match self.open.take() {
            Some(statement) => statement.continued(line, self.escape),
            None => match Statement::begun(line, self.escape) {
                Some(statement) => statement,
                None => return,
            },
        };
        if line.text.trim_end_matches(is_blank).ends_with(self.escape) {
            self.open = Some(statement);
        } else {
            self.done.push(statement);
        }
    }

    fn look_for_directive(&mut self, line: &str) {
        if !self.directives {
            return;
        }
        match directive(line, "escape") {
            Some("\\") => self.escape = '\\',
            Some("`") => self.escape = '`',
            _ => self.directives = directive(line, "syntax").is_some(),
        }
    }
}

/// The value of the directive `# name=value`, if that is what the line is.
fn directive<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let text = line.trim_start_matches(is_blank).strip_prefix('#')?.trim_start_matches(is_blank);
    let (found, value) = text.split_once('=')?;
    let found = found.trim_end_matches(is_blank).chars().map(without_case);
    found.eq(name.chars()).then(|| value.trim_matches(is_blank))
}

/// The character that Python's `re.IGNORECASE` compares with: for it the long s is an s.
fn without_case(character: char) -> char {
    if character == 'ſ' { 's' } else { character.to_ascii_lowercase() }
}

impl<'a> Statement<'a> {
    /// `None` where the line is empty, or a lone word that not even a line feed follows.
    fn begun(line: Line<'a>, escape: char) -> Option<Statement<'a>> {
        let text = line.text.trim_start_matches(is_blank);
        let (keyword, rest) = text.split_at(text.find(is_blank)?);
        let rest = rest.trim_start_matches(is_blank);
        Some(Statement {
            keyword,
            value: without_escape(rest, escape).to_owned(),
            line: line.number,
            span: line.start..line.end(),
            origins: vec![Origin { in_value: 0, in_file: line.end() - rest.len(), line: line.number }],
        })
    }

    fn continued(mut self, line: Line<'a>, escape: char) -> Self {
        let text = if self.value.is_empty() { line.text.trim_start_matches(is_blank) } else { line.text };
        let (in_value, in_file) = (self.value.len(), line.end() - text.len());
        self.origins.push(Origin { in_value, in_file, line: line.number });
        self.value.push_str(without_escape(text, escape));
        self.span.end = line.end();
        self
    }

    /// The line that the byte of `value` at `offset` is from.
    pub(super) fn line_at(&self, offset: usize) -> usize {
        self.origin(offset).map_or(self.line, |origin| origin.line)
    }

    /// The bytes in the file that a part of `value` is from, those between its lines included.
    pub(super) fn in_file(&self, part: Range<usize>) -> Range<usize> {
        let place =
            |offset| self.origin(offset).map_or(self.span.end, |origin| origin.in_file + offset - origin.in_value);
        let start = place(part.start);
        start..part.end.checked_sub(1).map_or(start, |last| place(last) + 1).max(start)
    }

    fn origin(&self, offset: usize) -> Option<&Origin> {
        let behind = self.origins.partition_point(|origin| origin.in_value <= offset);
        behind.checked_sub(1).and_then(|at| self.origins.get(at))
    }
}

/// A line without the blanks at its end and the continuation character before them.
fn without_escape(text: &str, escape: char) -> &str {
    let text = text.trim_end_matches(is_blank);
    text.strip_suffix(escape).unwrap_or(text)
}

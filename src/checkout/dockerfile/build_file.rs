//! A Dockerfile as the build engine reads it: stages, and where each instruction is, for edits that leave the rest of the file
//! as its author wrote it.
//!
//! The reading is that of the crate parse-dockerfile, with here-documents taken out before, because it knows only those right
//! behind `RUN`. [`super::Dockerfile`] is the build service's reading of the same file; where the two differ, the service would
//! not have built what the author meant, which its `divergences` tell.

use std::collections::BTreeMap;
use std::ops::Range;

use parse_dockerfile::{Flag, Instruction as Parsed, Source};

use super::structure::statements;
use super::{engine, words};

/// A file as the engine reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildFile {
    /// The character that continues lines and quotes.
    pub escape: char,
    /// Its stages, in order.
    pub stages: Vec<Stage>,
    /// The line of the first here-document, from 1.
    pub here_document: Option<usize>,
    /// The `ARG`s before the first `FROM`, with their values where they have one.
    pub arguments: BTreeMap<String, String>,
}

/// A stage: a `FROM` and what follows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stage {
    /// The line of the `FROM`, from 1.
    pub line: usize,
    /// The image as it is written, variables and all.
    pub image: String,
    /// The bytes of the image in the file.
    pub image_span: Range<usize>,
    /// The value of `--platform=`.
    pub platform: Option<String>,
    /// The name behind `AS`.
    pub name: Option<String>,
    /// The byte behind the lines of the `FROM`.
    pub body: usize,
    /// Its other instructions.
    pub instructions: Vec<StageInstruction>,
}

/// An instruction of a stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StageInstruction {
    /// Its name in upper case.
    pub keyword: String,
    /// The line on which it begins, from 1.
    pub line: usize,
    /// Its own text as it is written, where anything is to be done with it (`USER`).
    pub text: String,
    /// The image that it takes files from (`COPY --from=`, `RUN --mount=from=`): a stage or an image.
    pub from: Vec<String>,
}

/// Why the engine would not build a file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BuildFileError {
    /// It is malformed.
    #[error("line {line}: {reason}")]
    Malformed {
        /// The line, from 1; 0 where it is about the whole file.
        line: usize,
        /// What parse-dockerfile says.
        reason: String,
    },
    /// An instruction goes on behind the end of the file: a continued line, or a here-document without its end.
    #[error("line {line}: the instruction goes on behind the end of the file")]
    Unfinished {
        /// The line, from 1.
        line: usize,
    },
    /// A variable of a `FROM` has no value.
    #[error("line {line}: FROM {image} uses the variable {variable}, which has no value")]
    Undefined {
        /// The line, from 1.
        line: usize,
        /// The image as it is written.
        image: String,
        /// The variable.
        variable: String,
    },
}

impl BuildFile {
    /// Reads a file.
    ///
    /// # Errors
    /// When the engine would refuse it.
    pub fn parse(content: &str) -> Result<BuildFile, BuildFileError> {
        let service = statements(content);
        let engine::Masked { text: masked, first: here_document, unfinished } = engine::masked(content, &service);
        if let Some(line) = unfinished {
            return Err(BuildFileError::Unfinished { line });
        }
        let start = masked.len() - masked.trim_start_matches(engine::BYTE_ORDER_MARK).len();
        let text = &masked[start..];
        let parsed = parse_dockerfile::parse(text)
            .map_err(|error| BuildFileError::Malformed { line: error.line(), reason: format!("{error:#}") })?;
        let escape = parsed.parser_directives.escape.as_ref().map_or('\\', |escape| escape.value.value);
        let mut file = BuildFile { escape, stages: Vec::new(), here_document, arguments: BTreeMap::new() };
        let lines = LineStarts::of(text);
        for instruction in &parsed.instructions {
            file.take(instruction, text, start, &lines);
        }
        if ends_continued(text, escape) {
            return Err(BuildFileError::Unfinished { line: lines.line(text.len().saturating_sub(1)) });
        }
        Ok(file)
    }

    fn take(&mut self, instruction: &Parsed, text: &str, start: usize, lines: &LineStarts) {
        match (instruction, self.stages.last_mut()) {
            (Parsed::From(from), _) => {
                let last = from.as_.as_ref().map_or(from.image.span.end, |(_, name)| name.span.end);
                let platform = from.options.iter().find(|option| option.name.value == "platform");
                self.stages.push(Stage {
                    line: lines.line(from.from.span.start),
                    image: from.image.value.to_string(),
                    image_span: start + from.image.span.start..start + from.image.span.end,
                    platform: platform.and_then(|option| Some(option.value.as_ref()?.value.to_string())),
                    name: from.as_.as_ref().map(|(_, name)| name.value.to_string()),
                    body: start + lines.behind(last, text.len()),
                    instructions: Vec::new(),
                });
            }
            (Parsed::Arg(arg), None) => self.argument(&arg.arguments.value),
            (other, Some(stage)) => {
                let Some(keyword) = engine::keyword(other) else { return };
                stage.instructions.push(StageInstruction {
                    keyword: text.get(keyword.span.clone()).unwrap_or_default().to_ascii_uppercase(),
                    line: lines.line(keyword.span.start),
                    text: own_text(other, text),
                    from: sources(other),
                });
            }
            (_, None) => {}
        }
    }

    /// `ARG A=1 B=$A`; one without a value has none here.
    fn argument(&mut self, written: &str) {
        for (_, word) in words::words(written) {
            let Some((name, value)) = word.split_once('=') else { continue };
            let unquoted: String = value.chars().filter(|character| !matches!(character, '"' | '\'')).collect();
            // What is not set is empty within another variable's value, as it is for the engine.
            let value = expand(&unquoted, &self.arguments).unwrap_or_default();
            self.arguments.insert(name.to_owned(), value);
        }
    }

    /// The image of a stage with its variables replaced.
    ///
    /// # Errors
    /// When a variable has no value.
    pub fn image(&self, stage: &Stage) -> Result<String, BuildFileError> {
        expand(&stage.image, &self.arguments).map_err(|variable| BuildFileError::Undefined {
            line: stage.line,
            image: stage.image.clone(),
            variable,
        })
    }

    /// The earlier stage that `image` names, for the stage at `at`.
    pub fn earlier_stage(&self, at: usize, image: &str) -> Option<usize> {
        let named = |stage: &Stage| stage.name.as_deref().is_some_and(|name| name.eq_ignore_ascii_case(image));
        self.stages.iter().take(at).position(named)
    }
}

/// `USER` is put back as it is written; nothing is done with others' texts.
fn own_text(instruction: &Parsed, text: &str) -> String {
    match instruction {
        Parsed::User(user) => text.get(user.user.span.start..user.arguments.span.end).unwrap_or_default().to_owned(),
        _ => String::new(),
    }
}

fn sources(instruction: &Parsed) -> Vec<String> {
    let value = |flag: &Flag| flag.value.as_ref().map(|value| value.value.to_string());
    match instruction {
        Parsed::Copy(copy) => {
            let from = copy.options.iter().filter(|flag| flag.name.value == "from");
            from.filter_map(value).filter(|_| copy.src.iter().any(|source| matches!(source, Source::Path(_)))).collect()
        }
        Parsed::Run(run) => {
            let mounts = run.options.iter().filter(|flag| flag.name.value == "mount").filter_map(value);
            mounts
                .filter_map(|mount| mount.split(',').find_map(|part| Some(part.strip_prefix("from=")?.to_owned())))
                .collect()
        }
        _ => Vec::new(),
    }
}

/// Whether the last line that is no comment ends with the escape character.
fn ends_continued(text: &str, escape: char) -> bool {
    let last = text.lines().rev().find(|line| !line.trim().is_empty() && !line.trim_start().starts_with('#'));
    last.is_some_and(|line| line.trim_end().ends_with(escape))
}

/// Replaces `$NAME`, `${NAME}`, `${NAME:-DEFAULT}`, `${NAME-DEFAULT}` and their `+` forms; a name that has no value is the error.
fn expand(text: &str, values: &BTreeMap<String, String>) -> Result<String, String> {
    let mut expanded = String::new();
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once('$') {
        expanded.push_str(before);
        let (name, modifier, after) = variable(behind);
        let value = values.get(name);
        match modifier.map(|modifier| (modifier.0, modifier.1, value)) {
            Some((":-", default, value)) => {
                expanded.push_str(value.filter(|value| !value.is_empty()).map_or(default, String::as_str));
            }
            Some(("-", default, value)) => expanded.push_str(value.map_or(default, String::as_str)),
            Some((_, alternative, Some(value))) if !value.is_empty() => expanded.push_str(alternative),
            Some(_) => {}
            None => expanded.push_str(value.filter(|value| !value.is_empty()).ok_or_else(|| name.to_owned())?),
        }
        rest = after;
    }
    expanded.push_str(rest);
    Ok(expanded)
}

/// The name behind a `$`, the modifier with its word, and what follows.
fn variable(text: &str) -> (&str, Option<(&str, &str)>, &str) {
    let of_name = |character: char| character.is_ascii_alphanumeric() || character == '_';
    let Some(braced) = text.strip_prefix('{') else {
        let end = text.find(|character| !of_name(character)).unwrap_or(text.len());
        return (&text[..end], None, &text[end..]);
    };
    let (inner, after) = braced.split_once('}').unwrap_or((braced, ""));
    let end = inner.find(|character| !of_name(character)).unwrap_or(inner.len());
    let (name, modifier) = inner.split_at(end);
    let known = [":-", ":+", "-", "+"].into_iter().find_map(|sign| Some((sign, modifier.strip_prefix(sign)?)));
    (name, known, after)
}

/// Where the lines of a text begin.
struct LineStarts(Vec<usize>);

impl LineStarts {
    fn of(text: &str) -> LineStarts {
        let behind_feeds = memchr::memchr_iter(b'\n', text.as_bytes()).map(|at| at + 1);
        LineStarts(std::iter::once(0).chain(behind_feeds).collect())
    }

    /// The line, from 1, of the byte at `at`.
    fn line(&self, at: usize) -> usize {
        self.0.partition_point(|start| *start <= at)
    }

    /// The byte behind the line that the byte before `at` is on.
    fn behind(&self, at: usize, length: usize) -> usize {
        self.0.get(self.line(at.saturating_sub(1))).copied().unwrap_or(length)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

    use super::*;

    #[test]
    fn stages_have_their_images_names_and_bodies() {
        let text = "# c\nARG V=42\nFROM --platform=linux/amd64 fedora:${V} \\\n  AS b\nRUN x \\\n\n y\nUSER 48 \nFROM b\nCOPY --from=quay.io/x:1 /a /b\nRUN --mount=type=bind,from=b,target=/x ls";
        let file = BuildFile::parse(text).unwrap();
        assert_eq!(file.stages.len(), 2);
        let first = &file.stages[0];
        assert_eq!(&text[first.image_span.clone()], "fedora:${V}");
        assert_eq!((first.line, first.platform.as_deref(), first.name.as_deref()), (3, Some("linux/amd64"), Some("b")));
        assert!(text[first.body..].starts_with("RUN x"));
        assert_eq!(file.image(first).unwrap(), "fedora:42");
        let user = &first.instructions[1];
        assert_eq!((user.keyword.as_str(), user.line, user.text.as_str()), ("USER", 8, "USER 48"));
        assert_eq!(file.earlier_stage(1, "B"), Some(0));
        let from: Vec<_> = file.stages[1].instructions.iter().flat_map(|found| found.from.clone()).collect();
        assert_eq!(from, ["quay.io/x:1", "b"]);
    }

    #[test]
    fn variables_of_from_are_replaced_as_the_engine_does() {
        let values = BTreeMap::from([("A".to_owned(), "1".to_owned()), ("E".to_owned(), String::new())]);
        for (text, expected) in [
            ("x:$A", Ok("x:1")),
            ("x:${A}.$A-y", Ok("x:1.1-y")),
            ("x:${B:-2}", Ok("x:2")),
            ("x:${E:-2}", Ok("x:2")),
            ("x:${E-2}", Ok("x:")),
            ("x:${A:+3}${B:+4}", Ok("x:3")),
            ("x:$B", Err("B")),
            ("x:${E}", Err("E")),
        ] {
            assert_eq!(expand(text, &values), expected.map(str::to_owned).map_err(str::to_owned), "{text}");
        }
    }

    #[test]
    fn here_documents_are_seen_and_do_not_make_stages() {
        let file = BuildFile::parse("FROM a\nRUN <<E\nFROM b\nE\nCOPY <<X /y\nhi\nX\nUSER 1\n").unwrap();
        assert_eq!((file.stages.len(), file.here_document), (1, Some(2)));
        assert_eq!(file.stages[0].instructions.last().unwrap().line, 8);
    }

    #[test]
    fn what_the_engine_refuses_has_a_line() {
        let error = |text| BuildFile::parse(text).unwrap_err().to_string();
        assert!(error("FROM a\nLABLE x=y\n").starts_with("line 2: "), "{}", error("FROM a\nLABLE x=y\n"));
        assert_eq!(error("FROM a\nRUN x \\\n"), "line 2: the instruction goes on behind the end of the file");
    }
}

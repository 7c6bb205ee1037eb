//! What a Dockerfile says: labels and base images, as Python's dockerfile-parse 2.0.1 sees them.
//!
//! That program is what the build service reads a Dockerfile with, so a Dockerfile is here what it is there, and not what
//! BuildKit would make of it: here-documents are not known (their lines are instructions), an empty line ends a continued
//! instruction, a byte order mark spoils the first instruction, `${NAME:-default}` is not a default. The line reader is
//! our own for this reason: the crate parse-dockerfile reads as BuildKit does and refuses what dockerfile-parse takes. It
//! tells where the two disagree ([`Divergence`]).
//!
//! Different on purpose: a `FROM` without an image is an error (dockerfile-parse starts a stage without a parent, or takes
//! the end of a lone `--platform=` for the image), and so are variables that expand without bound. Not followed: in the
//! name of a variable, combining vowel signs (as in Devanagari) count as letters; for Python they end the name.
//!
//! Nothing is checked that does not bear on labels and base images, and nothing is fetched: labels that a base image
//! brings along are not known.

mod build_file;
mod engine;
mod stages;
mod structure;
mod words;

use std::ops::Range;
use std::path::{Path, PathBuf};

use super::file;
pub use build_file::{BuildFile, BuildFileError, Stage, StageInstruction};
pub use engine::{Divergence, DivergenceKind};
use stages::Stages;

/// Longer files are refused, in bytes.
const LONGEST: u64 = 16 * 1024 * 1024;

/// A Dockerfile that was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Dockerfile {
    /// The labels of its last stage, in the order in which they were first set; variables are expanded.
    pub labels: Vec<Label>,
    /// One a stage, in order; variables are expanded.
    pub base_images: Vec<BaseImage>,
    /// All its instructions, known and unknown ones, in order.
    pub instructions: Vec<Instruction>,
    /// Where what makes the image reads the file otherwise, in the order of the lines.
    pub divergences: Vec<Divergence>,
}

/// Where an instruction is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instruction {
    /// Its first word in upper case, such as `FROM`.
    pub keyword: String,
    /// The line on which it begins, from 1.
    pub line: usize,
    /// Its bytes in the file: whole lines, with the line feed of the last one and with comments in between.
    pub span: Range<usize>,
}

/// A label of the image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// Its name.
    pub name: String,
    /// Its value, variables expanded, quotes removed.
    pub value: String,
    /// The line on which its name was last written, from 1; of a continued instruction not always the first one.
    pub line: usize,
    /// The bytes of its `NAME=VALUE` there, or in the old form of `NAME VALUE`, as they are written.
    pub span: Range<usize>,
}

/// The image of a stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseImage {
    /// As `FROM` names it, perhaps an earlier stage; empty where the variables in it are not set.
    pub image: String,
    /// The line of the `FROM`, from 1.
    pub line: usize,
    /// The bytes of the image in the file, as they are written.
    pub span: Range<usize>,
}

/// Why a Dockerfile could not be read.
#[derive(Debug, thiserror::Error)]
pub enum DockerfileError {
    /// Neither `Dockerfile` nor `Containerfile` is there.
    #[error("no Dockerfile in {folder}", folder = folder.display())]
    Missing {
        /// Where it was looked for.
        folder: PathBuf,
    },
    /// It is there and cannot be read.
    #[error("cannot read {path}", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// It holds something that is no Dockerfile.
    #[error("{file}:{line}: {what}", file = file.display())]
    Malformed {
        /// The file.
        file: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong there.
        what: String,
    },
}

impl Dockerfile {
    /// The file in a checkout: `Dockerfile`, else `Containerfile`.
    ///
    /// # Errors
    /// When there is neither.
    pub fn find(root: &Path) -> Result<PathBuf, DockerfileError> {
        let candidates = ["Dockerfile", "Containerfile"].map(|name| root.join(name));
        let found = candidates.into_iter().find(|path| path.is_file());
        found.ok_or_else(|| DockerfileError::Missing { folder: root.to_owned() })
    }

    /// Reads a file of a checkout.
    ///
    /// # Errors
    /// When it cannot be read, leads out of the checkout, is not UTF-8, or is no Dockerfile.
    pub fn read(root: &Path, path: &Path) -> Result<Dockerfile, DockerfileError> {
        let failed = |source| DockerfileError::Read { path: path.to_owned(), source };
        let bytes = file::read_whole(root, path, LONGEST).map_err(failed)?;
        Self::parse(&bytes, path)
    }

    /// Reads a file's content; `path` is for messages.
    ///
    /// # Errors
    /// When it is not UTF-8, or is no Dockerfile.
    pub fn parse(content: &[u8], path: &Path) -> Result<Dockerfile, DockerfileError> {
        Self::parse_with(content, path, &[])
    }

    /// Reads a file's content with the environment of the base image of its last stage, which labels may use.
    ///
    /// # Errors
    /// When it is not UTF-8, or is no Dockerfile.
    pub fn parse_with(
        content: &[u8],
        path: &Path,
        parent_env: &[(String, String)],
    ) -> Result<Dockerfile, DockerfileError> {
        let malformed = |line, what| DockerfileError::Malformed { file: path.to_owned(), line, what };
        let text = std::str::from_utf8(content).map_err(|error| {
            let before = content.get(..error.valid_up_to()).unwrap_or_default();
            malformed(1 + memchr::memchr_iter(b'\n', before).count(), "not UTF-8".to_owned())
        })?;
        let statements = structure::statements(text);
        let mut stages = Stages::with_parent_env(parent_env);
        for statement in &statements {
            stages.take(statement).map_err(|(line, problem)| malformed(line, problem.to_string()))?;
        }
        let divergences = engine::divergences(text, &statements);
        let instructions = statements.into_iter().map(|statement| Instruction {
            keyword: statement.keyword.to_uppercase(),
            line: statement.line,
            span: statement.span,
        });
        let instructions = instructions.collect();
        Ok(Dockerfile { labels: stages.labels, base_images: stages.base_images, instructions, divergences })
    }

    /// The value of a label.
    pub fn label(&self, name: &str) -> Option<&Label> {
        self.labels.iter().find(|label| label.name == name)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

    use std::time::Duration;

    use super::*;

    fn parse(text: &str) -> Dockerfile {
        Dockerfile::parse(text.as_bytes(), Path::new("Dockerfile")).unwrap()
    }

    fn labels(text: &str) -> Vec<(String, String, usize)> {
        parse(text).labels.into_iter().map(|label| (label.name, label.value, label.line)).collect()
    }

    fn images(text: &str) -> Vec<(String, usize)> {
        parse(text).base_images.into_iter().map(|base| (base.image, base.line)).collect()
    }

    #[test]
    fn labels_have_a_value_and_the_line_of_their_name() {
        type Expected = &'static [(&'static str, &'static str, usize)];
        let cases: &[(&str, Expected)] = &[
            ("LABEL a=1 b=2\n", &[("a", "1", 1), ("b", "2", 1)]),
            ("FROM x\n\nLABEL a=1 \\\n  b=2 \\\n  # c\n  c=3\n", &[("a", "1", 3), ("b", "2", 4), ("c", "3", 6)]),
            ("LABEL \\\n a=\\\n1\n", &[("a", "1", 2)]),
            ("LABEL a=1\nLABEL b=2\nLABEL a=3\n", &[("a", "3", 3), ("b", "2", 2)]),
            ("LABEL a b  c\n", &[("a", "b  c", 1)]),
            ("LABEL a\n", &[("a", "", 1)]),
            ("LABEL \"a b\"='c d' e=f\\ g\n", &[("a b", "c d", 1), ("e", "f g", 1)]),
            ("LABEL a=\"b \\\" \\c\"\n", &[("a", "b \" \\c", 1)]),
            ("LABEL a=1\nFROM x\nLABEL b=2\n", &[("b", "2", 3)]),
            ("label a=1\n", &[("a", "1", 1)]),
            ("LABEL a=1 \\\n\n b=2\n", &[("a", "1", 1)]),
            ("LABEL a=1 \\\n", &[]),
            ("# escape=`\nLABEL a=1 `\n b=2\n", &[("a", "1", 2), ("b", "2", 3)]),
        ];
        for (text, expected) in cases {
            let expected: Vec<_> = expected.iter().map(|&(n, v, line)| (n.to_owned(), v.to_owned(), line)).collect();
            assert_eq!(labels(text), expected, "{text:?}");
        }
    }

    #[test]
    fn variables_are_expanded_with_what_was_set_before_the_instruction() {
        let cases = [
            ("$A", "env"),
            ("${A}!", "env!"),
            ("'$A'", "$A"),
            ("\\$A", "$A"),
            ("\"\\$A\"", "\\$A"),
            ("$B", "arg"),
            ("$C", "env"),
            ("$D", "stage"),
            ("$G", ""),
            ("$none.", "."),
            ("${A:-d}", "env:-d}"),
            ("$A$B", "envarg"),
            ("$", ""),
        ];
        let before = "ARG D=global G=global\nFROM x\nENV A=env C=$A\nARG A=lost B=arg D=stage\nENV C=$A D=stage\n";
        for (written, expected) in cases {
            assert_eq!(parse(&format!("{before}LABEL v={written}\n")).label("v").unwrap().value, expected, "{written}");
        }
        assert_eq!(parse("ARG G=g\nFROM x\nARG G=s\nLABEL v=$G\n").label("v").unwrap().value, "g");
    }

    #[test]
    fn base_images_are_one_a_stage() {
        let cases: &[(&str, &[(&str, usize)])] = &[
            ("FROM a\nFROM b AS c\nFROM c\n", &[("a", 1), ("b", 2), ("c", 3)]),
            ("ARG T=1 R='r'\nFROM $R/a:${T}\nARG T=2\nFROM $R/b:${T}\n", &[("r/a:1", 2), ("r/b:1", 4)]),
            ("FROM --platform=linux/arm64 a\n", &[("a", 1)]),
            ("FROM --Platform=$X \\\n a\n", &[("a", 1)]),
            ("FROM --other=1 a\n", &[("--other=1", 1)]),
            ("FROM $unset\n", &[("", 1)]),
            ("RUN <<E\nfrom os import path\nE\n", &[("os", 2)]),
            ("FROM", &[]),
            ("FROM a \\\n", &[]),
        ];
        for (text, expected) in cases {
            let expected: Vec<_> = expected.iter().map(|&(image, line)| (image.to_owned(), line)).collect();
            assert_eq!(images(text), expected, "{text:?}");
        }
    }

    #[test]
    fn instructions_keep_their_bytes() {
        let text = "# c\nFROM a\n\nLABEL é=1 \\\n# c\n b=2\nRUN x";
        let found: Vec<_> = parse(text).instructions.into_iter().map(|found| text[found.span].to_owned()).collect();
        assert_eq!(found, ["FROM a\n", "LABEL é=1 \\\n# c\n b=2\n", "RUN x"]);
    }

    #[test]
    fn labels_and_base_images_keep_their_bytes() {
        let text = "\u{feff}ARG V=1\nFROM --platform=x \\\n # c\n  é:$V AS b\nLABEL\told  form \nLABEL a=1 \"b c\"='d \\\n e' \\\n\tf=g";
        let read = parse(text);
        let images: Vec<_> = read.base_images.iter().map(|base| &text[base.span.clone()]).collect();
        assert_eq!(images, ["é:$V"]);
        let labels: Vec<_> = read.labels.iter().map(|label| &text[label.span.clone()]).collect();
        assert_eq!(labels, ["old  form", "a=1", "\"b c\"='d \\\n e'", "f=g"]);
    }

    #[test]
    fn what_is_no_dockerfile_is_told_with_its_line() {
        let cases: &[(&[u8], &str)] = &[
            (b"FROM a\n\xff\n", "D:2: not UTF-8"),
            (b"\nFROM\n", "D:2: FROM names no image"),
            (b"FROM --platform=x\n", "D:1: FROM names no image"),
            (b"FROM a\nENV\n", "D:2: ENV names nothing: write ENV NAME=VALUE"),
            (b"label \n", "D:1: LABEL names nothing: write LABEL NAME=VALUE"),
            (
                b"LABEL a=b \\\n c d=e\n",
                "D:2: LABEL: \"c\" has no \"=\", and the words before it have: quote values that contain blanks",
            ),
        ];
        for (bytes, expected) in cases {
            assert_eq!(Dockerfile::parse(bytes, Path::new("D")).unwrap_err().to_string(), *expected);
        }
    }

    #[test]
    fn long_files_take_no_longer_than_their_length() {
        let patterns: [fn(usize) -> String; 10] = [
            |at| format!("RUN <<E{at}\n"),
            |_| "RUN a <<E\n\tE\n".to_owned(),
            |_| "LABEL a=${b:-c} \\\n".to_owned(),
            |at| format!("LABEL a{at}=${{b:\n"),
            |at| format!("FROM a AS s{at}\n"),
            |_| "\\\n".to_owned(),
            |_| "$".to_owned(),
            |_| "${b:".to_owned(),
            |_| "LABEL a=1 \\\n\n b=2\n".to_owned(),
            |_| "ONBUILD ".to_owned(),
        ];
        for pattern in patterns {
            let (short, long) = (work(pattern, 5_000), work(pattern, 20_000));
            // Four times the length: four times the work, or sixteen times where each line looks at all others.
            assert!(long < 9 * short, "{}: {short:?}, and {long:?} for four times as much", pattern(1));
        }
    }

    /// The time on a processor, which others on the machine have no part in, that so many repetitions take to read.
    fn work(pattern: fn(usize) -> String, times: usize) -> Duration {
        let text: String = (0..times).map(pattern).collect();
        let texts = [format!("FROM a\nLABEL a={text}"), format!("FROM a\n{text}")];
        let read = || {
            let begin = on_processor();
            for text in &texts {
                let _ = Dockerfile::parse(text.as_bytes(), Path::new("D"));
            }
            on_processor().checked_sub(begin).unwrap()
        };
        (0..3).map(|_| read()).min().unwrap_or_default().max(Duration::from_millis(1))
    }

    fn on_processor() -> Duration {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
        Duration::try_from(time).unwrap()
    }

    #[test]
    fn a_variable_that_doubles_on_every_line_does_not_fill_the_memory() {
        let text = format!("ENV a=0123456789\n{}", "ENV a=$a$a\n".repeat(100));
        let error = Dockerfile::parse(text.as_bytes(), Path::new("D")).unwrap_err().to_string();
        assert!(error.contains("variables expand to more than 16777216 bytes"), "{error}");
    }
}

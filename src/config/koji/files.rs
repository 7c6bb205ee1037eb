//! Which files hold Koji profiles, and in which order: Koji's `read_config` and `read_config_files`.

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::KojiRoots;
use crate::config::ConfigError;
use crate::config::ini::Ini;

/// Reads all files into one configuration, later ones over earlier ones, `[DEFAULT]` shared between them: the system's
/// folder, the system's file, then the user's folder and file, or `explicit` in their place.
pub(super) fn read_all(roots: &KojiRoots, explicit: Option<&Path>) -> Result<Ini, ConfigError> {
    let mut ini = Ini::new();
    for place in [roots.etc.join("koji.conf.d"), roots.etc.join("koji.conf")] {
        read_place(&mut ini, &place)?;
    }
    match (explicit, &roots.home) {
        (Some(path), home) => read_explicit(&mut ini, &expand_home(path, home.as_deref()))?,
        (None, Some(home)) => {
            read_place(&mut ini, &home.join(".koji/config.d"))?;
            read_place(&mut ini, &home.join(".koji/config"))?;
        }
        (None, None) => {}
    }
    Ok(ini)
}

/// A folder is read as its `*.conf` files sorted by name, a file as itself; what is neither is skipped.
fn read_place(ini: &mut Ini, place: &Path) -> Result<(), ConfigError> {
    if place.is_dir() {
        for file in conf_files(place)?.iter().filter(|file| file.is_file()) {
            ini.read_file(file)?;
        }
    } else if place.is_file() {
        ini.read_file(place)?;
    }
    Ok(())
}

/// As `read_place`, for a place that a user named: everything there must be readable, and something must be there.
fn read_explicit(ini: &mut Ini, place: &Path) -> Result<(), ConfigError> {
    let files = if place.is_dir() { conf_files(place)? } else { vec![place.to_owned()] };
    if files.is_empty() {
        return Err(ConfigError::EmptyKojiConfigFolder { path: place.to_owned() });
    }
    for path in files {
        if !path.is_file() || !ini.read_file(&path)? {
            let source = why_unreadable(ini, &path);
            return Err(ConfigError::MissingKojiConfig { path, source });
        }
    }
    Ok(())
}

fn why_unreadable(ini: &Ini, path: &Path) -> Option<Arc<io::Error>> {
    ini.unreadable().iter().find(|(unreadable, _)| unreadable == path).map(|(_, reason)| Arc::clone(reason))
}

fn conf_files(folder: &Path) -> Result<Vec<PathBuf>, ConfigError> {
    let unreadable = |source| ConfigError::UnreadableFolder { path: folder.to_owned(), source };
    let entries = std::fs::read_dir(folder).map_err(unreadable)?;
    let names = entries.map(|entry| entry.map(|entry| entry.file_name())).collect::<io::Result<Vec<OsString>>>();
    let mut names = names.map_err(unreadable)?;
    names.retain(|name| name.as_bytes().ends_with(b".conf"));
    names.sort();
    Ok(names.into_iter().map(|name| folder.join(name)).collect())
}

/// Replaces a leading `~` with the home folder. `~user` and an unknown home leave the path as it is.
pub(super) fn expand_home(path: &Path, home: Option<&Path>) -> PathBuf {
    match (path.strip_prefix("~"), home) {
        (Ok(below), Some(home)) => home.join(below),
        _ => path.to_owned(),
    }
}

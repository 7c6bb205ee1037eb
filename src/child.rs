//! Programs that this one starts: with the user's environment, and without what is only this program's in it.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use tokio::process::Command;

use crate::http::TRUST_FILE;

/// Variables with secrets that are for this program alone.
pub(crate) const SECRETS: [&str; 1] = ["FEDPKG_CONTAINER_BUILD_PASSWORD"];

/// A program in the user's environment. What this program has set for itself, and secrets that are meant for it, stay here.
pub(crate) fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    for name in foreign() {
        command.env_remove(name);
    }
    command
}

/// The variables that a child must not have.
pub(crate) fn foreign() -> impl Iterator<Item = &'static str> {
    // What `main` sets where the user has set nothing; it would leave a child without any certificates.
    let trust = std::env::var_os(TRUST_FILE).is_some_and(|file| file == "/dev/null");
    SECRETS.into_iter().chain(trust.then_some(TRUST_FILE))
}

/// Whether a program is in one of the folders of `PATH`.
pub(crate) fn is_in_path(program: &str) -> bool {
    in_path(Path::new(program)).is_some()
}

/// Where in the folders of `PATH` a program is.
pub(crate) fn in_path(program: &Path) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|path| path.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_taken_out_of_the_environment() {
        let command = command("env");
        let removed: Vec<_> = command.as_std().get_envs().filter(|(_, value)| value.is_none()).collect();
        assert!(removed.iter().any(|(name, _)| *name == SECRETS[0]), "{removed:?}");
    }
}

//! Programs that this one starts: with the user's environment, and without what is only this program's in it.

use std::ffi::OsStr;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::mpsc;
use std::time::Duration;

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

/// The most bytes of a short answer that are read.
const MOST_OF_AN_ANSWER: u64 = 64 * 1024;

/// What a program says that is to answer at once; `None` where there is no such program, or it takes longer than `within`.
pub(crate) fn answer(program: &str, arguments: &[&str], within: Duration) -> Option<String> {
    let mut command = command(program).into_std();
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().ok()?;
    let output = child.stdout.take()?;
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        let mut text = String::new();
        let read = output.take(MOST_OF_AN_ANSWER).read_to_string(&mut text);
        // Nobody listens any more when it came too late.
        let _ = tell.send(read.ok().map(|_| text));
    });
    let text = told.recv_timeout(within).ok().flatten();
    // Whatever it still does is of no interest, and it must not be left unwaited for.
    let _ = child.kill();
    let _ = child.wait();
    text
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
    fn an_answer_that_does_not_come_is_none() {
        let long = Duration::from_secs(600);
        assert_eq!(answer("sh", &["-c", "echo yes"], long).as_deref(), Some("yes\n"));
        assert_eq!(answer("sh", &["-c", "exec sleep 600"], Duration::from_millis(10)), None);
        assert_eq!(answer("/nowhere/getent", &[], long), None);
    }

    #[test]
    fn secrets_are_taken_out_of_the_environment() {
        let command = command("env");
        let removed: Vec<_> = command.as_std().get_envs().filter(|(_, value)| value.is_none()).collect();
        assert!(removed.iter().any(|(name, _)| *name == SECRETS[0]), "{removed:?}");
    }
}

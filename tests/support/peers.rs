//! The programs of others that ours is compared with: Python's koji, rpkg and dockerfile-parse, and system services.
//!
//! A machine that lacks one skips the test and says so on standard error; where `CI` is set nothing is skipped.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The Python interpreter of the virtual environment that holds the peers (`$PEERS_VENV`, else `target/peers`), where it
/// really has them all.
pub(crate) fn python() -> Option<PathBuf> {
    static FOUND: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    match FOUND.get_or_init(find_python) {
        Ok(python) => Some(python.clone()),
        Err(why) => {
            skip(why);
            None
        }
    }
}

fn find_python() -> Result<PathBuf, String> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python =
        std::env::var_os("PEERS_VENV").map_or_else(|| source.join("target/peers"), PathBuf::from).join("bin/python");
    let missing =
        |why: &str| format!("a Python with the peers ({}: {}; tests/setup.sh makes it)", python.display(), why);
    let check = Command::new(&python).arg(source.join("tests/support/peers.py")).output();
    let check = check.map_err(|error| missing(&error.to_string()))?;
    let words = String::from_utf8_lossy(&check.stderr);
    if check.status.success() { Ok(python) } else { Err(missing(words.lines().last().unwrap_or_default())) }
}

/// Finds a program on `PATH` or in the system's administration folders.
pub(crate) fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin"].map(PathBuf::from))
        .map(|folder| folder.join(name))
        .find(|candidate| candidate.exists());
    if found.is_none() {
        skip(name);
    }
    found
}

/// Whether a file that a test needs is there.
pub(crate) fn present(path: &Path) -> bool {
    let there = path.exists();
    if !there {
        skip(&path.display().to_string());
    }
    there
}

/// Says that a test is skipped for want of something, or fails where nothing is skipped.
pub(crate) fn skip(what: &str) {
    assert!(std::env::var_os("CI").is_none(), "{what} is missing, and in CI nothing is skipped");
    eprintln!("SKIPPED: {what} is missing on this machine");
}

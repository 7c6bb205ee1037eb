//! The programs of others that ours is compared with: Python's koji, rpkg and dockerfile-parse, and system services.
//!
//! A machine that lacks one skips the test and says so on standard error; where `CI` is set nothing is skipped.

use std::path::{Path, PathBuf};

/// The Python interpreter of the virtual environment that holds the peers: `$PEERS_VENV`, else `target/peers`.
pub fn python() -> Option<PathBuf> {
    let venv = std::env::var_os("PEERS_VENV")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("target/peers"), PathBuf::from);
    let python = venv.join("bin/python");
    present(&python).then_some(python)
}

/// Finds a program on `PATH` or in the system's administration folders.
pub fn program(name: &str) -> Option<PathBuf> {
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
pub fn present(path: &Path) -> bool {
    let there = path.exists();
    if !there {
        skip(&path.display().to_string());
    }
    there
}

fn skip(what: &str) {
    assert!(std::env::var_os("CI").is_none(), "{what} is missing, and in CI nothing is skipped");
    eprintln!("SKIPPED: {what} is missing on this machine");
}

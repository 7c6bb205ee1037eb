//! The arrows between the rooms of the crate point one way, as `src/lib.rs` says: each room may use only what is listed here.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The ground floor, which everyone may use.
const GROUND: [&str; 9] = ["address", "arch", "backoff", "child", "digest", "error", "event", "exit_code", "log_lines"];

/// A room, and the rooms it may use, besides the ground floor.
const ARROWS: &[(&str, &[&str])] = &[
    ("address", &[]),
    ("arch", &[]),
    ("backoff", &[]),
    ("builder", &[]),
    ("checkout", &["config"]),
    ("child", &["http"]),
    ("cli", &["config", "plugin", "credentials", "koji", "local", "submissions"]),
    (
        "commands",
        &[
            "builder",
            "checkout",
            "cli",
            "config",
            "credentials",
            "fetch",
            "gating",
            "http",
            "koji",
            "local",
            "osbs",
            "report",
            "request",
            "submissions",
        ],
    ),
    ("config", &[]),
    ("credentials", &[]),
    ("digest", &[]),
    ("error", &[]),
    ("event", &[]),
    ("exit_code", &[]),
    ("fetch", &["checkout", "http"]),
    ("gating", &["checkout", "http"]),
    ("http", &[]),
    ("koji", &["builder", "credentials", "http", "request"]),
    ("local", &["builder", "checkout", "config", "fetch", "http", "koji", "request"]),
    ("log_lines", &[]),
    ("osbs", &["builder", "checkout", "config", "credentials", "http", "request"]),
    ("plugin", &[]),
    ("report", &[]),
    ("request", &["checkout", "config"]),
    ("submissions", &[]),
];

#[test]
fn rooms_use_only_what_they_may() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&source, &mut files);
    let mut seen = BTreeSet::new();
    for file in files {
        let room = file.strip_prefix(&source).unwrap().components().next().unwrap().as_os_str().to_string_lossy();
        let room = room.trim_end_matches(".rs").to_owned();
        if room == "main" || room == "lib" {
            continue;
        }
        let allowed = ARROWS.iter().find(|(name, _)| *name == room).map(|(_, allowed)| *allowed);
        let allowed = allowed.unwrap_or_else(|| panic!("{room} is a new room: say what it may use"));
        seen.insert(room.clone());
        for used in fs::read_to_string(&file).unwrap().lines().filter_map(used_room) {
            let free = used == room || GROUND.contains(&used.as_str()) || allowed.contains(&used.as_str());
            assert!(free, "{} uses crate::{used}, and {room} may not", file.display());
        }
    }
    assert_eq!(seen.len(), ARROWS.len(), "every room that is listed is there");
}

/// The room that a line of code names after `use crate::`.
fn used_room(line: &str) -> Option<String> {
    let rest =
        line.trim_start().strip_prefix("use crate::").or_else(|| line.trim_start().strip_prefix("pub use crate::"))?;
    Some(rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect())
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

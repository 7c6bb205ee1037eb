//! The switch for automatic rebuilds, `[autorebuild] enabled` in `.osbs-repo-config` (`container-build-setup`).
//!
//! The behaviour is that of pyrpkg's `Commands.container_build_setup`, which writes the file anew through Python's
//! configparser and so loses comments and the case of keys. Here only the line that changes is changed; a new file has
//! the bytes that Python would write. Nothing is committed.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::{CheckoutError, file, git};
use crate::error::{Error, ErrorKind};

/// The file's name, at the top of the checkout.
pub const FILE_NAME: &str = ".osbs-repo-config";

/// Longer files are refused, in bytes.
const LONGEST: u64 = 1024 * 1024;

const SECTION: &str = "autorebuild";
const KEY: &str = "enabled";

/// Why the switch could not be read or set.
#[derive(Debug, thiserror::Error)]
pub enum AutorebuildError {
    /// The folder is not in a checkout that can be changed.
    #[error(transparent)]
    Checkout(#[from] CheckoutError),
    /// The file is there and could not be read.
    #[error("could not read {}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The file could not be written.
    #[error("could not write {}", .path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A line of the file is neither a section, nor a setting, nor a comment.
    #[error("{}, line {line}: neither a section nor a setting: {text:?}", .path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Number of the line, from 1.
        line: usize,
        /// The line.
        text: String,
    },
    /// The switch has a value that is neither yes nor no.
    #[error("Not a boolean: {value} ({KEY} in section [{SECTION}] of {})", .path.display())]
    NotBoolean {
        /// The file.
        path: PathBuf,
        /// The value.
        value: String,
    },
    /// The file was written and could not be added to git's index.
    #[error("wrote {}, but could not add it to git's index", .path.display())]
    Stage {
        /// The file.
        path: PathBuf,
        /// What libgit2 says.
        source: git2::Error,
    },
}

impl From<AutorebuildError> for Error {
    fn from(error: AutorebuildError) -> Self {
        match error {
            AutorebuildError::Checkout(error) => error.into(),
            AutorebuildError::Read { .. } | AutorebuildError::Write { .. } => Error::new(ErrorKind::Io, error),
            AutorebuildError::Malformed { .. } | AutorebuildError::NotBoolean { .. } => {
                Error::new(ErrorKind::Checkout, error)
            }
            AutorebuildError::Stage { ref path, .. } => {
                let hint = format!("git add {}", path.display());
                Error::new(ErrorKind::Io, error).hint(hint)
            }
        }
    }
}

/// Whether automatic rebuilds are on, as the file at the top of the checkout says; off when file, section or key is
/// missing. Outside a checkout, the file in `folder` itself counts.
///
/// # Errors
/// When the file is malformed, or cannot be read.
pub fn get(folder: &Path) -> Result<bool, AutorebuildError> {
    let root = match git::open(folder).and_then(|repository| git::work_tree(&repository, folder)) {
        Ok(root) => root,
        Err(CheckoutError::NotARepository { .. }) => folder.to_path_buf(),
        Err(error) => return Err(error.into()),
    };
    stored(&read(&root)?, &root.join(FILE_NAME)).map(Option::unwrap_or_default)
}

/// Turns automatic rebuilds on or off: changes the file at the top of the checkout that `folder` is in, all at once or not
/// at all, and adds it to git's index. Returns the file's absolute path. The caller commits.
///
/// # Errors
/// When there is no checkout, or the file is malformed or cannot be written or staged.
pub fn set(folder: &Path, enabled: bool) -> Result<PathBuf, AutorebuildError> {
    let repository = git::open(folder)?;
    let root = git::work_tree(&repository, folder)?;
    let (path, text) = (root.join(FILE_NAME), read(&root)?);
    let changed = with_switch(&text, enabled).map_err(|malformed| malformed.in_file(&path))?;
    replace(&path, &changed).map_err(|source| AutorebuildError::Write { path: path.clone(), source })?;
    let stage = || {
        let mut index = repository.index()?;
        index.add_path(Path::new(FILE_NAME))?;
        index.write()
    };
    stage().map_err(|source| AutorebuildError::Stage { path: path.clone(), source })?;
    Ok(path)
}

/// The text of the file at the top of a checkout; a missing file is an empty one.
fn read(root: &Path) -> Result<String, AutorebuildError> {
    let text = file::read_whole(root, FILE_NAME, LONGEST).and_then(|bytes| {
        String::from_utf8(bytes).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8"))
    });
    match text {
        Ok(text) => Ok(text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        Err(source) => Err(AutorebuildError::Read { path: root.join(FILE_NAME), source }),
    }
}

/// Puts `text` in the place of the file, keeping its permissions. A symbolic link is replaced and not followed: it may lead
/// out of the checkout.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    let mut new = tempfile::Builder::new();
    new.prefix(FILE_NAME);
    // A temporary file is private unless told otherwise; this is what an ordinary new file gets, less the umask.
    #[cfg(unix)]
    new.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut file = new.tempfile_in(path.parent().unwrap_or(Path::new(".")))?;
    file.write_all(text.as_bytes())?;
    if let Ok(old) = fs::metadata(path) {
        file.as_file().set_permissions(old.permissions())?;
    }
    file.persist(path)?;
    Ok(())
}

/// The switch as the text of the file at `path` has it; `None` when it is not there. Values of `[DEFAULT]` are inherited by the
/// section, if that exists.
///
/// This is the one place that knows how the value is read.
fn stored(text: &str, path: &Path) -> Result<Option<bool>, AutorebuildError> {
    let lines = scan(text).map_err(|malformed| malformed.in_file(path))?;
    let has_section = lines.iter().any(|line| matches!(line.kind, Kind::Section(SECTION)));
    let in_section = |section| lines.iter().position(|line| line.sets(section, KEY));
    let Some(at) = in_section(SECTION).or_else(|| in_section("DEFAULT")).filter(|_| has_section) else {
        return Ok(None);
    };
    let value = value_at(&lines, at);
    match value.to_lowercase().as_str() {
        "1" | "yes" | "true" | "on" => Ok(Some(true)),
        "0" | "no" | "false" | "off" => Ok(Some(false)),
        _ => Err(AutorebuildError::NotBoolean { path: path.to_path_buf(), value }),
    }
}

/// The value of the setting that begins at line `at`, continuation lines joined by newlines.
fn value_at(lines: &[Line<'_>], at: usize) -> String {
    let mut parts = Vec::new();
    if let Kind::Setting { value, .. } = &lines[at].kind {
        parts.push(*value);
    }
    for line in &lines[at + 1..] {
        match line.kind {
            Kind::Continuation => parts.push(line.text.trim()),
            Kind::Blank | Kind::Comment => {}
            Kind::Section(_) | Kind::Setting { .. } => break,
        }
    }
    parts.join("\n")
}

/// `text` with the switch set, and everything else as it was.
fn with_switch(text: &str, enabled: bool) -> Result<String, Malformed> {
    let lines = scan(text)?;
    let ending = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let setting = |indent: &str| format!("{indent}{KEY} = {enabled}{ending}");
    if let Some(at) = lines.iter().position(|line| line.sets(SECTION, KEY)) {
        return Ok(with_setting_replaced(&lines, at, &setting(lines[at].indent())));
    }
    let Some(header) = lines.iter().position(|line| matches!(line.kind, Kind::Section(SECTION))) else {
        let gap = match text {
            "" => "",
            _ if text.ends_with('\n') => ending,
            _ => &ending.repeat(2),
        };
        return Ok(format!("{text}{gap}[{SECTION}]{ending}{}{ending}", setting("")));
    };
    // With less indent than the next line has, the new setting would swallow that line as a continuation of its value.
    let next = lines[header + 1..].iter().find(|line| !matches!(line.kind, Kind::Blank | Kind::Comment));
    let (before, after) = lines.split_at(header + 1);
    let mut changed: String = before.iter().map(|line| line.text).collect();
    if !changed.ends_with('\n') {
        changed.push_str(ending);
    }
    changed.push_str(&setting(next.map_or("", Line::indent)));
    changed.extend(after.iter().map(|line| line.text));
    Ok(changed)
}

/// The text with the setting at line `at`, continuation lines included, in a new form.
fn with_setting_replaced(lines: &[Line<'_>], at: usize, setting: &str) -> String {
    let (before, rest) = lines.split_at(at);
    let next = rest[1..].iter().position(|line| matches!(line.kind, Kind::Section(_) | Kind::Setting { .. }));
    let (own, after) = rest.split_at(next.map_or(rest.len(), |next| next + 1));
    let kept = own[1..].iter().filter(|line| !matches!(line.kind, Kind::Continuation));
    let before = before.iter().map(|line| line.text);
    before.chain([setting]).chain(kept.chain(after).map(|line| line.text)).collect()
}

/// A line of the file, with its line ending.
struct Line<'a> {
    text: &'a str,
    /// The section the line is in.
    section: &'a str,
    kind: Kind<'a>,
}

/// What configparser takes a line for.
enum Kind<'a> {
    Blank,
    Comment,
    Section(&'a str),
    Setting {
        /// In lower case, as configparser compares keys.
        key: String,
        value: &'a str,
    },
    /// More of the value of the setting before it.
    Continuation,
}

impl Line<'_> {
    fn sets(&self, section: &str, name: &str) -> bool {
        self.section == section && matches!(&self.kind, Kind::Setting { key, .. } if key == name)
    }

    fn indent(&self) -> &str {
        &self.text[..width_of_indent(self.text)]
    }
}

/// A line that configparser would refuse.
#[derive(Debug)]
struct Malformed {
    line: usize,
    text: String,
}

impl Malformed {
    fn in_file(self, path: &Path) -> AutorebuildError {
        AutorebuildError::Malformed { path: path.to_path_buf(), line: self.line, text: self.text }
    }
}

/// Takes the text apart by the rules of Python's `RawConfigParser._read`.
fn scan(text: &str) -> Result<Vec<Line<'_>>, Malformed> {
    let mut lines = Vec::new();
    let mut section = None;
    // The indent of the setting that a deeper line would continue.
    let mut setting_indent = None;
    for (index, text) in text.split_inclusive('\n').enumerate() {
        let content = text.trim();
        let indent = width_of_indent(text);
        let malformed = || Malformed { line: index + 1, text: content.to_owned() };
        let kind = match content {
            "" => Kind::Blank,
            _ if content.starts_with(['#', ';']) => Kind::Comment,
            _ if setting_indent.is_some_and(|of_setting| indent > of_setting) => Kind::Continuation,
            _ => match section_name(content) {
                Some(name) => {
                    (section, setting_indent) = (Some(name), None);
                    Kind::Section(name)
                }
                None => {
                    setting_indent = Some(indent);
                    section.and_then(|_| setting(content)).ok_or_else(malformed)?
                }
            },
        };
        lines.push(Line { text, section: section.unwrap_or_default(), kind });
    }
    Ok(lines)
}

fn width_of_indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

/// The name in `[NAME]`; what follows the last bracket is ignored.
fn section_name(content: &str) -> Option<&str> {
    let (name, _) = content.strip_prefix('[')?.rsplit_once(']')?;
    (!name.is_empty()).then_some(name)
}

fn setting(content: &str) -> Option<Kind<'_>> {
    let (key, value) = content.split_once(['=', ':'])?;
    let key = key.trim().to_lowercase();
    (!key.is_empty()).then_some(Kind::Setting { key, value: value.trim() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn switch(text: &str) -> Result<Option<bool>, AutorebuildError> {
        stored(text, Path::new("f"))
    }

    #[test]
    fn the_switch_is_read_as_configparser_reads_it() {
        let cases = [
            ("", None),
            ("[autorebuild]\nenabled = true\n\n", Some(true)),
            ("[autorebuild]\nENABLED: Off", Some(false)),
            ("[autorebuild]\r\nenabled=1\r\n", Some(true)),
            ("[DEFAULT]\nenabled=yes\n[autorebuild]\n", Some(true)),
            ("[DEFAULT]\nenabled=yes\n", None),
            ("[DEFAULT]\nenabled=yes\n[autorebuild]\nenabled=no\n", Some(false)),
            ("[other]\nenabled = true\n[autorebuild]\n", None),
            ("[Autorebuild]\nenabled = true\n", None),
            ("[autorebuild] ; note\n# enabled = false\n  enabled = on\n", Some(true)),
            ("[autorebuild]\na = 1\n  enabled = true\n", None),
        ];
        for (text, expected) in cases {
            assert_eq!(switch(text).expect("readable"), expected, "{text:?}");
        }
    }

    #[test]
    fn a_value_that_is_no_boolean_is_named() {
        for (text, value) in [
            ("[autorebuild]\nenabled = maybe", "maybe"),
            ("[autorebuild]\nenabled = true ; note", "true ; note"),
            ("[autorebuild]\nenabled = true\n  more", "true\nmore"),
            ("[autorebuild]\nenabled =", ""),
        ] {
            let message = switch(text).expect_err("not a boolean").to_string();
            assert!(message.starts_with(&format!("Not a boolean: {value} (")), "{message}");
        }
    }

    #[test]
    fn malformed_lines_are_named_with_their_number() {
        for (text, line) in [("enabled = true", 1), ("[autorebuild]\nenabled", 2), ("[autorebuild]\n\n= true", 3)] {
            match switch(text) {
                Err(AutorebuildError::Malformed { line: found, .. }) => assert_eq!(found, line, "{text:?}"),
                other => panic!("{text:?} gave {other:?}"),
            }
        }
    }

    #[test]
    fn setting_the_switch_changes_one_line_only() {
        let cases = [
            ("", "[autorebuild]\nenabled = true\n\n"),
            ("[a]\nB = 1", "[a]\nB = 1\n\n[autorebuild]\nenabled = true\n\n"),
            ("# top\n[a]\nB = 1\n", "# top\n[a]\nB = 1\n\n[autorebuild]\nenabled = true\n\n"),
            ("[autorebuild]\n# why\nEnabled: no\nx = 1\n", "[autorebuild]\n# why\nenabled = true\nx = 1\n"),
            ("[autorebuild]\nenabled = no\n  way\n# note\n[b]\n", "[autorebuild]\nenabled = true\n# note\n[b]\n"),
            ("[autorebuild]", "[autorebuild]\nenabled = true\n"),
            ("[autorebuild]\n  x = 1\n", "[autorebuild]\n  enabled = true\n  x = 1\n"),
            ("[autorebuild]\r\nenabled=0\r\n", "[autorebuild]\r\nenabled = true\r\n"),
        ];
        for (before, after) in cases {
            let changed = with_switch(before, true).expect("well formed");
            assert_eq!(changed, after, "{before:?}");
            assert_eq!(switch(&changed).expect("readable"), Some(true), "{changed:?}");
            assert_eq!(with_switch(&changed, true).expect("well formed"), changed, "setting twice changes nothing");
        }
    }
}

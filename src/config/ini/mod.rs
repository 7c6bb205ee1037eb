//! INI files as Python's `configparser.ConfigParser` reads them, every value with the file and line it stands on.
//!
//! This is the dialect of rpkg and of Koji: strict, `BasicInterpolation`, `=` or `:`, full-line comments only, values that
//! go on over indented lines, and a `[DEFAULT]` section that every other section inherits. Several files are read into one
//! [`Ini`], later ones override earlier ones key by key. Nothing is written, and nothing is printed.
//!
//! # Why not the `ini` crate's parser
//!
//! Its engine (`ini::configparser`) gives values without lines, takes the last of two equal keys or sections without a
//! word, trims section names, makes a key without a delimiter a value of `None`, takes an indented `[` for a header where
//! Python sees a continuation, and does not read a file that ends its lines with CR alone. To tell those cases apart, each
//! line has to be classified before the engine sees it, and then nothing is left for the engine to parse. Its getters work
//! on values that were not interpolated, so they do not serve either. The reader here (`reader.rs`) is therefore ours; a
//! test compares it with Python on some thousand generated files.
//!
//! # Where it differs from Python on purpose
//!
//! * Two lines without a name (`= 1`) in a section are two malformed lines, not a duplicate of the empty key.
//! * Interpolation that would grow a value beyond [`MAX_EXPANSION`] bytes is an error instead of filling memory.
//! * Integers are written in ASCII digits and fit in 64 bits.
//! * Letters that only newer versions of Unicode pair as upper and lower case are folded here and not by older Pythons.

mod error;
mod interpolation;
mod reader;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Serialize, Serializer};

use crate::file;

pub use error::{BadLine, IniError};
pub use interpolation::{MAX_DEPTH, MAX_EXPANSION};

/// Name of the section that all others inherit.
pub const DEFAULT_SECTION: &str = "DEFAULT";

/// The place where a value stands.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(untagged)]
pub enum Origin {
    /// A line of a configuration file.
    Line {
        /// The file, under the name it was opened by.
        #[serde(serialize_with = "lossy_path")]
        file: Arc<Path>,
        /// The line that holds the key, counted from 1.
        line: usize,
    },
    /// This program, which has it where no file does.
    BuiltIn,
}

impl Origin {
    /// The line, where it is one of a file.
    pub fn line(&self) -> Option<usize> {
        match self {
            Origin::Line { line, .. } => Some(*line),
            Origin::BuiltIn => None,
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Line { file, line } => write!(f, "{}:{line}", file.display()),
            Origin::BuiltIn => f.write_str("built in"),
        }
    }
}

fn lossy_path<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&path.display())
}

/// A value as it stands in the file: trimmed, its continuation lines joined with newlines, not interpolated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawValue {
    /// The text.
    pub text: String,
    /// Where it stands.
    pub origin: Origin,
}

/// A typed value, the section it was looked up in, and where it stands. (An inherited value stands in another section,
/// `[DEFAULT]`.)
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sourced<T> {
    /// The value.
    pub value: T,
    /// The section it was looked up in.
    pub section: String,
    /// Where it stands.
    pub origin: Origin,
}

impl<T> Sourced<T> {
    /// The same place with another value.
    pub fn map<U>(self, convert: impl FnOnce(T) -> U) -> Sourced<U> {
        Sourced { value: convert(self.value), section: self.section, origin: self.origin }
    }
}

/// The keys of a section, in lower case.
type Options = BTreeMap<String, RawValue>;

/// The merged content of any number of files.
#[derive(Clone, Default)]
pub struct Ini {
    sections: BTreeMap<String, Options>,
    defaults: Options,
    files: Vec<PathBuf>,
    unreadable: Vec<(PathBuf, Arc<io::Error>)>,
}

impl Ini {
    /// A configuration without any section.
    pub fn new() -> Self {
        Ini::default()
    }

    /// Reads a file over what is there. `Ok(false)` when there is no such file, or when it cannot be read: Python's
    /// `ConfigParser.read` skips both silently; here the second is kept in [`Ini::unreadable`].
    ///
    /// # Errors
    ///
    /// When the file is not UTF-8 or not in the dialect. What was read before stays as it was.
    pub fn read_file(&mut self, path: &Path) -> Result<bool, IniError> {
        let bytes = match file::read(path, file::LONGEST) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => {
                self.unreadable.push((path.to_owned(), Arc::new(error)));
                return Ok(false);
            }
        };
        self.read_bytes(&bytes, path)?;
        Ok(true)
    }

    /// Reads the bytes of a file over what is there; `path` names it in origins and errors.
    ///
    /// # Errors
    ///
    /// When they are not UTF-8 or not in the dialect. What was read before stays as it was.
    pub fn read_bytes(&mut self, bytes: &[u8], path: &Path) -> Result<(), IniError> {
        let file: Arc<Path> = path.into();
        let text = str::from_utf8(bytes).map_err(|error| not_utf8(&file, bytes, &error))?;
        self.merge(reader::read(text, &file)?);
        self.files.push(path.to_owned());
        Ok(())
    }

    /// Reads text over what is there; `name` stands for the file in origins and errors.
    ///
    /// # Errors
    ///
    /// When the text is not in the dialect. What was read before stays as it was.
    pub fn read_str(&mut self, text: &str, name: &str) -> Result<(), IniError> {
        self.read_bytes(text.as_bytes(), Path::new(name))
    }

    /// Sets a value that holds where no file has one, inherited values included.
    pub(crate) fn set_built_in(&mut self, section: &str, key: &str, text: &str) {
        let options = self.sections.entry(section.to_owned()).or_default();
        if !options.contains_key(key) && !self.defaults.contains_key(key) {
            options.insert(key.to_owned(), RawValue { text: text.to_owned(), origin: Origin::BuiltIn });
        }
    }

    fn merge(&mut self, read: BTreeMap<String, Options>) {
        for (section, options) in read {
            if section == DEFAULT_SECTION {
                self.defaults.extend(options);
            } else {
                self.sections.entry(section).or_default().extend(options);
            }
        }
    }

    /// The files that were read, in that order.
    pub fn files(&self) -> &[PathBuf] {
        &self.files
    }

    /// The files that exist but could not be read, each with the reason.
    pub fn unreadable(&self) -> &[(PathBuf, Arc<io::Error>)] {
        &self.unreadable
    }

    /// The names of all sections but `DEFAULT`, sorted.
    pub fn sections(&self) -> impl Iterator<Item = &str> {
        self.sections.keys().map(String::as_str)
    }

    /// Whether there is such a section. `DEFAULT` is not one. Names are case-sensitive.
    pub fn has_section(&self, section: &str) -> bool {
        self.sections.contains_key(section)
    }

    /// Whether the section has the key, by itself or inherited. A section that does not exist inherits nothing.
    pub fn has_option(&self, section: &str, key: &str) -> bool {
        self.raw(section, key).is_some()
    }

    /// The value as it stands in the file. Keys are folded to lower case. `DEFAULT` can be asked for by its name.
    pub fn raw(&self, section: &str, key: &str) -> Option<&RawValue> {
        self.lookup(section, &key.to_lowercase())
    }

    /// As [`Ini::raw`], but only what the section has by itself.
    pub fn own(&self, section: &str, key: &str) -> Option<&RawValue> {
        self.options(section)?.get(&key.to_lowercase())
    }

    /// The interpolated value; `None` when section or key are missing.
    ///
    /// # Errors
    ///
    /// When a `%` in the value, or in one that it refers to, cannot be replaced.
    pub fn get(&self, section: &str, key: &str) -> Result<Option<Sourced<String>>, IniError> {
        let key = key.to_lowercase();
        let Some(raw) = self.lookup(section, &key) else { return Ok(None) };
        let value = interpolation::expand(section, &key, raw, |name| self.lookup(section, name))?;
        Ok(Some(Sourced { value, section: section.to_owned(), origin: raw.origin.clone() }))
    }

    /// The interpolated value as a boolean: `1/yes/true/on` or `0/no/false/off` in any case.
    ///
    /// # Errors
    ///
    /// When the value cannot be interpolated, or is another word.
    pub fn boolean(&self, section: &str, key: &str) -> Result<Option<Sourced<bool>>, IniError> {
        self.typed(section, key, parse_boolean, |origin, section, key, value| IniError::NotABoolean {
            origin,
            section,
            key,
            value,
        })
    }

    /// The interpolated value as an integer in Python's notation: a sign, decimal digits, single underscores between them.
    ///
    /// # Errors
    ///
    /// When the value cannot be interpolated, or is not an integer of 64 bits.
    pub fn int(&self, section: &str, key: &str) -> Result<Option<Sourced<i64>>, IniError> {
        self.typed(section, key, parse_int, |origin, section, key, value| IniError::NotAnInteger {
            origin,
            section,
            key,
            value,
        })
    }

    fn typed<T>(
        &self,
        section: &str,
        key: &str,
        parse: impl FnOnce(&str) -> Option<T>,
        error: impl FnOnce(Origin, String, String, String) -> IniError,
    ) -> Result<Option<Sourced<T>>, IniError> {
        let Some(text) = self.get(section, key)? else { return Ok(None) };
        match parse(&text.value) {
            Some(value) => Ok(Some(Sourced { value, section: text.section, origin: text.origin })),
            None => Err(error(text.origin, text.section, key.to_lowercase(), text.value)),
        }
    }

    /// All keys of a section with their interpolated values, inherited ones included. `None` when there is no such section.
    ///
    /// # Errors
    ///
    /// When one of the values cannot be interpolated.
    pub fn items(&self, section: &str) -> Result<Option<BTreeMap<String, Sourced<String>>>, IniError> {
        let Some(keys) = self.keys(section) else { return Ok(None) };
        let value = |key: &str| Ok(self.get(section, key)?.map(|value| (key.to_owned(), value)));
        keys.into_iter().filter_map(|key| value(key).transpose()).collect::<Result<_, _>>().map(Some)
    }

    /// The keys of a section, inherited ones included. `None` when there is no such section.
    pub fn keys(&self, section: &str) -> Option<BTreeSet<&str>> {
        let own = self.options(section)?;
        Some(own.keys().chain(self.defaults.keys()).map(String::as_str).collect())
    }

    /// The keys whose values go into the interpolated value of `key`, directly or through others, as far as they can be
    /// followed. The key itself is not among them unless it refers to itself.
    pub fn references(&self, section: &str, key: &str) -> BTreeSet<String> {
        let key = key.to_lowercase();
        let mut seen = BTreeSet::new();
        if let Some(raw) = self.lookup(section, &key) {
            // An expansion that fails has still told what it looked up, which is all that is asked here.
            let _ = interpolation::expand(section, &key, raw, |name| {
                seen.insert(name.to_owned());
                self.lookup(section, name)
            });
        }
        seen
    }

    fn options(&self, section: &str) -> Option<&Options> {
        if section == DEFAULT_SECTION { Some(&self.defaults) } else { self.sections.get(section) }
    }

    /// As `raw`, for a key that is in lower case already.
    fn lookup(&self, section: &str, key: &str) -> Option<&RawValue> {
        self.options(section)?.get(key).or_else(|| self.defaults.get(key))
    }
}

/// Names of files and sections only: values may be secrets.
impl fmt::Debug for Ini {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sections: Vec<&str> = self.sections().collect();
        f.debug_struct("Ini").field("files", &self.files).field("sections", &sections).finish_non_exhaustive()
    }
}

fn not_utf8(file: &Arc<Path>, bytes: &[u8], error: &std::str::Utf8Error) -> IniError {
    let good = &bytes[..error.valid_up_to()];
    IniError::NotUtf8 {
        origin: Origin::Line { file: Arc::clone(file), line: 1 + good.iter().filter(|&&byte| byte == b'\n').count() },
        offset: error.valid_up_to(),
    }
}

fn parse_boolean(word: &str) -> Option<bool> {
    match word.to_lowercase().as_str() {
        "1" | "yes" | "true" | "on" => Some(true),
        "0" | "no" | "false" | "off" => Some(false),
        _ => None,
    }
}

/// Python's `int(text)`, without digits outside ASCII.
fn parse_int(text: &str) -> Option<i64> {
    let text = text.trim_matches(reader::is_space);
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let well_placed = digits.split('_').all(|group| !group.is_empty() && group.bytes().all(|b| b.is_ascii_digit()));
    if well_placed { text.replace('_', "").parse().ok() } else { None }
}

#[cfg(test)]
mod tests;

//! What can be wrong in an INI file, always with the file and the line.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use thiserror::Error;

use super::{Origin, interpolation};

/// Reasons why a file or a value cannot be used. Values are not quoted where they may be passwords.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum IniError {
    /// The file is not text (Python: `UnicodeDecodeError`).
    #[error("{origin}: not UTF-8 text (byte {offset} of the file)")]
    NotUtf8 {
        /// Where the first wrong byte stands.
        origin: Origin,
        /// Its distance from the start of the file, in bytes.
        offset: usize,
    },
    /// Something stands before the first section (Python: `MissingSectionHeaderError`).
    #[error("{origin}: {} before the first [section]", if *.byte_order_mark { "a byte order mark" } else { "text" })]
    MissingSectionHeader {
        /// The first such line.
        origin: Origin,
        /// Whether it begins with a byte order mark, which Python does not take for white space.
        byte_order_mark: bool,
    },
    /// Lines that are neither a section, nor a key with a value, nor a continuation (Python: `ParsingError`).
    #[error("{}: not a `key = value` line: {}", place(file, lines), Lines(lines))]
    Parsing {
        /// The file.
        file: Arc<Path>,
        /// All such lines of the file, in order; at least one.
        lines: Vec<BadLine>,
    },
    /// A section appears twice in one file (Python: `DuplicateSectionError`).
    #[error("{origin}: section [{section}] already exists, it began at line {first}")]
    DuplicateSection {
        /// The second header.
        origin: Origin,
        /// The line of the first header.
        first: usize,
        /// The section.
        section: String,
    },
    /// A key appears twice in a section of one file (Python: `DuplicateOptionError`).
    #[error("{origin}: `{key}` in section [{section}] already exists, it was set at line {first}")]
    DuplicateOption {
        /// The second one.
        origin: Origin,
        /// The line of the first one.
        first: usize,
        /// The section.
        section: String,
        /// The key.
        key: String,
    },
    /// `%(name)s` names a key that there is not (Python: `InterpolationMissingOptionError`).
    #[error(
        "Bad value substitution: option '{key}' in section '{section}' contains an interpolation key '{reference}' \
         which is not a valid option name ({origin})"
    )]
    InterpolationMissing {
        /// Where the value stands that was asked for.
        origin: Origin,
        /// The section.
        section: String,
        /// The key that was asked for.
        key: String,
        /// The name that was not found, in lower case.
        reference: String,
    },
    /// A `%` that is neither `%%` nor `%(name)s` (Python: `InterpolationSyntaxError`).
    #[error("'%' must be followed by '%' or '(': option '{key}' in section '{section}' ({origin})")]
    InterpolationSyntax {
        /// Where the value stands that was asked for.
        origin: Origin,
        /// The section.
        section: String,
        /// The key that was asked for.
        key: String,
    },
    /// Values refer to each other in too many steps, or in a circle (Python: `InterpolationDepthError`).
    #[error(
        "Recursion limit exceeded in value substitution: option '{key}' in section '{section}' contains an \
         interpolation key which cannot be substituted in {} steps ({origin})",
        interpolation::MAX_DEPTH
    )]
    InterpolationDepth {
        /// Where the value stands that was asked for.
        origin: Origin,
        /// The section.
        section: String,
        /// The key that was asked for.
        key: String,
    },
    /// Replacing would make a value of unreasonable size (Python goes on until memory is full).
    #[error(
        "option '{key}' in section '{section}' grows beyond {} bytes by substitution ({origin})",
        interpolation::MAX_EXPANSION
    )]
    InterpolationSize {
        /// Where the value stands that was asked for.
        origin: Origin,
        /// The section.
        section: String,
        /// The key that was asked for.
        key: String,
    },
    /// A boolean was expected (Python: `ValueError`).
    #[error("Not a boolean: {} ({origin}, `{key}` of [{section}])", value.escape_debug())]
    NotABoolean {
        /// Where the value stands.
        origin: Origin,
        /// The section.
        section: String,
        /// The key.
        key: String,
        /// The interpolated value.
        value: String,
    },
    /// An integer was expected.
    #[error("value for {key} config option must be a valid integer, not `{}` ({origin})", value.escape_debug())]
    NotAnInteger {
        /// Where the value stands.
        origin: Origin,
        /// The section.
        section: String,
        /// The key.
        key: String,
        /// The interpolated value.
        value: String,
    },
}

impl IniError {
    /// The place to look at.
    pub fn origin(&self) -> Origin {
        match self {
            IniError::Parsing { file, lines } => {
                Origin::Line { file: Arc::clone(file), line: lines.first().map_or(1, |bad| bad.line) }
            }
            IniError::NotUtf8 { origin, .. }
            | IniError::MissingSectionHeader { origin, .. }
            | IniError::DuplicateSection { origin, .. }
            | IniError::DuplicateOption { origin, .. }
            | IniError::InterpolationMissing { origin, .. }
            | IniError::InterpolationSyntax { origin, .. }
            | IniError::InterpolationDepth { origin, .. }
            | IniError::InterpolationSize { origin, .. }
            | IniError::NotABoolean { origin, .. }
            | IniError::NotAnInteger { origin, .. } => origin.clone(),
        }
    }
}

/// A line that fits nowhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadLine {
    /// Its number, from 1.
    pub line: usize,
    /// Its text, trimmed and cut to [`BadLine::SHOWN`] characters.
    pub text: String,
}

impl BadLine {
    /// How many characters of a malformed line are kept for the message.
    pub const SHOWN: usize = 60;

    pub(super) fn new(line: usize, text: &str) -> Self {
        BadLine { line, text: text.chars().take(Self::SHOWN).collect() }
    }
}

fn place(file: &Path, lines: &[BadLine]) -> String {
    match lines.first() {
        Some(bad) => format!("{}:{}", file.display(), bad.line),
        None => file.display().to_string(),
    }
}

/// The first malformed line in full, the numbers of the others.
struct Lines<'a>(&'a [BadLine]);

impl fmt::Display for Lines<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((first, others)) = self.0.split_first() else { return Ok(()) };
        write!(f, "`{}`", first.text.escape_debug())?;
        for (index, bad) in others.iter().take(OTHERS_SHOWN).enumerate() {
            write!(f, "{}{}", if index == 0 { "; also line " } else { ", " }, bad.line)?;
        }
        if others.len() > OTHERS_SHOWN { write!(f, " and {} more", others.len() - OTHERS_SHOWN) } else { Ok(()) }
    }
}

/// How many further line numbers a message lists.
const OTHERS_SHOWN: usize = 5;

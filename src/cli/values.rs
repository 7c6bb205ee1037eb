//! Reading the values of options, with argparse's words for what is wrong with them.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use serde_json::{Map, Value as Json};
use thiserror::Error;
use url::Url;

use crate::address::Address;
use crate::builders;
use crate::credentials::Secret;
use crate::event::BuilderName;

/// Why a value was not understood. The option's name is put before it (`argument --compose-id: …`).
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ValueError {
    /// Not what Python's `int()` reads, or beyond 64 bits.
    #[error("invalid int value: '{0}'")]
    Int(String),
    /// Not a number of seconds.
    #[error("invalid number of seconds: '{0}'")]
    Seconds(String),
    /// `--path` leads nowhere (pyrpkg's `utils.validate_path`).
    #[error("given path '{}' doesn't exist", .0.display())]
    NoSuchPath(PathBuf),
    /// `--userdata` is not a JSON object.
    #[error("not a JSON object: {0}")]
    Json(String),
    /// Nothing that could name a build.
    #[error("an empty text names no build")]
    NoBuild,
}

/// Reads what Python's `int()` does: blanks around it, a sign, single underscores between digits; no other bases.
pub(super) fn python_int(text: &str) -> Result<i64, ValueError> {
    let invalid = || ValueError::Int(text.to_owned());
    let number = text.trim();
    let digits = number.strip_prefix(['+', '-']).unwrap_or(number);
    let groups_are_digits =
        digits.split('_').all(|group| !group.is_empty() && group.bytes().all(|b| b.is_ascii_digit()));
    if !groups_are_digits {
        return Err(invalid());
    }
    number.replace('_', "").parse().map_err(|_| invalid())
}

/// Reads whole seconds.
pub(super) fn seconds(text: &str) -> Result<Duration, ValueError> {
    text.parse().map(Duration::from_secs).map_err(|_| ValueError::Seconds(text.to_owned()))
}

/// Takes a path that exists and makes it absolute.
pub(super) fn existing_path(text: OsString) -> Result<PathBuf, ValueError> {
    let given = PathBuf::from(text);
    let absolute = std::path::absolute(&given).unwrap_or(given);
    if absolute.exists() { Ok(absolute) } else { Err(ValueError::NoSuchPath(absolute)) }
}

/// Reads a JSON object.
pub(super) fn json_object(text: &str) -> Result<Map<String, Json>, ValueError> {
    serde_json::from_str(text).map_err(|error| ValueError::Json(error.to_string()))
}

/// Names a build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BuildRef {
    /// What its server calls it: a Koji task id, a PipelineRun's name.
    Id(String),
    /// A page about it.
    Page(Address),
}

/// Reads what names a build: `https://…` is a page, everything else an id.
pub(super) fn build_ref(text: &str) -> Result<BuildRef, ValueError> {
    match Url::parse(text) {
        _ if text.is_empty() => Err(ValueError::NoBuild),
        Ok(url) if url.has_host() => Ok(BuildRef::Page(url.into())),
        _ => Ok(BuildRef::Id(text.to_owned())),
    }
}

/// Reads the name of a builder.
pub(super) fn builder() -> impl TypedValueParser<Value = BuilderName> {
    PossibleValuesParser::new(builders::names()).map(|name| BuilderName(name.into()))
}

/// Takes a secret out of sight. Never fails; clap wants a `Result`.
pub(super) fn secret(text: &str) -> Result<Secret, ValueError> {
    Ok(Secret::new(text))
}

/// Makes an empty text one that was not given.
pub(super) fn drop_empty(text: &mut Option<String>) {
    text.take_if(|text| text.is_empty());
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

    use super::*;

    #[test]
    fn integers_are_read_as_python_reads_them() {
        let cases = [
            ("10", Some(10)),
            ("1_0", Some(10)),
            ("-5", Some(-5)),
            ("+5", Some(5)),
            (" 7\n", Some(7)),
            ("007", Some(7)),
            ("-1_000_000", Some(-1_000_000)),
            ("9223372036854775807", Some(i64::MAX)),
            ("0x1", None),
            ("abc", None),
            ("", None),
            (" ", None),
            ("-", None),
            ("_1", None),
            ("1_", None),
            ("1__0", None),
            ("- 1", None),
            ("--1", None),
            ("+-1", None),
            ("1.0", None),
            ("1e3", None),
            ("9223372036854775808", None),
        ];
        for (text, expected) in cases {
            assert_eq!(python_int(text).ok(), expected, "{text:?}");
        }
        assert_eq!(python_int("0x1").unwrap_err().to_string(), "invalid int value: '0x1'");
    }

    #[test]
    fn a_build_is_named_by_its_id_or_a_page() {
        let page = "https://koji.example.org/koji/taskinfo?taskID=42";
        for (text, expected) in [
            ("123", BuildRef::Id("123".into())),
            (page, BuildRef::Page(page.parse().unwrap())),
            ("foo-f42-x7w2p", BuildRef::Id("foo-f42-x7w2p".into())),
            ("a:b", BuildRef::Id("a:b".into())),
        ] {
            assert_eq!(build_ref(text), Ok(expected), "{text}");
        }
        assert_eq!(build_ref(""), Err(ValueError::NoBuild));
    }

    #[test]
    fn userdata_is_an_object() {
        assert_eq!(json_object(r#"{"a": [1]}"#).unwrap().len(), 1);
        for text in ["", "[]", "1", "{", "{a: 1}", "null"] {
            assert!(matches!(json_object(text), Err(ValueError::Json(_))), "{text}");
        }
    }
}

//! Files for the hub: archives, checksums, and texts that databases take.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use openssl::hash::{Hasher, MessageDigest};
use serde_json::{Map, Value, json};

use super::{ImportError, file_error};
use crate::blocking::{self, Stop};
use crate::digest::hex;

/// What every file has: name, size and checksum. MD5 is the kind that all hubs take.
pub(super) async fn described(path: &Path, name: &str, buildroot: String) -> Result<Map<String, Value>, ImportError> {
    let file = path.to_owned();
    let hashed = blocking::run(move |stop| md5(&file, stop));
    let (size, checksum) = hashed.await.map_err(|error| file_error(name, error))?;
    let members = [
        ("buildroot_id", json!(buildroot)),
        ("filename", json!(name)),
        ("filesize", json!(size)),
        ("checksum", json!(checksum)),
        ("checksum_type", json!("md5")),
    ];
    Ok(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

fn md5(path: &Path, stop: &Stop) -> io::Result<(u64, String)> {
    let mut file = File::open(path)?;
    let mut hasher = Hasher::new(MessageDigest::md5()).map_err(io::Error::other)?;
    let mut buffer = vec![0; 1 << 16];
    let mut size = 0;
    loop {
        stop.check()?;
        let read = file.read(&mut buffer)?;
        if read == 0 {
            break;
        }
        size += read as u64;
        hasher.update(&buffer[..read]).map_err(io::Error::other)?;
    }
    let digest = hasher.finish().map_err(io::Error::other)?;
    Ok((size, hex(&digest)))
}

/// A compressed archive with one file.
pub(super) fn placeholder(path: &Path, text: &str) -> io::Result<()> {
    let mut archive = tar::Builder::new(GzEncoder::new(File::create(path)?, Compression::default()));
    let mut header = tar::Header::new_gnu();
    header.set_size(text.len() as u64);
    header.set_mode(0o644);
    archive.append_data(&mut header, "README", text.as_bytes())?;
    archive.into_inner()?.finish()?.sync_all()
}

pub(super) fn compress(from: &Path, to: &Path, stop: &Stop) -> io::Result<()> {
    let mut encoder = GzEncoder::new(File::create(to)?, Compression::default());
    blocking::copy(&mut File::open(from)?, &mut encoder, stop)?;
    encoder.finish()?;
    fs::remove_file(from)
}

/// Escapes control characters, which hubs' databases and XML do not take (`escape_non_printable_chars`).
pub(super) fn printable(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(escaped(&text)),
        Value::Array(items) => Value::Array(items.into_iter().map(printable).collect()),
        Value::Object(map) => {
            Value::Object(map.into_iter().map(|(name, value)| (escaped(&name), printable(value))).collect())
        }
        other => other,
    }
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() && !matches!(character, '\t' | '\n' | '\r') {
            escaped.extend(character.escape_default());
        } else {
            escaped.push(character);
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

    use super::*;

    #[test]
    fn control_characters_are_escaped_everywhere() {
        let value = json!({"a\u{1}": ["x\u{1b}[0m\n", 1, null]});
        assert_eq!(printable(value), json!({"a\\u{1}": ["x\\u{1b}[0m\n", 1, null]}));
    }

    #[test]
    fn the_placeholder_is_an_archive_with_one_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.tar.gz");
        placeholder(&path, "hello\n").unwrap();
        let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(File::open(&path).unwrap()));
        let mut entry = archive.entries().unwrap().next().unwrap().unwrap();
        let mut text = String::new();
        entry.read_to_string(&mut text).unwrap();
        assert_eq!((entry.path().unwrap().to_str().unwrap(), text.as_str()), ("README", "hello\n"));
        assert_eq!(md5(&path, &Stop::default()).unwrap().0, fs::metadata(&path).unwrap().len());
    }
}

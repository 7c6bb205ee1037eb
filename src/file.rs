//! Reading a file that somebody named: a pipe or a device is not waited for, and nothing is read without end.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read as _};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use rustix::fs::OFlags;

/// The most bytes that a file of configuration, certificates or credentials may have. Bundles of certificates are the largest, with one.
pub(crate) const LONGEST: u64 = 16 << 20;

/// Opens a regular file. The null device stands for an empty one, as those have it who want no file.
///
/// # Errors
/// When there is none, or it is something else.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    let file = open_with(path, OFlags::empty())?;
    let metadata = file.metadata()?;
    let is_null = || metadata.file_type().is_char_device() && metadata.rdev() == rustix::fs::makedev(1, 3);
    if metadata.is_file() || is_null() { Ok(file) } else { Err(irregular()) }
}

/// Opens a regular file and nothing else, with more flags.
///
/// # Errors
/// When there is none, or it is something else.
pub(crate) fn open_regular(path: &Path, flags: OFlags) -> io::Result<File> {
    let file = open_with(path, flags)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(irregular()) }
}

/// Opening a pipe would last until somebody writes to it, without the flag for that.
fn open_with(path: &Path, flags: OFlags) -> io::Result<File> {
    let flags = (flags | OFlags::NONBLOCK | OFlags::NOCTTY).bits();
    OpenOptions::new().read(true).custom_flags(i32::try_from(flags).unwrap_or_default()).open(path)
}

fn irregular() -> io::Error {
    io::Error::new(ErrorKind::InvalidInput, "it is not a regular file")
}

/// All of a file that was named, which has at most `longest` bytes.
///
/// # Errors
/// When it cannot be read, is no regular file, or has more.
pub(crate) fn read(path: &Path, longest: u64) -> io::Result<Vec<u8>> {
    let content = beginning(&open(path)?, longest)?;
    whole(content, longest)
}

/// The same as text.
///
/// # Errors
/// As above, and when it is not UTF-8.
pub(crate) fn read_text(path: &Path) -> io::Result<String> {
    String::from_utf8(read(path, LONGEST)?).map_err(|error| io::Error::new(ErrorKind::InvalidData, error.utf8_error()))
}

/// All of an open file, or one byte more than `longest`, which is enough to know that it is too long.
///
/// # Errors
/// When it cannot be read.
pub(crate) fn beginning(file: &File, longest: u64) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    file.take(longest + 1).read_to_end(&mut content)?;
    Ok(content)
}

/// What was read, where a file that is too long is of no use at all.
///
/// # Errors
/// When it is longer than `longest`.
pub(crate) fn whole(content: Vec<u8>, longest: u64) -> io::Result<Vec<u8>> {
    if u64::try_from(content.len()).unwrap_or(u64::MAX) > longest {
        return Err(io::Error::new(ErrorKind::FileTooLarge, format!("it is longer than {longest} bytes")));
    }
    Ok(content)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn only_a_regular_file_is_read_and_not_without_end() {
        let folder = tempfile::tempdir().unwrap();
        let (words, pipe) = (folder.path().join("words"), folder.path().join("pipe"));
        std::fs::write(&words, "words").unwrap();
        std::os::unix::fs::symlink(&words, folder.path().join("link")).unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        let _socket = UnixListener::bind(folder.path().join("socket")).unwrap();
        for (name, expected) in [("words", "words"), ("link", "words"), ("/dev/null", "")] {
            assert_eq!(read(&folder.path().join(name), 5).unwrap(), expected.as_bytes(), "{name}");
        }
        for (path, why) in [
            (pipe.as_path(), "it is not a regular file"),
            (folder.path(), "it is not a regular file"),
            (Path::new("/dev/zero"), "it is not a regular file"),
        ] {
            assert_eq!(read(path, 5).unwrap_err().to_string(), why, "{}", path.display());
        }
        assert!(read(&folder.path().join("socket"), 5).is_err());
        assert_eq!(read(&words, 4).unwrap_err().to_string(), "it is longer than 4 bytes");
        assert_eq!(read(&folder.path().join("none"), 5).unwrap_err().kind(), ErrorKind::NotFound);
    }
}

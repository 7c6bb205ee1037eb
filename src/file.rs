//! Reading a file that somebody named: a pipe or a device is not waited for, and nothing is read without end. A shell's `<(…)` is
//! such a file, too: a pipe without a name, whose other end is there from the beginning.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::OFlags;

/// The most bytes that a file of configuration, certificates or credentials may have. Bundles of certificates are the largest, with one.
pub(crate) const LONGEST: u64 = 16 << 20;

/// How long a pipe without a name may bring nothing.
const PIPE_SILENCE: Duration = Duration::from_secs(10);

/// Opens a regular file or a pipe of the shell's. The null device stands for an empty one, as those have it who want no file.
///
/// # Errors
/// When there is none, or it is something else.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    let file = open_with(path, OFlags::empty())?;
    if is_regular(&file)? || is_nameless_pipe(&file)? { Ok(file) } else { Err(irregular()) }
}

fn is_regular(file: &File) -> io::Result<bool> {
    let metadata = file.metadata()?;
    let is_null = || metadata.file_type().is_char_device() && metadata.rdev() == rustix::fs::makedev(1, 3);
    Ok(metadata.is_file() || is_null())
}

fn is_nameless_pipe(file: &File) -> io::Result<bool> {
    let is_nameless = || std::fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd()));
    Ok(file.metadata()?.file_type().is_fifo() && is_nameless()?.to_string_lossy().starts_with("pipe:"))
}

/// What comes out of a pipe until it is closed, or one byte more than `longest`.
fn piped(pipe: &File, longest: u64, silence: Duration) -> io::Result<Vec<u8>> {
    let silence = Timespec::try_from(silence).map_err(io::Error::other)?;
    let (mut content, mut pipe) = (Vec::new(), pipe.take(longest + 1));
    loop {
        match pipe.read_to_end(&mut content) {
            Ok(_) => return Ok(content),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        if poll(&mut [PollFd::new(pipe.get_ref(), PollFlags::IN)], Some(&silence))? == 0 {
            return Err(io::Error::new(ErrorKind::TimedOut, "nothing comes out of the pipe"));
        }
    }
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
/// When it cannot be read, is no regular file and no pipe of the shell's, or has more.
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
    if file.metadata()?.file_type().is_fifo() {
        return piped(file, longest, PIPE_SILENCE);
    }
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

    #[test]
    fn a_pipe_of_the_shells_is_read_to_its_end() {
        use std::io::Write as _;

        let (reader, mut writer) = io::pipe().unwrap();
        let path = format!("/dev/fd/{}", reader.as_raw_fd());
        writer.write_all(b"to").unwrap();
        // The second part comes when the first has been read, and before anybody could lose patience.
        let late = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(20));
            writer.write_all(b"ken").unwrap();
        });
        assert_eq!(read(Path::new(&path), 5).unwrap(), b"token");
        late.join().unwrap();

        let (reader, mut writer) = io::pipe().unwrap();
        let path = format!("/dev/fd/{}", reader.as_raw_fd());
        writer.write_all(b"token").unwrap();
        assert_eq!(read(Path::new(&path), 4).unwrap_err().kind(), ErrorKind::FileTooLarge);
        let pipe = open_with(Path::new(&path), OFlags::empty()).unwrap();
        assert_eq!(piped(&pipe, 5, Duration::from_millis(20)).unwrap_err().kind(), ErrorKind::TimedOut);
    }
}

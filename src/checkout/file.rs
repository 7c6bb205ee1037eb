//! Reading a file of a checkout. Whoever may push to a repository chooses what its names lead to: a link counts as what it leads
//! to within the checkout and nowhere else, what is no file (a pipe, a device) is not waited for, and nothing is read without end.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;

use rustix::fs::OFlags;

use crate::file;

/// The file `name` below `root`: all of it, or one byte more than `longest`, which is enough to know that it is too long.
///
/// # Errors
/// When there is none, it leads out of the checkout, or it is no file.
pub(crate) fn read(root: &Path, name: impl AsRef<Path>, longest: u64) -> io::Result<Vec<u8>> {
    let real = fs::canonicalize(root.join(name))?;
    if !real.starts_with(fs::canonicalize(root)?) {
        return Err(io::Error::new(ErrorKind::InvalidInput, "it leads out of the checkout"));
    }
    // Not a link any more.
    file::beginning(&file::open_regular(&real, OFlags::NOFOLLOW)?, longest)
}

/// The same, where a file that is too long is of no use at all.
///
/// # Errors
/// As above, and when it is longer than `longest`.
pub(crate) fn read_whole(root: &Path, name: impl AsRef<Path>, longest: u64) -> io::Result<Vec<u8>> {
    file::whole(read(root, name, longest)?, longest)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn what_leads_out_or_is_no_file_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("checkout");
        fs::create_dir_all(root.join("sub/deep")).unwrap();
        fs::write(folder.path().join("outside"), "secret").unwrap();
        fs::write(root.join("sub/file"), "words").unwrap();
        symlink("sub/file", root.join("inside")).unwrap();
        symlink(root.join("sub"), root.join("folder")).unwrap();
        symlink("../outside", root.join("out")).unwrap();
        symlink("../../..", root.join("sub/deep/up")).unwrap();
        symlink("loop", root.join("loop")).unwrap();
        symlink("/dev/zero", root.join("endless")).unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, root.join("pipe"), rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        for name in ["sub/file", "inside", "folder/file", "sub/../inside"] {
            assert_eq!(read(&root, name, 5).unwrap(), b"words", "{name}");
        }
        for (name, why) in [
            ("out", "it leads out of the checkout"),
            ("sub/deep/up/outside", "it leads out of the checkout"),
            ("../outside", "it leads out of the checkout"),
            ("/etc/passwd", "it leads out of the checkout"),
            ("endless", "it leads out of the checkout"),
            ("pipe", "it is not a regular file"),
            ("sub", "it is not a regular file"),
        ] {
            assert_eq!(read(&root, name, 5).unwrap_err().to_string(), why, "{name}");
        }
        assert_eq!(read(&root, "none", 5).unwrap_err().kind(), ErrorKind::NotFound);
        assert!(read(&root, "loop", 5).is_err());
        // A checkout may be named by a link.
        symlink(&root, folder.path().join("link")).unwrap();
        assert_eq!(read(&folder.path().join("link"), "inside", 5).unwrap(), b"words");
    }

    #[test]
    fn a_file_has_an_end() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a"), "123456").unwrap();
        assert_eq!(read(folder.path(), "a", 4).unwrap(), b"12345");
        assert_eq!(read_whole(folder.path(), "a", 6).unwrap(), b"123456");
        assert_eq!(read_whole(folder.path(), "a", 5).unwrap_err().to_string(), "it is longer than 5 bytes");
    }
}

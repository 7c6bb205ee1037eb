//! Whether anybody still reads standard output, found out without writing to it.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FileType, fstat};

/// What a stream is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// A terminal.
    Terminal,
    /// A pipe or a socket: somebody reads it as it comes.
    Pipe,
    /// A file, or a device that is no terminal.
    File,
}

impl Stream {
    /// What a stream is, as far as it is known.
    pub fn of(stream: &(impl AsFd + io::IsTerminal)) -> Stream {
        if stream.is_terminal() {
            return Stream::Terminal;
        }
        match fstat(stream).map(|status| FileType::from_raw_mode(status.st_mode)) {
            Ok(FileType::Fifo | FileType::Socket) => Stream::Pipe,
            _ => Stream::File,
        }
    }
}

/// Whether two streams go to the same place.
pub(super) fn are_one(first: &impl AsFd, second: &impl AsFd) -> bool {
    let place = |status: rustix::fs::Stat| (status.st_dev, status.st_ino);
    match (fstat(first), fstat(second)) {
        (Ok(first), Ok(second)) => place(first) == place(second),
        _ => false,
    }
}

/// The other end of a pipe or socket; of anything else there is none that could go away.
#[derive(Debug)]
pub(super) struct Reader(Option<File>);

impl Reader {
    /// The one that reads a stream.
    pub(super) fn of(stream: &(impl AsFd + io::IsTerminal)) -> Reader {
        let end = if Stream::of(stream) == Stream::Pipe { stream.as_fd().try_clone_to_owned().ok() } else { None };
        Reader(end.map(File::from))
    }

    /// Looks whether it is there.
    ///
    /// # Errors
    /// When it has gone: as a write would say it.
    pub(super) fn look(&self) -> io::Result<()> {
        let Some(end) = &self.0 else { return Ok(()) };
        let mut ends = [PollFd::new(end, PollFlags::empty())];
        let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
        let is_news = poll(&mut ends, Some(&at_once)).is_ok_and(|ready| ready > 0);
        if is_news && ends[0].revents().intersects(PollFlags::ERR | PollFlags::HUP) {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

    use std::io::{Read as _, Write as _};
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn a_pipe_without_a_reader_is_seen_without_a_write() {
        let (mut end, writer) = io::pipe().unwrap();
        let mut writer = File::from(std::os::fd::OwnedFd::from(writer));
        let reader = Reader::of(&writer);
        reader.look().unwrap();
        // A full pipe is no pipe without a reader.
        writer.write_all(&[0; 65536]).unwrap();
        reader.look().unwrap();
        end.read_exact(&mut [0; 10]).unwrap();
        reader.look().unwrap();
        drop(end);
        assert_eq!(reader.look().unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }

    #[test]
    fn a_socket_that_was_closed_is_seen_too_and_a_file_has_no_reader() {
        let (end, writer) = UnixStream::pair().unwrap();
        let reader = Reader::of(&File::from(std::os::fd::OwnedFd::from(writer)));
        reader.look().unwrap();
        drop(end);
        assert!(reader.look().is_err());
        let file = tempfile::tempfile().unwrap();
        assert_eq!(Stream::of(&file), Stream::File);
        Reader::of(&file).look().unwrap();
        let null = File::open("/dev/null").unwrap();
        assert_eq!((Stream::of(&null), are_one(&null, &file), are_one(&file, &file)), (Stream::File, false, true));
    }
}

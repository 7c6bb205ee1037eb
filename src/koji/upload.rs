//! Sending a file to the hub's upload area, piece by piece.
//!
//! Koji's fast upload (`ClientSession.fastUpload`, `kojihub.handle_upload`): raw bytes are posted to the hub's own address,
//! which tells an upload from a call by the content type; the query says where they go, and the hub answers with the size and
//! the adler32 sum of what it has stored. It keeps no call number for uploads, so that a piece may be sent again at the same
//! offset, whatever became of the first attempt. At the end `checkUpload` tells size and sum of the whole file.
//!
//! Different from Koji's client: a piece that was stored wrongly is sent again before giving up; a file that an abandoned
//! attempt still holds is waited for; the sum of the whole file is always compared.
//!
//! Does not choose folder and names, and does not import anything: that is [`super::import`].

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use simd_adler32::Adler32;
use tokio::fs::File;
use tokio::io::AsyncReadExt as _;

use super::call::{Call, Posted};
use super::session::{Session, SessionError};
use super::xmlrpc::Value;

/// Bytes of a file that are held and sent at once. Koji's own client sends 1 MiB (`upload_blocksize`); hubs take any size.
const PIECE: usize = 4 * 1024 * 1024;

/// How often a piece is sent again that the hub has stored wrongly.
const CORRUPTED_REPEATS: u32 = 2;

/// The slowest way to the hub that is waited for, in bytes a second.
const SLOWEST_UPLINK: u64 = 16 * 1024;

/// The slowest reading of a stored file by the hub that is waited for, in bytes a second.
const SLOWEST_SUM: u64 = 4 * 1024 * 1024;

/// Why a file is not on the hub.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    /// The file cannot be read.
    #[error("cannot read {path}", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The file has grown or shrunk meanwhile.
    #[error("{path} changed while it was uploaded: it had {before} bytes, and {read} were read", path = path.display())]
    Changed {
        /// The file.
        path: PathBuf,
        /// Its size when the upload began.
        before: u64,
        /// How many bytes it gave.
        read: u64,
    },
    /// The hub refused the file, or could not be reached.
    #[error("cannot upload {path} to {folder}", path = path.display())]
    Hub {
        /// The file.
        path: PathBuf,
        /// The folder of the hub's upload area.
        folder: String,
        /// The hub's words, or the transport's.
        source: SessionError,
    },
    /// The hub has stored other bytes than were sent, each time.
    #[error("the hub stored {path} wrongly at byte {offset}: {stored} instead of {sent}", path = path.display())]
    Corrupted {
        /// The file.
        path: PathBuf,
        /// Where the piece begins.
        offset: u64,
        /// What was sent.
        sent: Stored,
        /// What the hub has.
        stored: Stored,
    },
    /// All pieces arrived, and the hub's file is another one nevertheless.
    #[error("{path} was uploaded, {sent}, and the hub has {stored}", path = path.display(),
            stored = stored.as_ref().map_or_else(|| "no such file".to_owned(), Stored::to_string))]
    Incomplete {
        /// The file.
        path: PathBuf,
        /// What was sent.
        sent: Stored,
        /// What the hub has; `None` when it has no such file.
        stored: Option<Stored>,
    },
}

/// Bytes on the hub: how many, and their sum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Their number.
    pub size: u64,
    /// Their adler32, eight hexadecimal digits.
    pub adler32: String,
}

impl std::fmt::Display for Stored {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} bytes (adler32 {})", self.size, self.adler32)
    }
}

impl Stored {
    fn of(bytes: &[u8]) -> Stored {
        Stored { size: bytes.len() as u64, adler32: hex(simd_adler32::adler32(&bytes)) }
    }

    /// Reads what `rawUpload` and `checkUpload` answer.
    fn from_value(value: &Value, operation: &'static str) -> Result<Stored, SessionError> {
        let size = value.get("size").and_then(Value::as_int).and_then(|size| u64::try_from(size).ok());
        let adler32 = value.get("hexdigest").and_then(Value::as_str).map(str::to_owned);
        match (size, adler32) {
            (Some(size), Some(adler32)) => Ok(Stored { size, adler32 }),
            _ => Err(SessionError::Unexpected { operation, what: "no size and hexdigest".to_owned() }),
        }
    }
}

/// Uploads `file` as `name` into `folder` of the hub's upload area; a file that is there already is replaced.
///
/// `folder` is relative and belongs to the first user who writes to it; `name` has no slash and does not begin with a dot.
/// One piece of the file is in memory at a time. Needs a session.
///
/// # Errors
/// When the file cannot be read, the hub refuses it, or what arrives stays wrong.
pub async fn upload(session: &mut Session, file: &Path, folder: &str, name: &str) -> Result<(), UploadError> {
    let unreadable = |source| UploadError::Read { path: file.to_owned(), source };
    let mut opened = File::open(file).await.map_err(unreadable)?;
    let before = opened.metadata().await.map_err(unreadable)?.len();
    let mut upload = Upload { session, file, folder, name, offset: 0, sum: Adler32::new() };
    loop {
        let mut piece = Vec::with_capacity(PIECE);
        (&mut opened).take(PIECE as u64).read_to_end(&mut piece).await.map_err(unreadable)?;
        // An empty file is made by one empty piece.
        if piece.is_empty() && upload.offset > 0 {
            break;
        }
        let last = piece.len() < PIECE;
        upload.send(piece.into()).await?;
        if last {
            break;
        }
    }
    if upload.offset != before {
        return Err(UploadError::Changed { path: file.to_owned(), before, read: upload.offset });
    }
    upload.check().await
}

/// A file on its way.
struct Upload<'a> {
    session: &'a mut Session,
    file: &'a Path,
    folder: &'a str,
    name: &'a str,
    /// How much has arrived.
    offset: u64,
    /// The sum of what has arrived.
    sum: Adler32,
}

impl Upload<'_> {
    /// Sends the next piece until the hub has it as it is.
    async fn send(&mut self, piece: Bytes) -> Result<(), UploadError> {
        let sent = Stored::of(&piece);
        let posted = self.posted(piece.clone());
        let mut repeats = 0;
        loop {
            let answer = self.session.exchange(&posted).await.map_err(|source| self.refused(source))?;
            let stored = Stored::from_value(&answer, posted.operation).map_err(|source| self.refused(source))?;
            if stored == sent {
                break;
            }
            if repeats == CORRUPTED_REPEATS {
                return Err(UploadError::Corrupted { path: self.file.to_owned(), offset: self.offset, sent, stored });
            }
            repeats += 1;
            tracing::debug!(file = self.name, offset = self.offset, "the hub stored {stored} instead of {sent}");
        }
        self.sum.write(&piece);
        self.offset += sent.size;
        Ok(())
    }

    fn posted(&self, piece: Bytes) -> Posted {
        let mut query = vec![
            ("filename", self.name.to_owned()),
            ("filepath", self.folder.to_owned()),
            ("fileverify", "adler32".to_owned()),
            ("offset", self.offset.to_string()),
        ];
        // Only the first piece may cut what is there: without `overwrite` the hub also compares the length of its file, and
        // an attempt that arrives late cannot take away what came after it.
        if self.offset == 0 {
            query.push(("overwrite", "1".to_owned()));
        }
        let slack = Duration::from_secs(piece.len() as u64 / SLOWEST_UPLINK);
        Posted {
            operation: "rawUpload",
            detail: format!("{} from byte {}", self.name, self.offset),
            query,
            content_type: "application/octet-stream",
            body: piece,
            only_reads: false,
            slack,
        }
    }

    /// Compares the hub's file with what was sent. Hubs that do not know the call are believed.
    async fn check(self) -> Result<(), UploadError> {
        let call = Call::new("checkUpload").arg(self.folder).arg(self.name).named("verify", "adler32");
        let mut posted = Posted::call(&call).map_err(|source| self.refused(source.into()))?;
        posted.slack = Duration::from_secs(self.offset / SLOWEST_SUM);
        let answer = match self.session.exchange(&posted).await {
            Err(SessionError::Fault { fault, .. }) if fault.text.starts_with("Invalid method") => return Ok(()),
            answer => answer.map_err(|source| self.refused(source))?,
        };
        let sent = Stored { size: self.offset, adler32: hex(self.sum.finish()) };
        if answer == Value::Nil {
            return Err(UploadError::Incomplete { path: self.file.to_owned(), sent, stored: None });
        }
        let stored = Stored::from_value(&answer, call.method).map_err(|source| self.refused(source))?;
        if stored != sent {
            return Err(UploadError::Incomplete { path: self.file.to_owned(), sent, stored: Some(stored) });
        }
        Ok(())
    }

    fn refused(&self, source: SessionError) -> UploadError {
        UploadError::Hub { path: self.file.to_owned(), folder: self.folder.to_owned(), source }
    }
}

fn hex(sum: u32) -> String {
    format!("{sum:08x}")
}

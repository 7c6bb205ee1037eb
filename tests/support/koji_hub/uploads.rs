//! The hub's upload area: raw uploads and `checkUpload` (`kojihub.handle_upload`, `get_upload_path`).
//!
//! Files are in memory. Not there: `uploadFile` in base64, volumes, locks.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use axum::body::Body;
use axum::http::request::Parts;
use axum::http::{Response, header};
use bytes::Bytes;
use futures_util::StreamExt as _;
use hyper::body::Incoming;

use super::super::serving::closed;
use super::args::Args;
use super::content_generator::digest;
use super::misbehaviour::Fault;
use super::server;
use super::sessions::Caller;
use super::state::{State, count, now};
use super::xmlrpc::{HubFault, Value, record};
use super::{Recorded, Shared};

/// How uploads are recorded, as if they were calls: with offset, folder, name and length.
pub(crate) const METHOD: &str = "rawUpload";

/// What was uploaded, and whose the folders are.
#[derive(Debug, Default)]
pub(crate) struct Uploads {
    pub files: BTreeMap<(String, String), Uploaded>,
    owners: BTreeMap<String, i64>,
}

impl Uploads {
    /// Lets a folder be another user's.
    pub(crate) fn give_away(&mut self, folder: &str, user: i64) {
        self.owners.insert(folder.to_owned(), user);
    }
}

/// A file of the upload area.
#[derive(Debug, Clone)]
pub(crate) struct Uploaded {
    pub bytes: Vec<u8>,
    pub modified: f64,
}

/// Where a piece of a file goes: the query of an upload.
struct Destination {
    folder: String,
    name: String,
    verify: String,
    overwrite: bool,
    offset: i64,
}

/// Whether a request of the hub's is an upload: the content type alone says so.
pub(crate) fn is_upload(parts: &Parts) -> bool {
    server::header_text(&parts.headers, "content-type") == Some("application/octet-stream")
}

/// Answers an upload; an error closes the connection.
pub(crate) async fn serve(shared: Arc<Shared>, parts: Parts, body: Incoming) -> Result<Response<Body>, io::Error> {
    let to = Destination::read(&parts);
    let length: i64 =
        server::header_text(&parts.headers, header::CONTENT_LENGTH.as_str()).and_then(|t| t.parse().ok()).unwrap_or(0);
    let call =
        (METHOD.to_owned(), vec![to.offset.into(), to.folder.as_str().into(), to.name.as_str().into(), length.into()]);
    let fault = shared.change(|state| {
        let calls = vec![call];
        let fault = state.next_fault(parts.uri.path(), Some(METHOD), &calls);
        state.recorded.push(Recorded::new(&parts, calls));
        fault
    });
    let wanted = match fault {
        Some(Fault::Reset) => return Err(closed()),
        Some(Fault::CutRequest) => usize::try_from(length / 2).unwrap_or(0),
        _ => usize::MAX,
    };
    let mut bytes = receive(body, wanted).await?;
    if let Some(response) = server::instead(fault.as_ref(), &shared.endless).await {
        return response;
    }
    if let (Some(Fault::Corrupt), Some(first)) = (&fault, bytes.first_mut()) {
        *first ^= 0x20;
    }
    let answer = shared.change(|state| {
        let caller = state.identify(&server::claim(&parts), None, METHOD)?;
        state.raw_upload(&caller, &to, &bytes)
    });
    match fault {
        Some(Fault::LoseAnswer | Fault::CutRequest) => Err(closed()),
        Some(Fault::CutBody) => server::cut(server::xml(&answer)).await,
        _ => Ok(server::xml(&answer)),
    }
}

/// Reads a body, or no more of it than is wanted.
async fn receive(body: Incoming, wanted: usize) -> Result<Vec<u8>, io::Error> {
    let mut stream = Body::new(body).into_data_stream();
    let mut bytes = Vec::new();
    while bytes.len() < wanted
        && let Some(piece) = stream.next().await
    {
        let piece: Bytes = piece.map_err(io::Error::other)?;
        bytes.extend_from_slice(&piece[..piece.len().min(wanted - bytes.len())]);
    }
    Ok(bytes)
}

impl Destination {
    fn read(parts: &Parts) -> Destination {
        let query: BTreeMap<String, String> =
            url::form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes()).into_owned().collect();
        let text = |name: &str| query.get(name).cloned().unwrap_or_default();
        Destination {
            folder: text("filepath"),
            name: text("filename"),
            verify: text("fileverify"),
            overwrite: !text("overwrite").is_empty(),
            offset: text("offset").parse().unwrap_or(0),
        }
    }
}

impl State {
    fn raw_upload(&mut self, caller: &Caller, to: &Destination, bytes: &[u8]) -> Result<Value, HubFault> {
        let user = caller.user.ok_or_else(|| HubFault::new(1004, "you must be logged-in to upload a file"))?;
        let (folder, name) = upload_path(&to.folder, &to.name)?;
        if folder.starts_with("tasks/") {
            return Err(HubFault::new(1002, format!("User {user} is not a host")));
        }
        if *self.uploads.owners.entry(folder.clone()).or_insert(user) != user {
            return Err(HubFault::generic(format!("Invalid upload directory, not owner: {}", to.folder)));
        }
        let place = format!("/mnt/koji/work/{folder}/{name}");
        let key = (folder, name);
        if to.offset == 0 && !to.overwrite && self.uploads.files.contains_key(&key) {
            return Err(HubFault::generic(format!("upload path exists: {place}")));
        }
        let sum = digest(&to.verify, bytes)?;
        let file = self.uploads.files.entry(key).or_insert_with(|| Uploaded { bytes: Vec::new(), modified: now() });
        let at = usize::try_from(to.offset).unwrap_or(file.bytes.len());
        file.write(at, bytes, to.overwrite && to.offset >= 0);
        let (expected, actual) = (at + bytes.len(), file.bytes.len());
        if !to.overwrite && expected != actual {
            let text = format!("Incorrect upload length for {place} - Expected {expected}, actual {actual}");
            return Err(HubFault::generic(text));
        }
        let mut told = vec![
            ("size".to_owned(), count(bytes.len()).into()),
            ("fileverify".to_owned(), to.verify.as_str().into()),
            ("offset".to_owned(), count(at).into()),
        ];
        told.extend(sum.map(|sum| ("hexdigest".to_owned(), sum.into())));
        Ok(Value::Struct(told))
    }

    /// `checkUpload(path, name, verify, tail, volume)`.
    pub(crate) fn check_upload(&self, args: &Args) -> Result<Value, HubFault> {
        args.only(&["path", "name", "verify", "tail", "volume"])?;
        let key = upload_path(args.text(0, "path")?, args.text(1, "name")?)?;
        let Some(file) = self.uploads.files.get(&key) else { return Ok(Value::Nil) };
        let tail = args.get(3, "tail").as_int().and_then(|tail| usize::try_from(tail).ok()).unwrap_or(usize::MAX);
        let summed = &file.bytes[file.bytes.len().saturating_sub(tail)..];
        let size = count(file.bytes.len()).into();
        match digest(args.get(2, "verify").as_str().unwrap_or_default(), summed)? {
            None => Ok(record([("size", size), ("mtime", file.modified.into())])),
            Some(sum) => Ok(record([
                ("size", size),
                ("mtime", file.modified.into()),
                ("sumlength", count(summed.len()).into()),
                ("hexdigest", sum.into()),
            ])),
        }
    }

    /// The bytes of an uploaded file.
    pub(crate) fn uploaded(&self, folder: &str, name: &str) -> Option<&[u8]> {
        let key = (normal(folder), name.to_owned());
        self.uploads.files.get(&key).map(|file| &file.bytes[..])
    }
}

impl Uploaded {
    /// Writes over what is there; where the file is to end with the offset, cuts it first. A gap is filled with zeros.
    fn write(&mut self, at: usize, bytes: &[u8], cut: bool) {
        let end = at + bytes.len();
        if cut || self.bytes.len() < at {
            self.bytes.resize(at, 0);
        }
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
        }
        self.bytes[at..end].copy_from_slice(bytes);
        self.modified = now();
    }
}

fn upload_path(folder: &str, name: &str) -> Result<(String, String), HubFault> {
    if name.contains('/') || name.starts_with('.') {
        return Err(HubFault::generic(format!("Invalid upload filename: {name}")));
    }
    let normal = normal(folder);
    if normal.starts_with("..") {
        return Err(HubFault::generic(format!("Invalid upload directory: {folder}")));
    }
    Ok((normal, name.to_owned()))
}

/// Python's `os.path.normpath`.
fn normal(folder: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in folder.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

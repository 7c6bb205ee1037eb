//! Asks Greenwave whether the checkout's `gating.yaml` is valid, before anything is submitted
//! (pyrpkg's `cli.check_remote_rules_gating`).

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::address;
use crate::blocking;
use crate::checkout::file;
use crate::error::{Error, ErrorKind};
use crate::http::{self, ClientError, ClientOptions};

const FILE_NAME: &str = "gating.yaml";

/// Longer files are refused, in bytes.
const LONGEST: u64 = 1024 * 1024;

/// The longest answer that is taken, in bytes: a few words, or what is wrong with each rule.
const LONGEST_ANSWER: usize = 1024 * 1024;

/// How long Greenwave may take, as in rpkg.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Why the file is not accepted.
#[derive(Debug, thiserror::Error)]
pub enum GatingError {
    /// The file is there and cannot be read.
    #[error("cannot read {path}", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// Greenwave says it is not valid.
    #[error(
        "Found a gating.yaml file in your repo with additional Greenwave policies, but it is not valid.\n\
         Please fix the file or skip this check using the option --skip-remote-rules-validation.\n\
         Error response from Greenwave: {0}"
    )]
    Invalid(String),
    /// Greenwave answered with something else.
    #[error(
        "Found a gating.yaml file in your repo with additional Greenwave policies, but it was not possible to validate it \
         for an unknown problem.\n\
         It is possible to skip this check using the option --skip-remote-rules-validation.\n\
         Error response from Greenwave: {0}"
    )]
    Unknown(String),
    /// Greenwave did not answer.
    #[error("cannot ask Greenwave at {url} about gating.yaml: {reason}")]
    Unreachable {
        /// The address.
        url: String,
        /// The transport's words.
        reason: String,
    },
    /// No HTTP client could be made.
    #[error(transparent)]
    Client(#[from] ClientError),
}

impl From<GatingError> for Error {
    fn from(error: GatingError) -> Self {
        let kind = match &error {
            GatingError::Read { .. } => ErrorKind::Io,
            GatingError::Invalid(_) => ErrorKind::Refused,
            GatingError::Unknown(_) => ErrorKind::Server,
            GatingError::Unreachable { .. } => ErrorKind::Network,
            GatingError::Client(_) => ErrorKind::Config,
        };
        let unreachable = kind == ErrorKind::Network;
        let error = Error::new(kind, error);
        if unreachable { error.hint("--skip-remote-rules-validation submits without asking") } else { error }
    }
}

/// Has the `gating.yaml` in `folder` validated by the Greenwave at `url`. Returns `false` when there is none.
///
/// # Errors
/// When it is not valid, or nobody could say.
pub(crate) async fn validate(folder: &Path, url: &str) -> Result<bool, GatingError> {
    let (path, root) = (folder.join(FILE_NAME), folder.to_owned());
    let content = match blocking::run(move |_| file::read_whole(&root, FILE_NAME, LONGEST)).await {
        Ok(content) => content,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
        Err(source) => return Err(GatingError::Read { path, source }),
    };
    // rpkg keeps a slash at the end of the URL, and so asks for a path with two; servers take both.
    let url = format!("{}/api/v1.0/validate-gating-yaml", url.trim_end_matches('/'));
    let unreachable = |reason| GatingError::Unreachable { url: address::masked(&url), reason };
    let client = http::client(&ClientOptions::default())?;
    let response = client.post(&url).timeout(TIMEOUT).body(content).send().await;
    let response = response.map_err(|error| unreachable(http::chain(&error)))?;
    let status = response.status().as_u16();
    let body = http::body_within(response, LONGEST_ANSWER).await;
    let body = body.map_err(|error| unreachable(format!("its answer cannot be read: {error}")))?;
    let message = || {
        let json: Option<serde_json::Value> = serde_json::from_slice(&body).ok();
        let text = json.and_then(|json| Some(json.get("message")?.as_str()?.to_owned()));
        text.unwrap_or_else(|| format!("HTTP status {status} without a message"))
    };
    match status {
        200 => Ok(true),
        400 => Err(GatingError::Invalid(message())),
        _ => Err(GatingError::Unknown(message())),
    }
}

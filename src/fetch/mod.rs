//! Files that a build needs and git does not hold: those of the lookaside cache, and those that `fetch-artifacts-url.yaml`
//! names. They are fetched at once, verified, and put into the build context.
//!
//! OSBS runs `fedpkg sources` in its clone and fetches artifacts after that, one file at a time. Here several come at once,
//! through a cache on this machine; a cut connection and an aborted run are taken up where they ended. What ends up in the
//! context is the same: a file of the right content under its name, with the age that the server gives it.
//!
//! Which files there are is read elsewhere ([`crate::checkout::sources`], [`url_list`]). Nothing is uploaded.

mod allowed;
mod cache;
mod checksums;
mod error;
mod folder;
mod room;
mod transfer;
pub mod url_list;

use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, PercentEncode, utf8_percent_encode};
use reqwest::Client;
use url::Url;

pub use allowed::{AllowedDomains, BadDomain};
pub use cache::Cache;
pub use error::{ArtifactsError, FetchProblem};

use crate::address;
use crate::blocking::Work;
use crate::checkout::sources::{Checksum, Source};
use cache::{Cached, Claim};
use folder::{ContextFolder, Existing, Target};
use transfer::{Patience, Transfer};

/// How many files are fetched at once.
const PARALLEL: usize = 8;
/// How often the lock of a file is asked for that somebody else is fetching.
const LOCK_POLL: Duration = Duration::from_millis(100);
/// How often a file is asked for before it is given up.
const ATTEMPTS: u32 = 5;
/// How long to wait after the first failed attempt; each further wait is twice as long.
const FIRST_DELAY: Duration = Duration::from_secs(1);
/// How long a server may be silent, or slower than 1000 bytes a second (rpkg's LOW_SPEED_TIME for curl).
const SILENCE: Duration = Duration::from_secs(60);

/// A file to be fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Download {
    /// Where from; http or https.
    pub url: Url,
    /// Where to, relative to the context.
    pub target: PathBuf,
    /// What the file must hash to; at least one, and all of them count.
    pub checksums: Vec<Checksum>,
    /// Where a redirect may lead. The address itself is not held against it.
    pub allowed: AllowedDomains,
}

/// A file that is in the context now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// Where, relative to the context.
    pub target: PathBuf,
    /// Its size in bytes.
    pub size: u64,
    /// Where it came from.
    pub from: Provenance,
}

/// Where a file came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Provenance {
    /// It was in the context.
    Context,
    /// It was in the cache of this machine.
    Cache,
    /// It was received, all of it or the rest.
    Server,
}

/// What happened to a file.
#[derive(Debug)]
pub struct FetchEvent<'a> {
    /// The file.
    pub download: &'a Download,
    /// What happened.
    pub step: FetchStep,
}

/// What can happen to a file, in the order in which it does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FetchStep {
    /// What the cache had under its checksum was not the file, and was removed.
    CacheDamaged,
    /// Another process is fetching it, and is waited for.
    Waiting,
    /// Bytes arrived. May go back to 0, when a server cannot go on where it was cut.
    Receiving {
        /// How many bytes there are, those of earlier attempts and runs included.
        received: u64,
        /// How many there will be, if the server says so.
        total: Option<u64>,
    },
    /// An attempt failed, and another one follows.
    Retrying {
        /// Which attempt failed, from 1.
        attempt: u32,
        /// How many there may be.
        of: u32,
        /// How long to wait before the next one.
        delay: Duration,
        /// Why it failed.
        reason: String,
    },
    /// It is in the context.
    Done {
        /// Its size in bytes.
        size: u64,
        /// Where it came from.
        from: Provenance,
    },
}

/// Fetches files: through which client, and how patiently.
#[derive(Debug)]
pub struct Fetcher<'a> {
    client: &'a Client,
    cache: &'a Cache,
    patience: Patience,
}

impl<'a> Fetcher<'a> {
    /// A fetcher that tries each file five times, with delays of 1, 2, 4 and 8 seconds.
    ///
    /// The client is to leave redirects alone ([`crate::http::Redirects::Refuse`]): they are followed here, where it is known
    /// which are allowed.
    pub fn new(client: &'a Client, cache: &'a Cache) -> Fetcher<'a> {
        let patience = Patience { attempts: ATTEMPTS, first_delay: FIRST_DELAY, silence: SILENCE };
        Fetcher { client, cache, patience }
    }

    /// The same with another delay after the first failed attempt.
    #[must_use]
    pub fn first_delay(mut self, delay: Duration) -> Fetcher<'a> {
        self.patience.first_delay = delay;
        self
    }

    /// The same with another time, in place of a minute, that a server may be silent before the attempt has failed.
    #[must_use]
    pub fn silence(mut self, silence: Duration) -> Fetcher<'a> {
        self.patience.silence = silence;
        self
    }

    /// Puts all files into the context, up to eight at once, and tells of each what happens. A file that is there and right
    /// causes no request, and neither does one that is in the cache. The results have the order of `downloads`.
    ///
    /// Nothing goes on in the background after this returns. If the future is dropped, what is under way ends shortly after.
    ///
    /// # Errors
    /// The first file that could not be fetched; the others are stopped. What has arrived of them is kept in the cache.
    pub async fn fetch(
        &self,
        downloads: &[Download],
        context: &Path,
        progress: impl Fn(FetchEvent<'_>),
    ) -> Result<Vec<Fetched>, ArtifactsError> {
        let work = Work::new();
        if !downloads.is_empty() {
            let cache = self.cache.clone();
            // It is only a cache: what keeps it from being tidied keeps nothing from being fetched.
            let _ = work
                .run(move |_| -> Result<(), FetchProblem> {
                    cache.tidy();
                    Ok(())
                })
                .await;
        }
        let progress: &dyn Fn(FetchEvent<'_>) = &progress;
        let one = async |(index, download)| {
            let tell = |step| progress(FetchEvent { download, step });
            let fetched = self.one(download, context, &work, &tell).await;
            fetched.map(|fetched| (index, fetched)).map_err(|problem| ArtifactsError {
                target: download.target.clone(),
                url: error::shown(&download.url),
                problem,
            })
        };
        let all = stream::iter(downloads.iter().enumerate()).map(one).buffer_unordered(PARALLEL);
        let fetched: Result<Vec<(usize, Fetched)>, _> = all.try_collect().await;
        work.end().await;
        let mut fetched = fetched?;
        fetched.sort_unstable_by_key(|(index, _)| *index);
        Ok(fetched.into_iter().map(|(_, fetched)| fetched).collect())
    }

    async fn one(
        &self,
        download: &Download,
        context: &Path,
        work: &Work,
        tell: &dyn Fn(FetchStep),
    ) -> Result<Fetched, FetchProblem> {
        if !matches!(download.url.scheme(), "http" | "https") {
            return Err(FetchProblem::BadUrl);
        }
        let place = Place {
            cache: self.cache.clone(),
            context: ContextFolder::open(context)?,
            target: Target::new(&download.target)?,
            checksums: download.checksums.clone(),
        };
        let (size, from) = match place.at_hand(work, tell).await? {
            AtHand::There(size, from) => (size, from),
            AtHand::Fetch(partial) => {
                let transfer = Transfer { client: self.client, download, work, tell, patience: self.patience };
                let mut complete = transfer.receive(partial).await?;
                let put =
                    move |stop: &_| place.context.put(&place.target, &mut complete.file, complete.modified, None, stop);
                (work.run(put).await?, Provenance::Server)
            }
        };
        tell(FetchStep::Done { size, from });
        Ok(Fetched { target: download.target.clone(), size, from })
    }
}

/// Where a file is to be, and where it may be already.
#[derive(Clone)]
struct Place {
    cache: Cache,
    context: ContextFolder,
    target: Target,
    checksums: Vec<Checksum>,
}

/// Whether a file has to be fetched.
enum AtHand {
    /// It is in the context: its size, and where it came from.
    There(u64, Provenance),
    /// It has to be, and nobody else does.
    Fetch(cache::Partial),
}

impl Place {
    /// Looks for the file in the context and in the cache; waits for whoever is fetching it.
    async fn at_hand(&self, work: &Work, tell: &dyn Fn(FetchStep)) -> Result<AtHand, FetchProblem> {
        let place = self.clone();
        let existing = move |stop: &_| place.context.existing(&place.target, &place.checksums, stop);
        if self.checksums.is_empty() {
            return Err(FetchProblem::NoChecksum);
        }
        if let Existing::Valid(size) = work.run(existing).await? {
            return Ok(AtHand::There(size, Provenance::Context));
        }
        let mut told = false;
        loop {
            let place = self.clone();
            let copy = move |stop: &_| place.cache.copy(&place.checksums, &place.context, &place.target, stop);
            match work.run(copy).await? {
                Cached::Copied(size) => return Ok(AtHand::There(size, Provenance::Cache)),
                Cached::Damaged => tell(FetchStep::CacheDamaged),
                Cached::Missing => {}
            }
            let place = self.clone();
            match work.run(move |stop| place.cache.claim(&place.checksums, stop)).await? {
                // Whoever held the lock before may have finished the file since it was looked for.
                Claim::Mine(partial) if self.cache.has(&self.checksums) => drop(partial),
                Claim::Mine(partial) => return Ok(AtHand::Fetch(partial)),
                Claim::Busy => {
                    if !std::mem::replace(&mut told, true) {
                        tell(FetchStep::Waiting);
                    }
                    tokio::time::sleep(LOCK_POLL).await;
                }
            }
        }
    }
}

/// Why the addresses of sources cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the lookaside cache {base:?} is not an http or https address")]
pub struct BadLookaside {
    /// What is configured, but for who asks.
    pub base: String,
}

impl From<BadLookaside> for crate::error::Error {
    fn from(error: BadLookaside) -> Self {
        let error = crate::error::Error::new(crate::error::ErrorKind::Config, error);
        error.hint(
            "`lookaside` in the tool's configuration says where source files are; `config show` says where it is set",
        )
    }
}

/// The addresses of sources, as rpkg makes them (`CGILookasideCache.get_download_url`):
/// `BASE/REPO/FILE/KIND/CHECKSUM/FILE`. `repo` is the package's name, with its namespace where the lookaside cache has
/// namespaces.
///
/// # Errors
/// When `base` is not an http or https address.
pub fn lookaside_downloads(base: &str, repo: &str, sources: &[Source]) -> Result<Vec<Download>, BadLookaside> {
    let bad = || BadLookaside { base: address::masked(base) };
    let parsed = Url::parse(base).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    parsed.filter(|url| url.query().or(url.fragment()).is_none()).ok_or_else(bad)?;
    let download = |source: &Source| {
        let (file, checksum) = (quoted(&source.name), &source.checksum);
        let folder = format!("{}/{repo}/{file}", base.trim_end_matches('/'));
        let url = Url::parse(&format!("{folder}/{}/{}/{file}", checksum.algorithm(), checksum.hash()));
        Ok(Download {
            url: url.map_err(|_| bad())?,
            target: PathBuf::from(&source.name),
            checksums: vec![checksum.clone()],
            allowed: AllowedDomains::any(),
        })
    };
    sources.iter().map(download).collect()
}

/// Percent-encodes a file name as Python's `urllib.parse.quote` does.
fn quoted(name: &str) -> PercentEncode<'_> {
    const PLAIN: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
    utf8_percent_encode(name, &PLAIN)
}

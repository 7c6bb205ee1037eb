//! yum repository files, which a build sees and its image does not keep.
//!
//! As atomic-reactor's `inject_yum_repos`: each file gets five digits of its URL's hash in its name, so that two of one name
//! do not meet. Different on purpose: the content is taken as it is (there it goes through Python's unicode escapes), names have
//! plain characters only, and the Koji repository's certificate is verified.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use percent_encoding::percent_decode_str;
use reqwest::StatusCode;
use url::Url;

use crate::address::{self, Address};
use crate::digest::sha256_hex;
use crate::error::ErrorKind;
use crate::http;

/// Where yum looks for repositories in an image.
pub(crate) const YUM_REPOS_DIR: &str = "/etc/yum.repos.d";
/// The longest repository file that is read, in bytes.
const LONGEST: usize = 1 << 20;

/// What yum and dnf take for no.
const FALSE: [&str; 4] = ["0", "no", "false", "off"];
const QUOTES: [char; 2] = ['"', '\''];

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RepoFile {
    /// Its name in the image, such as `extra-25fcb.repo`.
    pub name: String,
    pub content: Vec<u8>,
    /// Where it is from.
    pub origin: String,
}

/// Why a repository cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum YumRepoError {
    /// Some URLs are not from where they may be.
    #[error("yum repositories must be from {}; these are not: {}", allowed.join(", "), urls.join(", "))]
    NotAllowed {
        /// The URLs, without secrets.
        urls: Vec<String>,
        /// The allowed hosts.
        allowed: Vec<String>,
    },
    /// The URL has no file name, or is no URL.
    #[error("{url}: {why}")]
    BadUrl {
        /// The URL, without secrets.
        url: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The server could not be reached, or is broken.
    #[error("Failed to fetch yum repo {url}: {reason}")]
    Unreachable {
        /// The URL, without secrets.
        url: String,
        /// Why not.
        reason: String,
    },
    /// The server said no.
    #[error("Failed to fetch yum repo {url}: HTTP status {status}")]
    Status {
        /// The URL, without secrets.
        url: String,
        /// Its answer.
        status: StatusCode,
    },
    /// What came is no repository file.
    #[error("Failed to fetch yum repo {url}: {reason}")]
    NoRepository {
        /// The URL, without secrets.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl YumRepoError {
    /// What decides the exit code.
    pub fn kind(&self) -> ErrorKind {
        match self {
            YumRepoError::NotAllowed { .. } | YumRepoError::BadUrl { .. } => ErrorKind::Refused,
            YumRepoError::Unreachable { .. } => ErrorKind::Network,
            YumRepoError::Status { status, .. } => match status.as_u16() {
                401 | 403 | 407 => ErrorKind::Authentication,
                429 | 500.. => ErrorKind::Network,
                _ => ErrorKind::Server,
            },
            YumRepoError::NoRepository { .. } => ErrorKind::Server,
        }
    }
}

/// A URL for people and logs: without user, password and query.
pub(crate) fn shown(url: &str) -> String {
    match url.parse::<Address>() {
        Ok(address) => {
            let mut url = address.bare();
            url.set_query(None);
            url.set_fragment(None);
            url.to_string()
        }
        Err(_) => address::bare(url.split(['?', '#']).next().unwrap_or_default()),
    }
}

/// Checks where repository files are from; scratch builds may take them from anywhere.
///
/// # Errors
/// When one is from elsewhere; all of them are named.
pub(crate) fn check_domains(urls: &[String], allowed: &[String]) -> Result<(), YumRepoError> {
    let is_allowed = |url: &str| {
        let host = Url::parse(url).ok().and_then(|url| {
            let host = url.host_str()?.to_ascii_lowercase();
            Some(url.port().map_or(host.clone(), |port| format!("{host}:{port}")))
        });
        host.is_some_and(|host| allowed.iter().any(|known| known.eq_ignore_ascii_case(&host)))
    };
    let refused: Vec<String> = urls.iter().filter(|url| !is_allowed(url)).map(|url| shown(url)).collect();
    if allowed.is_empty() || refused.is_empty() {
        return Ok(());
    }
    Err(YumRepoError::NotAllowed { urls: refused, allowed: allowed.to_vec() })
}

/// The name of a repository file (`YumRepo.filename`).
///
/// # Errors
/// When the URL has no usable file name.
pub(crate) fn file_name(url: &str) -> Result<String, YumRepoError> {
    let bad = |why| YumRepoError::BadUrl { url: shown(url), why };
    let parsed = Url::parse(url).map_err(|_| bad("it is no URL"))?;
    if !matches!(parsed.scheme(), "http" | "https") {
        return Err(bad("only http and https can be fetched"));
    }
    let last = parsed.path().trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    let decoded = percent_decode_str(last).decode_utf8().map_err(|_| bad("its file name is not UTF-8"))?;
    let stem = decoded.strip_suffix(".repo").unwrap_or(&decoded);
    if stem.is_empty() {
        return Err(bad("its path has no file name"));
    }
    named(stem, url).ok_or_else(|| bad("its file name must have letters, digits, `.`, `_` and `-` only"))
}

fn named(stem: &str, hashed: &str) -> Option<String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    let digits: String = sha256_hex(hashed.as_bytes()).chars().take(5).collect();
    (stem.bytes().all(plain) && !stem.starts_with(['.', '-'])).then(|| format!("{stem}-{digits}.repo"))
}

/// Fetches the files.
///
/// # Errors
/// When one has no usable name, or cannot be fetched.
pub(crate) async fn fetch(client: &reqwest::Client, urls: &[String]) -> Result<Vec<RepoFile>, YumRepoError> {
    let fetched = urls.iter().map(|url| async move {
        let name = file_name(url)?;
        let content = content(client, url).await?;
        Ok(RepoFile { name, content, origin: shown(url) })
    });
    futures_util::future::try_join_all(fetched).await
}

async fn content(client: &reqwest::Client, url: &str) -> Result<Vec<u8>, YumRepoError> {
    let lost = |error: reqwest::Error| YumRepoError::Unreachable { url: shown(url), reason: http::chain(&error) };
    let none = |reason: String| YumRepoError::NoRepository { url: shown(url), reason };
    let mut response = client.get(url).send().await.map_err(lost)?;
    if !response.status().is_success() {
        return Err(YumRepoError::Status { url: shown(url), status: response.status() });
    }
    let mut content = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(lost)? {
        content.extend_from_slice(&chunk);
        if content.len() > LONGEST {
            return Err(none(format!("it is longer than {LONGEST} bytes")));
        }
    }
    let sections = content.split(|byte| *byte == b'\n').any(|line| line.trim_ascii_start().starts_with(b"["));
    if sections { Ok(content) } else { Err(none("it is no repository file: it has no [section]".to_owned())) }
}

/// The repository of a Koji target (`KojiPlugin`): `repo` is its newest id.
pub(crate) fn of_target(target: &str, topurl: &str, build_tag: &str, repo: i64, proxy: Option<&str>) -> RepoFile {
    let section = format!("atomic-reactor-koji-plugin-{target}");
    let base = format!("{}/repos/{build_tag}/{repo}/$basearch", topurl.trim_end_matches('/'));
    let mut content = format!("[{section}]\nname={section}\nbaseurl={base}\nenabled=1\ngpgcheck=0\n");
    if let Some(proxy) = proxy {
        content.push_str(&format!("proxy={proxy}\n"));
    }
    let name = named(target, &format!("{YUM_REPOS_DIR}/{target}")).unwrap_or_else(|| "koji-target.repo".to_owned());
    RepoFile { name, content: content.into_bytes(), origin: shown(&base) }
}

/// What the sections of a repository file say, names and keys in lower case; nothing where it is no INI file.
fn sections(file: &RepoFile) -> HashMap<String, HashMap<String, Option<String>>> {
    let text = String::from_utf8_lossy(&file.content).into_owned();
    ini::inistr!(safe text).unwrap_or_default()
}

/// Whether a section switches off that signatures of packages are checked, however it spells that.
pub(crate) fn is_unchecked(file: &RepoFile) -> bool {
    let off = |value: &str| FALSE.iter().any(|word| word.eq_ignore_ascii_case(value));
    let values = sections(file).into_values().filter_map(|section| section.get("gpgcheck").cloned().flatten());
    values.map(|value| value.trim_matches(QUOTES).trim().to_owned()).any(|value| off(&value))
}

/// Has yum trust the certificates in `bundle` (a file name in `/tmp`) for every repository of the files that does not say itself
/// whom to trust.
pub(crate) fn trust(files: &mut [RepoFile], bundle: &Path) {
    for file in files {
        let said = sections(file);
        let says =
            |header: &str| said.get(&header.to_lowercase()).is_some_and(|section| section.contains_key("sslcacert"));
        let mut content = Vec::with_capacity(file.content.len() + 64);
        for line in file.content.split_inclusive(|byte| *byte == b'\n') {
            content.extend_from_slice(line);
            if header(line).is_none_or(|header| says(&header)) {
                continue;
            }
            if !line.ends_with(b"\n") {
                content.push(b'\n');
            }
            content.extend_from_slice(format!("sslcacert={}\n", bundle.display()).as_bytes());
        }
        file.content = content;
    }
}

/// The section that a line begins.
fn header(line: &[u8]) -> Option<String> {
    let line = String::from_utf8_lossy(line.trim_ascii());
    let (name, _) = line.strip_prefix('[')?.split_once(']')?;
    Some(name.trim().to_owned())
}

/// The files by their names; two URLs that are the same are one file.
pub(crate) fn by_name(files: Vec<RepoFile>) -> BTreeMap<String, RepoFile> {
    files.into_iter().map(|file| (file.name.clone(), file)).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

    use super::*;

    #[test]
    fn who_reads_a_targets_repository_is_for_its_server_alone() {
        let file = of_target("f42", "https://bob:s3cr3t@kojipkgs.example.com/", "f42-build", 7, None);
        assert_eq!(file.origin, "https://kojipkgs.example.com/repos/f42-build/7/$basearch");
        assert!(String::from_utf8_lossy(&file.content).contains("baseurl=https://bob:s3cr3t@kojipkgs.example.com/"));
    }

    #[test]
    fn names_have_the_hash_of_the_url() {
        assert_eq!(file_name("https://repos.example.com/ci/extra.repo").unwrap(), "extra-25fcb.repo");
        let one = file_name("https://a.example.com/x/extra?token=1").unwrap();
        let two = file_name("https://a.example.com/y/extra/").unwrap();
        assert!(one.starts_with("extra-") && two.starts_with("extra-") && one != two, "{one} {two}");
        for bad in
            ["https://a.example.com/", "https://a.example.com/a%27b.repo", "ftp://a/b.repo", "x", "https://a/.repo"]
        {
            assert!(file_name(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_koji_repository_is_named_after_its_target() {
        let file = of_target("f42-container-candidate", "https://kojipkgs.example.com/", "f42-build", 7, None);
        assert_eq!(file.name, "f42-container-candidate-94202.repo");
        assert_eq!(
            String::from_utf8(file.content).unwrap(),
            "[atomic-reactor-koji-plugin-f42-container-candidate]\nname=atomic-reactor-koji-plugin-f42-container-candidate\n\
             baseurl=https://kojipkgs.example.com/repos/f42-build/7/$basearch\nenabled=1\ngpgcheck=0\n"
        );
    }

    #[test]
    fn hosts_are_compared_whole() {
        let allowed = ["repos.example.com".to_owned(), "localhost:8080".to_owned()];
        let check = |url: &str| check_domains(&[url.to_owned()], &allowed);
        assert!(check("https://Repos.example.com/a").is_ok() && check("http://localhost:8080/a").is_ok());
        for url in ["https://repos.example.com.evil.org/a", "http://localhost/a", "https://u:p@evil.org/a?t=1", "x"] {
            let error = check(url).unwrap_err().to_string();
            assert!(!error.contains("u:p") && !error.contains("t=1"), "{error}");
        }
        assert!(check_domains(&["x".to_owned()], &[]).is_ok());
    }

    fn file(content: &str) -> RepoFile {
        RepoFile { name: "a.repo".into(), content: content.as_bytes().to_vec(), origin: String::new() }
    }

    #[test]
    fn every_spelling_of_an_unchecked_repository_is_seen() {
        for value in
            ["gpgcheck=0", "gpgcheck = no", "GPGCheck: False", "gpgcheck =\tOFF", "gpgcheck=0 \r", "gpgcheck='0'"]
        {
            assert!(is_unchecked(&file(&format!("[a]\ngpgcheck=1\n[b]\nname=x\n{value}\n"))), "{value:?}");
        }
        for value in
            ["gpgcheck=1", "gpgcheck=yes", "# gpgcheck=0", "repo_gpgcheck=0", "name=gpgcheck=0", "pkg_gpgcheck=0"]
        {
            assert!(!is_unchecked(&file(&format!("[a]\nbaseurl=https://x/\n{value}\n"))), "{value:?}");
        }
    }

    #[test]
    fn a_section_that_says_whom_to_trust_keeps_its_bytes() {
        let content = "# ours\r\n[A]\r\nname = \u{e9}\r\nSSLCACert = /etc/own.pem\r\n\r\n[b] # two\nbaseurl=x\n";
        let mut files = [file(content)];
        trust(&mut files, Path::new("/tmp/ca.pem"));
        let expected = content.replace("[b] # two\n", "[b] # two\nsslcacert=/tmp/ca.pem\n");
        assert_eq!(String::from_utf8_lossy(&files[0].content), expected);
        let mut all = [file("[a]\nsslcacert=x\n")];
        trust(&mut all, Path::new("/tmp/ca.pem"));
        assert_eq!(all[0].content, b"[a]\nsslcacert=x\n");
    }

    #[test]
    fn a_bundle_is_trusted_in_every_section() {
        let content = b"[a]\nbaseurl=x\n[b]".to_vec();
        let mut files = [RepoFile { name: "a.repo".into(), content, origin: String::new() }];
        trust(&mut files, Path::new("/tmp/ca.pem"));
        assert_eq!(files[0].content, b"[a]\nsslcacert=/tmp/ca.pem\nbaseurl=x\n[b]\nsslcacert=/tmp/ca.pem\n");
    }
}

//! `fetch-artifacts-url.yaml`: files from anywhere that belong beneath `artifacts/` in the build context.
//!
//! The rules are those of atomic-reactor's `fetch_maven_artifacts` and its JSON schema, and everything that is wrong is told
//! at once, as there. Stricter than there: targets that are no path beneath `artifacts/`, that are used twice or stand in
//! each other's way are refused, and allowed domains are compared exactly ([`AllowedDomains`]).
//!
//! `fetch-artifacts-koji.yaml` and `fetch-artifacts-pnc.yaml` are not read here; a checkout that has one is refused, because
//! its image would lack files.

mod problem;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use url::Url;

pub use problem::{Problem, ProblemKind, UrlListError};

use super::{AllowedDomains, Download};
use crate::checkout::container_yaml::node::{self, Entry, Node, Yaml};
use crate::checkout::file;
use crate::checkout::sources::{Algorithm, Checksum};

/// The file's name, at the top of the checkout.
pub const FILE_NAME: &str = "fetch-artifacts-url.yaml";

/// Lists of the same purpose that only the build service understands.
pub const UNSUPPORTED: [&str; 2] = ["fetch-artifacts-koji.yaml", "fetch-artifacts-pnc.yaml"];

/// Where artifacts are put, in the build context.
pub const FOLDER: &str = "artifacts";

/// The longest file that is read, in bytes.
pub const LONGEST: u64 = 1024 * 1024;

/// What a list may use for checksums.
const ALGORITHMS: [Algorithm; 3] = [Algorithm::Md5, Algorithm::Sha1, Algorithm::Sha256];

/// An entry of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UrlArtifact {
    /// Where the file comes from.
    pub url: Url,
    /// Where it is put, beneath [`FOLDER`]: plain names with `/` between them.
    pub target: String,
    /// What it must hash to: one checksum or more.
    pub checksums: Vec<Checksum>,
    /// The sources that it was made of. The build service warns where they are missing.
    pub source: Option<ArtifactSource>,
    /// Where in the file, from 1.
    pub line: usize,
}

/// `source-url` and its checksums.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArtifactSource {
    /// Where the sources are.
    pub url: Url,
    /// What they must hash to: one checksum or more.
    pub checksums: Vec<Checksum>,
}

impl UrlArtifact {
    /// How the file is fetched; a redirect may lead to where artifacts may come from.
    pub fn download(&self, allowed: &AllowedDomains) -> Download {
        Download {
            url: self.url.clone(),
            target: Path::new(FOLDER).join(&self.target),
            checksums: self.checksums.clone(),
            allowed: allowed.clone(),
        }
    }
}

/// Reads the list of a checkout; `None` when it has none, and none of those that are not supported.
pub fn read(root: &Path, allowed: &AllowedDomains) -> Option<Result<Vec<UrlArtifact>, UrlListError>> {
    let problem = |file, kind| Problem { file, line: None, kind };
    let there = UNSUPPORTED.into_iter().filter(|file| std::fs::symlink_metadata(root.join(file)).is_ok());
    let mut problems: Vec<Problem> = there.map(|file| problem(file, ProblemKind::Unsupported)).collect();
    let parsed = match file::read(root, FILE_NAME, LONGEST) {
        Ok(content) => Some(parse(&content, allowed)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => {
            let kind = ProblemKind::Unreadable { reason: error.to_string() };
            Some(Err(UrlListError { problems: vec![problem(FILE_NAME, kind)] }))
        }
    };
    match parsed {
        None if problems.is_empty() => None,
        Some(Ok(artifacts)) if problems.is_empty() => Some(Ok(artifacts)),
        Some(Err(UrlListError { problems: more })) => {
            problems.extend(more);
            Some(Err(UrlListError { problems }))
        }
        _ => Some(Err(UrlListError { problems })),
    }
}

/// Reads a list's content.
///
/// # Errors
/// Everything that is wrong with it.
pub fn parse(content: &[u8], allowed: &AllowedDomains) -> Result<Vec<UrlArtifact>, UrlListError> {
    let mut reader = Reader { allowed, problems: Vec::new() };
    let artifacts = reader.file(content);
    if reader.problems.is_empty() {
        Ok(artifacts)
    } else {
        reader.problems.sort_by_key(|problem| problem.line);
        Err(UrlListError { problems: reader.problems })
    }
}

/// Collects problems on its way through the file.
struct Reader<'a> {
    allowed: &'a AllowedDomains,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    fn wrong(&mut self, line: impl Into<Option<usize>>, kind: ProblemKind) {
        self.problems.push(Problem { file: FILE_NAME, line: line.into(), kind });
    }

    fn file(&mut self, content: &[u8]) -> Vec<UrlArtifact> {
        if u64::try_from(content.len()).unwrap_or(u64::MAX) > LONGEST {
            self.wrong(None, ProblemKind::TooLong);
            return Vec::new();
        }
        let parsed = match std::str::from_utf8(content) {
            Ok(text) => node::parse(text).map_err(|error| (Some(error.line), error.reason)),
            Err(_) => Err((None, "it is not UTF-8".to_owned())),
        };
        match parsed {
            Ok(file) => self.list(&file),
            Err((line, reason)) => {
                self.wrong(line, ProblemKind::Syntax { reason });
                Vec::new()
            }
        }
    }

    fn list(&mut self, file: &Node) -> Vec<UrlArtifact> {
        match &file.value {
            Yaml::Null => return Vec::new(),
            Yaml::List(_) => {}
            other => {
                self.wrong(file.line, wrong_type("the file", other, "a list"));
                return Vec::new();
            }
        }
        let artifacts: Vec<UrlArtifact> = file.items().filter_map(|item| self.entry(item)).collect();
        self.collisions(&artifacts);
        artifacts
    }

    fn entry(&mut self, item: &Node) -> Option<UrlArtifact> {
        let Yaml::Map(entries) = &item.value else {
            self.wrong(item.line, wrong_type("an entry", &item.value, "a mapping"));
            return None;
        };
        self.keys(entries);
        let checksums = self.checksums(item, "");
        let source_checksums = self.checksums(item, "source-");
        let url = self.url(item, "url");
        let source_url = self.url(item, "source-url");
        if item.get("url").is_none() {
            self.wrong(item.line, ProblemKind::MissingKey { key: "url" });
        } else if ALGORITHMS.iter().all(|algorithm| item.get(algorithm.name()).is_none()) {
            self.wrong(item.line, ProblemKind::NoChecksum { key: "url", prefix: "" });
        }
        self.source_pairs(item);
        let target = self.target(item);
        Some(UrlArtifact {
            url: url?,
            target: target?,
            checksums,
            source: source_url.map(|url| ArtifactSource { url, checksums: source_checksums }),
            line: item.line,
        })
    }

    fn keys(&mut self, entries: &[Entry]) {
        for (index, entry) in entries.iter().enumerate() {
            let name = entry.key.strip_prefix("source-").unwrap_or(&entry.key);
            let known =
                entry.key == "target" || name == "url" || ALGORITHMS.iter().any(|algorithm| algorithm.name() == name);
            if !known {
                self.wrong(entry.line, ProblemKind::UnknownKey { key: entry.key.clone() });
            } else if entries[..index].iter().any(|earlier| earlier.key == entry.key) {
                self.wrong(entry.line, ProblemKind::DuplicateKey { key: entry.key.clone() });
            }
        }
    }

    /// The address of the sources and its checksums go together.
    fn source_pairs(&mut self, item: &Node) {
        let checksum = ALGORITHMS.iter().find_map(|algorithm| item.get(&format!("source-{algorithm}")));
        match (item.get("source-url"), checksum) {
            (Some(url), None) => {
                self.wrong(url.line, ProblemKind::NoChecksum { key: "source-url", prefix: "source-" });
            }
            (None, Some(checksum)) => self.wrong(checksum.line, ProblemKind::MissingKey { key: "source-url" }),
            _ => {}
        }
    }

    fn text<'n>(&mut self, item: &'n Node, key: &str) -> Option<(&'n str, usize)> {
        let value = item.get(key)?;
        if value.text().is_none() {
            self.wrong(value.line, wrong_type(&format!("`{key}`"), &value.value, "text; quotes make it one"));
        }
        value.text().map(|text| (text, value.line))
    }

    fn checksums(&mut self, item: &Node, prefix: &str) -> Vec<Checksum> {
        let mut checksums = Vec::new();
        for algorithm in ALGORITHMS {
            let key = format!("{prefix}{algorithm}");
            let Some((hash, line)) = self.text(item, &key) else { continue };
            let checksum = Checksum::new(algorithm, hash).filter(|checksum| checksum.hash() == hash);
            match checksum {
                Some(checksum) => checksums.push(checksum),
                None => {
                    let (found, digits) = (hash.to_owned(), algorithm.digits());
                    self.wrong(line, ProblemKind::BadHash { key, found, digits });
                }
            }
        }
        checksums
    }

    fn url(&mut self, item: &Node, key: &'static str) -> Option<Url> {
        let (text, line) = self.text(item, key)?;
        let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        let Some(url) = url else {
            self.wrong(line, ProblemKind::BadUrl { key });
            return None;
        };
        if !self.allowed.admits(&url) {
            let host = format!("{}{}", url.authority().rsplit('@').next().unwrap_or_default(), url.path());
            self.wrong(line, ProblemKind::Forbidden { key, host });
        }
        Some(url)
    }

    /// What is set, or what follows the last `/` of the address, query included, as Python's `os.path.basename` cuts it.
    fn target(&mut self, item: &Node) -> Option<String> {
        let (target, line) = if item.get("target").is_some() {
            self.text(item, "target")?
        } else {
            let url = item.get("url")?;
            let name = url.text()?.rsplit('/').next().unwrap_or_default();
            if name.is_empty() {
                self.wrong(url.line, ProblemKind::NoTarget);
                return None;
            }
            (name, url.line)
        };
        let plain = |part: &str| !matches!(part, "" | "." | "..") && part.len() <= 255;
        if !target.split('/').all(plain) || target.chars().any(char::is_control) {
            self.wrong(line, ProblemKind::BadTarget { target: target.to_owned() });
            return None;
        }
        Some(target.to_owned())
    }

    /// Two entries of one target, or one whose target is a folder in another's.
    fn collisions(&mut self, artifacts: &[UrlArtifact]) {
        let mut files: HashMap<PathBuf, &UrlArtifact> = HashMap::new();
        let mut folders: HashMap<PathBuf, &UrlArtifact> = HashMap::new();
        for artifact in artifacts {
            let path = PathBuf::from(&artifact.target);
            let above = || path.ancestors().skip(1).filter(|folder| !folder.as_os_str().is_empty());
            let other = files.get(&path).or_else(|| folders.get(&path));
            let other = other.copied().or_else(|| above().find_map(|folder| files.get(folder).copied()));
            if let Some(other) = other {
                let (target, first) = (artifact.target.clone(), other.line);
                self.wrong(artifact.line, ProblemKind::Collision { target, other: other.target.clone(), first });
                continue;
            }
            for folder in above() {
                folders.entry(folder.to_owned()).or_insert(artifact);
            }
            files.insert(path, artifact);
        }
    }
}

fn wrong_type(what: &str, found: &Yaml, expected: &'static str) -> ProblemKind {
    ProblemKind::WrongType { what: what.to_owned(), found: found.to_string(), expected }
}

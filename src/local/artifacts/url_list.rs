//! `fetch-artifacts-url.yaml`: files from anywhere that belong beneath `artifacts/` in the build context.
//!
//! The rules are those of atomic-reactor's `fetch_maven_artifacts` and its JSON schema, and everything that is wrong is told
//! at once, as there. Stricter than there: targets that are no path beneath `artifacts/`, that are used twice or stand in
//! each other's way are refused, and allowed domains are compared exactly ([`AllowedDomains`]).
//!
//! `fetch-artifacts-koji.yaml` and `fetch-artifacts-pnc.yaml` are not read here; a checkout that has one is refused, because
//! its image would lack files.

use std::collections::HashMap;
use std::fmt;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use url::Url;

use super::{AllowedDomains, Download};
use crate::checkout::container_yaml::node::{self, Entry, Node, Yaml};
use crate::checkout::sources::{Algorithm, Checksum};
use crate::error::{Error, ErrorKind};

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

/// Why a list cannot be used: everything that is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UrlListError {
    /// One or more, in the order of the lines.
    pub problems: Vec<Problem>,
}

/// Something that is wrong with a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file's name.
    pub file: &'static str,
    /// Where in it, from 1; `None` when it is about the whole file.
    pub line: Option<usize>,
    /// What is wrong.
    pub kind: ProblemKind,
}

/// What can be wrong with a list.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProblemKind {
    /// A list that is not understood here.
    #[error("it lists artifacts in a way that only the build service understands")]
    Unsupported,
    /// The file is there and cannot be read.
    #[error("it cannot be read: {reason}")]
    Unreadable {
        /// What the system says.
        reason: String,
    },
    /// The file is longer than [`LONGEST`].
    #[error("it is longer than {LONGEST} bytes")]
    TooLong,
    /// It is not YAML.
    #[error("it is not valid YAML: {reason}")]
    Syntax {
        /// What the YAML reader says.
        reason: String,
    },
    /// The value is of the wrong kind.
    #[error("{what} is {found}, but must be {expected}")]
    WrongType {
        /// `the file`, `an entry` or a key.
        what: String,
        /// What it is.
        found: String,
        /// What it has to be.
        expected: &'static str,
    },
    /// A key that is not known.
    #[error(
        "unknown key `{key}`; known are url, target, md5, sha1, sha256, source-url, source-md5, source-sha1 and source-sha256"
    )]
    UnknownKey {
        /// The key.
        key: String,
    },
    /// A key is there twice.
    #[error("`{key}` is set twice")]
    DuplicateKey {
        /// The key.
        key: String,
    },
    /// A key that must be there is not.
    #[error("`{key}` is missing")]
    MissingKey {
        /// The key.
        key: &'static str,
    },
    /// A file without a checksum.
    #[error("`{key}` has no checksum: give {prefix}md5, {prefix}sha1 or {prefix}sha256")]
    NoChecksum {
        /// `url` or `source-url`.
        key: &'static str,
        /// What the names of its checksums begin with.
        prefix: &'static str,
    },
    /// A checksum that cannot be one.
    #[error("`{key}` is {found:?}, but must be {digits} hexadecimal digits in lower case")]
    BadHash {
        /// The key.
        key: String,
        /// What it is.
        found: String,
        /// How many digits it should have.
        digits: usize,
    },
    /// An address that is none.
    #[error("`{key}` is not an http or https address")]
    BadUrl {
        /// `url` or `source-url`.
        key: &'static str,
    },
    /// An address that artifacts may not come from.
    #[error("`{key}` is at {host}, and artifacts may not come from there")]
    Forbidden {
        /// `url` or `source-url`.
        key: &'static str,
        /// Host and path of the address.
        host: String,
    },
    /// An address that no target can be made of.
    #[error("`target` is missing, and the address does not end in a file's name")]
    NoTarget,
    /// A target that is no path beneath the folder.
    #[error("`target` is {target:?}, but must be a path beneath {FOLDER}/, without empty parts, `.` and `..`")]
    BadTarget {
        /// The target.
        target: String,
    },
    /// Two artifacts that cannot both be there.
    #[error("{target:?} and {other:?} of line {first} cannot both be put into {FOLDER}/")]
    Collision {
        /// The target.
        target: String,
        /// The target of the earlier entry.
        other: String,
        /// The line of the earlier entry.
        first: usize,
    },
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}, line {line}: {}", self.file, self.kind),
            None => write!(f, "{}: {}", self.file, self.kind),
        }
    }
}

impl fmt::Display for UrlListError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.problems.as_slice() {
            [only] => only.fmt(f),
            all => {
                write!(f, "{} problems with the lists of artifacts:", all.len())?;
                all.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
            }
        }
    }
}

impl std::error::Error for UrlListError {}

impl From<UrlListError> for Error {
    fn from(error: UrlListError) -> Self {
        let has = |test: fn(&ProblemKind) -> bool| error.problems.iter().any(|problem| test(&problem.kind));
        let unsupported = has(|kind| matches!(kind, ProblemKind::Unsupported));
        let forbidden = has(|kind| matches!(kind, ProblemKind::Forbidden { .. }));
        let mut error = Error::new(ErrorKind::Checkout, error);
        if unsupported {
            error = error.hint("build this image on the build service, or list its files in fetch-artifacts-url.yaml");
        }
        if forbidden {
            error = error.hint("artifacts_allowed_domains lists where artifacts may come from");
        }
        error
    }
}

/// Reads the list of a checkout; `None` when it has none, and none of those that are not supported.
pub fn read(root: &Path, allowed: &AllowedDomains) -> Option<Result<Vec<UrlArtifact>, UrlListError>> {
    let problem = |file, kind| Problem { file, line: None, kind };
    let there = UNSUPPORTED.into_iter().filter(|file| std::fs::symlink_metadata(root.join(file)).is_ok());
    let mut problems: Vec<Problem> = there.map(|file| problem(file, ProblemKind::Unsupported)).collect();
    let parsed = match bounded(&root.join(FILE_NAME)) {
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

/// One byte more than is allowed is enough to know that a file is too long. A pipe would be waited for forever.
fn bounded(path: &Path) -> std::io::Result<Vec<u8>> {
    if !std::fs::metadata(path)?.is_file() {
        return Err(std::io::Error::new(std::io::ErrorKind::InvalidInput, "it is not a regular file"));
    }
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(LONGEST + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
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
            let known = entry.key == "target"
                || name == "url"
                || ALGORITHMS.iter().any(|algorithm| algorithm.name() == name);
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

#[cfg(test)]
mod tests {
    use super::*;

    const MD5: &str = "d41d8cd98f00b204e9800998ecf8427e";

    fn list(text: &str) -> Vec<UrlArtifact> {
        parse(text.as_bytes(), &AllowedDomains::any()).unwrap()
    }

    fn problems(text: &str) -> Vec<String> {
        let allowed = AllowedDomains::only(["example.com", "h"]).unwrap();
        let error = parse(text.as_bytes(), &allowed).unwrap_err();
        error.problems.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn entries_are_read_with_their_lines() {
        let text = format!(
            "# files\n- url: https://h/a.jar\n  md5: {MD5}\n  sha256: \"{sha256}\"\n- {{url: 'http://h/x?f=b.jar', md5: {MD5}}}\n- url: https://h/\n  target: sub/c.jar\n  sha1: {sha1}\n  source-url: https://h/c-src.tar.gz\n  source-md5: {MD5}\n",
            sha256 = "a".repeat(64),
            sha1 = "b".repeat(40)
        );
        let artifacts = list(&text);
        let shown: Vec<(&str, usize, usize, bool)> = artifacts
            .iter()
            .map(|artifact| (artifact.target.as_str(), artifact.line, artifact.checksums.len(), artifact.source.is_some()))
            .collect();
        assert_eq!(shown, [("a.jar", 2, 2, false), ("x?f=b.jar", 5, 1, false), ("sub/c.jar", 6, 1, true)]);
        let download = artifacts[2].download(&AllowedDomains::any());
        assert_eq!(download.target, Path::new("artifacts/sub/c.jar"));
        for empty in ["", "# nothing\n", "null\n", "[]\n"] {
            assert!(list(empty).is_empty(), "{empty:?}");
        }
    }

    #[test]
    fn a_checksum_is_needed_and_it_is_not_sha512() {
        let all = problems(&format!("- url: https://h/a\n- url: https://h/b\n  sha512: {}\n", "a".repeat(128)));
        assert_eq!(all[0], "fetch-artifacts-url.yaml, line 1: `url` has no checksum: give md5, sha1 or sha256");
        assert!(all[1].contains("line 2: `url` has no checksum"), "{all:?}");
        assert!(all[2].contains("line 3: unknown key `sha512`"), "{all:?}");
        assert_eq!(all.len(), 3);
    }

    #[test]
    fn targets_stay_beneath_the_folder() {
        for target in ["../a", "/a", "a/../../b", "..", ".", "''", "a//b", "./a", "a/", "\"a\\0b\"", "\"a\\nb\""] {
            let all = problems(&format!("- url: https://h/a\n  md5: {MD5}\n  target: {target}\n"));
            assert!(all.len() == 1 && all[0].contains("line 3: `target` is"), "{target}: {all:?}");
        }
        for url in ["https://h/", "https://h/a/"] {
            let all = problems(&format!("- url: {url}\n  md5: {MD5}\n"));
            assert!(all.len() == 1 && all[0].contains("does not end in a file's name"), "{url}: {all:?}");
        }
    }

    #[test]
    fn targets_that_stand_in_each_others_way_are_refused() {
        let entry = |target: &str| format!("- {{url: 'https://h/a', md5: {MD5}, target: {target}}}\n");
        for (first, second) in [("a", "a"), ("a", "a/b"), ("a/b/c", "a"), ("a/b", "a/b/c/d")] {
            let all = problems(&(entry(first) + &entry(second)));
            let wanted = format!("line 2: {second:?} and {first:?} of line 1 cannot both");
            assert!(all.len() == 1 && all[0].contains(&wanted), "{all:?}");
        }
        assert_eq!(list(&(entry("a/b") + &entry("a/c") + &entry("a.b"))).len(), 3);
    }

    #[test]
    fn only_allowed_domains_and_the_web() {
        for (url, wanted) in [
            ("https://user:secret@example.com.evil.org/a?token=t", "is at example.com.evil.org/a, and artifacts may not"),
            ("ftp://example.com/a", "is not an http or https address"),
            ("example.com/a", "is not an http or https address"),
            ("'https:///'", "is not an http or https address"),
        ] {
            let all = problems(&format!("- url: {url}\n  md5: {MD5}\n  target: a\n"));
            assert!(all.len() == 1 && all[0].contains(wanted), "{url}: {all:?}");
            assert!(!all[0].contains("secret") && !all[0].contains("token"), "{all:?}");
        }
    }

    #[test]
    fn everything_that_is_wrong_is_told_at_once() {
        let text = format!(
            "- url: https://h/a\n  md5: 12345678901234567890123456789012\n  source-md5: {MD5}\n- text\n- url: https://h/b\n  md5: {}\n  source-url: https://h/c\n  target: [x]\n- md5: {MD5}\n  md5: {MD5}\n",
            MD5.to_uppercase()
        );
        let wanted = [
            "line 2: `md5` is 12345678901234567890123456789012, but must be text",
            "line 3: `source-url` is missing",
            "line 4: an entry is \"text\", but must be a mapping",
            "line 6: `md5` is \"D41D",
            "line 7: `source-url` has no checksum: give source-md5, source-sha1",
            "line 8: `target` is a list, but must be text",
            "line 9: `url` is missing",
            "line 10: `md5` is set twice",
        ];
        let all = problems(&text);
        assert_eq!(all.len(), wanted.len(), "{all:#?}");
        for (problem, wanted) in all.iter().zip(wanted) {
            assert!(problem.contains(wanted), "{problem:?} has no {wanted:?}");
        }
    }

    #[test]
    fn files_that_are_no_list_are_refused() {
        assert_eq!(problems("a: b\n"), ["fetch-artifacts-url.yaml, line 1: the file is a mapping, but must be a list"]);
        assert!(problems("- [\n")[0].contains("not valid YAML"));
        assert!(parse(b"\xff", &AllowedDomains::any()).is_err());
        assert!(parse(&vec![b'\n'; 1024 * 1024 + 1], &AllowedDomains::any()).is_err());
    }

    #[test]
    fn lists_for_the_build_service_alone_are_refused() {
        let root = tempfile::tempdir().unwrap();
        let read = || read(root.path(), &AllowedDomains::any());
        assert!(read().is_none());
        std::fs::write(root.path().join(FILE_NAME), "[]\n").unwrap();
        assert_eq!(read(), Some(Ok(Vec::new())));
        std::fs::write(root.path().join("fetch-artifacts-pnc.yaml"), "").unwrap();
        let error = read().unwrap().unwrap_err();
        assert!(error.to_string().starts_with("fetch-artifacts-pnc.yaml: it lists artifacts in a way"), "{error}");
        std::fs::write(root.path().join(FILE_NAME), "x\n").unwrap();
        assert_eq!(read().unwrap().unwrap_err().problems.len(), 2);
        std::fs::remove_file(root.path().join(FILE_NAME)).unwrap();
        std::fs::create_dir(root.path().join(FILE_NAME)).unwrap();
        std::fs::remove_file(root.path().join("fetch-artifacts-pnc.yaml")).unwrap();
        assert!(read().unwrap().unwrap_err().to_string().contains("cannot be read: it is not a regular file"));
    }
}

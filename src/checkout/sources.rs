//! `sources`: which files of the lookaside cache belong to the checkout, and their checksums.
//!
//! Lines are read as rpkg reads them (`SourcesFile.parse_line`): `SHA512 (file) = hash`, the older `hash  file` of md5sum, and
//! `hash SOURCES/file` as CentOS had it. More is refused than by rpkg, always with the line: rpkg takes any text for a hash,
//! any word for its kind and any path for a name, and learns from the server, or not at all, that it was a mistake.
//!
//! Nothing is fetched here.

use std::io::ErrorKind as IoErrorKind;
use std::path::Path;

use super::file;
/// The file's name, at the top of the checkout.
pub const FILE_NAME: &str = "sources";

/// The longest file that is read, in bytes.
pub const LONGEST: u64 = 1024 * 1024;

/// Names that a source may not have: the checkout's own files that decide about the build, and what the build adds.
pub const RESERVED: &[&str] = &[
    ".containerignore",
    ".dockerignore",
    ".git",
    ".gitattributes",
    ".gitignore",
    ".gitmodules",
    "Containerfile",
    "Dockerfile",
    "artifacts",
    "atomic-reactor-repos",
    "container.yaml",
    "content_sets.yml",
    "fetch-artifacts-koji.yaml",
    "fetch-artifacts-pnc.yaml",
    "fetch-artifacts-url.yaml",
    "help.1",
    "help.md",
    FILE_NAME,
];

/// The longest name that Linux gives a file, in bytes.
const LONGEST_NAME: usize = 255;

/// How a file's checksum is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Algorithm {
    /// MD5, of old packages: tells an accident from the file, and not an attack.
    Md5,
    /// SHA-1, likewise.
    Sha1,
    /// SHA-224.
    Sha224,
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512, what dist-git uses today.
    Sha512,
}

impl Algorithm {
    /// All of them, the weakest first.
    pub const ALL: [Algorithm; 6] =
        [Algorithm::Md5, Algorithm::Sha1, Algorithm::Sha224, Algorithm::Sha256, Algorithm::Sha384, Algorithm::Sha512];

    /// The name in lower case, as in the lookaside cache's URLs and in Python's hashlib.
    pub fn name(self) -> &'static str {
        match self {
            Algorithm::Md5 => "md5",
            Algorithm::Sha1 => "sha1",
            Algorithm::Sha224 => "sha224",
            Algorithm::Sha256 => "sha256",
            Algorithm::Sha384 => "sha384",
            Algorithm::Sha512 => "sha512",
        }
    }

    /// How many hexadecimal digits a checksum has.
    pub fn digits(self) -> usize {
        match self {
            Algorithm::Md5 => 32,
            Algorithm::Sha1 => 40,
            Algorithm::Sha224 => 56,
            Algorithm::Sha256 => 64,
            Algorithm::Sha384 => 96,
            Algorithm::Sha512 => 128,
        }
    }

    /// The algorithm of that name, in capitals or not.
    pub fn named(name: &str) -> Option<Algorithm> {
        Algorithm::ALL.into_iter().find(|algorithm| algorithm.name().eq_ignore_ascii_case(name))
    }
}

impl std::fmt::Display for Algorithm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// What a file must hash to. There is no value of this type that could not be a checksum.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Checksum {
    algorithm: Algorithm,
    hash: String,
}

impl Checksum {
    /// A checksum out of hexadecimal digits, which are put in lower case; `None` when they are too many, too few, or not
    /// digits.
    pub fn new(algorithm: Algorithm, hash: &str) -> Option<Checksum> {
        let fits = hash.len() == algorithm.digits() && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
        fits.then(|| Checksum { algorithm, hash: hash.to_ascii_lowercase() })
    }

    /// How it is computed.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Hexadecimal digits in lower case.
    pub fn hash(&self) -> &str {
        &self.hash
    }
}

/// A file of the lookaside cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// A plain file name: one component of a path, and none of [`RESERVED`].
    pub name: String,
    /// What it must hash to.
    pub checksum: Checksum,
    /// The line that says so, from 1.
    pub line: usize,
}

/// Why a `sources` file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SourcesError {
    /// It is there and cannot be read, or is a directory, a pipe or the like (rpkg: "has to be a regular file, not a directory").
    #[error("{FILE_NAME} cannot be read")]
    Unreadable(#[source] std::io::Error),
    /// It is longer than [`LONGEST`].
    #[error("{FILE_NAME} is longer than {LONGEST} bytes")]
    TooLong,
    /// A line of it is wrong.
    #[error("{FILE_NAME} has invalid content on line {line}: {problem}")]
    Line {
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        problem: LineProblem,
    },
}

/// What can be wrong with a line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LineProblem {
    /// It is not UTF-8.
    #[error("it is not UTF-8")]
    NotUtf8,
    /// It has none of the forms; a comment has none either.
    #[error("{text:?} is not `TYPE (file) = checksum`")]
    Malformed {
        /// The line.
        text: String,
    },
    /// A kind of checksum that is not known.
    #[error("{name:?} is not a kind of checksum; md5, sha1, sha224, sha256, sha384 and sha512 are")]
    UnknownAlgorithm {
        /// What the line has in its place.
        name: String,
    },
    /// The checksum cannot be one.
    #[error("{hash:?} is no {algorithm} checksum, which has {} hexadecimal digits", .algorithm.digits())]
    BadHash {
        /// What it should be.
        algorithm: Algorithm,
        /// What the line has.
        hash: String,
    },
    /// The name could end up elsewhere than beside the Dockerfile, or in place of a file that is not a source.
    #[error("a source cannot be called {name:?}: {why}")]
    BadName {
        /// The name.
        name: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The file was listed before, with another checksum.
    #[error("{name:?} is listed with another checksum on line {first}")]
    Twice {
        /// The name.
        name: String,
        /// The earlier line.
        first: usize,
    },
}

impl From<SourcesError> for crate::error::Error {
    fn from(error: SourcesError) -> Self {
        let hint = match &error {
            SourcesError::Unreadable(error) if error.kind() == IoErrorKind::InvalidInput => {
                Some("rename it: dist-git keeps the list of source files under that name")
            }
            SourcesError::Unreadable(_) | SourcesError::TooLong => None,
            SourcesError::Line { .. } => Some("`fedpkg new-sources FILE…` uploads files and writes the list anew"),
        };
        crate::error::Error::new(crate::error::ErrorKind::Refused, error).hint_if(hint)
    }
}

/// Reads the file of a checkout; `None` when it has none, which means that there is nothing to fetch.
pub fn read(root: &Path) -> Option<Result<Vec<Source>, SourcesError>> {
    match file::read(root, FILE_NAME, LONGEST) {
        Ok(content) => Some(parse(&content)),
        Err(error) if error.kind() == IoErrorKind::NotFound => None,
        Err(error) => Some(Err(SourcesError::Unreadable(error))),
    }
}

/// Reads a file's content: its sources in order, lines that repeat an earlier one left out.
///
/// # Errors
/// The first line that is wrong, or that the file is longer than [`LONGEST`].
pub fn parse(content: &[u8]) -> Result<Vec<Source>, SourcesError> {
    if u64::try_from(content.len()).unwrap_or(u64::MAX) > LONGEST {
        return Err(SourcesError::TooLong);
    }
    let mut sources: Vec<Source> = Vec::new();
    let mut seen = std::collections::HashMap::new();
    for (index, bytes) in lines(content).enumerate() {
        let line = index + 1;
        let wrong = |problem| SourcesError::Line { line, problem };
        let Some((name, checksum)) = entry(bytes).map_err(wrong)? else { continue };
        let Some(&earlier) = seen.get(&name) else {
            seen.insert(name.clone(), sources.len());
            sources.push(Source { name, checksum, line });
            continue;
        };
        let earlier: &Source = &sources[earlier];
        if earlier.checksum != checksum {
            return Err(wrong(LineProblem::Twice { name, first: earlier.line }));
        }
    }
    Ok(sources)
}

/// Lines as Python's text files have them: ended by `\n`, `\r\n` or `\r`.
fn lines(content: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = content;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let Some(end) = memchr::memchr2(b'\n', b'\r', rest) else { return Some(std::mem::take(&mut rest)) };
        let (line, after) = rest.split_at(end);
        rest = after.strip_prefix(b"\r\n").unwrap_or(&after[1..]);
        Some(line)
    })
}

/// Reads a line; `None` for an empty one.
fn entry(line: &[u8]) -> Result<Option<(String, Checksum)>, LineProblem> {
    let text = std::str::from_utf8(line).map_err(|_| LineProblem::NotUtf8)?.trim_matches(is_python_space);
    if text.is_empty() {
        return Ok(None);
    }
    let (algorithm, name, hash) = split(text)?;
    if let Some(why) = refusal(name) {
        return Err(LineProblem::BadName { name: name.to_owned(), why });
    }
    let checksum =
        Checksum::new(algorithm, hash).ok_or_else(|| LineProblem::BadHash { algorithm, hash: hash.to_owned() })?;
    Ok(Some((name.to_owned(), checksum)))
}

/// What `str.strip` takes away: Unicode's white space, and the separators of ASCII.
fn is_python_space(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

/// Takes a line apart in the order in which rpkg tries the forms.
fn split(text: &str) -> Result<(Algorithm, &str, &str), LineProblem> {
    if let Some((name, file, hash)) = tagged(text) {
        let unknown = || LineProblem::UnknownAlgorithm { name: name.to_owned() };
        return Ok((Algorithm::named(name).ok_or_else(unknown)?, file, hash));
    }
    // `# a comment` with two blanks somewhere has the old form, to rpkg.
    let malformed = || LineProblem::Malformed { text: text.to_owned() };
    if text.starts_with('#') {
        return Err(malformed());
    }
    if let Some((hash, file)) = text.split_once("  ") {
        return Ok((Algorithm::Md5, file, hash));
    }
    let (hash, path) = text.split_once(' ').ok_or_else(malformed)?;
    let by_length = [Algorithm::Md5, Algorithm::Sha1, Algorithm::Sha256, Algorithm::Sha512];
    let algorithm = by_length.into_iter().find(|algorithm| algorithm.digits() == hash.chars().count());
    let file = path.rsplit_once('/').map_or(path, |(_, file)| file);
    Ok((algorithm.ok_or_else(malformed)?, file, hash))
}

/// `TYPE (file) = hash`, where neither part has a blank and the file has no `)`.
fn tagged(text: &str) -> Option<(&str, &str, &str)> {
    let (name, rest) = text.split_once(' ')?;
    let (file, hash) = rest.strip_prefix('(')?.split_once(')')?;
    let hash = hash.strip_prefix(" = ")?;
    let plain = !file.is_empty() && !file.contains(' ') && !hash.is_empty() && !hash.contains(' ');
    plain.then_some((name, file, hash))
}

/// Why a source cannot have a name.
fn refusal(name: &str) -> Option<&'static str> {
    if name.is_empty() {
        Some("it is empty")
    } else if name.contains('/') {
        Some("it has to be a file name, not a path")
    } else if matches!(name, "." | "..") {
        Some("it is a directory's name")
    } else if name.starts_with('-') {
        Some("it would be taken for an option")
    } else if name.chars().any(char::is_control) {
        Some("it has control characters")
    } else if name.len() > LONGEST_NAME {
        Some("it is too long")
    } else {
        RESERVED.contains(&name).then_some("the build has another use for that name")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MD5: &str = "d41d8cd98f00b204e9800998ecf8427e";

    fn sha512() -> String {
        "ab".repeat(64)
    }

    fn only(line: &str) -> (String, Algorithm, String) {
        let sources = parse(line.as_bytes()).unwrap();
        let [source] = sources.as_slice() else { panic!("{sources:?}") };
        (source.name.clone(), source.checksum.algorithm(), source.checksum.hash().to_owned())
    }

    fn problem(content: &[u8]) -> (usize, LineProblem) {
        match parse(content) {
            Err(SourcesError::Line { line, problem }) => (line, problem),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_form_is_read() {
        let long = sha512();
        for (line, name, algorithm, hash) in [
            (format!("SHA512 (app-1.tar.gz) = {long}"), "app-1.tar.gz", Algorithm::Sha512, long.as_str()),
            (format!("sha512 (app) = {}", long.to_uppercase()), "app", Algorithm::Sha512, &long),
            (format!("  MD5 (a(b) = {MD5}\t"), "a(b", Algorithm::Md5, MD5),
            (format!("{MD5}  app-1.tar.gz"), "app-1.tar.gz", Algorithm::Md5, MD5),
            (format!("{MD5}  a file +%).gz"), "a file +%).gz", Algorithm::Md5, MD5),
            (format!("{MD5}   led by a blank"), " led by a blank", Algorithm::Md5, MD5),
            (format!("{MD5} SOURCES/app.tar.gz"), "app.tar.gz", Algorithm::Md5, MD5),
            (format!("{long} SOURCES/app.tar.gz"), "app.tar.gz", Algorithm::Sha512, &long),
            (format!("{} app", &long[..40]), "app", Algorithm::Sha1, &long[..40]),
            (format!("{} a/b/app", &long[..64]), "app", Algorithm::Sha256, &long[..64]),
        ] {
            assert_eq!(only(&line), (name.to_owned(), algorithm, hash.to_owned()), "{line:?}");
        }
    }

    #[test]
    fn what_rpkg_would_not_read_is_refused_with_its_line() {
        for line in ["# comment", "#comment", "# a  comment", "app.tar.gz", "SHA512 (a b) = 1", "abc app", "MD5 (a)= 1"]
        {
            let (at, problem) = problem(format!("\n{MD5}  ok\n{line}\n").as_bytes());
            assert_eq!((at, problem), (3, LineProblem::Malformed { text: line.to_owned() }));
        }
        assert_eq!(problem(b"\n\xff  x"), (2, LineProblem::NotUtf8));
    }

    #[test]
    fn checksums_have_to_be_of_their_kind() {
        let bad = |algorithm, hash: &str| LineProblem::BadHash { algorithm, hash: hash.to_owned() };
        let long = sha512();
        assert_eq!(problem(b"MD5 (a) = 123").1, bad(Algorithm::Md5, "123"));
        assert_eq!(problem(format!("{long}  a").as_bytes()).1, bad(Algorithm::Md5, &long));
        let no_digits = "g".repeat(32);
        assert_eq!(problem(format!("{no_digits}  a").as_bytes()).1, bad(Algorithm::Md5, &no_digits));
        let unknown = LineProblem::UnknownAlgorithm { name: "SHA3_512".to_owned() };
        assert_eq!(problem(format!("SHA3_512 (a) = {long}").as_bytes()).1, unknown);
    }

    #[test]
    fn names_that_would_leave_the_context_or_replace_its_files_are_refused() {
        let long = "x".repeat(256);
        let names = ["../x", "/etc/x", "a/b", ".", "..", "-rf", "a\tb", "a\0b", &long, "a/"];
        for name in names.into_iter().chain(RESERVED.iter().copied()) {
            for line in [format!("{MD5}  {name}"), format!("MD5 ({name}) = {MD5}")] {
                let (at, problem) = problem(format!("\n\n{line}").as_bytes());
                assert_eq!(at, 3, "{line:?}");
                assert!(matches!(problem, LineProblem::BadName { .. }), "{line:?}: {problem:?}");
            }
        }
        assert!(matches!(problem(format!("{MD5} SOURCES/").as_bytes()).1, LineProblem::BadName { .. }));
    }

    #[test]
    fn repeated_lines_collapse_and_contradictions_do_not() {
        let content = format!("{MD5}  a\r\n\rMD5 (a) = {MD5}\n{}  b", MD5.to_uppercase());
        let sources = parse(content.as_bytes()).unwrap();
        let names: Vec<(&str, usize)> = sources.iter().map(|source| (source.name.as_str(), source.line)).collect();
        assert_eq!(names, [("a", 1), ("b", 4)]);
        let twice = format!("{MD5}  a\n{}  a", "0".repeat(32));
        assert_eq!(problem(twice.as_bytes()), (2, LineProblem::Twice { name: "a".to_owned(), first: 1 }));
    }

    #[test]
    fn a_file_may_be_missing_but_not_be_a_directory_or_endless() {
        let root = tempfile::tempdir().unwrap();
        assert!(read(root.path()).is_none());
        std::fs::write(root.path().join(FILE_NAME), format!("{MD5}  a\n")).unwrap();
        assert_eq!(read(root.path()).unwrap().unwrap().len(), 1);
        std::fs::write(root.path().join(FILE_NAME), vec![b'\n'; 1024 * 1024 + 1]).unwrap();
        assert!(matches!(read(root.path()), Some(Err(SourcesError::TooLong))));
        std::fs::remove_file(root.path().join(FILE_NAME)).unwrap();
        std::fs::create_dir(root.path().join(FILE_NAME)).unwrap();
        assert!(matches!(read(root.path()), Some(Err(SourcesError::Unreadable(_)))));
    }
}

//! `sources` files as rpkg's own `SourcesFile` reads them.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use fedpkg_container_build::checkout::sources::{self, LineProblem, SourcesError};

use crate::support::peers;

type Entries = Vec<(String, String, String)>;

/// Every form with every kind of name and checksum, and lines that have no form.
fn lines() -> Vec<String> {
    let hashes: Vec<String> = [0, 8, 32, 40, 56, 64, 96, 128].iter().map(|length| "0a".repeat(length / 2)).collect();
    let names = ["app-1.tar.gz", "a b.tar", "a(b)", "a)b", "../x", "SOURCES/x", "-x", "Dockerfile", "\u{e9}+%"];
    let mut lines = Vec::new();
    for hash in &hashes {
        for kind in ["SHA512", "md5", "Sha256", "sha1", "SHA3"] {
            lines.push(format!("{kind} (app-1.tar.gz) = {hash}"));
        }
        lines.extend([format!("{hash}  app"), format!("{hash} SOURCES/app"), format!("{hash} app"), hash.clone()]);
    }
    for name in names {
        let (md5, sha512) = (&hashes[2], &hashes[7]);
        lines.push(format!("MD5 ({name}) = {md5}"));
        lines.push(format!("SHA512 ({name}) = {sha512}"));
        lines.extend([format!("{md5}  {name}"), format!("{md5}   {name}"), format!("{sha512} SOURCES/{name}")]);
        lines.push(format!("{sha512} {name}"));
    }
    let md5 = &hashes[2];
    lines.extend(
        [
            "",
            " ",
            "\t",
            "#",
            "# comment",
            "#comment",
            "# a  comment",
            "app",
            "a b",
            "a  b",
            "()",
            "MD5 () = 1",
            "\u{1c}",
        ]
        .map(str::to_owned),
    );
    lines.extend([
        format!("MD5 (a)={md5}"),
        format!("MD5(a) = {md5}"),
        format!("MD5  (a) = {md5}"),
        format!("MD5 (a) =  {md5}"),
        format!("MD5 (a) = {md5} x"),
        format!("\u{a0}MD5 (a) = {md5}\u{85}"),
        format!("MD5 (a) = {}", md5.to_uppercase()),
        format!("MD5\t(a) = {md5}"),
        format!("{md5}\ta"),
        format!("{md5}  a\r{md5}  b\r\n\n{md5}  a"),
        format!("{md5}  a\nMD5 (a) = {md5}\n{md5} x/a"),
        format!("{md5}  a\n\n{}  b\nnothing", md5.replace('a', "b")),
        format!("{md5}  a\n{}  a", md5.replace('a', "b")),
    ]);
    lines
}

fn rpkg_reads(python: &Path, contents: &[String]) -> Vec<Option<Entries>> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/sources_peer.py");
    let mut command = Command::new(python);
    command.arg(script).env("LC_ALL", "C.UTF-8").stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(&serde_json::to_vec(contents).unwrap()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    serde_json::from_slice(&output.stdout).unwrap()
}

/// What rpkg reads and we do not: it would ask for a file that there cannot be, or write it where it must not be.
fn is_stricter(error: &SourcesError) -> bool {
    let SourcesError::Line { problem, .. } = error else { return false };
    match problem {
        LineProblem::BadHash { .. }
        | LineProblem::UnknownAlgorithm { .. }
        | LineProblem::BadName { .. }
        | LineProblem::Twice { .. } => true,
        LineProblem::Malformed { text } => text.starts_with('#'),
        LineProblem::NotUtf8 => false,
    }
}

#[test]
fn what_we_read_is_what_rpkg_reads() {
    let Some(python) = peers::python() else { return };
    let contents = lines();
    assert!(contents.len() >= 100);
    let (mut same, mut refused_by_both) = (0, 0);
    for (content, theirs) in contents.iter().zip(rpkg_reads(&python, &contents)) {
        match (sources::parse(content.as_bytes()), theirs) {
            (Ok(ours), Some(theirs)) => {
                let ours: Entries = ours
                    .into_iter()
                    .map(|source| {
                        let (algorithm, hash) = (source.checksum.algorithm(), source.checksum.hash());
                        (algorithm.name().to_owned(), source.name, hash.to_owned())
                    })
                    .collect();
                let lower = |(kind, name, hash): (String, String, String)| (kind, name, hash.to_ascii_lowercase());
                let theirs: Entries = theirs.into_iter().map(lower).collect();
                assert_eq!(ours, theirs, "{content:?}");
                same += 1;
            }
            (Err(_), None) => refused_by_both += 1,
            (Err(ours), Some(theirs)) => assert!(is_stricter(&ours), "{content:?}: {ours}, and rpkg reads {theirs:?}"),
            (Ok(ours), None) => panic!("{content:?}: rpkg refuses it, and we read {ours:?}"),
        }
    }
    assert!(same > 30 && refused_by_both > 20, "{same} read alike, {refused_by_both} refused by both");
}

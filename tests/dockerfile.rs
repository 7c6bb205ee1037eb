//! Dockerfiles, generated ones and those in `tests/data/dockerfile`, read by us and by Python's dockerfile-parse, and
//! bytes that must not stop us.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]
#![allow(clippy::print_stdout, reason = "shown for a test that fails")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use fedpkg_container_build::checkout::dockerfile::{Dockerfile, DockerfileError, Instruction};
use serde::Deserialize;

use crate::support::peers;

/// What the Python program tells about one file.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Theirs {
    Refused {
        error: String,
    },
    Read {
        labels: BTreeMap<String, String>,
        parents: Vec<String>,
        /// Keyword, first line, last line.
        instructions: Vec<(String, usize, usize)>,
    },
}

/// The differences that are meant, each with its reason: what our message says, and what Python does instead.
const DIFFERENCES: &[(&str, &str)] = &[(
    "FROM names no image",
    "dockerfile-parse passes over a FROM without an image, which then hides the labels above it; \
     no builder takes such a file",
)];

#[test]
fn five_hundred_generated_files_and_those_by_hand_read_as_python_reads_them() {
    let Some(python) = peers::python() else { return };
    let (by_hand, generated) = (by_hand(), tempfile::tempdir().unwrap());
    for seed in 0..500 {
        std::fs::write(generated.path().join(format!("{seed:03}.generated")), generated_file(seed)).unwrap();
    }
    let theirs = python_readings(&python, &[&by_hand, generated.path()]);
    let (mut read, mut refused, mut labels, mut different) = (0, 0, 0, 0);
    for (name, theirs) in &theirs {
        let folder = if name.ends_with(".generated") { generated.path() } else { &by_hand };
        let bytes = std::fs::read(folder.join(name)).unwrap();
        let shown = String::from_utf8_lossy(&bytes);
        let ours = Dockerfile::parse(&bytes, Path::new(name));
        match (&ours, theirs) {
            (Ok(ours), Theirs::Read { .. }) => {
                compare(name, &bytes, ours, theirs);
                read += 1;
                labels += ours.labels.len();
            }
            (Err(DockerfileError::Malformed { .. }), Theirs::Refused { error }) => {
                assert!(["IndexError", "ValueError", "UnicodeDecodeError"].contains(&error.as_str()), "{error}");
                refused += 1;
            }
            (Err(DockerfileError::Malformed { what, .. }), _) if is_meant(what) => different += 1,
            _ => panic!("{name}: ours {ours:?}, theirs {theirs:?}\n{shown}\n{shown:?}"),
        }
    }
    println!("{read} read, with {labels} labels; {refused} refused by both; {different} differ as listed");
    assert!(theirs.len() >= 530, "{} files", theirs.len());
    assert!(read >= 300 && refused >= 40 && labels >= 400, "the cases are one-sided");
    assert!(different <= 25, "{different} files say nothing, since they differ");
}

fn compare(name: &str, bytes: &[u8], ours: &Dockerfile, theirs: &Theirs) {
    let Theirs::Read { labels, parents, instructions } = theirs else { panic!("{name}") };
    let shown = String::from_utf8_lossy(bytes);
    let map: BTreeMap<_, _> = ours.labels.iter().map(|label| (label.name.clone(), label.value.clone())).collect();
    assert_eq!(map.len(), ours.labels.len(), "{name}: a label twice\n{shown}");
    assert_eq!(&map, labels, "{name}: labels\n{shown}\n{shown:?}");
    let images: Vec<_> = ours.base_images.iter().map(|image| image.image.clone()).collect();
    assert_eq!(&images, parents, "{name}: base images\n{shown}\n{shown:?}");

    let line_at = |offset: usize| 1 + bytes[..offset].iter().filter(|byte| **byte == b'\n').count();
    let spans = ours.instructions.iter().map(|found| {
        assert_eq!(found.line, line_at(found.span.start), "{name}: {found:?}\n{shown}");
        (found.keyword.clone(), found.line, line_at(found.span.end - 1))
    });
    let spans: Vec<_> = spans.collect();
    assert_eq!(&spans, instructions, "{name}: instructions\n{shown}\n{shown:?}");
    let froms: Vec<_> =
        instructions.iter().filter(|(keyword, ..)| keyword == "FROM").map(|(_, line, _)| *line).collect();
    assert_eq!(ours.base_images.iter().map(|image| image.line).collect::<Vec<_>>(), froms, "{name}: lines of FROM");
    for label in &ours.labels {
        let within = |(keyword, first, last): &(String, usize, usize)| {
            keyword == "LABEL" && (*first..=*last).contains(&label.line)
        };
        assert!(instructions.iter().any(within), "{name}: {label:?}\n{shown}");
        assert_eq!(label.line, line_at(label.span.start), "{name}: {label:?}\n{shown}");
    }
    let bytes_of = |keyword: &str, span: &std::ops::Range<usize>| {
        let holds = |found: &Instruction| found.keyword == keyword && found.span.start < span.start;
        !span.is_empty() && ours.instructions.iter().any(|found| holds(found) && span.end <= found.span.end)
    };
    assert!(ours.labels.iter().all(|label| bytes_of("LABEL", &label.span)), "{name}: {ours:?}\n{shown}");
    assert!(ours.base_images.iter().all(|base| bytes_of("FROM", &base.span)), "{name}: {ours:?}\n{shown}");
}

fn is_meant(what: &str) -> bool {
    DIFFERENCES.iter().any(|(message, _)| what == *message)
}

fn by_hand() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/dockerfile")
}

fn python_readings(python: &Path, folders: &[&Path]) -> BTreeMap<String, Theirs> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/dockerfile_peer.py");
    let output = Command::new(python).arg(script).args(folders).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn no_bytes_make_the_reader_panic() {
    let mut random = Random(0x5eed);
    for seed in 0..1000 {
        let bytes = if seed % 2 == 0 { random_bytes(&mut random) } else { mutated_file(&mut random, seed) };
        if let Ok(read) = Dockerfile::parse(&bytes, Path::new("fuzz")) {
            for found in read.instructions {
                assert!(bytes.get(found.span.clone()).is_some_and(|text| !text.is_empty()), "{found:?}: {bytes:?}");
            }
        }
    }
}

fn random_bytes(random: &mut Random) -> Vec<u8> {
    const PIECES: &[&str] = &[
        "FROM ",
        "LABEL ",
        "ENV ",
        "ARG ",
        "\n",
        "\\\n",
        "\\",
        "\"",
        "'",
        "$",
        "${",
        "}",
        "$a",
        "a",
        "=",
        "a=",
        "#",
        " ",
        "\t",
        "\r\n",
        "é",
        "\u{1c}",
        "--platform=",
        "# escape=`\n",
        "`\n",
        "RUN ",
        "COPY ",
        "ONBUILD ",
        "HEALTHCHECK CMD ",
        "CMD ",
        "VOLUME ",
        "<<",
        "<<-\"E\"",
        "<<E\n",
        "\nE\n",
        "[\"",
        "\", ",
        "]",
        "\\u00",
        "\u{feff}",
    ];
    let mut bytes = Vec::new();
    for _ in 0..random.below(80) {
        if random.one_in(40) {
            bytes.push(random.next() as u8);
        } else {
            bytes.extend_from_slice(random.pick(PIECES).as_bytes());
        }
    }
    bytes
}

fn mutated_file(random: &mut Random, seed: u64) -> Vec<u8> {
    let mut bytes = generated_file(seed);
    for _ in 0..random.below(6) {
        if bytes.is_empty() {
            break;
        }
        let at = random.below(bytes.len());
        match random.below(3) {
            0 => bytes[at] = random.next() as u8,
            1 => drop(bytes.remove(at)),
            _ => bytes.insert(at, *random.pick(b"\\\"'${}=#\n\r \xff")),
        }
    }
    bytes
}

/// The same file for the same seed.
fn generated_file(seed: u64) -> Vec<u8> {
    let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(1));
    let mut text = String::new();
    if random.one_in(8) {
        text += random.word(&[
            "# escape=`",
            "#Escape = ` ",
            "# syntax=docker/dockerfile:1\n# escape=`",
            "\n# escape=`",
            "# c",
        ]);
        text += "\n";
    }
    let random = &mut random;
    for _ in 0..random.below(3) {
        text += &format!("{} {}\n", keyword(random, "ARG"), pairs(random, 1));
    }
    for _ in 0..=random.below(3) {
        text += &from(random);
        for _ in 0..random.below(7) {
            text += &instruction(random);
        }
    }
    if random.one_in(4) {
        text.pop();
    }
    if text.starts_with("# escape") && random.one_in(2) {
        text = text.replace("\\\n", "`\n");
    }
    if random.one_in(6) {
        text = text.replace('\n', "\r\n");
    }
    let mut bytes = text.into_bytes();
    if random.one_in(60) {
        bytes.insert(random.below(bytes.len() + 1), 0xff);
    }
    bytes
}

fn keyword(random: &mut Random, word: &str) -> String {
    match random.below(6) {
        0 => word.to_lowercase(),
        1 => format!("{}{}", random.word(&["  ", "\t", "\u{a0}"]), word),
        2 => word.chars().map(|c| if random.one_in(2) { c.to_ascii_lowercase() } else { c }).collect(),
        _ => word.to_owned(),
    }
}

fn from(random: &mut Random) -> String {
    let keyword = keyword(random, "FROM");
    let flag =
        random.word(&["", "", "", "", "--platform=linux/amd64 ", "--PLATFORM=$A ", "--platform= ", "--other=x "]);
    let image = random.word(&[
        "fedora:40",
        "registry.fedoraproject.org/fedora:latest",
        "scratch",
        "$A",
        "${A}",
        "${A}:${b}",
        "builder",
        "0",
        "img:$b-$A",
        "\"quoted\"",
        "$unset",
        "${A:-fedora}",
        "a\\ b",
        "image@sha256:00ff",
        "$A$b",
        "'$A'",
        "\\$A",
        "$é",
    ]);
    let stage =
        random.word(&["", "", " AS builder", " as x", "  As\ty  ", " AS", " \\\n  AS z", " junk", "# no comment"]);
    if random.one_in(80) { format!("{keyword} \n") } else { format!("{keyword} {flag}{image}{stage}\n") }
}

fn instruction(random: &mut Random) -> String {
    let odd: &[&str] = &[
        "RUN <<EOF\nLABEL in=heredoc\nEOF\n",
        "RUN dnf -y install a && \\\n  # a comment\n\n    dnf clean all\n",
        "\n",
        "# LABEL a=comment\n",
        "  \t\n",
        "lone\n",
        "COPY --from=builder /a /b\n",
        "LABEL\\\n x=y\n",
        "RUN a \\  \n  && LABEL no=label\n",
        "LABEL \\\n \\\n # c\n\\\n a=late\n",
        "CMD [\"LABEL\", \"a=b\"]\n",
        "ONBUILD LABEL on=build\n",
        "LABEL # x\n",
        "RUN <<EOF\nfrom os import path\nEOF\n",
        "label\u{1c}a=sep\n",
    ];
    match random.below(12) {
        0..=1 => random.word(odd).to_owned(),
        2 if random.one_in(6) => {
            format!("{}\n", random.word(&["ENV ", "LABEL\t", "LABEL \\\n", "ARG  ", "LABEL a=b c", "ENV a=b \"c d\""]))
        }
        2..=4 => format!("{} {}\n", keyword(random, "ENV"), body(random)),
        5..=6 => format!("{} {}\n", keyword(random, "ARG"), body(random)),
        _ => format!("{} {}\n", keyword(random, "LABEL"), body(random)),
    }
}

/// What stands behind `ENV`, `ARG` or `LABEL`: pairs, or the old form.
fn body(random: &mut Random) -> String {
    if random.one_in(5) {
        let blank = random.word(&[" ", "  ", "\t", " \\\n", ""]);
        return format!("{}{blank}{}{}", name(random), value(random), random.word(&["", " ", " more = text", "\t"]));
    }
    let count = 1 + random.below(4);
    pairs(random, count)
}

fn pairs(random: &mut Random, count: usize) -> String {
    let mut text = String::new();
    for at in 0..count {
        if at > 0 {
            let odd = ["`\n ", "\\\n", " \\\n\n "];
            let plain = [
                " ",
                " ",
                "  ",
                "\t",
                " \\\n",
                " \\\n    ",
                " \\  \n # comment \\\n  ",
                " \\\n\\\n  ",
                " \\\n\t#c\n",
                "\u{2003}",
            ];
            text += if random.one_in(20) { random.word(&odd) } else { random.word(&plain) };
        }
        text += &name(random);
        text += "=";
        text += &value(random);
    }
    text
}

fn name(random: &mut Random) -> String {
    let names = [
        "A",
        "b",
        "c",
        "com.redhat.component",
        "name",
        "version",
        "\"a b\"",
        "'q'",
        "x\\ y",
        "$A",
        "${b}",
        "é",
        "日本",
        "\"a=b\"",
        "",
        "A_1",
    ];
    random.word(&names).to_owned()
}

fn value(random: &mut Random) -> String {
    const PIECES: &[&str] = &[
        "v",
        "word",
        "1.0",
        "é",
        "日本",
        "$A",
        "${b}",
        "$c",
        "${A}x",
        "$A$b",
        "${A:-d}",
        "${A:+d}",
        "${A-d}",
        "$",
        "$$",
        "${",
        "${A",
        "$unset",
        "${unset:-x}",
        "\\$A",
        "\\\\",
        "\\\"",
        "\\'",
        "\\ ",
        "\"d e\"",
        "'s $A t'",
        "\"$A ${b}\"",
        "\"\"",
        "''",
        "\"\\\"\"",
        "\"\\n \\\\ \\$A\"",
        "\"it's\"",
        "'say \"x\"'",
        "=",
        "a=b",
        "#",
        "{}",
        "[\"a\"]",
        "`",
        "\"a\\\n   b\"",
        "x\\\ny",
        "$é",
        "${{A}}",
        "$A_1",
        "@",
        "%",
        "$\"A\"",
        "$A\\ b",
        "😀",
        "~",
    ];
    const ODD: &[&str] = &["$A'", "\"open", "\u{a0}"];
    let mut value = String::new();
    for _ in 0..random.below(4) {
        value += if random.one_in(40) { random.word(ODD) } else { random.word(PIECES) };
    }
    value
}

/// SplitMix64: enough for test cases, and the same cases on every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `limit`, which is not 0.
    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    fn word(&mut self, from: &[&'static str]) -> &'static str {
        from[self.below(from.len())]
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }
}

//! Feeds mutated input to a parser for a while: `cargo run --example fuzz -- PARSER SECONDS [SEED]`.
//!
//! Every input that makes a parser panic is written to the current folder before the program ends with the panic.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for developers")]

use std::collections::BTreeMap;
use std::path::{Component, Path};
use std::time::{Duration, Instant};

use fedpkg_container_build::checkout::container_yaml::ContainerYaml;
use fedpkg_container_build::checkout::dockerfile::{BuildFile, Dockerfile};
use fedpkg_container_build::checkout::sources;
use fedpkg_container_build::config::ini::Ini;
use fedpkg_container_build::fetch::{AllowedDomains, url_list};
use fedpkg_container_build::koji::xmlrpc;
use fedpkg_container_build::local::image::name::ImageName;
use fedpkg_container_build::local::steps::base_image::{BaseImage, BaseImages, Parent};
use fedpkg_container_build::local::steps::dockerfile::{self, Author, Changes, StoredNames};
use fedpkg_container_build::log_lines::LineSplitter;
use fedpkg_container_build::report::progress::Progress;
use fedpkg_container_build::report::sanitize;
use fedpkg_container_build::request::nvr::Nvr;

/// A parser and what it is fed with at first.
struct Target {
    name: &'static str,
    seeds: &'static [&'static str],
    run: fn(&[u8]),
}

const TARGETS: &[Target] = &[
    Target {
        name: "xmlrpc",
        seeds: &[
            "<?xml version='1.0'?>\n<methodResponse>\n<params>\n<param>\n<value><struct>\n<member>\n<name>id</name>\n<value><int>25</int></value>\n</member>\n<member>\n<name>request</name>\n<value><array><data>\n<value><string>git+https://h/c?d#e &amp; f</string></value>\n<value><nil/></value>\n<value><double>1.5</double></value><value><boolean>1</boolean></value><value><base64>AAE=</base64></value></data></array></value>\n</member>\n</struct></value>\n</param>\n</params>\n</methodResponse>\n",
            "<methodResponse><fault><value><struct><member><name>faultCode</name><value><int>1000</int></value></member><member><name>faultString</name><value>x</value></member></struct></value></fault></methodResponse>",
        ],
        run: |input| drop(xmlrpc::decode_answer(input)),
    },
    Target {
        name: "ini",
        seeds: &[
            "[DEFAULT]\nbase = x\n[fedpkg]\nkojiprofile = koji\nanongiturl = https://h/%(repo)s.git\nlong = a\n  b\n\n  c ; no comment\n# comment\n; comment\nx: y = z\n[fedpkg.mbs]\nv = %(base)s%%\n",
        ],
        run: read_ini,
    },
    Target {
        name: "dockerfile",
        seeds: &[
            "# syntax\nARG V=1\nFROM --platform=linux/amd64 fedora:$V AS build\nENV A=b \\\n  # comment\n  C=\"d e\"\nLABEL name=\"x $A\" 'q'=\\ z version=${V:-2}\nLABEL old form\nRUN <<EOF\nls\nEOF\nFROM build\nCOPY --from=build / /\n",
        ],
        run: |input| drop(Dockerfile::parse(input, Path::new("Dockerfile"))),
    },
    Target {
        name: "build_file",
        seeds: &[
            "# escape=`\nARG V=1\nFROM --platform=linux/amd64 fedora:$V `\n # c\n AS build\nUSER 48\nRUN <<EOF\nFROM x\nEOF\nFROM scratch\nFROM build\nLABEL a=b release=2\nUSER `\n a\nCMD [\"x\"]",
            "FROM fedora\r\nLABEL release 2\r\nCOPY --from=a b /\r\nUSER 1 \\\n\n# c",
        ],
        run: write_build_file,
    },
    Target {
        name: "container_yaml",
        seeds: &[
            "platforms:\n  only: [x86_64, s390x]\n  not: ppc64le\ncompose:\n  packages: []\n  modules:\n    - nodejs:18/default\n  signing_intent: release\n  pulp_repos: yes\nremote_sources:\n  - name: a\n    remote_source: &r {repo: 'https://h', ref: 0123456789012345678901234567890123456789}\n  - name: b\n    remote_source: *r\ntags: [latest, \"1.0\"]\nset_release_env: R\n",
        ],
        run: |input| drop(ContainerYaml::parse(input)),
    },
    Target {
        name: "sources",
        seeds: &[
            "SHA256 (app-1.tar.gz) = e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\n\nd41d8cd98f00b204e9800998ecf8427e  a b.tar\r\nda39a3ee5e6b4b0d3255bfef95601890afd80709 SOURCES/c\n",
        ],
        run: read_sources,
    },
    Target {
        name: "url_list",
        seeds: &[
            "- url: https://example.com/a.jar\n  md5: d41d8cd98f00b204e9800998ecf8427e\n  target: x/a.jar\n- {url: 'http://h/b?c=d/e', sha1: da39a3ee5e6b4b0d3255bfef95601890afd80709, source-url: https://h/s, source-md5: d41d8cd98f00b204e9800998ecf8427e}\n",
        ],
        run: read_url_list,
    },
    Target {
        name: "log_bytes",
        seeds: &[
            "STEP 1/2: FROM x\n\x1b[31mred\x1b[0m\rover\n(1/2): a.rpm\n\u{202e}x\u{9b}31m\n2025-03-01 10:15:00,123 - a - INFO - [1/2] STEP 3/4: RUN y\n",
        ],
        run: show_log,
    },
];

/// Reads everything that was understood, so that interpolation is tried too.
fn read_ini(input: &[u8]) {
    let mut ini = Ini::new();
    let _ = ini.read_bytes(input, Path::new("fuzz.conf"));
    let sections: Vec<String> = ini.sections().map(str::to_owned).collect();
    for section in &sections {
        let _ = ini.items(section);
        for key in ini.keys(section).into_iter().flatten() {
            let _ = ini.boolean(section, key);
        }
    }
}

/// What is built of a Dockerfile has the same stages, each pinned, and ends with what the build adds.
fn write_build_file(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let (Ok(file), Ok(service)) = (BuildFile::parse(text), Dockerfile::parse(input, Path::new("Dockerfile"))) else {
        return;
    };
    let image = BaseImage {
        written: "fedora".to_owned(),
        name: ImageName::parse("r.example.com/fedora:1").expect("a name"),
        digest: format!("sha256:{}", "a".repeat(64)),
        media_type: String::new(),
        variants: BTreeMap::new(),
    };
    let parents = file.stages.iter().enumerate().map(|(at, stage)| match file.earlier_stage(at, &stage.image) {
        Some(earlier) => Parent::Stage(earlier),
        None if stage.image == "scratch" => Parent::Scratch,
        None => Parent::Image(0),
    });
    let bases = BaseImages { parents: parents.collect(), images: vec![image] };
    let nvr = Nvr { name: "c".to_owned(), version: "1".to_owned(), release: "3".to_owned() };
    let changes = Changes {
        bases: &bases,
        release: "3",
        release_env: Some("R"),
        labels: &[("a".to_owned(), "x$\"\\`".to_owned())],
        stored: &StoredNames::of(&nvr, "n/m", false),
        repos: &["a.repo".to_owned()],
        ca_bundle: Some("ca.pem"),
        base_user: "1001",
    };
    // The two readings may disagree on where a label is; then it is told.
    let Ok(written) = dockerfile::write(Author { text, file: &file, service: &service }, &changes) else { return };
    let built = BuildFile::parse(&written.built).unwrap_or_else(|error| panic!("{error}: {:?}", written.built));
    assert_eq!(built.stages.len(), file.stages.len(), "{:?}", written.built);
    let pinned = |(stage, parent): (&_, &Parent)| {
        let stage: &fedpkg_container_build::checkout::dockerfile::Stage = stage;
        *parent != Parent::Image(0) || stage.image == bases.images[0].pinned().to_string()
    };
    assert!(built.stages.iter().zip(&bases.parents).all(pinned), "{:?}", written.built);
    let last = built.stages.last().map_or(0, |stage| stage.instructions.len());
    let before = file.stages.last().map_or(0, |stage| stage.instructions.len());
    assert!(last >= before + 3, "{:?}", written.built);
}

/// Whatever is read can be fetched into a folder without leaving it.
fn read_sources(input: &[u8]) {
    for source in sources::parse(input).unwrap_or_default() {
        assert!(Path::new(&source.name).components().eq([Component::Normal(source.name.as_ref())]), "{source:?}");
        assert_eq!(source.checksum.hash().len(), source.checksum.algorithm().digits());
    }
}

/// The same of artifacts.
fn read_url_list(input: &[u8]) {
    for artifact in url_list::parse(input, &AllowedDomains::any()).unwrap_or_default() {
        let target = artifact.download(&AllowedDomains::any()).target;
        assert!(target.components().all(|part| matches!(part, Component::Normal(_))), "{artifact:?}");
        assert!(target.starts_with("artifacts") && !artifact.checksums.is_empty(), "{artifact:?}");
    }
}

/// Cuts a log into lines and shows them as the live view does: made harmless, and read for progress.
fn show_log(input: &[u8]) {
    let mut splitter = LineSplitter::default();
    let mut progress = Progress::default();
    let mut show = |line: &[u8]| {
        progress.line(line);
        let safe = sanitize::line(line);
        assert!(!safe.chars().any(char::is_control), "{safe:?}");
        assert!(sanitize::cut(&safe, 20).chars().count() <= 20 + safe.len());
    };
    let (first, second) = input.split_at(input.len() / 2);
    for chunk in [first, second] {
        splitter.feed(chunk, &mut show);
    }
    splitter.flush(&mut show);
}

/// Pieces that parsers of text find interesting.
const TOKENS: &[&str] = &[
    "<",
    ">",
    "</",
    "/>",
    "&",
    ";",
    "&#x0;",
    "&lt;",
    "<![CDATA[",
    "]]>",
    "<!--",
    "<!DOCTYPE a [",
    "<value>",
    "</value>",
    "<array><data>",
    "\n",
    "\r\n",
    "\t",
    " ",
    "\0",
    "\\",
    "\\\n",
    "\"",
    "'",
    "$",
    "${",
    "}",
    ":-",
    ":+",
    "=",
    ":",
    "#",
    "[",
    "]",
    "%",
    "%(",
    ")s",
    "- ",
    "---\n",
    "...\n",
    "*a",
    "&a ",
    "!!int ",
    "|\n",
    ">\n",
    "{",
    ",",
    "FROM ",
    "LABEL ",
    "ENV ",
    "ARG ",
    "AS ",
    "\u{feff}",
    "\u{202e}",
    "\x1b[31m",
    "\u{e9}",
    "-9223372036854775808",
    "1e999",
    "[DEFAULT]\n",
    "STEP 1/2: ",
    "[1/2] STEP 3/4: ",
];

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let (Some(name), Some(seconds)) = (arguments.get(1), arguments.get(2).and_then(|text| text.parse().ok())) else {
        let names: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
        eprintln!("usage: fuzz PARSER SECONDS [SEED], where PARSER is one of {}", names.join(", "));
        std::process::exit(2);
    };
    let Some(target) = TARGETS.iter().find(|target| target.name == name) else {
        eprintln!("no parser is called {name}");
        std::process::exit(2);
    };
    let seed = arguments.get(3).and_then(|text| text.parse().ok()).unwrap_or(1);
    let inputs = run(target, Duration::from_secs(seconds), seed);
    println!("{name}: {inputs} inputs in {seconds} s, no panic");
}

/// Returns how many inputs there were.
fn run(target: &Target, duration: Duration, seed: u64) -> u64 {
    let mut random = Random(seed | 1);
    let mut corpus: Vec<Vec<u8>> = target.seeds.iter().map(|seed| seed.as_bytes().to_vec()).collect();
    let end = Instant::now() + duration;
    let mut inputs = 0;
    while Instant::now() < end {
        for _ in 0..100 {
            let mut input = corpus[random.below(corpus.len())].clone();
            for _ in 0..=random.below(6) {
                mutate(&mut input, &corpus, &mut random);
            }
            input.truncate(64 * 1024);
            let attempt = std::panic::catch_unwind(|| (target.run)(&input));
            if let Err(panic) = attempt {
                let path = format!("fuzz-{}-{inputs}.bin", target.name);
                std::fs::write(&path, &input).expect("the input that panics can be written");
                eprintln!("{path} makes {} panic", target.name);
                std::panic::resume_unwind(panic);
            }
            inputs += 1;
            // Mutants of mutants go deeper; a bounded corpus keeps some of them.
            if random.below(50) == 0 {
                let at = target.seeds.len() + random.below(256);
                if at < corpus.len() { corpus[at] = input } else { corpus.push(input) }
            }
        }
    }
    inputs
}

fn mutate(input: &mut Vec<u8>, corpus: &[Vec<u8>], random: &mut Random) {
    let at = random.below(input.len() + 1);
    let end = at + random.below((input.len() - at).min(32) + 1);
    match random.below(6) {
        0 if at < input.len() => input[at] = random.next() as u8,
        1 => drop(input.drain(at..end)),
        2 => drop(input.splice(at..at, TOKENS[random.below(TOKENS.len())].bytes())),
        3 => {
            let piece = input[at..end].repeat(1 + random.below(20));
            drop(input.splice(at..at, piece));
        }
        4 => {
            let other = &corpus[random.below(corpus.len())];
            let from = random.below(other.len() + 1);
            let to = from + random.below((other.len() - from).min(64) + 1);
            drop(input.splice(at..end, other[from..to].iter().copied()));
        }
        _ => input.truncate(at),
    }
}

/// Marsaglia's xorshift: the same seed gives the same inputs.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end.max(1) as u64).unwrap_or(0)
    }
}

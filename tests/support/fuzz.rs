//! What must hold of every input of a parser. `tests/fuzz/run.sh` looks for inputs that break it, guided by coverage; the
//! ordinary tests (`fuzz_replay`) replay the seeds, and what was found before, from `tests/data/fuzz/TARGET/`.
#![allow(clippy::panic, reason = "an input that breaks a promise stops the search")]
#![allow(unreachable_pub, reason = "the programs that search are a crate of their own")]

use std::collections::BTreeMap;
use std::path::{Component, Path};

use fedpkg_container_build::checkout::container_yaml::ContainerYaml;
use fedpkg_container_build::checkout::dockerfile::{BuildFile, Dockerfile, Stage};
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

/// Takes an input, and panics when something is wrong with what is made of it.
pub type Target = fn(&[u8]);

/// Each target's name, which is also that of its folder and program, and what it does with an input.
pub const TARGETS: &[(&str, Target)] = &[
    ("build_file", build_file),
    ("container_yaml", container_yaml),
    ("dockerfile", dockerfile),
    ("ini", ini),
    ("log_bytes", log_bytes),
    ("sources", sources),
    ("url_list", url_list),
    ("xmlrpc", xmlrpc),
];

/// `container.yaml` is read or refused.
pub fn container_yaml(input: &[u8]) {
    let _ = ContainerYaml::parse(input);
}

/// A Dockerfile is read, as the build service reads it, or refused.
pub fn dockerfile(input: &[u8]) {
    let _ = Dockerfile::parse(input, Path::new("Dockerfile"));
}

/// What a hub answers and can be sent is the same when it comes back.
pub fn xmlrpc(input: &[u8]) {
    let Ok(Ok(value)) = xmlrpc::decode_answer(input) else { return };
    let Ok(call) = xmlrpc::encode_call("m", std::slice::from_ref(&value)) else { return };
    let answer = call.replace("<methodName>m</methodName>", "").replace("methodCall>", "methodResponse>");
    let back = xmlrpc::decode_answer(answer.as_bytes());
    // As text, since a number that is none is not even equal to itself.
    let (Ok(Ok(back)), sent) = (&back, format!("{value:?}")) else { panic!("{back:?} of {answer}") };
    assert_eq!(format!("{back:?}"), sent, "{answer}");
}

/// Reads everything that was understood, so that interpolation is tried too.
pub fn ini(input: &[u8]) {
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

/// What is written of a Dockerfile reads back as the author's file with what the build adds: each stage pinned, with its own
/// instructions in their order.
pub fn build_file(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let (Ok(file), Ok(service)) = (BuildFile::parse(text), Dockerfile::parse(input, Path::new("Dockerfile"))) else {
        return;
    };
    let bases = bases(&file);
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
    let with_files = |at| if bases.image_of(at).is_some() { 2 } else { 0 };
    reads_back(&file, &bases, &written.built, |at| 1 + with_files(at));
    let nothing_pinned =
        BaseImages { parents: file.stages.iter().map(|_| Parent::Scratch).collect(), images: Vec::new() };
    reads_back(&file, &nothing_pinned, &written.stored, |_| 1);
}

fn bases(file: &BuildFile) -> BaseImages {
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
    BaseImages { parents: parents.collect(), images: vec![image] }
}

/// `added` is how many instructions stand before the author's, by stage. Behind them only the last stage has more.
fn reads_back(author: &BuildFile, bases: &BaseImages, written: &str, added: impl Fn(usize) -> usize) {
    let back = BuildFile::parse(written).unwrap_or_else(|error| panic!("{error}: {written:?}"));
    assert_eq!(back.stages.len(), author.stages.len(), "{written:?}");
    for (at, (stage, own)) in back.stages.iter().zip(&author.stages).enumerate() {
        let image = match bases.parents[at] {
            Parent::Image(image) => bases.images[image].pinned().to_string(),
            Parent::Scratch | Parent::Stage(_) => own.image.clone(),
        };
        assert_eq!(stage.image, image, "{written:?}");
        let [before, after] = [stage, own].map(keywords);
        let rest = before.get(added(at)..).and_then(|rest| rest.strip_prefix(after.as_slice()));
        let is_last = at + 1 == author.stages.len();
        assert!(
            rest.is_some_and(|rest| is_last != rest.is_empty()),
            "stage {at} of {written:?}: {before:?}, {after:?}"
        );
    }
}

fn keywords(stage: &Stage) -> Vec<&str> {
    stage.instructions.iter().map(|instruction| instruction.keyword.as_str()).collect()
}

/// Whatever is read can be fetched into a folder without leaving it.
pub fn sources(input: &[u8]) {
    for source in sources::parse(input).unwrap_or_default() {
        assert!(Path::new(&source.name).components().eq([Component::Normal(source.name.as_ref())]), "{source:?}");
        assert_eq!(source.checksum.hash().len(), source.checksum.algorithm().digits());
    }
}

/// The same of artifacts.
pub fn url_list(input: &[u8]) {
    for artifact in url_list::parse(input, &AllowedDomains::any()).unwrap_or_default() {
        let target = artifact.download(&AllowedDomains::any()).target;
        assert!(target.components().all(|part| matches!(part, Component::Normal(_))), "{artifact:?}");
        assert!(target.starts_with("artifacts") && !artifact.checksums.is_empty(), "{artifact:?}");
    }
}

/// Cuts a log into lines and shows them as the live view does: made harmless, and read for progress.
pub fn log_bytes(input: &[u8]) {
    let mut splitter = LineSplitter::default();
    let mut progress = Progress::default();
    let mut show = |line: &[u8]| {
        progress.line(line);
        let safe = sanitize::line(line);
        assert!(!safe.chars().any(char::is_control), "{safe:?}");
        assert!(sanitize::cut(&safe, 20, true).chars().count() <= 20 + safe.len());
    };
    let (first, second) = input.split_at(input.len() / 2);
    for chunk in [first, second] {
        splitter.feed(chunk, &mut show);
    }
    splitter.flush(&mut show);
}

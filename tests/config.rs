//! Configuration files: generated ones read by us and by Python's configparser, and files that must not stop us.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use fedpkg_container_build::config::ini::{Ini, IniError};
use fedpkg_container_build::config::koji::{AuthType, KojiProfile, KojiRoots};
use serde::Deserialize;

use crate::support::peers;

/// What the Python program tells about one case.
#[derive(Debug, Deserialize, PartialEq)]
#[serde(untagged)]
enum Reading {
    Refused { error: String, lines: Vec<usize> },
    Read { sections: BTreeMap<String, BTreeMap<String, Value>>, defaults: BTreeMap<String, String> },
}

#[derive(Debug, Deserialize, PartialEq)]
struct Value {
    raw: String,
    #[serde(default)]
    value: Option<String>,
    #[serde(default)]
    error: Option<String>,
    #[serde(default)]
    boolean: Option<bool>,
    #[serde(default)]
    int: Option<i64>,
}

#[test]
fn two_thousand_generated_files_read_as_python_reads_them() {
    let Some(python) = peers::python() else { return };
    let folder = tempfile::tempdir().unwrap();
    let cases: Vec<(String, Vec<Vec<u8>>)> = (0..2000).map(|seed| (seed.to_string(), generated_case(seed))).collect();
    for (name, files) in &cases {
        let case = folder.path().join(name);
        std::fs::create_dir(&case).unwrap();
        for (number, bytes) in (1..).zip(files) {
            std::fs::write(case.join(format!("{number}.conf")), bytes).unwrap();
        }
    }
    let theirs = python_readings(&python, folder.path());
    let (mut read, mut refused) = (0, 0);
    for (name, files) in &cases {
        let (ours, theirs) = (our_reading(&folder.path().join(name)), &theirs[name]);
        match theirs {
            Reading::Read { .. } => read += 1,
            Reading::Refused { .. } => refused += 1,
        }
        if excused(&ours, theirs).is_none() {
            let text: Vec<_> = files.iter().map(|bytes| String::from_utf8_lossy(bytes)).collect();
            assert_eq!(&ours, theirs, "case {name}: {text:#?}");
        }
    }
    assert!(read >= 600 && refused >= 600, "the cases are one-sided: {read} read, {refused} refused");
}

/// The differences that are meant, each with its reason.
fn excused(ours: &Reading, theirs: &Reading) -> Option<&'static str> {
    match (ours, theirs) {
        (Reading::Refused { error: ours, lines }, Reading::Refused { error: theirs, lines: second })
            if ours == "ParsingError"
                && theirs == "DuplicateOptionError"
                && second.iter().all(|l| lines.contains(l)) =>
        {
            Some("a second line without a key is malformed, as the first is; Python calls it a second key ''")
        }
        _ => None,
    }
}

fn python_readings(python: &Path, folder: &Path) -> BTreeMap<String, Reading> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/ini_peer.py");
    let output = Command::new(python).arg(script).arg(folder).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn our_reading(case: &Path) -> Reading {
    let mut ini = Ini::new();
    for name in ["1.conf", "2.conf"] {
        if let Err(error) = ini.read_file(&case.join(name)) {
            return Reading::Refused { error: python_class(&error).to_owned(), lines: lines_of(&error) };
        }
    }
    let options = |section: &str| -> BTreeMap<String, Value> {
        let keys = ini.keys(section).unwrap_or_default();
        keys.into_iter().map(|key| (key.to_owned(), our_value(&ini, section, key))).collect()
    };
    Reading::Read {
        sections: ini.sections().map(|section| (section.to_owned(), options(section))).collect(),
        defaults: options("DEFAULT").into_iter().map(|(key, value)| (key, value.raw)).collect(),
    }
}

fn our_value(ini: &Ini, section: &str, key: &str) -> Value {
    let raw = ini.raw(section, key).unwrap().text.clone();
    match ini.get(section, key) {
        Ok(value) => Value {
            raw,
            value: value.map(|value| value.value),
            error: None,
            boolean: ini.boolean(section, key).ok().flatten().map(|value| value.value),
            int: ini.int(section, key).ok().flatten().map(|value| value.value),
        },
        Err(error) => {
            Value { raw, value: None, error: Some(python_class(&error).to_owned()), boolean: None, int: None }
        }
    }
}

fn python_class(error: &IniError) -> &'static str {
    match error {
        IniError::NotUtf8 { .. } => "UnicodeDecodeError",
        IniError::MissingSectionHeader { .. } => "MissingSectionHeaderError",
        IniError::Parsing { .. } => "ParsingError",
        IniError::DuplicateSection { .. } => "DuplicateSectionError",
        IniError::DuplicateOption { .. } => "DuplicateOptionError",
        IniError::InterpolationMissing { .. } => "InterpolationMissingOptionError",
        IniError::InterpolationSyntax { .. } => "InterpolationSyntaxError",
        IniError::InterpolationDepth { .. } => "InterpolationDepthError",
        IniError::InterpolationSize { .. } => "(none: Python has no limit)",
        IniError::NotABoolean { .. } | IniError::NotAnInteger { .. } => "ValueError",
    }
}

fn lines_of(error: &IniError) -> Vec<usize> {
    match error {
        // Python does not say on which line the bytes are.
        IniError::NotUtf8 { .. } => Vec::new(),
        IniError::Parsing { lines, .. } => lines.iter().map(|bad| bad.line).collect(),
        other => other.origin().line().into_iter().collect(),
    }
}

/// The profile in the form that `koji.read_config` gives, without what is different on purpose (`no_ssl_verify` is a
/// boolean, `pkgurl` is already used up) and without the paths of plug-ins.
fn as_koji_has_it(profile: &KojiProfile) -> serde_json::Value {
    let path = |path: &Option<PathBuf>| path.as_ref().map_or_else(String::new, |path| path.display().to_string());
    let authtype = profile.authtype.as_ref().map(|kind| match kind {
        AuthType::NoAuth => "noauth",
        AuthType::Ssl => "ssl",
        AuthType::Password => "password",
        AuthType::Kerberos => "kerberos",
        AuthType::Other(word) => word,
    });
    serde_json::json!({
        "profile": profile.name,
        "server": profile.server.url().as_str(),
        "weburl": profile.weburl,
        "topurl": profile.topurl,
        "topdir": profile.topdir,
        "authtype": authtype,
        "cert": path(&profile.cert),
        "serverca": path(&profile.serverca),
        "principal": profile.principal,
        "keytab": profile.keytab,
        "max_retries": profile.max_retries,
        "retry_interval": profile.retry_interval.as_secs(),
        "anon_retry": profile.anon_retry,
        "offline_retry": profile.offline_retry,
        "offline_retry_interval": profile.offline_retry_interval.as_secs(),
        "timeout": profile.timeout.as_secs(),
        "auth_timeout": profile.auth_timeout.as_secs(),
        "use_fast_upload": profile.use_fast_upload,
        "upload_blocksize": profile.upload_blocksize,
        "poll_interval": profile.poll_interval.as_secs(),
        "pyver": profile.pyver,
        "debug": profile.debug,
        "debug_xmlrpc": profile.debug_xmlrpc,
        "force_auth": profile.force_auth,
    })
}

#[test]
fn koji_profiles_are_those_of_kojis_own_client() {
    let Some(python) = peers::python() else { return };
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let home = tempfile::tempdir().unwrap();
    let dot_koji = home.path().join(".koji");
    std::os::unix::fs::symlink(root.join("tests/data/config/koji-home"), &dot_koji).unwrap();
    let profiles = ["plain", "full", "bad_int", "bad_boolean", "bad_percent", "unknown"];
    let script = root.join("tests/support/koji_profile_peer.py");
    let output = Command::new(python).arg(script).args(profiles).env("HOME", home.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let theirs: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();

    let roots = KojiRoots { etc: "/etc".into(), home: Some(home.path().to_owned()) };
    for name in profiles {
        let (ours, theirs) = (KojiProfile::load(name, &roots), theirs[name].as_object().unwrap());
        match (ours, theirs.get("error")) {
            (Ok(profile), None) => {
                for (key, ours) in as_koji_has_it(&profile).as_object().unwrap() {
                    assert_eq!(ours, &theirs[key], "{name}: {key}");
                }
            }
            (Err(error), Some(theirs)) => same_complaint(&error.to_string(), theirs.as_str().unwrap()),
            (ours, theirs) => panic!("{name}: ours {:?}, theirs {theirs:?}", ours.err().map(|error| error.to_string())),
        }
    }
}

/// Ours begins as theirs and goes on with the place. (What Python has after a comma quotes the value, which may be secret.)
fn same_complaint(ours: &str, theirs: &str) {
    let start = theirs.split(',').next().unwrap();
    assert!(ours.starts_with(start), "ours: {ours}\ntheirs: {theirs}");
}

#[test]
fn no_bytes_make_the_reader_panic() {
    let mut random = Random(0x5eed);
    for seed in 0..1000 {
        let bytes = if seed % 2 == 0 { random_bytes(&mut random) } else { mutated_case(&mut random, seed) };
        let mut ini = Ini::new();
        if ini.read_bytes(&bytes, Path::new("fuzz.conf")).is_err() {
            continue;
        }
        let sections: Vec<String> = ini.sections().chain(["DEFAULT", ""]).map(str::to_owned).collect();
        for section in &sections {
            for key in ini.keys(section).unwrap_or_default() {
                let _ = (ini.get(section, key), ini.boolean(section, key), ini.int(section, key));
                let _ = ini.references(section, key);
            }
        }
    }
}

fn random_bytes(random: &mut Random) -> Vec<u8> {
    const MARKS: &[u8] = b"[]=:%()s#; \t\r\n\n\na\xef\xbb\xbf\xc3\xa9\x00";
    (0..random.below(200)).map(|_| if random.one_in(8) { random.next() as u8 } else { *random.pick(MARKS) }).collect()
}

fn mutated_case(random: &mut Random, seed: u64) -> Vec<u8> {
    let mut bytes = generated_case(seed).swap_remove(0);
    for _ in 0..random.below(6) {
        if bytes.is_empty() {
            break;
        }
        let at = random.below(bytes.len());
        match random.below(3) {
            0 => bytes[at] = random.next() as u8,
            1 => drop(bytes.remove(at)),
            _ => bytes.insert(at, *random.pick(b"[]=%()\n\r \xff")),
        }
    }
    bytes
}

/// A file in which each key refers to the next one, some steps beyond what Python allows or some before.
fn chain_of_references(random: &mut Random) -> Vec<u8> {
    let steps = 7 + random.below(6);
    let keys: String = (0..steps).map(|n| format!("k{n} = {n}%(K{})s\n", n + 1)).collect();
    format!("[a]\n{keys}k{steps} = {}", random.pick(&["end", "%%", "%"])).into_bytes()
}

/// One or two files. A third of the cases keeps to what is well-formed, so that values are compared as well as errors.
fn generated_case(seed: u64) -> Vec<Vec<u8>> {
    let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(1));
    if random.one_in(50) {
        return vec![chain_of_references(&mut random)];
    }
    let nasty = random.below(3) as u32;
    let files = if random.one_in(3) { 2 } else { 1 };
    (0..files).map(|_| generated_file(&mut random, nasty)).collect()
}

fn generated_file(random: &mut Random, nasty: u32) -> Vec<u8> {
    let mut lines: Vec<String> = Vec::new();
    let mut sections = vec!["a", "b.c", "DEFAULT", " a ", "A", "é", "a]", "%(k0)s", "x = y"];
    let mut keys = 0;
    if nasty == 0 || !random.one_in(4) {
        lines.push(format!("[{}]", sections.swap_remove(random.below(3))));
    }
    for _ in 0..random.below(14) {
        match random.below(if nasty == 2 { 12 } else { 9 }) {
            0 if !sections.is_empty() => {
                keys = 0;
                let section = sections.swap_remove(random.below(sections.len()));
                lines.push(format!("[{section}]{}", random.pick(&["", "", " ; c", "]", " x = y", "\t"])));
            }
            0 | 1 => lines.push((*random.pick(&["", "", "   ", "\t", "\u{1c}", "\u{a0}"])).to_owned()),
            2 => lines.push((*random.pick(&["# c = d", "; c", "  # [x]", "\t; = ", "#", "\u{2003}# c"])).to_owned()),
            3 | 4 => lines.push(continuation(random)),
            9 => lines.push((*random.pick(ODD_LINES)).to_owned()),
            10 => lines.push(format!("k{} = again", random.below(5))),
            _ => {
                keys += 1;
                lines.push(key_line(random, keys));
            }
        }
    }
    encode(random, &lines, nasty)
}

const ODD_LINES: &[&str] = &[
    "key",
    "= 1",
    ": 2",
    "[]",
    "[",
    "[x",
    "]",
    "[a]",
    "[DEFAULT]",
    "  [b.c]",
    "[[x]]",
    "[]]",
    "=",
    "k0",
    "\u{feff}",
    "\0 = 0",
    "[\n",
    "\u{85}x",
    "a\u{85}= b",
    "\u{2028}",
    "\u{b}k = v",
    "[a\u{c}] = 1",
    "[\u{1f}]",
];

fn continuation(random: &mut Random) -> String {
    let indent = random.pick(&[" ", "  ", "\t", " \t ", "    ", "\u{a0}", "\u{2003}\u{2003}"]);
    let text =
        random.pick(&["more", "j = 2", "[x]", "%(k1)s", "50%", "a: b", "#not = this", "; nor", "é", "x # y", "\"q\""]);
    format!("{indent}{text}")
}

fn key_line(random: &mut Random, number: usize) -> String {
    let indent = random.pick(&["", "", "", "", " ", "\t"]);
    let name = random.pick(&["k", "k", "K", "long key ", "É", "İ", "ΑΣ", "ǅ", "%", "[k"]);
    let delimiter = random.pick(&[" = ", "=", ": ", ":", "\t=\t", " =", "\u{a0}=\u{1d}", " := "]);
    format!("{indent}{name}{number}{delimiter}{}", value(random))
}

fn value(random: &mut Random) -> String {
    let mut value = String::new();
    for _ in 0..random.below(4) {
        let piece = match random.below(8) {
            0 => format!("%({}{})s", random.pick(&["k", "K"]), random.below(5)),
            1 => (*random.pick(&["%%", "%", "%(", "%()s", "%(k1)", "%(k1)d", "%(K2)S", "%(long key 1)s", "%(no)s"]))
                .into(),
            2 => (*random.pick(&["yes", "Off", "TRUE", "0", "1", "30", "-5", "1_0", "+7", "maybe"])).into(),
            3 => (*random.pick(&["; c", "# c", " = ", " : ", "[x]", "\"q\"", "'", "\\", "\\n"])).into(),
            _ => (*random.pick(&["v", " ", "https://h/%%20", "é", "\t", "日本", "a b", "\u{1f}", "$HOME"])).into(),
        };
        value.push_str(&piece);
    }
    value
}

fn encode(random: &mut Random, lines: &[String], nasty: u32) -> Vec<u8> {
    let ending = random.pick(&["\n", "\n", "\n", "\r\n", "\r"]);
    let mut text = lines.join(ending);
    if random.one_in(2) {
        text.push_str(ending);
    }
    if nasty > 0 && random.one_in(20) {
        text.insert(0, '\u{feff}');
    }
    let mut bytes = text.into_bytes();
    if nasty > 0 && random.one_in(20) {
        bytes.insert(random.below(bytes.len() + 1), 0xe9);
    }
    bytes
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

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }
}

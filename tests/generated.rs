//! `man/` and `completions/` are what the definition of the command line makes today.
//!
//! `UPDATE=1 cargo test --test main generated` rewrites them; with `SOURCE_DATE_EPOCH` the man pages get that date.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command as Process;
use std::{env, fs};

use clap_complete::engine::complete;
use fedpkg_container_build::cli::completion::{Shell, Sources, definition};
use fedpkg_container_build::cli::{self, manual};
use fedpkg_container_build::event::{BuilderName, Outcome};
use fedpkg_container_build::exit_code::ExitCode;
use fedpkg_container_build::plugin::identify;
use fedpkg_container_build::report::schema;
use fedpkg_container_build::submissions::Submission;

use crate::support::peers;

const PROGRAM: &str = "fedpkg-container-build";

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// The files of a folder, or none where there is no such folder.
fn committed(name: &str) -> BTreeMap<String, String> {
    let entries = fs::read_dir(folder(name)).map_or_else(|_| Vec::new(), |entries| entries.flatten().collect());
    let read = |entry: fs::DirEntry| {
        (entry.file_name().to_string_lossy().into_owned(), fs::read_to_string(entry.path()).unwrap())
    };
    entries.into_iter().map(read).collect()
}

/// Rewrites the folder when asked to, and compares it with what it should hold.
fn check_current(name: &str, generated: BTreeMap<String, String>, fresh: BTreeMap<String, String>) {
    if env::var_os("UPDATE").is_some() {
        let folder = folder(name);
        fs::create_dir_all(&folder).unwrap();
        let stale = |file: &String| !fresh.contains_key(file);
        committed(name).keys().filter(|file| stale(file)).for_each(|file| fs::remove_file(folder.join(file)).unwrap());
        fresh.iter().for_each(|(file, text)| fs::write(folder.join(file), text).unwrap());
    }
    let without_date: BTreeMap<String, String> =
        committed(name).into_iter().map(|(file, text)| (file, drop_date(&text))).collect();
    let names = |files: &BTreeMap<String, String>| files.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&without_date), names(&generated), "UPDATE=1 cargo test --test main generated");
    for (file, text) in generated {
        assert!(without_date[&file] == text, "{name}/{file} is old: UPDATE=1 cargo test --test main generated");
    }
}

/// Takes the date out of a man page's title line; other files are left as they are.
fn drop_date(text: &str) -> String {
    let date = |line: &str| Some(line.strip_prefix(".TH ")?.split(' ').nth(2)?.to_owned());
    match text.lines().next().and_then(date) {
        Some(date) => text.replacen(&date, "\"\"", 1),
        None => text.to_owned(),
    }
}

fn pages(date: &str) -> BTreeMap<String, String> {
    manual::pages(date).unwrap().into_iter().map(|page| (page.file_name, page.text)).collect()
}

#[test]
fn man_pages_are_current() {
    let epoch = env::var("SOURCE_DATE_EPOCH").ok().and_then(|seconds| seconds.parse().ok());
    let date = epoch.and_then(|seconds| jiff::Timestamp::from_second(seconds).ok());
    let date = date.map(|date| date.strftime("%Y-%m-%d").to_string()).unwrap_or_default();
    check_current("man", pages(""), pages(&date));
}

#[test]
fn completions_are_current() {
    let scripts: BTreeMap<String, String> =
        Shell::ALL.iter().map(|shell| (shell.file_name(PROGRAM), shell.script(PROGRAM).unwrap())).collect();
    check_current("completions", scripts.clone(), scripts);
}

#[test]
fn the_date_is_the_only_difference_it_makes() {
    let dated = pages("2026-01-31");
    for (file, text) in pages("") {
        assert!(dated[&file].contains("2026-01-31"), "{file}");
        assert_eq!(drop_date(&dated[&file]), text, "{file}");
    }
}

/// Roff without its escapes, as far as option names and words need it.
fn plain(roff: &str) -> String {
    roff.replace("\\-", "-")
        .replace("\\fB", "")
        .replace("\\fI", "")
        .replace("\\fR", "")
        .replace("\\*(Aq", "'")
        .replace("\\'", "'")
}

#[test]
fn every_option_and_exit_code_is_in_the_manual() {
    fn check(command: &clap::Command, page: &str, pages: &BTreeMap<String, String>) {
        let text = plain(&pages[&format!("{page}.1")]);
        for option in command.get_arguments().filter(|option| !option.is_global_set() || page == PROGRAM) {
            let name = match option.get_long() {
                Some(long) => format!("\n--{long}"),
                None => option.get_value_names().unwrap()[0].to_string(),
            };
            let with_short = option.get_short().map(|short| format!("\n-{short}, {}", name.trim()));
            let found = text.contains(&name) || with_short.is_some_and(|both| text.contains(&both));
            assert!(found, "{page}: {name}");
        }
        let listed = |(code, meaning): &(ExitCode, &str)| text.contains(&format!("\n{}\n{meaning}", *code as u8));
        let codes: Vec<u8> = ExitCode::TABLE.iter().filter(|row| listed(row)).map(|(code, _)| *code as u8).collect();
        let expected: &[u8] = match page.strip_prefix(PROGRAM).unwrap() {
            "" | "-flatpak-build" => &[0, 1, 2, 3, 4, 5, 6, 7, 70, 129, 130, 143],
            "-watch" | "-cancel" => &[0, 1, 2, 3, 5, 6, 7, 70, 129, 130, 143],
            "-check" => &[0, 1, 2, 4, 5, 6, 70, 129, 130, 143],
            _ => &[0, 1, 2, 70, 129, 130, 143],
        };
        assert_eq!(codes, expected, "{page}");
        for section in ["NAME", "SYNOPSIS", "DESCRIPTION", "EXIT STATUS", "ENVIRONMENT", "FILES", "SEE ALSO"] {
            assert!(
                text.contains(&format!(".SH {section}")) || text.contains(&format!(".SH \"{section}\"")),
                "{page}: {section}"
            );
        }
        for next in command.get_subcommands().filter(|next| !next.is_hide_set()) {
            check(next, &format!("{page}-{}", next.get_name()), pages);
        }
    }
    check(&cli::command(&identify(Some(PROGRAM.as_ref()))), PROGRAM, &pages(""));
}

#[test]
fn every_type_and_field_of_the_json_is_in_its_page() {
    fn check(fields: &[schema::Field], text: &str) {
        for field in fields {
            let head = format!("{} ({}", field.name, schema::name_of(&field.of));
            assert!(text.contains(&head) && text.contains(field.says), "{head}");
            check(schema::fields_of(&field.of), text);
        }
    }
    let text = plain(&pages("")["fedpkg-container-build-json.5"]);
    for kind in schema::KINDS {
        let start = text.find(&format!("\n.SS {}\n", kind.name)).unwrap_or_else(|| panic!("no section {}", kind.name));
        let section = text[start + 1..].split("\n.SS ").next().unwrap();
        check(kind.fields, section);
    }
    check(schema::COMMON, &text);
    for (builder, fields) in manual::DRY_RUNS {
        assert!(text.contains(builder) && fields.iter().all(|(name, _)| text.contains(&format!("\n{name}\n"))));
    }
}

/// The commands of the README that give JSON to jq are those of the manual page, and do what they say.
#[test]
fn the_readme_has_the_manuals_commands() {
    let readme = fs::read_to_string(folder("README.md")).unwrap();
    for (what, command) in manual::JSON_EXAMPLES {
        assert!(readme.contains(command), "{what}");
    }
}

#[test]
fn groff_has_nothing_to_say_about_the_man_pages() {
    let Some(groff) = peers::program("groff") else { return };
    let folder = tempfile::tempdir().unwrap();
    for (file, text) in pages("") {
        let path = folder.path().join(&file);
        fs::write(&path, text).unwrap();
        let run = Process::new(&groff).args(["-man", "-ww", "-Tutf8", "-z"]).arg(path).output().unwrap();
        assert_eq!((String::from_utf8_lossy(&run.stderr).as_ref(), run.status.success()), ("", true), "{file}");
    }
}

#[test]
fn bash_understands_its_script() {
    let Some(bash) = peers::program("bash") else { return };
    let script = Shell::Bash.script(PROGRAM).unwrap() + "complete -p fedpkg-container-build";
    let run = Process::new(bash).args(["--norc", "-c", &script]).output().unwrap();
    assert!(String::from_utf8_lossy(&run.stdout).contains("_clap_complete_fedpkg_container_build"), "{run:?}");
}

fn submission(id: &str, outcome: Option<Outcome>) -> Submission {
    Submission {
        builder: BuilderName::of("koji"),
        id: id.into(),
        server: "https://hub.example.com/kojihub".into(),
        profile: "koji".into(),
        namespace: None,
        config: None,
        url: None,
        component: "container/foo".into(),
        branch: "f42".into(),
        commit: "0".repeat(40),
        target: "f42-container-candidate".into(),
        submitted: jiff::Timestamp::UNIX_EPOCH,
        outcome,
    }
}

#[test]
fn values_are_completed_from_what_is_known_here() {
    let sources = Sources {
        namespaces: |tool| vec![format!("{tool}-ns"), "rpms".into()],
        namespace_of: |_| None,
        targets: || vec!["f41-container-candidate".into(), "f42-container-candidate".into()],
        submissions: || {
            vec![
                submission("11", Some(Outcome::Succeeded)),
                submission("12", None),
                submission("13", Some(Outcome::Detached)),
            ]
        },
    };
    let cases: &[(&str, &[&str])] = &[
        ("fedpkg-container-build --target f4", &["f41-container-candidate", "f42-container-candidate"]),
        ("fedpkg container-build --target f42", &["f42-container-candidate"]),
        ("fedpkg check --target=f41", &["--target=f41-container-candidate"]),
        ("fedpkg --namespace fed", &["fedpkg-ns"]),
        ("rhpkg-container-build flatpak-build --namespace rh", &["rhpkg-ns"]),
        ("fedpkg container-build --arches x86_64 s", &["s390x"]),
        ("fedpkg watch --arch a", &["aarch64"]),
        ("fedpkg watch --log x86", &["x86_64.log"]),
        ("fedpkg watch 1", &["13", "12", "11"]),
        ("fedpkg cancel 1", &["13", "12"]),
        ("fedpkg container-build --build-with l", &["local"]),
        ("fedpkg-container-build --scr", &["--scratch"]),
        ("fedpkg wa", &["watch"]),
        ("fedpkg container-build-setup --set-autorebuild t", &["true"]),
    ];
    for (line, expected) in cases {
        let words: Vec<std::ffi::OsString> = line.split(' ').map(Into::into).collect();
        let mut command = definition(&identify(words.first().map(std::ffi::OsString::as_os_str)), sources);
        let last = words.len() - 1;
        let candidates = complete(&mut command, words, last, None).unwrap();
        let values: Vec<_> = candidates.iter().map(|candidate| candidate.get_value().to_string_lossy()).collect();
        assert_eq!(values, *expected, "{line}");
    }
}

//! The arrows between the rooms of the crate point one way, as `src/lib.rs` says: each room may use only what is listed here, and
//! no modules of a room use each other in a circle.

use std::collections::BTreeSet;
use std::path::Path;

use crate::support::modules::Modules;

/// The ground floor, which everyone may use.
const GROUND: [&str; 13] = [
    "address",
    "arch",
    "backoff",
    "blocking",
    "child",
    "digest",
    "error",
    "event",
    "exit_code",
    "file",
    "lock",
    "log_lines",
    "wait",
];

/// A room, and the rooms it may use, besides the ground floor.
const ARROWS: &[(&str, &[&str])] = &[
    ("address", &[]),
    ("arch", &[]),
    ("backoff", &[]),
    ("blocking", &[]),
    ("builder", &["checkout", "config", "credentials", "environment", "request", "submissions"]),
    ("builders", &["builder", "config", "koji", "local", "osbs"]),
    ("checkout", &["config"]),
    ("child", &["http"]),
    (
        "cli",
        &["builder", "builders", "config", "credentials", "koji", "local", "osbs", "plugin", "report", "submissions"],
    ),
    (
        "commands",
        &[
            "builder",
            "builders",
            "checkout",
            "cli",
            "config",
            "environment",
            "gating",
            "report",
            "request",
            "submissions",
        ],
    ),
    ("config", &[]),
    ("credentials", &[]),
    ("digest", &[]),
    ("environment", &["submissions"]),
    ("error", &[]),
    ("event", &[]),
    ("exit_code", &[]),
    ("fetch", &["checkout", "http"]),
    ("file", &[]),
    ("gating", &["checkout", "http"]),
    ("http", &[]),
    ("koji", &["builder", "config", "credentials", "http", "request"]),
    ("local", &["builder", "checkout", "config", "environment", "fetch", "http", "koji", "request"]),
    ("lock", &[]),
    ("log_lines", &[]),
    ("osbs", &["builder", "config", "credentials", "http", "koji", "request"]),
    ("plugin", &[]),
    ("report", &[]),
    ("request", &["checkout"]),
    ("submissions", &[]),
    ("wait", &[]),
];

fn modules() -> Modules {
    Modules::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"))
}

/// What is wrong with the arrows between rooms.
fn wrong_arrows(modules: &Modules, arrows: &[(&str, &[&str])]) -> BTreeSet<String> {
    let mut wrong = BTreeSet::new();
    let mut unused: BTreeSet<(&str, &str)> =
        arrows.iter().flat_map(|(room, allowed)| allowed.iter().map(|to| (*room, *to))).collect();
    for (from, to) in modules.arrows() {
        let (Some(room), Some(used)) = (from.first(), to.first()) else { continue };
        unused.remove(&(room.as_str(), used.as_str()));
        let allowed = arrows.iter().find(|(name, _)| name == room).map(|(_, allowed)| *allowed).unwrap_or_default();
        if used != room && !GROUND.contains(&used.as_str()) && !allowed.contains(&used.as_str()) {
            wrong.insert(format!("{} uses {}, and {room} may not", from.join("::"), to.join("::")));
        }
    }
    wrong.extend(unused.into_iter().map(|(room, to)| format!("{room} may use {to}, and does not")));
    let listed: BTreeSet<&str> = arrows.iter().map(|(room, _)| *room).collect();
    let rooms = modules.rooms();
    wrong.extend(rooms.difference(&listed).map(|room| format!("{room} is a new room: say what it may use")));
    wrong.extend(listed.difference(&rooms).map(|room| format!("{room} is listed, and is not there")));
    wrong
}

#[test]
fn rooms_use_only_what_they_may() {
    let wrong = wrong_arrows(&modules(), ARROWS);
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn no_modules_of_a_room_use_each_other_in_a_circle() {
    let circles = modules().circles();
    assert!(circles.is_empty(), "circles: {circles:#?}");
}

#[test]
fn an_arrow_is_seen_wherever_it_stands() {
    let arrows: &[(&str, &[&str])] = &[("koji", &[]), ("report", &[])];
    let with = |text: &str| {
        wrong_arrows(&Modules::default().with("report", "").with("koji", "").with("koji::a", text), arrows)
    };
    for text in [
        "use crate::report::Mouth;",
        "pub(crate) use crate::{error, report::{self, text}};",
        "fn f() { let mouth = crate::report::Mouth::new(); }",
        "fn f() { println!(\"{}\", crate::report::say()); }",
        "fn f(mouth: &dyn super::super::report::Mouth) {}",
        "use super::{super::report::Mouth, b};",
        "#[derive(Serialize)] struct A { #[serde(with = \"crate::report::form\")] b: u8 }",
        "#[arg(value_parser = crate::report::parse)] struct A;",
        "mod inner { use super::super::super::report::Mouth; }",
        "macro_rules! m { () => { $crate::report::say() } }",
    ] {
        let expected = BTreeSet::from(["koji::a uses report, and koji may not".to_owned()]);
        assert_eq!(with(text), expected, "{text}");
    }
    for text in [
        "// use crate::report::Mouth;",
        "/// See [`crate::report::Mouth`].\nfn f() {}",
        "fn f() -> &'static str { \"crate::report::Mouth\" }",
        "#[cfg(test)]\nmod tests { use crate::report::Mouth; }",
        "#[cfg(test)]\n#[path = \"x.rs\"]\nmod tests;",
        "use super::report::Mouth;",
        "use crate::koji::report::Mouth;",
    ] {
        assert!(with(text).is_empty(), "{text}");
    }
}

#[test]
fn a_circle_is_one_of_siblings_and_what_is_below_them() {
    let circles = |texts: &[(&str, &str)]| {
        let modules = texts.iter().fold(Modules::default(), |modules, (module, text)| modules.with(module, text));
        modules.circles().into_iter().collect::<Vec<_>>()
    };
    let parent = [("koji", "mod a; use a::A;"), ("koji::a", "use super::B;")];
    assert!(circles(&parent).is_empty(), "parent and child");
    let deep = [
        ("koji", ""),
        ("koji::a", ""),
        ("koji::a::b", "use crate::koji::c::C;"),
        ("koji::c", "fn f() { super::a::g() }"),
    ];
    assert_eq!(circles(&deep), ["koji: a, c"]);
    let three =
        [("a", "use crate::b::X;"), ("b", "use crate::c::X;"), ("c", "use crate::a::X;"), ("d", "use crate::a::X;")];
    assert_eq!(circles(&three), ["a, b, c"]);
}

//! `fedpkg-container-build-json(5)`: the format of `--output json`, made of the table that the tests hold every line to.

use clap_mangen::roff::{Inline, Roff, bold, italic, roman};

use super::{PROGRAM, entry, example};
use crate::report::schema::{COMMON, Field, KINDS, Kind, fields_of, name_of};

/// The page's name.
pub(super) const NAME: &str = "fedpkg-container-build-json";

/// How a stream is to be read.
const DESCRIPTION: &[&str] = &[
    "With --output json, every command prints JSON Lines on standard output: one object a line, each about one thing that \
     happened, in the order in which it happened. The first line has the type start, the last one finished or error, and nothing \
     follows it; a stream without such an end was cut off.",
    "Characters that would control a terminal, or hide or rearrange others, are written as \\uXXXX. Standard error is for people: \
     the error that ends a command is told there, too. The process ends with the exit_code of the last line, but where \
     standard output could not be written.",
];

/// What is promised.
const PROMISES: &[&str] = &[
    "A type, a field, what a field holds, and the id of a finding are there to stay, with their meaning. What takes one away or \
     changes it counts the version of the line start up.",
    "New types, new fields, and new words where one of several is said may come at any time without that. So a reader leaves out \
     what it does not know, and does not depend on the order of fields or on blanks between them.",
    "Fields of type words are for people: their wording, and what language they are in, may change.",
];

/// What each builder adds to a dry run: its name, and its fields.
pub const DRY_RUNS: &[(&str, &[(&str, &str)])] = &[
    (
        "koji",
        &[
            ("hub", "The hub's address."),
            ("method", "The call."),
            ("params", "Its arguments, in order."),
            ("kwargs", "Its named arguments."),
        ],
    ),
    (
        "osbs",
        &[
            ("server", "The cluster's address."),
            ("namespace", "The namespace."),
            ("object", "The object that would be created in it."),
        ],
    ),
    (
        "local",
        &[
            ("nvr", "Name-version-release of what would be built."),
            ("parents", "The base images, in pairs: as written, and what each would be pinned to."),
            ("dockerfile", "The Dockerfile that would be built."),
            ("diff", "The same as a diff to the author's."),
            ("push", "Whether the image would be pushed."),
            ("tags", "The names that it would have in the registry."),
            ("artifacts", "Files that would be fetched."),
            ("omitted", "What would not be done here, in pairs: what, and why."),
        ],
    ),
];

/// What to do with it: what a command gives, and the command.
pub const EXAMPLES: &[(&str, &str)] = &[
    (
        "The id of a build that is submitted",
        r#"fedpkg-container-build --nowait --output json | jq -r 'select(.type == "submitted").id'"#,
    ),
    (
        "What was built, by digest and by name",
        r#"fedpkg-container-build --output json | jq -r 'select(.type == "finished").repositories[]'"#,
    ),
    (
        "What would be refused, and where",
        r#"fedpkg-container-build check --output json | jq -r 'select(.type == "finding") | [.id, .file, .line] | @tsv'"#,
    ),
];

/// The page in roff, without its title.
pub(super) fn page() -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", ["NAME"]);
    roff.text([roman(format!("{NAME} - what {PROGRAM} --output json prints"))]);
    section(&mut roff, "DESCRIPTION", DESCRIPTION);
    section(&mut roff, "WHAT STAYS", PROMISES);
    roff.control("SH", ["FIELDS"]);
    paragraph(
        &mut roff,
        [roman("Text is made to be compared: names, ids, addresses. Times are RFC 3339 in UTC; numbers are whole.")],
    );
    paragraph(&mut roff, [roman("Every line has:")]);
    fields(&mut roff, COMMON);
    roff.control("SH", ["TYPES"]);
    KINDS.iter().for_each(|kind| kind_section(&mut roff, kind));
    roff.control("SH", ["EXAMPLES"]);
    for (what, command) in EXAMPLES {
        paragraph(&mut roff, [roman(format!("{what}:"))]);
        example(&mut roff, command);
    }
    roff.control("SH", ["SEE ALSO"]);
    roff.text([bold(PROGRAM), roman("(1), "), bold("jq"), roman("(1)")]);
    roff
}

fn section(roff: &mut Roff, title: &str, paragraphs: &[&str]) {
    roff.control("SH", [title]);
    paragraphs.iter().for_each(|text| paragraph(roff, [roman(*text)]));
}

fn paragraph<const N: usize>(roff: &mut Roff, text: [Inline; N]) {
    roff.control("PP", []);
    roff.text(text);
}

fn kind_section(roff: &mut Roff, kind: &Kind) {
    roff.control("SS", [kind.name]);
    paragraph(roff, [roman(kind.says)]);
    fields(roff, kind.fields);
    if kind.open {
        dry_runs(roff);
    }
}

fn dry_runs(roff: &mut Roff) {
    for (builder, fields) in DRY_RUNS {
        paragraph(roff, [roman("With builder "), bold(*builder), roman(":")]);
        for (name, says) in *fields {
            entry(roff, name, says);
        }
    }
}

/// A list of fields; objects in them have theirs below.
fn fields(roff: &mut Roff, list: &[Field]) {
    for field in list {
        roff.control("TP", []);
        let optional = if field.always { "" } else { ", not always there" };
        roff.text([bold(field.name), roman(" ("), italic(name_of(&field.of)), roman(format!("{optional})"))]);
        roff.text([roman(field.says)]);
        let inner = fields_of(&field.of);
        if !inner.is_empty() {
            roff.control("RS", []);
            fields(roff, inner);
            roff.control("RE", []);
        }
    }
}

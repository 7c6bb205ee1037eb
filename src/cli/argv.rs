//! What argparse and rpkg do to a command line before options are read, and clap does not.
//!
//! * Options of a sub-command may be abbreviated as long as one name is meant; global options may not. Where rpkg knows an
//!   option that fits, options that rpkg does not have do not compete with it: `--build` stays `--build-release` although
//!   there is a `--build-with`. So what works with rpkg today goes on working.
//! * In rpkg's own sub-commands a `--` cuts the line, and the rest is ignored (pyrpkg's `parse_cmdline`).
//! * Under a tool's name, a sub-command that is not ours belongs to somebody else.
//! * Under our own name, options of `container-build` stand where global options do, and then no other sub-command follows.
//!
//! The definition itself says which options there are and how many values each takes. Nothing is refused here that clap
//! refuses, only what clap would not notice or would describe less well.

use std::borrow::Cow;
use std::ffi::{OsStr, OsString};

use clap::{Arg, Command};

use crate::plugin::Style;

/// rpkg 1.70's options in its sub-commands that are ours too.
const RPKG_OPTIONS: &[&str] = &[
    "help",
    "target",
    "nowait",
    "background",
    "build-release",
    "isolated",
    "koji-parent-build",
    "scratch",
    "arches",
    "repo-url",
    "signing-intent",
    "skip-remote-rules-validation",
    "skip-build",
    "compose-id",
    "replace-dependency",
    "get-autorebuild",
    "set-autorebuild",
];

/// rpkg's sub-commands that are ours too.
const RPKG_COMMANDS: &[&str] = &["container-build", "flatpak-build", "container-build-setup"];

/// A command line as clap can read it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Reading {
    /// The words, abbreviations written out, what `--` cuts off gone.
    pub argv: Vec<OsString>,
    /// The sub-commands that were found, outermost first.
    pub levels: Vec<String>,
    /// The sub-command that is not ours.
    pub foreign: Option<OsString>,
    /// Options nobody knows and words that belong to nothing, as argparse lists them.
    pub unrecognized: Vec<String>,
    /// What is wrong with the line, in argparse's words.
    pub fault: Option<String>,
}

/// Reads `argv`, whose first word is the program's name. `root` has not been built yet.
pub(super) fn read(root: &Command, style: Style, argv: &[OsString]) -> Reading {
    let mut reader = Reader { root, style, level: root, direct: None, reading: Reading::default() };
    let mut words = argv.iter().peekable();
    reader.reading.argv.extend(words.next().cloned());
    while let Some(word) = words.next() {
        if word == "--" && reader.in_rpkg() {
            break;
        }
        let values = reader.word(word);
        if reader.reading.fault.is_some() || reader.reading.foreign.is_some() {
            break;
        }
        for _ in 0..values {
            let Some(value) = words.next_if(|word| !looks_like_option(word)) else { break };
            reader.reading.argv.push(value.clone());
        }
    }
    reader.reading
}

struct Reader<'a> {
    root: &'a Command,
    style: Style,
    level: &'a Command,
    /// The first option of `container-build` that stands at the root, under our own name.
    direct: Option<String>,
    reading: Reading,
}

impl<'a> Reader<'a> {
    /// Takes one word and returns how many of the following may be its values.
    fn word(&mut self, word: &OsStr) -> usize {
        if !looks_like_option(word) {
            self.plain(word);
            return 0;
        }
        let Some(text) = word.to_str() else {
            self.reading.argv.push(word.to_owned());
            return 0;
        };
        match text.strip_prefix("--") {
            Some(long) => self.long(text, long),
            None => self.short(text),
        }
    }

    /// A word that is neither an option nor a value of one.
    fn plain(&mut self, word: &OsStr) {
        self.reading.argv.push(word.to_owned());
        let at_root = self.reading.levels.is_empty();
        if at_root && word == "help" {
            return;
        }
        if let Some(level) = word.to_str().and_then(|name| self.level.find_subcommand(name)) {
            if let Some(option) = self.direct.take() {
                let fault = format!("argument {option}: not allowed before the sub-command {}", level.get_name());
                self.reading.fault = Some(fault);
            }
            self.reading.levels.push(level.get_name().to_owned());
            self.level = level;
        } else if at_root && self.style == Style::Tool && !self.asks_for_help() {
            self.reading.foreign = Some(word.to_owned());
        } else if self.level.get_positionals().next().is_none() {
            self.reading.unrecognized.push(word.to_string_lossy().into_owned());
        }
    }

    fn asks_for_help(&self) -> bool {
        self.reading.argv.get(1).is_some_and(|word| word == "help")
    }

    /// `--name` or `--name=value`; `long` is without the dashes.
    fn long(&mut self, text: &str, long: &str) -> usize {
        let (name, value) = match long.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (long, None),
        };
        let name = match self.written_out(name) {
            Name::Known(name) => name,
            Name::Unknown => {
                self.reading.argv.push(text.into());
                if !matches!(name, "help" | "version") {
                    self.reading.unrecognized.push(text.to_owned());
                }
                return 0;
            }
            Name::Ambiguous(names) => {
                let names: Vec<String> = names.iter().map(|name| format!("--{name}")).collect();
                let fault = format!("ambiguous option: --{long} could match {}", names.join(", "));
                self.reading.fault = Some(fault);
                return 0;
            }
        };
        let word = match value {
            Some(value) => format!("--{name}={value}"),
            None => format!("--{name}"),
        };
        self.reading.argv.push(word.into());
        let option = self.options().find(|option| option.get_long() == Some(&*name));
        option.map_or(0, |option| {
            self.note_direct(option);
            if value.is_some() { 0 } else { most_values(option) }
        })
    }

    /// `-q`, `-vq`, `-C FILE`, `-CFILE`.
    fn short(&mut self, text: &str) -> usize {
        self.reading.argv.push(text.into());
        let mut letters = text.chars().skip(1).peekable();
        while let Some(letter) = letters.next() {
            let Some(option) = self.options().find(|option| option.get_short() == Some(letter)) else {
                if !matches!(letter, 'h' | 'V') {
                    self.reading.unrecognized.push(text.to_owned());
                }
                return 0;
            };
            let values = most_values(option);
            if values > 0 {
                return if letters.peek().is_some() { 0 } else { values };
            }
        }
        0
    }

    /// The options that this level takes: its own, and the global ones.
    fn options(&self) -> impl Iterator<Item = &'a Arg> + use<'a> {
        let globals = self.root.get_arguments().filter(|option| option.is_global_set());
        self.level.get_arguments().chain(globals)
    }

    fn written_out<'n>(&self, name: &'n str) -> Name<'a, 'n> {
        if self.options().any(|option| option.get_long() == Some(name)) || name.is_empty() {
            return Name::Known(Cow::Borrowed(name));
        }
        if !self.may_abbreviate() {
            return Name::Unknown;
        }
        let own = self.level.get_arguments().filter(|option| !option.is_global_set());
        let fitting: Vec<&'a str> =
            own.filter_map(Arg::get_long).chain(["help"]).filter(|long| long.starts_with(name)).collect();
        let of_rpkg: Vec<&'a str> = fitting.iter().copied().filter(|long| RPKG_OPTIONS.contains(long)).collect();
        let meant = if of_rpkg.is_empty() { fitting } else { of_rpkg };
        match meant.as_slice() {
            [] => Name::Unknown,
            [only] => Name::Known(Cow::Owned((*only).to_owned())),
            _ => Name::Ambiguous(meant),
        }
    }

    /// Under our own name the root is `container-build` too.
    fn may_abbreviate(&self) -> bool {
        !self.reading.levels.is_empty() || self.style == Style::Own
    }

    fn note_direct(&mut self, option: &Arg) {
        if self.reading.levels.is_empty() && !option.is_global_set() && self.direct.is_none() {
            self.direct = option.get_long().map(|long| format!("--{long}"));
        }
    }

    fn in_rpkg(&self) -> bool {
        self.reading.levels.first().is_none_or(|level| RPKG_COMMANDS.contains(&level.as_str()))
    }
}

enum Name<'a, 'n> {
    Known(Cow<'n, str>),
    Ambiguous(Vec<&'a str>),
    Unknown,
}

/// How many values an option takes at most.
fn most_values(option: &Arg) -> usize {
    if !option.get_action().takes_values() {
        return 0;
    }
    option.get_num_args().map_or(1, |range| range.max_values())
}

/// argparse takes a word with a leading dash for an option unless it is the dash alone or a negative number.
fn looks_like_option(word: &OsStr) -> bool {
    let Some(rest) = word.as_encoded_bytes().strip_prefix(b"-") else { return false };
    let number = rest.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.') && rest.iter().any(u8::is_ascii_digit);
    !rest.is_empty() && !number
}

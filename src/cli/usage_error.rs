//! A command line that was not understood, told as argparse tells it, with clap's tips.
//!
//! ```text
//! Usage: fedpkg container-build [OPTIONS]
//!
//! fedpkg container-build: error: argument --compose-id: invalid int value: '0x1'
//! ```

use std::ffi::OsString;
use std::fmt;

use clap::Command;
use clap::error::{ContextKind, ContextValue, ErrorKind as Kind};

use super::argv::Reading;
use crate::error::{Error as AppError, ErrorKind};

/// Why a command line was not understood. `Display` is the reason alone; [`UsageError::render`] is everything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageError {
    usage: String,
    program: String,
    reason: String,
    tips: Vec<String>,
}

impl UsageError {
    /// The whole text for standard error: usage, the line with the reason, tips. Ends with a line feed.
    pub fn render(&self) -> String {
        let UsageError { usage, program, reason, tips } = self;
        let tips: String = tips.iter().map(|tip| format!("tip: {tip}\n")).collect();
        format!("{usage}\n\n{program}: error: {reason}\n{tips}")
    }

    /// What may have been meant.
    pub fn tips(&self) -> &[String] {
        &self.tips
    }

    /// A fault found at the level that `levels` lead to; no levels mean the program itself.
    pub(super) fn new(root: &mut Command, levels: &[String], reason: impl Into<String>) -> UsageError {
        root.build();
        let program = root.get_bin_name().unwrap_or_else(|| root.get_name()).to_owned();
        let program = levels.iter().fold(program, |program, level| format!("{program} {level}"));
        let usage = level_of(root, levels).clone().render_usage().to_string();
        UsageError { usage: usage.trim_end().to_owned(), program, reason: reason.into(), tips: Vec::new() }
    }

    /// Puts clap's error into argparse's words.
    pub(super) fn from_clap(error: &clap::Error, root: &mut Command, reading: &Reading) -> UsageError {
        let reason = Wording { error, level: level_of(root, &reading.levels) }.reason(reading);
        let mut usage_error = UsageError::new(root, &reading.levels, reason);
        usage_error.tips = tips(error);
        usage_error
    }
}

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl std::error::Error for UsageError {}

impl From<UsageError> for AppError {
    fn from(error: UsageError) -> Self {
        let tips = error.tips.clone();
        tips.into_iter().fold(AppError::new(ErrorKind::Usage, error), AppError::hint)
    }
}

fn level_of<'a>(root: &'a Command, levels: &[String]) -> &'a Command {
    levels.iter().fold(root, |command, level| command.find_subcommand(level).unwrap_or(command))
}

/// What clap says besides the reason: names that are near.
fn tips(error: &clap::Error) -> Vec<String> {
    let near = [
        (ContextKind::SuggestedSubcommand, "sub-command"),
        (ContextKind::SuggestedArg, "option"),
        (ContextKind::SuggestedValue, "value"),
    ];
    near.into_iter()
        .filter_map(|(kind, what)| {
            let names = texts(error.get(kind)?);
            (!names.is_empty()).then(|| format!("a similar {what} exists: {}", names.join(", ")))
        })
        .collect()
}

struct Wording<'a> {
    error: &'a clap::Error,
    level: &'a Command,
}

impl Wording<'_> {
    fn reason(&self, reading: &Reading) -> String {
        let option = || format!("argument {}", self.label(&self.text(ContextKind::InvalidArg)));
        let value = self.text(ContextKind::InvalidValue);
        match self.error.kind() {
            Kind::UnknownArgument => match reading.unrecognized.as_slice() {
                [] => format!("unrecognized arguments: {}", self.text(ContextKind::InvalidArg)),
                words => format!("unrecognized arguments: {}", words.join(" ")),
            },
            Kind::InvalidSubcommand => {
                let names: Vec<String> = self.commands().map(|name| format!("'{name}'")).collect();
                let word = self.text(ContextKind::InvalidSubcommand);
                format!("argument COMMAND: invalid choice: '{word}' (choose from {})", names.join(", "))
            }
            Kind::InvalidValue if value.is_empty() => format!("{}: expected {}", option(), self.expected()),
            Kind::InvalidValue => {
                let valid = self.error.get(ContextKind::ValidValue).map(texts).unwrap_or_default();
                let valid: Vec<String> = valid.iter().map(|word| format!("'{word}'")).collect();
                format!("{}: invalid choice: '{value}' (choose from {})", option(), valid.join(", "))
            }
            Kind::ValueValidation => match std::error::Error::source(self.error) {
                Some(source) => format!("{}: {source}", option()),
                None => format!("{}: invalid value: '{value}'", option()),
            },
            Kind::TooManyValues => format!("{}: ignored explicit argument '{value}'", option()),
            Kind::ArgumentConflict => self.conflict(reading),
            Kind::MissingRequiredArgument => {
                self.missing(&self.error.get(ContextKind::InvalidArg).map(texts).unwrap_or_default())
            }
            Kind::MissingSubcommand | Kind::DisplayHelpOnMissingArgumentOrSubcommand => {
                format!("a sub-command is required: {}", self.commands().collect::<Vec<_>>().join(", "))
            }
            // What is left cannot come from these definitions but words that are not UTF-8; clap's own words will do.
            _ => first_line(self.error),
        }
    }

    /// argparse complains of the option that came second; clap of the one that is defined first.
    fn conflict(&self, reading: &Reading) -> String {
        let others = self.error.get(ContextKind::PriorArg).map(texts).unwrap_or_default();
        let mut names = vec![self.label(&self.text(ContextKind::InvalidArg))];
        names.extend(others.iter().map(|other| self.label(other)));
        let place = |name: &String| {
            let is_it = |word: &OsString| word.to_str().is_some_and(|word| word.split('=').next() == Some(name));
            reading.argv.iter().position(is_it)
        };
        names.sort_by_key(|name| std::cmp::Reverse(place(name)));
        let (second, first) = names.split_first().map_or(("", &[][..]), |(second, first)| (second.as_str(), first));
        format!("argument {second}: not allowed with argument {}", first.join(", "))
    }

    fn text(&self, kind: ContextKind) -> String {
        self.error.get(kind).map(texts).unwrap_or_default().join(" ")
    }

    fn commands(&self) -> impl Iterator<Item = &str> {
        self.level.get_subcommands().filter(|command| !command.is_hide_set()).map(Command::get_name)
    }

    /// argparse's name of an option, `--config/-C`, out of clap's `--config <FILE>`.
    fn label(&self, shown: &str) -> String {
        let name = shown.split([' ', '=']).next().unwrap_or(shown);
        let long = name.trim_start_matches('-');
        let option = self.level.get_arguments().find(|option| option.get_long() == Some(long));
        match option.and_then(clap::Arg::get_short) {
            Some(short) => format!("{name}/-{short}"),
            None => name.trim_matches(['<', '>', '[', ']']).to_owned(),
        }
    }

    /// How many values the option wants, in argparse's words.
    fn expected(&self) -> &'static str {
        let shown = self.text(ContextKind::InvalidArg);
        let name = shown.split(' ').next().unwrap_or_default().trim_start_matches('-');
        let option = self.level.get_arguments().find(|option| option.get_long() == Some(name));
        match option.and_then(clap::Arg::get_num_args) {
            Some(range) if range.max_values() > 1 => "at least one argument",
            _ => "one argument",
        }
    }

    /// clap shows a required group as `<--one|--two <X>>`, and options one by one.
    fn missing(&self, shown: &[String]) -> String {
        let group = self.level.get_groups().find(|group| group.is_required_set());
        let members = group.map(|group| {
            let members = self.level.get_arguments().filter(|option| group.get_args().any(|id| id == option.get_id()));
            members.filter_map(shown_name).collect::<Vec<_>>()
        });
        match members {
            Some(members) if !members.is_empty() => format!("one of the arguments {} is required", members.join(" ")),
            _ => {
                let names: Vec<String> = shown.iter().map(|name| self.label(name)).collect();
                format!("the following arguments are required: {}", names.join(", "))
            }
        }
    }
}

/// `--long`, or the value's name of a positional argument.
fn shown_name(argument: &clap::Arg) -> Option<String> {
    let long = argument.get_long().map(|long| format!("--{long}"));
    long.or_else(|| argument.get_value_names()?.first().map(ToString::to_string))
}

fn texts(value: &ContextValue) -> Vec<String> {
    match value {
        ContextValue::String(text) => vec![text.clone()],
        ContextValue::Strings(texts) => texts.clone(),
        ContextValue::StyledStr(text) => vec![text.to_string()],
        ContextValue::StyledStrs(texts) => texts.iter().map(ToString::to_string).collect(),
        _ => Vec::new(),
    }
}

fn first_line(error: &clap::Error) -> String {
    let text = error.to_string();
    let line = text.lines().next().unwrap_or_default();
    line.strip_prefix("error: ").unwrap_or(line).to_owned()
}

//! The command line: definitions without logic, and what makes them a drop-in for rpkg's.
//!
//! The option structures are what the rest of the program gets, and their definition is the only one: help, man pages
//! ([`manual`]) and completion ([`completion`]) are made of it. rpkg's grammar is argparse's; where clap's differs, `argv`
//! bridges it before clap reads, and `UsageError` words what clap finds as argparse would. What does not hold:
//!
//! * Global options are accepted before *and* after the sub-command (rpkg: before only).
//! * A word with a leading dash and a blank in it is no value (argparse: it is); write `--option='-a b'`.
//! * Of several faults in one line another one may be told first.
//!
//! Not decided here: whether `--namespace` is a valid one (configuration), whether `--compose-id` goes with
//! `--signing-intent`, `--arches` with a normal build, `--scratch` with `--isolated`, and that `--skip-build` is refused
//! (planning).

mod argv;
mod build;
mod commands;
pub mod completion;
mod globals;
pub mod manual;
mod usage_error;
mod values;

use std::ffi::OsString;
use std::fmt::Write as _;

use clap::error::ErrorKind as Kind;
use clap::{Args, FromArgMatches as _};

pub use build::{BuildArgs, Cleanup, ClusterArgs, ContainerBuildArgs, FlatpakBuildArgs, FollowArgs, OsbsArgs};
pub use commands::{CancelArgs, CheckArgs, Command, ConfigCommand, ConfigShowArgs, SetupArgs, Switch, WatchArgs};
pub use globals::{ColorWhen, Globals, OutputFormat};
pub use usage_error::UsageError;
pub use values::{BuildRef, ValueError};

use crate::exit_code::ExitCode;
use crate::plugin::{Identity, Style};

/// The widest line of a help text, in columns; narrower terminals get narrower lines.
const WIDTH: usize = 100;

/// What a command line asks for.
#[derive(Debug, Clone, PartialEq)]
pub struct Cli {
    /// Options that every sub-command takes.
    pub globals: Globals,
    /// What is to be done.
    pub command: Command,
}

/// What is to be done with a command line.
#[derive(Debug, Clone, PartialEq)]
pub enum Invocation {
    /// Do it.
    Run(Box<Cli>),
    /// Print a page on standard output and end.
    Show(Page),
    /// The sub-command is not ours: hand over to the real tool (see [`crate::plugin::delegate`]).
    HandOver {
        /// The sub-command.
        command: OsString,
    },
}

/// A help text, or the version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The text with ANSI styles, to be written through something that strips them where they are not wanted.
    pub text: String,
    /// How to end: a missing sub-command gets help, and yet it is a failure.
    pub exit: ExitCode,
}

/// The root under our own name: options of `container-build` may be given directly.
#[derive(clap::Args)]
struct OwnRoot {
    #[command(flatten)]
    direct: ContainerBuildArgs,
    #[command(flatten)]
    globals: Globals,
    #[command(subcommand)]
    command: Option<Command>,
}

/// The root under a tool's name.
#[derive(clap::Args)]
struct ToolRoot {
    #[command(flatten)]
    globals: Globals,
    #[command(subcommand)]
    command: Option<Command>,
}

/// The definition, as help, man pages and completion see it.
pub fn command(identity: &Identity) -> clap::Command {
    let root = clap::Command::new(identity.program.clone())
        .bin_name(identity.program.clone())
        .display_name(env!("CARGO_PKG_NAME"))
        .version(env!("CARGO_PKG_VERSION"))
        .max_term_width(WIDTH)
        .args_override_self(true)
        .subcommand_value_name("COMMAND")
        .subcommand_help_heading("Commands");
    let root = match identity.style {
        Style::Own => OwnRoot::augment_args(root).mut_subcommand("container-build", |same| same.hide(true)),
        Style::Tool => ToolRoot::augment_args(root),
    };
    // After the derived definitions, which would make our notes on the structures the program's description.
    let root = root.about(env!("CARGO_PKG_DESCRIPTION")).long_about(long_about(identity));
    let root = root.after_long_help(after_help(identity));
    values_may_be_negative(root)
}

/// argparse lets `-5` be a value wherever no option looks like a number.
fn values_may_be_negative(command: clap::Command) -> clap::Command {
    let negative = |option: clap::Arg| match option.get_action().takes_values() {
        true => option.allow_negative_numbers(true),
        false => option,
    };
    command.mut_args(negative).mut_subcommands(values_may_be_negative)
}

/// Whether a command line that was not understood asks for JSON all the same, as far as can be seen.
pub fn wants_json(argv: &[OsString]) -> bool {
    let pairs = argv.windows(2).any(|pair| pair[0] == "--output" && pair[1] == "json");
    pairs || argv.iter().any(|word| word == "--output=json")
}

/// Reads a command line; its first word is the program's name, as in `std::env::args_os`.
///
/// # Errors
/// When it is not understood. Nothing has been printed then; the exit code is [`ExitCode::Usage`].
pub fn parse(identity: &Identity, argv: &[OsString]) -> Result<Invocation, UsageError> {
    let mut root = command(identity);
    let reading = argv::read(&root, identity.style, argv);
    if let Some(command) = reading.foreign {
        return Ok(Invocation::HandOver { command });
    }
    if let Some(fault) = &reading.fault {
        return Err(UsageError::new(&mut root, &reading.levels, fault));
    }
    let parsed =
        root.try_get_matches_from_mut(&reading.argv).and_then(|mut matches| take(identity.style, &mut matches));
    let (globals, command) = match parsed {
        Ok(parsed) => parsed,
        Err(page) if matches!(page.kind(), Kind::DisplayHelp | Kind::DisplayVersion) => {
            return Ok(Invocation::Show(Page { text: page.render().ansi().to_string(), exit: ExitCode::Success }));
        }
        Err(error) => return Err(UsageError::from_clap(&error, &mut root, &reading)),
    };
    let Some(command) = command else {
        let text = root.render_help().ansi().to_string();
        return Ok(Invocation::Show(Page { text, exit: ExitCode::Failed }));
    };
    let mut cli = Cli { globals, command };
    cli.globals.drop_empty();
    cli.command.drop_empty();
    match contradiction(&cli) {
        None => Ok(Invocation::Run(Box::new(cli))),
        Some(Contradiction { reason, global: true }) => Err(UsageError::new(&mut root, &[], reason)),
        Some(Contradiction { reason, global: false }) => Err(UsageError::new(&mut root, &reading.levels, reason)),
    }
}

/// Moves clap's findings into our structures.
fn take(style: Style, matches: &mut clap::ArgMatches) -> Result<(Globals, Option<Command>), clap::Error> {
    Ok(match style {
        Style::Own => {
            let OwnRoot { direct, globals, command } = OwnRoot::from_arg_matches_mut(matches)?;
            (globals, Some(command.unwrap_or_else(|| Command::ContainerBuild(Box::new(direct)))))
        }
        Style::Tool => {
            let ToolRoot { globals, command } = ToolRoot::from_arg_matches_mut(matches)?;
            (globals, command)
        }
    })
}

struct Contradiction {
    reason: &'static str,
    /// Whether it is the program's rather than the sub-command's.
    global: bool,
}

/// Options that need each other, with rpkg's texts (`parse_cmdline`, `container_build`).
fn contradiction(cli: &Cli) -> Option<Contradiction> {
    if cli.globals.namespace.is_some() && cli.globals.name.is_none() {
        let reason = "missing --name: using --namespace requires --name option";
        return Some(Contradiction { reason, global: true });
    }
    let isolated_without_release = |build: &BuildArgs| build.isolated && build.build_release.is_none();
    if cli.command.build_args().is_some_and(isolated_without_release) {
        let reason = "missing --build-release: using --isolated requires --build-release option";
        return Some(Contradiction { reason, global: false });
    }
    None
}

fn long_about(identity: &Identity) -> String {
    let what = "Reads the dist-git checkout in the current folder and submits a build of its commit, or builds it here; \
                then shows the build's tasks and logs until it ends.";
    let tool = &identity.tool;
    match identity.style {
        Style::Own => format!("{what}\n\nWithout a command it is `{tool} container-build` and takes the same options."),
        Style::Tool => what.to_owned(),
    }
}

/// The table of exit codes, and where what is not ours goes.
fn after_help(identity: &Identity) -> String {
    let mut text = String::from("Exit status:\n");
    for (code, meaning) in ExitCode::TABLE {
        let _ = writeln!(text, "  {:>3}  {meaning}", *code as u8);
    }
    let Identity { tool, style, .. } = identity;
    match style {
        Style::Own => {
            let _ =
                write!(text, "\nThe configuration is {tool}'s: /etc/rpkg/{tool}.conf and ~/.config/rpkg/{tool}.conf.");
        }
        Style::Tool => {
            let _ = write!(text, "\nAny other sub-command is handed over to the {tool} that follows on PATH.");
        }
    }
    text
}

//! Process set-up: the program's name, the command line, signals, threads, the exit code.

use std::ffi::OsString;
use std::process::ExitCode as ProcessExit;
use std::time::Duration;

use fedpkg_container_build::builder::{Interrupt, Signal};
use fedpkg_container_build::cli::{self, Cli, ColorWhen, Command, ConfigCommand, Invocation, OutputFormat};
use fedpkg_container_build::commands::{self, Context, sources};
use fedpkg_container_build::credentials::negotiate::{self, NEGOTIATE};
use fedpkg_container_build::environment::Environment;
use fedpkg_container_build::error::{Error, ErrorKind};
use fedpkg_container_build::event::{self, BuildEvent, EventSender};
use fedpkg_container_build::exit_code::ExitCode;
use fedpkg_container_build::http;
use fedpkg_container_build::local::engine::guard::{GUARD, guard};
use fedpkg_container_build::local::image::contents::{self, COPY_CONTENTS};
use fedpkg_container_build::plugin::{self, Identity, Style};
use fedpkg_container_build::report::mode::{Color, Surroundings};
use fedpkg_container_build::report::{Format, OutputMode, ReportOptions, Reported, Reporter, json, text};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;
use tracing_subscriber::EnvFilter;

fn main() -> ProcessExit {
    let argv: Vec<OsString> = std::env::args_os().collect();
    if let Some(exit) = inner_call(argv.get(1..).unwrap_or_default()) {
        return exit;
    }
    let identity = plugin::identify(argv.first().map(OsString::as_os_str));
    if identity.style == Style::Tool && plugin::asked_by_argcomplete() {
        return hand_over(&identity, &argv, &OsString::new());
    }
    match cli::completion::complete(&identity, &argv, sources()) {
        Ok(true) => return ExitCode::Success.into(),
        Ok(false) => {}
        Err(error) => error.exit(),
    }
    match cli::parse(&identity, &argv) {
        Ok(Invocation::Run(cli)) => run(identity, *cli).into(),
        Ok(Invocation::Show(page)) => {
            text::page(&page.text);
            page.exit.into()
        }
        Ok(Invocation::HandOver { command }) => hand_over(&identity, &argv, &command),
        Err(error) => not_understood(&error, &argv).into(),
    }
}

/// What this program calls itself for: to guard a child, to look into an image, or to ask Kerberos with another credential cache.
fn inner_call(arguments: &[OsString]) -> Option<ProcessExit> {
    let (name, rest) = arguments.split_first()?;
    let error = if name == GUARD {
        match guard(rest) {
            Ok(code) => return Some(code.into()),
            Err(error) => error,
        }
    } else if name == COPY_CONTENTS {
        match contents::copy(rest) {
            Ok(()) => return Some(ExitCode::Success.into()),
            Err(error) => error,
        }
    } else if name == NEGOTIATE {
        match negotiate::token_for_parent(rest) {
            Ok(token) => {
                text::page(&token);
                return Some(ExitCode::Success.into());
            }
            Err(error) => std::io::Error::other(error),
        }
    } else {
        return None;
    };
    text::usage_error(&format!("{error}\n"));
    Some(ExitCode::Failed.into())
}

/// Becomes the real tool; comes back only when that fails.
fn hand_over(identity: &Identity, argv: &[OsString], command: &OsString) -> ProcessExit {
    let error = Error::from(plugin::delegate(identity, argv, command));
    let mode = OutputMode::decide(Format::Text, Color::Auto, false, &Surroundings::of_this_process());
    text::error(&mode, &commands::fault(&error, &command.to_string_lossy()));
    ExitCode::from(error.kind()).into()
}

/// A command line that was not understood, told to people, and to programs where they asked for JSON.
fn not_understood(error: &cli::UsageError, argv: &[OsString]) -> ExitCode {
    text::usage_error(&error.render());
    if cli::wants_json(argv) {
        let fault = commands::fault(&Error::new(ErrorKind::Usage, error.to_string()), "command line");
        let _ = json::failure(fault);
    }
    ExitCode::Usage
}

/// How a stop is waited for: the command says what it left undone, unless it hangs somewhere.
const STOPS_WITHIN: Duration = Duration::from_millis(500);
/// How long a terminal that was stopped may keep the last words from being written when we are asked to end.
const LAST_WORDS_WITHIN: Duration = Duration::from_millis(400);

/// Carries a sub-command out, on a thread of its own: this one waits for signals and for the command, and for nothing else, so that
/// whatever blocks in there keeps nobody from ending the process.
fn run(identity: Identity, cli: Cli) -> ExitCode {
    use_hashed_trust_store();
    let mode = output_mode(&cli);
    log_to_stderr(&cli, &mode);
    let (events, receiver) = event::channel();
    let options = ReportOptions { program: identity.program.clone(), heartbeat: heartbeat(&cli) };
    let interrupt = Interrupt::new();
    let name = commands::python_name(&cli.command);
    let command = cli.command.clone();
    let context = Context {
        tool: identity.tool,
        program: identity.program,
        globals: cli.globals,
        environment: Environment::of_this_process(),
        events: events.clone(),
        interrupt: interrupt.clone(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let begun = runtime.and_then(|runtime| {
        let reporter = Reporter::spawn(mode.clone(), options, receiver)?;
        Ok((runtime, reporter, spawn(cli.command, context)?))
    });
    let (runtime, reporter, ended) = match begun {
        Ok(begun) => begun,
        Err(source) => return cannot_begin(source, &mode, name),
    };
    let (last, reported) = runtime.block_on(async {
        tokio::spawn(watch_signals(interrupt.clone()));
        let last = wait(ended, &events, interrupt.clone(), &command).await;
        drop(events);
        (last, last_words(reporter, interrupt).await)
    });
    let code = match reported {
        Reported::Everything | Reported::Busy => last.exit_code().unwrap_or(ExitCode::Internal as u8),
        Reported::Broken(error) => commands::unwritten(&last, error, &mode),
    };
    // Whatever still hangs on other threads ends with the process.
    std::process::exit(code.into())
}

/// The system gives us no threads, files or memory to begin with.
fn cannot_begin(source: std::io::Error, mode: &OutputMode, command: &str) -> ExitCode {
    let error =
        Error::new(ErrorKind::Io, source).hint("are the limits on files, memory and processes too low (ulimit -a)?");
    text::error(mode, &commands::fault(&error, command));
    error.kind().into()
}

/// The stack of the thread that does the work: that of a main thread, for files that nest deeply.
const STACK: usize = 8 * 1024 * 1024;

/// Begins the work. Its last event comes out in the end.
fn spawn(command: Command, context: Context) -> std::io::Result<oneshot::Receiver<BuildEvent>> {
    let (ending, ended) = oneshot::channel();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::Builder::new().name("work".to_owned()).stack_size(STACK).spawn(move || {
        let last = runtime.block_on(commands::run(&command, &context));
        let _ = ending.send(last);
        // A keyring that still waits for the desktop must not keep the process from ending.
        runtime.shutdown_background();
    })?;
    Ok(ended)
}

/// Waits for the work to end, or to be stopped.
async fn wait(
    ended: oneshot::Receiver<BuildEvent>,
    events: &EventSender,
    mut interrupt: Interrupt,
    command: &Command,
) -> BuildEvent {
    let stopped = async {
        let signal = interrupt.unheld().await;
        tokio::time::sleep(STOPS_WITHIN).await;
        signal
    };
    let error = tokio::select! {
        biased;
        ended = ended => match ended {
            Ok(last) => return last,
            // The panic itself was told on standard error.
            Err(gone) => Error::new(ErrorKind::Internal, gone),
        },
        // The work hangs where it cannot be dropped. Nothing of it is to be told, so it is left behind.
        signal = stopped => commands::stopped(signal, command),
    };
    let last = BuildEvent::Failed(Box::new(commands::fault(&error, commands::python_name(command))));
    events.try_send(last.clone());
    last
}

/// Waits for everything to be shown. A terminal that was stopped keeps nobody who wants to end.
async fn last_words(reporter: Reporter, mut interrupt: Interrupt) -> Reported {
    let shown = tokio::task::spawn_blocking(move || reporter.join(None));
    let enough = async {
        interrupt.raised().await;
        tokio::time::sleep(LAST_WORDS_WITHIN).await;
    };
    tokio::select! {
        biased;
        shown = shown => shown.unwrap_or(Reported::Busy),
        () = enough => Reported::Busy,
    }
}

/// The first signal raises the interrupt; the second ends the process at once.
async fn watch_signals(interrupt: Interrupt) {
    let signals = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()].map(signal);
    let [Ok(mut interrupts), Ok(mut terminations), Ok(mut hangups)] = signals else { return };
    let mut was_raised = false;
    loop {
        let signal = tokio::select! {
            _ = interrupts.recv() => Signal::Interrupt,
            _ = terminations.recv() => Signal::Terminate,
            _ = hangups.recv() => Signal::HangUp,
        };
        if std::mem::replace(&mut was_raised, true) {
            std::process::exit(ExitCode::from(signal) as i32);
        }
        interrupt.raise(signal);
    }
}

/// After how much silence a sign of life is given.
fn heartbeat(cli: &Cli) -> Option<Duration> {
    let follow = match &cli.command {
        Command::ContainerBuild(arguments) => &arguments.build.follow,
        Command::FlatpakBuild(arguments) => &arguments.build.follow,
        Command::Watch(arguments) => &arguments.follow,
        _ => return None,
    };
    Some(follow.heartbeat.unwrap_or(HEARTBEAT))
}

/// Unless the user says otherwise.
const HEARTBEAT: Duration = Duration::from_secs(60);

/// Spares OpenSSL the bundle of all trusted certificates where it can find them one by one.
#[expect(unsafe_code, reason = "the environment is the only way to tell OpenSSL")]
fn use_hashed_trust_store() {
    if http::has_hashed_trust_store() {
        // SAFETY: there is only one thread yet, so nobody reads the environment at the same time.
        unsafe { std::env::set_var(http::TRUST_FILE, "/dev/null") };
    }
}

fn output_mode(cli: &Cli) -> OutputMode {
    let as_json = matches!(&cli.command, Command::Config(ConfigCommand::Show(arguments)) if arguments.json);
    let format = match cli.globals.output {
        OutputFormat::Text if !as_json => Format::Text,
        _ => Format::Json,
    };
    let color = match cli.globals.color {
        ColorWhen::Auto => Color::Auto,
        ColorWhen::Always => Color::Always,
        ColorWhen::Never => Color::Never,
    };
    OutputMode::decide(format, color, cli.globals.quiet, &Surroundings::of_this_process())
}

/// `-v` and `--debug` tell what happens inside, on standard error; `RUST_LOG` says it finer.
fn log_to_stderr(cli: &Cli, mode: &OutputMode) {
    let level = match (cli.globals.debug, cli.globals.verbose) {
        (true, _) | (false, 2..) => "fedpkg_container_build=trace",
        (false, 1) => "fedpkg_container_build=debug",
        (false, 0) => return,
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    log.with_ansi(mode.color_stderr).init();
}

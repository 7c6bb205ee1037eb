//! Process set-up: the program's name, the command line, signals, the runtime, the exit code.

use std::ffi::OsString;
use std::process::ExitCode as ProcessExit;

use fedpkg_container_build::builder::{self, InterruptSender};
use fedpkg_container_build::cli::{self, Cli, ColorWhen, Invocation, OutputFormat};
use fedpkg_container_build::commands::{self, Context, Environment, sources};
use fedpkg_container_build::credentials::negotiate::{self, NEGOTIATE};
use fedpkg_container_build::error::{Error, ErrorKind};
use fedpkg_container_build::exit_code::ExitCode;
use fedpkg_container_build::http;
use fedpkg_container_build::local::engine::guard::{GUARD, guard};
use fedpkg_container_build::local::image::contents::{self, COPY_CONTENTS};
use fedpkg_container_build::plugin::{self, Identity, Style};
use fedpkg_container_build::report::mode::{Color, Surroundings};
use fedpkg_container_build::report::{Format, OutputMode, text};
use tokio::signal::unix::{SignalKind, signal};
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
        Err(error) => {
            text::usage_error(&error.render());
            ExitCode::Usage.into()
        }
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
    text::error(&mode, &error, &command.to_string_lossy());
    ExitCode::from(error.kind()).into()
}

/// Carries a sub-command out.
fn run(identity: Identity, cli: Cli) -> ExitCode {
    use_hashed_trust_store();
    let mode = output_mode(&cli);
    log_to_stderr(&cli);
    let command = commands::python_name(&cli.command);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(source) => {
            text::error(&mode, &Error::new(ErrorKind::Internal, source), command);
            return ExitCode::Internal;
        }
    };
    let (sender, interrupt) = builder::interrupt();
    let context = Context {
        tool: identity.tool,
        program: identity.program,
        globals: cli.globals,
        environment: Environment::of_this_process(),
        mode: mode.clone(),
        interrupt,
    };
    let result = runtime.block_on(async {
        tokio::spawn(watch_signals(sender));
        commands::run(&cli.command, &context).await
    });
    // A keyring that still waits for the desktop must not keep the process from ending.
    runtime.shutdown_background();
    match result {
        Ok(code) => code,
        Err(error) => {
            text::error(&mode, &error, command);
            error.kind().into()
        }
    }
}

/// Spares OpenSSL the bundle of all trusted certificates where it can find them one by one.
#[expect(unsafe_code, reason = "the environment is the only way to tell OpenSSL")]
fn use_hashed_trust_store() {
    if http::has_hashed_trust_store() {
        // SAFETY: there is only one thread yet, so nobody reads the environment at the same time.
        unsafe { std::env::set_var(http::TRUST_FILE, "/dev/null") };
    }
}

fn output_mode(cli: &Cli) -> OutputMode {
    let format = match cli.globals.output {
        OutputFormat::Text => Format::Text,
        OutputFormat::Json => Format::Json,
    };
    let color = match cli.globals.color {
        ColorWhen::Auto => Color::Auto,
        ColorWhen::Always => Color::Always,
        ColorWhen::Never => Color::Never,
    };
    OutputMode::decide(format, color, cli.globals.quiet, &Surroundings::of_this_process())
}

/// `-v` and `--debug` tell what happens inside, on standard error; `RUST_LOG` says it finer.
fn log_to_stderr(cli: &Cli) {
    let level = match (cli.globals.debug, cli.globals.verbose) {
        (true, _) | (false, 2..) => "fedpkg_container_build=trace",
        (false, 1) => "fedpkg_container_build=debug",
        (false, 0) => return,
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).without_time().init();
}

/// The first signal raises the interrupt; the second ends the process at once.
async fn watch_signals(sender: InterruptSender) {
    let (Ok(mut interrupts), Ok(mut terminations)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return;
    };
    loop {
        tokio::select! {
            _ = interrupts.recv() => {}
            _ = terminations.recv() => {}
        }
        if sender.is_raised() {
            std::process::exit(ExitCode::Detached as i32);
        }
        sender.raise();
    }
}

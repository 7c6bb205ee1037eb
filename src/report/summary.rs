//! The words at the end of a build, and those of errors.

use std::fmt::Write as _;
use std::time::Duration;

use crate::error::Error;
use crate::event::{BuildOutcome, KojiBuild, Outcome};

use super::sanitize;

/// The line rpkg ends with: `1234 buildContainer (noarch) completed successfully`.
pub fn verdict(label: &str, outcome: &BuildOutcome) -> String {
    let verdict = match outcome.outcome {
        Outcome::Succeeded => "completed successfully",
        Outcome::Failed => "failed",
        Outcome::Cancelled => "was canceled",
        Outcome::Detached => "has not completed",
    };
    format!("{} {label} {verdict}", outcome.id)
}

/// The result in the shape rpkg prints it in (`utils.log_result`): a key, then its items indented by two blanks. What a server
/// always answers is there even when it is empty; a build on this machine need not have been pushed or imported.
pub fn result_block(outcome: &BuildOutcome, by_server: bool) -> String {
    let mut block = String::new();
    let mut list = |key: &str, items: &mut dyn Iterator<Item = &str>| {
        let _ = writeln!(block, "{key}:");
        for item in items {
            let _ = writeln!(block, "  {}", sanitize::line(item.as_bytes()));
        }
    };
    if by_server || !outcome.repositories.is_empty() {
        list("repositories", &mut outcome.repositories.iter().map(String::as_str));
    }
    if by_server || !outcome.builds.is_empty() {
        // Where there is no page there is at least a number.
        let page = |build: &'_ KojiBuild| if build.url.is_empty() { build.id.clone() } else { build.url.clone() };
        let pages: Vec<String> = outcome.builds.iter().map(page).collect();
        list("koji_builds", &mut pages.iter().map(String::as_str));
    }
    if !outcome.user_warnings.is_empty() {
        list("user_warnings", &mut outcome.user_warnings.iter().map(String::as_str));
    }
    if !outcome.metadata.is_empty() {
        list("metadata", &mut outcome.metadata.iter().map(String::as_str));
    }
    if outcome.builds.iter().any(|build| build.nvr.is_some()) {
        list("nvrs", &mut outcome.builds.iter().filter_map(|build| build.nvr.as_deref()));
    }
    block
}

/// What is told besides the result: how long it took, why it failed, and what to do next. `program` is what to type for watching
/// the build again, where that can be done.
pub fn talk(outcome: &BuildOutcome, program: Option<&str>) -> String {
    let id = &outcome.id;
    let mut talk = String::new();
    match outcome.outcome {
        Outcome::Detached => {
            let program = program.unwrap_or_default();
            let _ = write!(
                talk,
                "\nThe build goes on. Watch it again with `{program} watch {id}`, cancel it with `{program} cancel {id}`.\n"
            );
        }
        Outcome::Failed | Outcome::Cancelled => failure(outcome, program, &mut talk),
        Outcome::Succeeded => {
            for build in outcome.builds.iter().filter(|build| build.nvr.is_none() && !build.url.is_empty()) {
                let id = sanitize::line(build.id.as_bytes());
                let _ = writeln!(talk, "The hub does not know build {id}, which the result names.");
            }
        }
    }
    if let Some(took) = outcome.duration {
        let _ = writeln!(talk, "The build took {}.", duration(took));
    }
    talk
}

fn failure(outcome: &BuildOutcome, program: Option<&str>, talk: &mut String) {
    let Some(failure) = &outcome.failure else { return };
    if outcome.outcome == Outcome::Failed {
        let _ = writeln!(talk, "\nReason: {}", sanitize::text(&failure.reason));
    }
    let Some(log) = &failure.log else {
        if let Some(url) = &outcome.url {
            let _ = writeln!(talk, "See {url}");
        }
        return;
    };
    let name = sanitize::line(log.log.name.as_bytes());
    let _ = writeln!(talk, "\nThe last lines of {name}:");
    for line in &log.tail {
        let _ = writeln!(talk, "  {}", sanitize::line(line.as_bytes()));
    }
    if let Some(url) = &log.url {
        let _ = writeln!(talk, "The whole log: {}", sanitize::line(url.as_bytes()));
    }
    if let Some(program) = program {
        let _ = writeln!(talk, "Read it here with `{program} watch {} --log {name}`.", outcome.id);
    }
}

/// An error as it is printed: what failed, the causes, and what to do next. `command` is the Python name of the
/// sub-command, as fedpkg has it in its own error line.
pub fn error(error: &Error, command: &str, color: bool) -> String {
    let (bold, off) = if color { ("\x1b[1;31m", "\x1b[0m") } else { ("", "") };
    let mut text = format!("{bold}Could not execute {command}:{off} {}\n", sanitize::text(&error.to_string()));
    for cause in error.causes() {
        let _ = writeln!(text, "  caused by: {}", sanitize::text(&cause));
    }
    for hint in error.hints() {
        let _ = writeln!(text, "hint: {}", sanitize::text(hint));
    }
    text
}

/// `4 min 20 s`; hours where there are any.
pub fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds} s"),
        (0, minutes, seconds) => format!("{minutes} min {seconds} s"),
        (hours, minutes, _) => format!("{hours} h {minutes} min"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;
    use crate::event::{Failure, FailureLog, LogId};

    fn outcome(outcome: Outcome) -> BuildOutcome {
        BuildOutcome {
            id: 25.into(),
            outcome,
            url: Some("https://k/koji/taskinfo?taskID=25".into()),
            duration: Some(Duration::from_secs(260)),
            repositories: vec!["r/foo@sha256:ab".into(), "r/foo:1-1".into()],
            builds: vec![KojiBuild {
                id: "42".into(),
                nvr: Some("foo-1-1".into()),
                url: "https://k/koji/buildinfo?buildID=42".into(),
            }],
            user_warnings: vec!["label x is deprecated".into()],
            metadata: Vec::new(),
            failure: None,
        }
    }

    #[test]
    fn the_result_looks_as_rpkg_prints_it() {
        let outcome = outcome(Outcome::Succeeded);
        assert_eq!(verdict("buildContainer (noarch)", &outcome), "25 buildContainer (noarch) completed successfully");
        assert_eq!(
            result_block(&outcome, true),
            "repositories:\n  r/foo@sha256:ab\n  r/foo:1-1\nkoji_builds:\n  https://k/koji/buildinfo?buildID=42\n\
             user_warnings:\n  label x is deprecated\nnvrs:\n  foo-1-1\n"
        );
        let scratch = BuildOutcome { builds: vec![], user_warnings: vec![], ..outcome };
        assert_eq!(result_block(&scratch, true), "repositories:\n  r/foo@sha256:ab\n  r/foo:1-1\nkoji_builds:\n");
    }

    #[test]
    fn a_failure_tells_reason_log_and_next_command() {
        let log = LogId { task: 25.into(), volume: None, name: "x86_64.log".into() };
        let failure = Failure {
            reason: "Image build failed.\x1b[2J".into(),
            code: Some(2001),
            task: None,
            log: Some(FailureLog {
                log,
                tail: vec!["Error: \x1b[31mno".into()],
                url: Some("https://k/x86_64.log".into()),
            }),
        };
        let outcome = BuildOutcome { failure: Some(failure), ..outcome(Outcome::Failed) };
        assert_eq!(
            talk(&outcome, Some("fedpkg-container-build")),
            "\nReason: Image build failed.\n\nThe last lines of x86_64.log:\n  Error: no\nThe whole log: https://k/x86_64.log\n\
             Read it here with `fedpkg-container-build watch 25 --log x86_64.log`.\nThe build took 4 min 20 s.\n"
        );
    }

    #[test]
    fn an_error_has_causes_and_hints() {
        let source = std::io::Error::other(std::io::Error::other("the cause\x07"));
        let shown = error(&Error::new(ErrorKind::Io, source).hint("do this"), "container_build", false);
        assert_eq!(shown, "Could not execute container_build: the cause\u{fffd}\nhint: do this\n");
    }
}

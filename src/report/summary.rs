//! The words at the end of a build, and those of errors.

use std::time::Duration;

use crate::event::{BuildOutcome, Fault, KojiBuild, Outcome};

use super::line::{Line, Tone};

/// The line rpkg ends with: `1234 buildContainer (noarch) completed successfully`.
pub(crate) fn verdict(label: &str, outcome: &BuildOutcome) -> Line {
    let (verdict, tone) = match outcome.outcome {
        Outcome::Succeeded => ("completed successfully", Tone::Plain),
        Outcome::Failed => ("failed", Tone::Bad),
        Outcome::Cancelled => ("was canceled", Tone::Warning),
        Outcome::Detached => ("has not completed", Tone::Plain),
    };
    let line = Line::new().add(&outcome.id).add(" ");
    // Of a build that was never seen only the id is known.
    let line = if label.is_empty() { line } else { line.add(label).add(" ") };
    line.toned(tone, verdict)
}

/// The result in the shape rpkg prints it in (`utils.log_result`): a key, then its items indented by two blanks. What a server
/// always answers is there even when it is empty; a build on this machine need not have been pushed or imported.
pub(crate) fn result_block(outcome: &BuildOutcome, by_server: bool) -> Vec<Line> {
    let mut block = Vec::new();
    let mut list = |key: &str, items: &mut dyn Iterator<Item = &str>| {
        block.push(Line::new().add(key).add(":"));
        block.extend(items.map(|item| Line::new().add("  ").add(item)));
    };
    if by_server || !outcome.repositories.is_empty() {
        list("repositories", &mut outcome.repositories.iter().map(String::as_str));
    }
    if by_server || !outcome.builds.is_empty() {
        // Where there is no page there is at least a number.
        let page = |build: &KojiBuild| if build.url.is_empty() { build.id.clone() } else { build.url.clone() };
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
/// the build again, where that can be done. A reason that was just told is not told again.
pub(crate) fn talk(outcome: &BuildOutcome, program: Option<&str>, is_reason_told: bool) -> Vec<Line> {
    let id = &outcome.id;
    let mut talk = Vec::new();
    match outcome.outcome {
        Outcome::Detached => {
            let program = program.unwrap_or_default();
            talk.push(Line::new());
            talk.push(
                Line::new()
                    .add(format_args!("The build goes on. Watch it again with `{program} watch {id}`, "))
                    .add(format_args!("cancel it with `{program} cancel {id}`.")),
            );
        }
        Outcome::Failed | Outcome::Cancelled => failure(outcome, program, is_reason_told, &mut talk),
        Outcome::Succeeded => {
            for build in outcome.builds.iter().filter(|build| build.nvr.is_none() && !build.url.is_empty()) {
                talk.push(format!("The hub does not know build {}, which the result names.", build.id).into());
            }
        }
    }
    if let Some(took) = outcome.duration {
        talk.push(format!("The build took {}.", duration(took)).into());
    }
    talk
}

fn failure(outcome: &BuildOutcome, program: Option<&str>, is_reason_told: bool, talk: &mut Vec<Line>) {
    let Some(failure) = &outcome.failure else { return };
    if outcome.outcome == Outcome::Failed && !is_reason_told {
        talk.push(Line::new());
        talk.push(Line::new().toned(Tone::Bad, "Reason:").add(" ").text(&failure.reason));
    }
    let Some(log) = &failure.log else {
        talk.extend(outcome.url.as_ref().map(|url| format!("See {url}").into()));
        return;
    };
    let name = &log.log.name;
    talk.push(Line::new());
    talk.push(format!("The last lines of {name}:").into());
    talk.extend(log.tail.iter().map(|line| Line::new().add("  ").add(line)));
    talk.extend(log.url.as_ref().map(|url| format!("The whole log: {url}").into()));
    talk.extend(
        program.map(|program| format!("Read it here with `{program} watch {} --log {name}`.", outcome.id).into()),
    );
}

/// An error as it is printed: what failed, the causes, and what to do next.
pub(crate) fn fault(fault: &Fault) -> Vec<Line> {
    let head = format!("Could not execute {}:", fault.command);
    let mut lines = vec![Line::new().toned(Tone::Bad, head).add(" ").text(&fault.message)];
    lines.extend(fault.causes.iter().map(|cause| Line::new().add("  caused by: ").text(cause)));
    lines.extend(fault.hints.iter().map(|hint| Line::new().add("hint: ").text(hint)));
    lines
}

/// `4 min 20 s`; hours where there are any, tenths below a second.
pub(crate) fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, 0) if duration.subsec_millis() >= 100 => format!("0.{} s", duration.subsec_millis() / 100),
        (0, 0, seconds) => format!("{seconds} s"),
        (0, minutes, seconds) => format!("{minutes} min {seconds} s"),
        (hours, minutes, _) => format!("{hours} h {minutes} min"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Failure, FailureLog, LogId};
    use crate::report::line::joined;

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
        let line = verdict("buildContainer (noarch)", &outcome).render(true);
        assert_eq!(verdict("", &outcome).render(false), "25 completed successfully");
        assert_eq!(line, "25 buildContainer (noarch) completed successfully");
        assert_eq!(
            joined(&result_block(&outcome, true), true),
            "repositories:\n  r/foo@sha256:ab\n  r/foo:1-1\nkoji_builds:\n  https://k/koji/buildinfo?buildID=42\n\
             user_warnings:\n  label x is deprecated\nnvrs:\n  foo-1-1\n"
        );
        let scratch = BuildOutcome { builds: vec![], user_warnings: vec![], ..outcome };
        assert_eq!(
            joined(&result_block(&scratch, true), true),
            "repositories:\n  r/foo@sha256:ab\n  r/foo:1-1\nkoji_builds:\n"
        );
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
            joined(&talk(&outcome, Some("fedpkg-container-build"), false), false),
            "\nReason: Image build failed.\n\nThe last lines of x86_64.log:\n  Error: no\nThe whole log: https://k/x86_64.log\n\
             Read it here with `fedpkg-container-build watch 25 --log x86_64.log`.\nThe build took 4 min 20 s.\n"
        );
    }

    #[test]
    fn an_error_has_causes_and_hints() {
        let told = Fault {
            exit_code: 1,
            kind: "io",
            command: "container_build".to_owned(),
            message: "no\x07".to_owned(),
            causes: vec!["the cause\x07".to_owned()],
            hints: vec!["do this".to_owned()],
            findings: Vec::new(),
            build: None,
        };
        let expected = "Could not execute container_build: no\u{fffd}\n  caused by: the cause\u{fffd}\nhint: do this\n";
        assert_eq!(joined(&fault(&told), false), expected);
    }
}

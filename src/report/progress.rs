//! How far a build is, as far as its logs honestly tell.
//!
//! A fraction is shown only when both numbers were read in a log (`STEP 3/7`), it never goes backwards within a run, and a
//! log never makes anything 100 %: only the task's own end does that. What cannot be counted is a phase in words.
//!
//! The lines are those of atomic-reactor (`plugin.py`, `tasks/*.py`), buildah and podman (`STEP n/N`), and dnf.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::event::{BuildEvent, LogId, TaskId};
use crate::log_lines::LineSplitter;

/// What is known of one log's part of the build.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Progress {
    /// What is going on, in words: `STEP 3/7: RUN dnf -y install httpd`.
    pub phase: Option<String>,
    /// Finer than the phase, within it: `installing 40/85`.
    pub detail: Option<String>,
    /// Steps begun of all steps, as shown; never goes backwards.
    pub steps: Option<(u32, u32)>,
    /// Which stage of a multi-stage build, of how many.
    pub stage: Option<(u32, u32)>,
    /// The last line that says something.
    pub last_line: Option<String>,
    /// What is done of all there is, as the builder counted it.
    pub counted: Option<(u64, u64)>,
}

/// How much of a line is looked at; milestones are short.
const LOOKED_AT: usize = 300;

impl Progress {
    /// Takes one line. Returns whether anything to be shown changed but the last line.
    pub fn line(&mut self, line: &[u8]) -> bool {
        let shown = &line[..line.len().min(LOOKED_AT)];
        let Ok(text) = std::str::from_utf8(shown) else { return false };
        let message = message(text).trim_end();
        if message.is_empty() {
            return false;
        }
        self.step(message) || self.package(message) || self.milestone(message)
    }

    /// The fraction of the row: steps begun but not finished, at most 90 % before the build task itself has ended.
    pub fn fraction(&self) -> Option<f64> {
        if let Some((done, total)) = self.counted {
            #[expect(clippy::cast_precision_loss, reason = "a bar has fewer places than bytes have digits")]
            return (total > 0).then(|| done.min(total) as f64 / total as f64);
        }
        let (step, steps) = self.steps?;
        if self.stage.is_some_and(|(_, stages)| stages > 1) {
            return None;
        }
        Some(0.9 * f64::from(step.saturating_sub(1)) / f64::from(steps))
    }

    /// `STEP 3/7: RUN …`, `[2/3] STEP 1/4: …`, `STEP 3: …`, and classic Docker's `Step 2/5 : …`.
    fn step(&mut self, message: &str) -> bool {
        let (stage, rest) = match message.strip_prefix('[').and_then(|rest| rest.split_once("] ")) {
            Some((stage, rest)) => (counted(stage), rest),
            None => (None, message),
        };
        let Some(rest) = rest.strip_prefix("STEP ").or_else(|| rest.strip_prefix("Step ")) else { return false };
        let Some((count, instruction)) = rest.split_once(':') else { return false };
        let count = count.trim();
        let steps = counted(count);
        if steps.is_none() && count.parse::<u32>().is_err() {
            return false;
        }
        let later_stage = stage > self.stage;
        if later_stage {
            self.stage = stage;
            self.steps = None;
        }
        match (steps, self.steps) {
            (Some((step, of)), Some((before, before_of))) if of == before_of && step < before => return false,
            (Some(steps), _) => self.steps = Some(steps),
            (None, _) => {}
        }
        let stage = stage.filter(|(_, stages)| *stages > 1).map(|(at, of)| format!("stage {at}/{of}, "));
        self.phase = Some(format!("{}STEP {count} {}", stage.unwrap_or_default(), instruction.trim()));
        self.detail = None;
        true
    }

    /// dnf's counters: `(12/85): x.rpm`, `[12/85] x 100% |`, `  Installing : x  40/85`.
    fn package(&mut self, message: &str) -> bool {
        let detail = if let Some(rest) = message.strip_prefix('(') {
            rest.split_once("): ").filter(|(_, file)| file.contains(".rpm")).and_then(|(count, _)| {
                let (at, of) = counted(count)?;
                Some(format!("downloading {at}/{of}"))
            })
        } else if let Some(rest) = message.strip_prefix('[') {
            rest.split_once("] ").filter(|(_, rest)| rest.contains("% |")).and_then(|(count, _)| {
                let (at, of) = counted(count)?;
                Some(format!("packages {at}/{of}"))
            })
        } else {
            transaction(message)
        };
        let found = detail.is_some() && detail != self.detail;
        if found {
            self.detail = detail;
        }
        found
    }

    fn milestone(&mut self, message: &str) -> bool {
        if message.starts_with("plugin '") && message.contains("' finished in ") {
            // What comes next says so itself.
            self.detail = None;
            return self.phase.take_if(|phase| phase.starts_with("plugin ")).is_some();
        }
        let phase = if let Some(plugin) = between(message, "running plugin '", "'") {
            format!("plugin {plugin}")
        } else if let Some(task) = between(message, "task ", " finished successfully \\o/") {
            format!("{task} done")
        } else if message == "Acquiring a build slot on a remote host" {
            "waiting for a build slot".to_owned()
        } else if message.starts_with("Build finished successfully! Pushing image to ") {
            "pushing the image".to_owned()
        } else if let Some(image) = message.strip_prefix("Trying to pull ") {
            format!("pulling {}", image.trim_end_matches("..."))
        } else if message == "COMMIT" || message.starts_with("COMMIT ") {
            "committing".to_owned()
        } else if message.starts_with("Waiting for request ") {
            "waiting for a compose or for sources".to_owned()
        } else if let Some(tag) = message.strip_prefix("Tagging build with ") {
            format!("tagging with {tag}")
        } else {
            return false;
        };
        let changed = self.phase.as_deref() != Some(&phase);
        self.phase = Some(phase);
        self.detail = None;
        changed
    }
}

/// The message of an atomic-reactor record (`2025-03-01 10:15:00,123 - logger - LEVEL - message`), else the line itself.
fn message(line: &str) -> &str {
    let is_record = line.as_bytes().first().is_some_and(u8::is_ascii_digit) && line.get(4..5) == Some("-");
    if !is_record {
        return line;
    }
    line.splitn(4, " - ").nth(3).unwrap_or(line)
}

/// `40/85`, when it makes sense as a count.
fn counted(text: &str) -> Option<(u32, u32)> {
    let (at, of) = text.trim().split_once('/')?;
    let (at, of) = (at.trim().parse().ok()?, of.trim().parse().ok()?);
    (at >= 1 && at <= of).then_some((at, of))
}

fn transaction(message: &str) -> Option<String> {
    const ACTIONS: [(&str, &str); 6] = [
        ("Installing", "installing"),
        ("Upgrading", "upgrading"),
        ("Cleanup", "cleaning up"),
        ("Verifying", "verifying"),
        ("Running scriptlet", "running scriptlets"),
        ("Erasing", "erasing"),
    ];
    let trimmed = message.trim_start();
    let (_, word) = ACTIONS.iter().find(|(action, _)| trimmed.starts_with(action))?;
    let (at, of) = counted(trimmed.rsplit(' ').next()?)?;
    Some(format!("{word} {at}/{of}"))
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let rest = text.strip_prefix(before)?;
    Some(&rest[..rest.find(after)?])
}

/// The progress of all logs of a build.
#[derive(Debug, Default)]
pub struct BuildProgress {
    logs: BTreeMap<Arc<LogId>, Row>,
    /// How many tasks have ended, of all that were seen.
    pub tasks: (usize, usize),
    /// Whether the builder says how many tasks there are, also of those that it has not begun.
    pub are_counted: bool,
    /// What the tasks are to the user: steps of a build on this machine.
    pub are_steps: bool,
}

#[derive(Debug, Default)]
struct Row {
    label: String,
    splitter: LineSplitter,
    progress: Progress,
    closed: bool,
}

impl BuildProgress {
    /// Takes an event. Returns whether something to be shown changed.
    pub fn event(&mut self, event: &BuildEvent) -> bool {
        match event {
            BuildEvent::LogOpened { log, arch } => {
                let label = arch.as_deref().unwrap_or_else(|| log.name.strip_suffix(".log").unwrap_or(&log.name));
                let row = Row { label: label.to_owned(), ..Row::default() };
                self.logs.insert(Arc::clone(log), row);
                true
            }
            BuildEvent::Progress { done, total, unit: "tasks", .. } if self.are_counted => {
                let count = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
                self.tasks = (count(*done), count(*total));
                true
            }
            BuildEvent::Progress { task, done, total, unit } => self.counted(task, *done, *total, unit),
            BuildEvent::LogAppended { log, bytes, .. } => self.logs.get_mut(log).is_some_and(|row| row.append(bytes)),
            BuildEvent::LogRestarted { log, .. } => self.logs.get_mut(log).is_some_and(|row| {
                *row = Row { label: std::mem::take(&mut row.label), ..Row::default() };
                true
            }),
            BuildEvent::LogClosed { log } => self.logs.get_mut(log).is_some_and(|row| {
                row.closed = true;
                true
            }),
            _ => false,
        }
    }

    /// Puts a count into the rows of a task's logs. Returns whether it has any.
    fn counted(&mut self, task: &TaskId, done: u64, total: u64, unit: &str) -> bool {
        let mut rows = self.logs.iter_mut().filter(|(log, _)| log.task == *task).map(|(_, row)| row).peekable();
        let any = rows.peek().is_some();
        for row in rows {
            row.progress.counted = Some((done, total));
            row.progress.phase = Some(count_of(done, total, unit));
        }
        any
    }

    /// What each log that is not closed tells: its label, and how far it is. Logs that tell nothing are left out.
    pub fn rows(&self) -> impl Iterator<Item = (&str, &Progress)> {
        let telling = self.logs.values().filter(|row| !row.closed && row.progress.phase.is_some());
        telling.map(|row| (row.label.as_str(), &row.progress))
    }
}

/// `12.3/45.6 MB`, or `3/7 files`.
fn count_of(done: u64, total: u64, unit: &str) -> String {
    if unit != "bytes" {
        return format!("{done}/{total} {unit}");
    }
    #[expect(clippy::cast_precision_loss, reason = "one place behind the point is shown")]
    let megabytes = |bytes: u64| bytes as f64 / 1e6;
    format!("{:.1}/{:.1} MB", megabytes(done), megabytes(total))
}

impl Row {
    fn append(&mut self, bytes: &[u8]) -> bool {
        let Row { splitter, progress, .. } = self;
        let mut changed = false;
        let mut last = Vec::new();
        splitter.feed(bytes, |line| {
            changed |= progress.line(line);
            if !line.is_empty() {
                last.clear();
                last.extend_from_slice(&line[..line.len().min(LOOKED_AT)]);
            }
        });
        if !last.is_empty() {
            progress.last_line = Some(super::sanitize::line(&last).into_owned());
        }
        changed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(lines: &[&str]) -> Progress {
        let mut progress = Progress::default();
        for line in lines {
            progress.line(line.as_bytes());
        }
        progress
    }

    #[test]
    fn phases_are_read_from_the_lines_that_mark_them() {
        let record = |message: &str| format!("2025-03-01 10:15:00,123 - atomic_reactor.x - INFO - {message}");
        let cases: &[(String, &str)] = &[
            (record("running plugin 'bump_release'"), "plugin bump_release"),
            (record("task binary_container_prebuild finished successfully \\o/"), "binary_container_prebuild done"),
            (record("STEP 3/7: RUN dnf -y install httpd"), "STEP 3/7 RUN dnf -y install httpd"),
            ("STEP 3: RUN make".into(), "STEP 3 RUN make"),
            ("Step 2/5 : RUN make".into(), "STEP 2/5 RUN make"),
            ("[2/2] STEP 1/4: FROM base".into(), "stage 2/2, STEP 1/4 FROM base"),
            (record("Build finished successfully! Pushing image to registry/x"), "pushing the image"),
            ("Trying to pull registry.example.com/x:1...".into(), "pulling registry.example.com/x:1"),
            ("COMMIT hello:1".into(), "committing"),
        ];
        for (line, phase) in cases {
            assert_eq!(after(&[line]).phase.as_deref(), Some(*phase), "{line}");
        }
        for line in ["STEP one: x", "STEPS 1/2: x", "[1/2 STEP", "", "x STEP 1/2: y", "STEP 9/7: x"] {
            assert_eq!(after(&[line]).steps, None, "{line}");
        }
    }

    #[test]
    fn a_plugin_that_has_finished_is_not_shown_any_more() {
        assert_eq!(
            after(&["running plugin 'check_base_image'", "plugin 'check_base_image' finished in 1s"]).phase,
            None
        );
        let step = after(&["STEP 1/4: FROM x", "plugin 'x' finished in 1s"]);
        assert_eq!(step.phase.as_deref(), Some("STEP 1/4 FROM x"));
    }

    #[test]
    fn a_fraction_needs_both_numbers_and_never_goes_back() {
        assert_eq!(after(&["STEP 3: RUN x"]).fraction(), None);
        assert_eq!(after(&["STEP 1/4: FROM x"]).fraction(), Some(0.0));
        let at_three = after(&["STEP 3/4: RUN x"]).fraction();
        assert_eq!(after(&["STEP 3/4: RUN x", "STEP 2/4: RUN y"]).fraction(), at_three);
        assert!(after(&["STEP 4/4: RUN x"]).fraction().unwrap() < 0.9);
    }

    #[test]
    fn stages_go_on_and_have_no_common_fraction() {
        let progress = after(&["[1/2] STEP 2/3: RUN a", "[2/2] STEP 1/5: FROM b"]);
        assert_eq!((progress.stage, progress.steps, progress.fraction()), (Some((2, 2)), Some((1, 5)), None));
    }

    #[test]
    fn pushing_has_no_percentage_of_its_own() {
        let progress = after(&["STEP 7/7: CMD x", "Build finished successfully! Pushing image to r/x"]);
        assert_eq!(progress.phase.as_deref(), Some("pushing the image"));
        assert!(progress.fraction().unwrap() < 0.9);
    }

    #[test]
    fn packages_are_counted_within_a_step() {
        let cases = [
            ("(12/85): httpd-2.4.58-1.fc40.x86_64.rpm   1.2 MB/s | 1.4 MB 00:01", "downloading 12/85"),
            ("[12/85] httpd-0:2.4.58-1.fc40.x86_64 100% | 1.2 MiB/s", "packages 12/85"),
            ("  Installing       : httpd-2.4.58-1.fc40.x86_64      40/85 ", "installing 40/85"),
            ("  Running scriptlet: httpd-2.4.58-1.fc40.x86_64      85/85", "running scriptlets 85/85"),
        ];
        for (line, detail) in cases {
            let progress = after(&["STEP 2/3: RUN dnf install", line]);
            assert_eq!((progress.detail.as_deref(), progress.steps), (Some(detail), Some((2, 3))), "{line}");
        }
        assert_eq!(after(&["STEP 2/3: RUN a", "Installing : x 1/2", "STEP 3/3: CMD b"]).detail, None);
    }
}

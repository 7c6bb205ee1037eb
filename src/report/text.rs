//! What is printed once: dry runs, check reports, configuration, lists of builds, single lines.

use std::fmt::Display;
use std::io::{self, Write};

use serde::Serialize;
use serde_json::json;

use super::mode::{Format, OutputMode};
use super::{sanitize, summary};
use crate::address;
use crate::error::Error;
use crate::event::{BuilderKind, Outcome, TaskState};

/// A table: each column as wide as its widest cell, two blanks between.
fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    let mut text = String::new();
    for row in rows {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}

/// One line on standard output.
///
/// # Errors
/// When nobody reads it.
pub fn say(line: &dyn Display) -> io::Result<()> {
    write_out(&format!("{line}\n"))
}

/// One JSON object on standard output.
///
/// # Errors
/// When nobody reads it.
pub fn json(value: &impl Serialize) -> io::Result<()> {
    let line = serde_json::to_string(value)?;
    write_out(&format!("{}\n", address::masked(&line)))
}

/// A page with ANSI styles, on standard output; the styles are left out where they are not wanted.
pub fn page(text: &str) {
    let mut out = anstream::stdout().lock();
    // Nobody reading is no reason to complain about a help text.
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// What is wrong with a command line, on standard error.
pub fn usage_error(text: &str) {
    let _ = anstream::stderr().lock().write_all(text.as_bytes());
}

/// Something that does not stop us, on standard error. A terminal that is gone is no reason to stop either.
pub fn warning(mode: &OutputMode, text: &dyn Display) {
    let (color, off) = if mode.color_stderr { ("\x1b[33m", "\x1b[0m") } else { ("", "") };
    let text = sanitize::text(&text.to_string());
    let _ = writeln!(io::stderr(), "{color}warning:{off} {text}");
}

/// Something good to know, on standard error; `-q` hides it.
pub fn note(mode: &OutputMode, text: &dyn Display) {
    if !mode.quiet {
        let _ = writeln!(io::stderr(), "{}", sanitize::text(&text.to_string()));
    }
}

/// An error, on standard error. `command` is the Python name of the sub-command.
pub fn error(mode: &OutputMode, error: &Error, command: &str) {
    let _ = io::stderr().write_all(summary::error(error, command, mode.color_stderr).as_bytes());
}

/// What a check found, as it is shown.
#[derive(Debug, Clone, Copy)]
pub struct FindingLine<'a> {
    /// `error`, `warning` or `note`.
    pub severity: &'a str,
    /// Stable name of the kind of finding.
    pub id: &'a str,
    /// The file, relative to the checkout.
    pub file: Option<&'a str>,
    /// The line, from 1.
    pub line: Option<usize>,
    /// What is wrong.
    pub message: &'a str,
    /// What to do about it.
    pub hint: Option<&'a str>,
}

/// What a check found, in the form compilers use: `Dockerfile:3: error: … [id]`.
pub fn findings<'a>(mode: &OutputMode, findings: impl Iterator<Item = FindingLine<'a>>) {
    for finding in findings {
        let place = match (finding.file, finding.line) {
            (Some(file), Some(line)) => format!("{file}:{line}: "),
            (Some(file), None) => format!("{file}: "),
            (None, _) => String::new(),
        };
        let (color, off) = match (mode.color_stderr, finding.severity) {
            (false, _) => ("", ""),
            (true, "error") => ("\x1b[1;31m", "\x1b[0m"),
            (true, "warning") => ("\x1b[33m", "\x1b[0m"),
            (true, _) => ("\x1b[36m", "\x1b[0m"),
        };
        let message = sanitize::text(finding.message);
        let place = sanitize::line(place.as_bytes()).into_owned();
        let mut line = format!("{place}{color}{}:{off} {message} [{}]\n", finding.severity, finding.id);
        if let Some(hint) = finding.hint {
            line.push_str(&format!("  hint: {}\n", sanitize::text(hint)));
        }
        let _ = io::stderr().write_all(line.as_bytes());
    }
}

/// A value of the configuration, as it is shown.
#[derive(Debug, Clone)]
pub struct ConfigLine {
    /// Section.
    pub section: String,
    /// Key.
    pub key: String,
    /// Value, or what is wrong with it.
    pub value: String,
    /// `file:line`.
    pub origin: String,
}

/// The configuration in force, one value a line, by section.
///
/// # Errors
/// When nobody reads it.
pub fn config(mode: &OutputMode, lines: &[ConfigLine]) -> io::Result<()> {
    let mut text = String::new();
    let mut section = None;
    for line in lines {
        if section != Some(&line.section) {
            let blank = if section.is_some() { "\n" } else { "" };
            text.push_str(&format!("{blank}[{}]\n", line.section));
            section = Some(&line.section);
        }
        let (dim, off) = if mode.color_stdout { ("\x1b[2m", "\x1b[0m") } else { ("", "") };
        let value = line.value.replace('\n', "\n    ");
        text.push_str(&format!("{} = {value}  {dim}# {}{off}\n", line.key, line.origin));
    }
    write_out(&if mode.sanitize_stdout && !mode.color_stdout { sanitize::text(&text) } else { text })
}

/// A build that was submitted from here, as it is shown.
#[derive(Debug, Clone, Serialize)]
pub struct StatusLine {
    /// Which builder has it.
    pub builder: BuilderKind,
    /// Its id there.
    pub id: String,
    /// How it ended, or how it stands; `None` when nobody could be asked.
    pub state: Option<&'static str>,
    /// What is built.
    pub component: String,
    /// From which branch.
    pub branch: String,
    /// For which target.
    pub target: String,
    /// When it was submitted.
    pub submitted: jiff::Timestamp,
    /// Its page.
    pub url: Option<String>,
}

/// How a build stands in one word: how it ended, else the state of its task.
pub fn standing(outcome: Option<Outcome>, state: Option<TaskState>) -> Option<&'static str> {
    Some(match (outcome, state) {
        (Some(Outcome::Succeeded), _) => "succeeded",
        (Some(Outcome::Failed), _) => "failed",
        (Some(Outcome::Cancelled), _) => "cancelled",
        (_, Some(TaskState::Free)) => "free",
        (_, Some(TaskState::Assigned)) => "assigned",
        (_, Some(TaskState::Open)) => "open",
        (_, Some(TaskState::Closed)) => "succeeded",
        (_, Some(TaskState::Canceled)) => "cancelled",
        (_, Some(TaskState::Failed)) => "failed",
        (Some(Outcome::Detached) | None, None) => return None,
    })
}

/// The list of submissions: a table, or one JSON object a line.
///
/// # Errors
/// When nobody reads it.
pub fn status(mode: &OutputMode, lines: &[StatusLine]) -> io::Result<()> {
    if mode.format == Format::Json {
        return lines.iter().try_for_each(json);
    }
    if lines.is_empty() {
        return say(&"Nothing was submitted from here yet.");
    }
    let header = ["ID", "STATE", "COMPONENT", "BRANCH", "TARGET", "SUBMITTED"].map(str::to_owned).to_vec();
    let rows = lines.iter().map(|line| {
        let submitted = line.submitted.strftime("%Y-%m-%d %H:%M UTC").to_string();
        let state = line.state.unwrap_or("unknown");
        let cells: [&str; 6] = [&line.id, state, &line.component, &line.branch, &line.target, &submitted];
        cells.map(|cell| sanitize::line(cell.as_bytes()).into_owned()).to_vec()
    });
    write_out(&table(&std::iter::once(header).chain(rows).collect::<Vec<_>>()))
}

/// The request that a dry run would have sent.
#[derive(Debug, Clone, Serialize)]
pub struct DryRun {
    /// The version of this object's format.
    pub version: u32,
    /// The builder it is meant for.
    pub builder: &'static str,
    /// The hub's address.
    pub hub: String,
    /// The hub's name of the call.
    pub method: &'static str,
    /// Positional arguments.
    pub params: serde_json::Value,
    /// Named arguments.
    pub kwargs: serde_json::Map<String, serde_json::Value>,
}

/// What a dry run would have sent.
///
/// # Errors
/// When nobody reads it.
pub fn dry_run(mode: &OutputMode, run: &DryRun) -> io::Result<()> {
    if mode.format == Format::Json {
        return json(run);
    }
    let call = json!({"params": run.params, "kwargs": run.kwargs});
    let pretty = serde_json::to_string_pretty(&call)?;
    let pretty = address::masked(&pretty);
    say(&format_args!("Would call {} on {}:\n{pretty}\nNothing was submitted.", run.method, run.hub))
}

/// An object that would be created in a cluster.
#[derive(Debug, Clone, Serialize)]
pub struct ObjectDryRun {
    /// The version of this object's format.
    pub version: u32,
    /// The builder it is meant for.
    pub builder: &'static str,
    /// The API server's address.
    pub server: String,
    /// The namespace it would be in.
    pub namespace: String,
    /// The object.
    pub object: serde_json::Value,
}

/// Shows an object that would be created.
///
/// # Errors
/// When nobody reads it.
pub fn object_dry_run(mode: &OutputMode, run: &ObjectDryRun) -> io::Result<()> {
    if mode.format == Format::Json {
        return json(run);
    }
    let pretty = address::masked(&serde_json::to_string_pretty(&run.object)?);
    let kind = run.object.get("kind").and_then(serde_json::Value::as_str).unwrap_or_default();
    say(&format_args!(
        "Would create a {kind} in namespace {} of {}:\n{pretty}\nNothing was created.",
        run.namespace, run.server
    ))
}

/// What a build on this machine would do.
#[derive(Debug, Clone, Serialize)]
pub struct LocalDryRun {
    /// The version of this object's format.
    pub version: u32,
    /// The builder it is meant for.
    pub builder: &'static str,
    /// What would be built.
    pub nvr: String,
    /// Each base image as it is written, and what it would be pinned to.
    pub parents: Vec<(String, String)>,
    /// The Dockerfile that would be built.
    pub dockerfile: String,
    /// The same, as a diff to the author's.
    pub diff: String,
    /// Whether the image would be pushed.
    pub push: bool,
    /// The names that it would have in the registry.
    pub tags: Vec<String>,
    /// Files that would be fetched.
    pub artifacts: Vec<String>,
    /// What would not be done here, and why.
    pub omitted: Vec<(String, String)>,
}

/// What a build on this machine would do.
///
/// # Errors
/// When nobody reads it.
pub fn local_dry_run(mode: &OutputMode, run: &LocalDryRun) -> io::Result<()> {
    if mode.format == Format::Json {
        return json(run);
    }
    let mut text = format!("Would build {} on this machine.\n", run.nvr);
    let mut list = |head: &str, items: &mut dyn Iterator<Item = String>| {
        let items: Vec<String> = items.map(|item| format!("  {item}\n")).collect();
        if !items.is_empty() {
            text.push_str(&format!("{head}:\n{}", items.concat()));
        }
    };
    list("Base images", &mut run.parents.iter().map(|(written, pinned)| format!("{written} -> {pinned}")));
    list("Files to fetch", &mut run.artifacts.iter().cloned());
    list(if run.push { "Would push" } else { "Would not push; the names would be" }, &mut run.tags.iter().cloned());
    list("Would not be done here", &mut run.omitted.iter().map(|(what, why)| format!("{what}: {why}")));
    text.push_str(&format!("The Dockerfile that would be built:\n{}Nothing was built.\n", run.diff));
    write_out(&if mode.sanitize_stdout { sanitize::text(&text) } else { text })
}

fn write_out(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned() {
        let rows = [vec!["ID".to_owned(), "STATE".into()], vec!["12345".into(), "open".into()]];
        assert_eq!(table(&rows), "ID     STATE\n12345  open\n");
    }
}

//! Every line of JSON that a test's run of the program prints is held to what its manual page says.

use std::process::Command;

use fedpkg_container_build::cli::manual::DRY_RUNS;
use fedpkg_container_build::report::schema;
use serde_json::Value;

/// Whether a command line asks our program for JSON, and not for a page of help.
pub(crate) fn is_asked(command: &Command) -> bool {
    let words: Vec<_> = command.get_args().map(|word| word.to_string_lossy()).collect();
    let is_json = words.iter().any(|word| word == "--output=json" || word == "--json")
        || words.windows(2).any(|pair| pair[0] == "--output" && pair[1] == "json");
    let is_help = words.iter().any(|word| ["--help", "-h", "--version", "help"].contains(&&**word));
    is_json && !is_help && command.get_program() == super::sandbox::program()
}

/// The lines of a stream, each of which is an object.
pub(crate) fn lines(stdout: &str) -> Vec<Value> {
    let parsed = |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("no JSON: {line}: {error}"));
    stdout.lines().map(parsed).collect()
}

/// The only line of a type.
pub(crate) fn only(stdout: &str, kind: &str) -> Value {
    let mut of_kind: Vec<Value> = lines(stdout).into_iter().filter(|line| line["type"] == kind).collect();
    assert_eq!(of_kind.len(), 1, "lines of type {kind} in:\n{stdout}");
    of_kind.remove(0)
}

/// Holds a whole stream to the schema: each line, the first and the last one, and the exit code in it. A program that was killed had no
/// time for its last line, and may have been in the middle of one.
pub(crate) fn hold(stdout: &str, status: Option<i32>) {
    let whole = if status.is_some() { stdout } else { &stdout[..stdout.rfind('\n').map_or(0, |end| end + 1)] };
    let lines = lines(whole);
    for (number, line) in lines.iter().enumerate() {
        if let Err(wrong) = schema::check(line).and_then(|()| dry_run(line)) {
            panic!("{wrong}, which the schema does not have:\n{line}");
        }
        let is_last = number + 1 == lines.len();
        assert_eq!(line["type"] == "start", number == 0, "`start` is the first line, and no other:\n{whole}");
        let ends = line["type"] == "finished" || line["type"] == "error";
        assert!(ends == (is_last && status.is_some()) || (is_last && ends), "the stream ends with its end:\n{whole}");
    }
    if let Some(status) = status {
        let last = lines.last().unwrap_or_else(|| panic!("no line, exit code {status}"));
        assert_eq!(last["exit_code"], status, "the last line says how the process ends: {last}");
    }
}

/// Holds a dry run to what its builder's are said to have.
fn dry_run(line: &Value) -> Result<(), String> {
    if line["type"] != "dry_run" {
        return Ok(());
    }
    let (_, fields) = DRY_RUNS.iter().find(|(builder, _)| line["builder"] == *builder).ok_or("dry_run: whose?")?;
    let given = line.as_object().into_iter().flat_map(serde_json::Map::keys);
    let own: Vec<&String> =
        given.filter(|name| !["type", "ts", "version", "builder"].contains(&name.as_str())).collect();
    match own.iter().find(|name| fields.iter().all(|(known, _)| *known != name.as_str())) {
        Some(name) => Err(format!("dry_run: unknown field {name}")),
        None if own.len() < fields.len() => Err(format!("dry_run: only {own:?}")),
        None => Ok(()),
    }
}

//! What happens as JSON Lines: one object an event, in the order in which things happened, as serde writes the event's type.
//!
//! The first line is `{"type":"start","version":1,…}`, the last one's type is `finished` or `error`. Every line has `ts` (RFC 3339)
//! and `type`; [`super::schema`] says what else.
//!
//! Characters that control a terminal, hide, or rearrange others are written as `\uXXXX`: the same text to whoever reads JSON, and
//! harmless to whoever looks at it.

use std::io::{self, Write};
use std::time::Duration;

use serde::Serialize;
use serde_json::ser::Formatter;

use super::{Screen, line, sanitize, summary};
use crate::event::{BuildEvent, Fault, Stamped};

/// The version of the format. Types and fields may be added to it; it counts what is taken away.
pub const VERSION: u32 = 1;

/// The first line.
#[derive(Debug, Serialize)]
pub struct Start {
    ts: jiff::Timestamp,
    r#type: &'static str,
    version: u32,
    program: &'static str,
}

impl Start {
    /// That of a command which begins now.
    pub fn now() -> Start {
        Start { ts: jiff::Timestamp::now(), r#type: "start", version: VERSION, program: env!("CARGO_PKG_NAME") }
    }
}

/// Writes JSON Lines; what ends a command goes to standard error as well, for whoever looks.
pub struct JsonLines<Out, Err> {
    out: Out,
    err: Err,
    color_err: bool,
}

impl<Out: Write, Err: Write> JsonLines<Out, Err> {
    /// Begins with the line that names the version.
    ///
    /// # Errors
    /// When nothing can be written.
    pub fn start(out: Out, err: Err, color_err: bool) -> io::Result<Self> {
        let mut lines = JsonLines { out, err, color_err };
        lines.line(&Start::now())?;
        Ok(lines)
    }

    fn line(&mut self, value: &impl Serialize) -> io::Result<()> {
        value.serialize(&mut serde_json::Serializer::with_formatter(&mut self.out, Harmless))?;
        self.out.write_all(b"\n")?;
        self.out.flush()
    }
}

impl<Out: Write, Err: Write> Screen for JsonLines<Out, Err> {
    fn event(&mut self, stamped: &Stamped) -> io::Result<()> {
        let told = self.line(stamped);
        if let BuildEvent::Failed(fault) = &stamped.event {
            let text = line::joined(&summary::fault(fault), self.color_err);
            let _ = self.err.write_all(text.as_bytes()).and_then(|()| self.err.flush());
        }
        told
    }

    fn tick(&mut self, _listened: Duration) -> io::Result<()> {
        Ok(())
    }

    fn close(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// A whole stream about a command that could not begin, on standard output.
///
/// # Errors
/// When it cannot be written.
pub fn failure(fault: Fault) -> io::Result<()> {
    let mut lines = JsonLines::start(io::stdout().lock(), io::sink(), false)?;
    let event = BuildEvent::Failed(Box::new(fault));
    lines.event(&Stamped { at: jiff::Timestamp::now(), event })
}

/// Compact JSON in which no string does anything to a terminal.
#[derive(Debug)]
struct Harmless;

impl Formatter for Harmless {
    #[inline]
    fn write_string_fragment<W: ?Sized + Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        // The bytes below a blank are escaped by serde. Without a branch a byte, this goes many bytes at a time.
        #[expect(clippy::needless_bitwise_bool, reason = "no branch")]
        let is_plain = !fragment.bytes().fold(false, |found, byte| found | (byte >= 0x7f));
        if is_plain { writer.write_all(fragment.as_bytes()) } else { write_escaped(writer, fragment) }
    }
}

/// Writes text with the characters escaped that do something.
fn write_escaped<W: ?Sized + Write>(writer: &mut W, text: &str) -> io::Result<()> {
    let bytes = text.as_bytes();
    let (mut plain_from, mut at) = (0, 0);
    while let Some(next) = bytes[at..].iter().position(|byte| MAY_BEGIN_UNSAFE[usize::from(*byte)]) {
        at += next;
        let Some(c) = text[at..].chars().next() else { break };
        if sanitize::is_unsafe(c) {
            writer.write_all(&bytes[plain_from..at])?;
            for unit in c.encode_utf16(&mut [0; 2]) {
                write!(writer, "\\u{unit:04x}")?;
            }
            plain_from = at + c.len_utf8();
        }
        at += c.len_utf8();
    }
    writer.write_all(&bytes[plain_from..])
}

/// The bytes with which the characters begin that [`sanitize::is_unsafe`] knows; most others need no closer look.
static MAY_BEGIN_UNSAFE: [bool; 256] = {
    let mut table = [false; 256];
    let mut next = 0;
    while next < BEGINNINGS.len() {
        table[BEGINNINGS[next] as usize] = true;
        next += 1;
    }
    table
};

/// Of U+007F, those from U+0080, U+034F, U+061C, U+1000, U+2000, U+3000, U+F000, U+1B000 and U+E0000 on.
const BEGINNINGS: &[u8] = &[0x7f, 0xc2, 0xcd, 0xd8, 0xe1, 0xe2, 0xe3, 0xef, 0xf0, 0xf3];

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

    use std::sync::Arc;

    use serde_json::{Value, json};

    use super::*;
    use crate::event::{BuildId, BuildOutcome, BuilderName, Finish, LogId, Outcome};

    fn written(events: impl IntoIterator<Item = BuildEvent>) -> String {
        let mut lines = JsonLines::start(Vec::new(), Vec::new(), false).unwrap();
        for event in events {
            lines.event(&Stamped { at: jiff::Timestamp::UNIX_EPOCH, event }).unwrap();
        }
        String::from_utf8(lines.out).unwrap()
    }

    #[test]
    fn every_line_is_an_object_with_type_and_time() {
        let log = Arc::new(LogId { task: 1.into(), volume: Some("DEFAULT".into()), name: "x86_64.log".into() });
        let text = written([
            BuildEvent::LogAppended { log: Arc::clone(&log), offset: 5, bytes: bytes::Bytes::from_static(b"a\nb") },
            BuildEvent::LogAppended { log, offset: 8, bytes: bytes::Bytes::from_static(b"\xff") },
            BuildEvent::Reconnected,
        ]);
        let values: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!((&values[0]["version"], &values[0]["type"]), (&json!(1), &json!("start")));
        assert_eq!(
            values[1],
            json!({"type": "log_appended", "ts": "1970-01-01T00:00:00Z", "task": "1", "log": "x86_64.log",
                   "volume": "DEFAULT", "offset": 5, "text": "a\nb"})
        );
        assert_eq!(values[2]["base64"], json!("/w=="));
        assert_eq!(values[3]["type"], json!("reconnected"));
    }

    #[test]
    fn no_string_does_anything_to_a_terminal_and_none_is_changed() {
        let hostile = "a\u{9b}31m\u{7f}\u{202e}b\u{200b}\u{1b}[2J\u{e0041}ü€😀\n\u{3164}";
        let text = written([BuildEvent::note(hostile)]);
        let line = text.lines().last().unwrap();
        assert!(line.contains(r"a\u009b31m\u007f\u202eb\u200b\u001b[2J\udb40\udc41ü€😀\n\u3164"), "{line}");
        let value: Value = serde_json::from_str(line).unwrap();
        assert_eq!(value["text"], hostile);
    }

    #[test]
    fn a_character_that_does_something_is_escaped_also_where_it_is_alone() {
        for (text, escaped) in [("a\u{7f}b", r"a\u007fb"), ("a\u{85}b", r"a\u0085b"), ("a\u{200b}", r"a\u200b")] {
            let line = written([BuildEvent::note(text)]);
            assert!(line.contains(escaped), "{line}");
        }
    }

    #[test]
    fn the_end_of_a_build_names_it_once() {
        let build = BuildId { builder: BuilderName::of("koji"), server: "https://hub".to_owned(), id: 7.into() };
        let outcome = BuildOutcome::of(build.id.clone(), Outcome::Succeeded);
        let finish = Finish { exit_code: 0, build: Some(build), outcome: Some(outcome) };
        let text = written([BuildEvent::Finished(Box::new(finish))]);
        assert_eq!(text.matches("\"id\":").count(), 1, "{text}");
    }

    #[test]
    fn no_unsafe_character_begins_with_another_byte() {
        for c in ('\0'..=char::MAX).filter(|c| *c >= ' ' && sanitize::is_unsafe(*c)) {
            let first = c.to_string().into_bytes()[0];
            assert!(MAY_BEGIN_UNSAFE[usize::from(first)], "{c:?}");
        }
    }
}

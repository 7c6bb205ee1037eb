//! A build as JSON Lines: one object an event, in the order in which things happened.
//!
//! The first line is `{"version":1,"type":"start",…}`, the last one's type is `finished`. Every line has `ts` (RFC 3339) and
//! `type`; durations are seconds, sizes and offsets bytes. Log text is in `text` where the bytes are UTF-8, else in `base64`.

use std::io::{self, Write};

use base64::Engine as _;
use serde_json::{Map, Value, json};

use super::Screen;
use crate::event::{BuildEvent, LogId, Stamped};

/// The version of the format.
pub const VERSION: u32 = 1;

/// Writes JSON Lines.
pub struct JsonLines<Out> {
    out: Out,
}

impl<Out: Write> JsonLines<Out> {
    /// Begins with the line that names the version.
    ///
    /// # Errors
    /// When nothing can be written.
    pub fn start(mut out: Out) -> io::Result<Self> {
        let program = env!("CARGO_PKG_NAME");
        let ts = jiff::Timestamp::now().to_string();
        writeln!(out, "{}", json!({"version": VERSION, "type": "start", "ts": ts, "program": program}))?;
        out.flush()?;
        Ok(JsonLines { out })
    }
}

impl<Out: Write> Screen for JsonLines<Out> {
    fn event(&mut self, stamped: &Stamped) -> io::Result<()> {
        let (kind, mut fields) = fields(&stamped.event);
        fields.insert("type".to_owned(), kind.into());
        fields.insert("ts".to_owned(), stamped.at.to_string().into());
        serde_json::to_writer(&mut self.out, &fields)?;
        self.out.write_all(b"\n")?;
        self.out.flush()
    }

    fn tick(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn close(&mut self) {
        let _ = self.out.flush();
    }
}

/// The name of an event and its fields.
fn fields(event: &BuildEvent) -> (&'static str, Map<String, Value>) {
    let (kind, value) = match event {
        BuildEvent::Submitted { builder, id, url } => ("submitted", json!({"builder": builder, "id": id, "url": url})),
        BuildEvent::Attached { builder, id, url } => ("attached", json!({"builder": builder, "id": id, "url": url})),
        BuildEvent::TaskOpened { task, parent, label, arch, state, host } => (
            "task_opened",
            json!({"task": task, "parent": parent, "label": label, "arch": arch, "state": state, "host": host}),
        ),
        BuildEvent::TaskStateChanged { task, from, to, host, reason } => {
            ("task_state_changed", json!({"task": task, "from": from, "to": to, "host": host, "reason": reason}))
        }
        BuildEvent::TaskWaiting { task, reason } => ("task_waiting", json!({"task": task, "reason": reason})),
        BuildEvent::TaskRetried { task, attempt, reason } => {
            ("task_retried", json!({"task": task, "attempt": attempt, "reason": reason}))
        }
        BuildEvent::LogOpened { log, arch } => ("log_opened", of_log(log, json!({"arch": arch}))),
        BuildEvent::LogAppended { log, offset, bytes } => {
            let content = match std::str::from_utf8(bytes) {
                Ok(text) => json!({"offset": offset, "text": text}),
                Err(_) => {
                    json!({"offset": offset, "base64": base64::engine::general_purpose::STANDARD.encode(bytes)})
                }
            };
            ("log_appended", of_log(log, content))
        }
        BuildEvent::LogSkipped { log, to } => ("log_skipped", of_log(log, json!({"to": to}))),
        BuildEvent::LogRestarted { log, had } => ("log_restarted", of_log(log, json!({"had": had}))),
        BuildEvent::LogClosed { log } => ("log_closed", of_log(log, json!({}))),
        BuildEvent::Progress { task, done, total, unit } => {
            ("progress", json!({"task": task, "done": done, "total": total, "unit": unit}))
        }
        BuildEvent::Retrying(retry) => ("retrying", json!(retry)),
        BuildEvent::Reconnected => ("reconnected", json!({})),
        BuildEvent::Warned(warning) => ("warned", json!(warning)),
        BuildEvent::Finished(outcome) => ("finished", json!(outcome)),
    };
    match value {
        Value::Object(fields) => (kind, fields),
        other => (kind, Map::from_iter([("value".to_owned(), other)])),
    }
}

fn of_log(log: &LogId, fields: Value) -> Value {
    let mut fields = fields;
    fields["task"] = json!(log.task);
    fields["log"] = json!(log.name);
    if let Some(volume) = &log.volume {
        fields["volume"] = json!(volume);
    }
    fields
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn every_line_is_an_object_with_type_and_time() {
        let log = Arc::new(LogId { task: 1.into(), volume: Some("DEFAULT".into()), name: "x86_64.log".into() });
        let mut lines = JsonLines::start(Vec::new()).unwrap();
        for event in [
            BuildEvent::LogAppended { log: Arc::clone(&log), offset: 5, bytes: bytes::Bytes::from_static(b"a\nb") },
            BuildEvent::LogAppended { log, offset: 8, bytes: bytes::Bytes::from_static(b"\xff") },
            BuildEvent::Reconnected,
        ] {
            lines.event(&Stamped { at: jiff::Timestamp::UNIX_EPOCH, event }).unwrap();
        }
        let text = String::from_utf8(lines.out).unwrap();
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
}

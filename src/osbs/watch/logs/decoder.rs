//! A container's log as the API server sends it with `timestamps=true`, over any number of connections: each line once.
//!
//! A connection may end anywhere, in the middle of a line too, and cleanly. The next one asks for what is younger than the second
//! of the youngest line (`sinceTime` has no finer grain, and what was written at that time is sent again), so as many lines are
//! passed over as were taken with a time in that second. Lines are held back until they are whole, or have been quiet for a while.

use std::cmp::Ordering;

use memchr::{memchr, memmem};

/// A line is handed on in pieces from this length on, so that memory does not grow with it.
const LONGEST_HELD: usize = 64 * 1024;
/// What is longer is no time stamp.
const LONGEST_STAMP: usize = 40;
/// What marks lines that are not for reading (see [`Special`]).
const MARKS: [&[u8]; 2] = [b" - USER_WARNING - ", b"platform:_metadata_"];

/// A line that is a message to the client rather than to the reader.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Special {
    /// A warning for the user, as text.
    Warning(String),
    /// A warning whose JSON is none, as the line has it.
    BadWarning(String),
    /// Where metadata was uploaded to, below the hub's work folder.
    Metadata(String),
}

/// What came out of some bytes.
#[derive(Debug, Default)]
pub(crate) struct Decoded {
    /// What is to be shown: lines with their ends, at times the beginning or the rest of one.
    pub text: Vec<u8>,
    /// Messages, in their order.
    pub specials: Vec<Special>,
}

/// What has been taken of a log.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    /// The greatest time stamp so far.
    youngest: Vec<u8>,
    /// How many lines were taken whose time is in the youngest's second.
    in_second: usize,
    /// How many lines the current connection sends again.
    to_pass: usize,
    /// Bytes since the last line end.
    held: Vec<u8>,
    /// How much of the held line's content was handed on already.
    handed_on: usize,
    /// How much of the beginning of its content is not held any more.
    dropped: usize,
    /// As `handed_on`, of the line at which the last connection ended, with its time stamp.
    cut: Option<(Vec<u8>, usize)>,
}

impl Decoder {
    /// Begins a connection. Returns the second from which on lines are to be asked for; `None` for all.
    pub(crate) fn begin(&mut self) -> Option<String> {
        if self.handed_on > 0 {
            let (stamp, _) = split(&self.held);
            self.cut = Some((stamp.to_vec(), self.handed_on));
        }
        self.held.clear();
        (self.handed_on, self.dropped) = (0, 0);
        self.to_pass = self.in_second;
        let second = std::str::from_utf8(self.youngest.get(..19)?).ok()?;
        // An offset from UTC is kept; the fraction is not.
        let zone = self.youngest[19..].iter().position(|byte| !byte.is_ascii_digit() && *byte != b'.');
        let zone = zone.and_then(|at| std::str::from_utf8(&self.youngest[19 + at..]).ok());
        Some(format!("{second}{}", zone.unwrap_or("Z")))
    }

    /// Takes the next bytes of the connection.
    pub(crate) fn feed(&mut self, mut chunk: &[u8], decoded: &mut Decoded) {
        decoded.text.reserve(chunk.len());
        let marked = MARKS.iter().any(|mark| memmem::find(chunk, mark).is_some());
        while let Some(end) = memchr(b'\n', chunk) {
            let (line, rest) = (&chunk[..end], &chunk[end + 1..]);
            if self.held.is_empty() {
                self.line(line, marked, decoded);
            } else {
                self.held.extend_from_slice(line);
                let held = std::mem::take(&mut self.held);
                // The mark may have come in two pieces.
                self.line(&held, true, decoded);
                self.held = held;
                self.held.clear();
            }
            (self.handed_on, self.dropped) = (0, 0);
            chunk = rest;
        }
        self.held.extend_from_slice(chunk);
        if self.held.len() > LONGEST_HELD {
            self.hand_on_held(decoded);
            self.drop_handed_on();
        }
    }

    fn drop_handed_on(&mut self) {
        let (stamp, content) = split(&self.held);
        if self.handed_on == self.dropped + content.len() {
            let kept = if stamp.is_empty() { 0 } else { stamp.len() + 1 };
            self.dropped = self.handed_on;
            self.held.truncate(kept);
        }
    }

    /// Whether the beginning of a line is held back.
    pub(crate) fn is_holding(&self) -> bool {
        let (_, content) = split(&self.held);
        self.dropped + content.len() > self.handed_on
    }

    /// Hands on what there is of an unfinished line: it has been quiet for a while, or nothing more will come.
    pub(crate) fn hand_on_held(&mut self, decoded: &mut Decoded) {
        let (stamp, content) = split(&self.held);
        if self.to_pass > 0 && self.is_old(stamp) {
            return;
        }
        // The beginning of a time stamp says nothing.
        if stamp.is_empty() && content.len() < LONGEST_STAMP && content.first().is_some_and(u8::is_ascii_digit) {
            return;
        }
        let known = self.handed_on.max(self.known_of_cut(stamp));
        decoded.text.extend_from_slice(content.get(known - self.dropped..).unwrap_or_default());
        self.handed_on = (self.dropped + content.len()).max(known);
    }

    fn line(&mut self, line: &[u8], marked: bool, decoded: &mut Decoded) {
        let (stamp, content) = split(line);
        if self.to_pass > 0 {
            if self.is_old(stamp) {
                self.to_pass -= 1;
                return;
            }
            self.to_pass = 0;
        }
        let known = self.handed_on.max(self.known_of_cut(stamp));
        self.cut = None;
        self.taken(stamp);
        if marked
            && known == 0
            && let Some(special) = special(content)
        {
            decoded.specials.push(special);
            return;
        }
        decoded.text.extend_from_slice(content.get(known - self.dropped..).unwrap_or_default());
        decoded.text.push(b'\n');
    }

    fn is_old(&self, stamp: &[u8]) -> bool {
        compare(stamp, &self.youngest) != Ordering::Greater
    }

    fn known_of_cut(&self, stamp: &[u8]) -> usize {
        self.cut.as_ref().filter(|(cut, _)| cut == stamp).map_or(0, |(_, known)| *known)
    }

    fn taken(&mut self, stamp: &[u8]) {
        if stamp.is_empty() {
            return;
        }
        let second = |stamp: &[u8]| stamp.get(..19).map(<[u8]>::to_vec);
        match compare(stamp, &self.youngest) {
            Ordering::Greater => {
                let same = self.youngest.get(..19) == stamp.get(..19);
                self.in_second = if same { self.in_second + 1 } else { 1 };
                self.youngest.clear();
                self.youngest.extend_from_slice(stamp);
            }
            _ if second(stamp) == second(&self.youngest) => self.in_second += 1,
            _ => {}
        }
    }
}

/// Splits a line into its time stamp and what the container wrote. Without a stamp everything is content.
fn split(line: &[u8]) -> (&[u8], &[u8]) {
    let head = &line[..line.len().min(LONGEST_STAMP)];
    let is_stamp = |stamp: &[u8]| stamp.len() > 19 && stamp[0].is_ascii_digit() && stamp[10] == b'T';
    match memchr(b' ', head) {
        Some(at) if is_stamp(&line[..at]) => (&line[..at], &line[at + 1..]),
        // An empty line has no blank behind its stamp on some servers.
        None if line.len() < LONGEST_STAMP && is_stamp(line) && line.ends_with(b"Z") => (line, &[]),
        _ => (&[], line),
    }
}

/// Compares two times of the same zone: fractions may have any number of digits.
fn compare(one: &[u8], other: &[u8]) -> Ordering {
    if one.len() == other.len() {
        return one.cmp(other);
    }
    let parts = |stamp: &[u8]| -> (Vec<u8>, Vec<u8>) {
        let (second, rest) = stamp.split_at(stamp.len().min(19));
        let digits = rest.iter().copied().skip_while(|byte| *byte == b'.').take_while(u8::is_ascii_digit);
        let mut fraction: Vec<u8> = digits.collect();
        fraction.resize(9, b'0');
        (second.to_vec(), fraction)
    };
    parts(one).cmp(&parts(other))
}

/// The message in a line, if it is one (osbs-client's `USER_WARNING` records and koji-containerbuild's metadata lines).
fn special(content: &[u8]) -> Option<Special> {
    let text = String::from_utf8_lossy(content);
    let text = text.trim_end_matches('\r');
    if text.contains("platform:_metadata_") {
        return Some(Special::Metadata(text.rsplit(' ').next()?.to_owned()));
    }
    let (before, json) = text.split_once(" - USER_WARNING - ")?;
    if before.is_empty() || !json.starts_with('{') || !json.ends_with('}') {
        return None;
    }
    let message = serde_json::from_str::<serde_json::Value>(json).ok();
    Some(match message.as_ref().and_then(|json| json.get("message")?.as_str()) {
        Some(message) => Special::Warning(message.to_owned()),
        None => Special::BadWarning(text.to_owned()),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

    use proptest::prelude::*;

    use super::*;

    fn stamp(tick: usize) -> String {
        // Four lines share each time, and twenty a second.
        format!("2026-11-23T10:00:{:02}.{}Z", tick / 20, ["0", "25", "5", "750000000", "9"][tick / 4 % 5])
    }

    fn decode(decoder: &mut Decoder, chunks: &[&[u8]]) -> Decoded {
        let mut decoded = Decoded::default();
        chunks.iter().for_each(|chunk| decoder.feed(chunk, &mut decoded));
        decoded
    }

    /// What a server sends that is asked for lines since a second.
    fn since(log: &[(String, String)], second: Option<&str>) -> Vec<u8> {
        let lines = log.iter().filter(|(stamp, _)| second.is_none_or(|second| stamp[..19] >= second[..19]));
        lines.flat_map(|(stamp, content)| format!("{stamp} {content}\n").into_bytes()).collect()
    }

    proptest! {
        #[test]
        fn each_line_comes_once_wherever_connections_end(
            cuts in prop::collection::vec((0usize..4000, any::<bool>(), 1usize..300), 0..12),
        ) {
            let log: Vec<_> = (0..120).map(|tick| (stamp(tick), format!("line {tick} with words"))).collect();
            let mut decoder = Decoder::default();
            let mut text = Vec::new();
            for (length, quiet, piece) in cuts.into_iter().chain([(usize::MAX, true, 64)]) {
                let second = decoder.begin();
                let body = since(&log, second.as_deref());
                let mut decoded = Decoded::default();
                body[..length.min(body.len())].chunks(piece).for_each(|chunk| decoder.feed(chunk, &mut decoded));
                if quiet {
                    decoder.hand_on_held(&mut decoded);
                }
                text.extend(decoded.text);
            }
            let expected: String = log.iter().map(|(_, content)| format!("{content}\n")).collect();
            prop_assert_eq!(String::from_utf8(text).unwrap(), expected);
        }
    }

    #[test]
    fn lines_that_came_out_of_order_are_not_lost() {
        let log: Vec<(String, String)> = [("0.5", "a"), ("0.3", "b"), ("0.4", "c"), ("1.5", "d"), ("1.1", "e")]
            .map(|(time, content)| (format!("2026-11-23T10:00:0{time}Z"), content.to_owned()))
            .into();
        for cut in 1..log.len() {
            let mut decoder = Decoder::default();
            let mut text = decode(&mut decoder, &[&since(&log[..cut], None)]).text;
            let second = decoder.begin();
            text.extend(decode(&mut decoder, &[&since(&log, second.as_deref())]).text);
            assert_eq!(String::from_utf8(text).unwrap(), "a\nb\nc\nd\ne\n", "cut after {cut}");
        }
    }

    #[test]
    fn bytes_stay_as_they_are() {
        let body =
            b"2026-11-23T10:00:00.5Z one\xff\r\n2026-11-23T10:00:00.6Z \n2026-11-23T10:00:00.7Z\nno stamp here\n";
        let decoded = decode(&mut Decoder::default(), &[body]);
        assert_eq!(decoded.text, b"one\xff\r\n\n\nno stamp here\n");
    }

    #[test]
    fn messages_are_told_apart_from_lines() {
        let record = |rest: &str| format!("2026-11-23T10:00:00.5Z 2026-11-23 10:00:00,1 - atomic_reactor - {rest}\n");
        let text = [
            record(r#"USER_WARNING - {"message": "old key"}"#),
            record("USER_WARNING - {bad"),
            record("USER_WARNING - {bad}"),
            record("INFO - platform:_metadata_ koji-upload/x/metadata.json"),
            record("INFO - plain"),
        ]
        .concat();
        for size in [1, 7, 4096] {
            let chunks: Vec<&[u8]> = text.as_bytes().chunks(size).collect();
            let decoded = decode(&mut Decoder::default(), &chunks);
            assert_eq!(
                decoded.specials,
                [
                    Special::Warning("old key".into()),
                    Special::BadWarning("2026-11-23 10:00:00,1 - atomic_reactor - USER_WARNING - {bad}".into()),
                    Special::Metadata("koji-upload/x/metadata.json".into()),
                ]
            );
            let shown = String::from_utf8(decoded.text).unwrap();
            assert_eq!(
                shown,
                "2026-11-23 10:00:00,1 - atomic_reactor - USER_WARNING - {bad\n\
                 2026-11-23 10:00:00,1 - atomic_reactor - INFO - plain\n"
            );
        }
    }

    #[test]
    fn a_line_without_end_does_not_fill_the_memory() {
        let mut decoder = Decoder::default();
        let mut decoded = Decoded::default();
        decoder.feed(b"2026-11-23T10:00:00.5Z ", &mut decoded);
        for _ in 0..100 {
            decoder.feed(&[b'x'; 10_000], &mut decoded);
        }
        decoder.feed(b"\n", &mut decoded);
        assert_eq!(decoded.text.len(), 1_000_001);
        assert!(decoder.held.capacity() < 4 * LONGEST_HELD, "{}", decoder.held.capacity());
    }
}

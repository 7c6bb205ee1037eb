//! Bytes to lines, whatever the chunks. Knows nothing of encodings: lines are bytes until they are shown.

/// The longest line that is kept together; a longer one is handed on in pieces, so that memory does not grow with it.
pub const MAX_LINE: usize = 64 * 1024;

/// Cuts one log into lines.
///
/// ```
/// let mut splitter = fedpkg_container_build::log_lines::LineSplitter::default();
/// let mut lines = Vec::new();
/// splitter.feed(b"one\ntw", |line| lines.push(line.to_vec()));
/// splitter.feed(b"o\nthree", |line| lines.push(line.to_vec()));
/// splitter.flush(|line| lines.push(line.to_vec()));
/// assert_eq!(lines, [&b"one"[..], b"two", b"three"]);
/// ```
#[derive(Debug, Default)]
pub struct LineSplitter {
    partial: Vec<u8>,
}

impl LineSplitter {
    /// Takes the next bytes and hands on every line that is complete, without its newline.
    pub fn feed(&mut self, mut chunk: &[u8], mut line: impl FnMut(&[u8])) {
        if !self.partial.is_empty() {
            let end = memchr::memchr(b'\n', chunk);
            self.partial.extend_from_slice(&chunk[..end.unwrap_or(chunk.len())]);
            match end {
                Some(end) => {
                    pieces(&self.partial, &mut line);
                    self.partial.clear();
                    chunk = &chunk[end + 1..];
                }
                None => return self.cut(&mut line),
            }
        }
        let mut start = 0;
        for end in memchr::memchr_iter(b'\n', chunk) {
            pieces(&chunk[start..end], &mut line);
            start = end + 1;
        }
        self.partial.extend_from_slice(&chunk[start..]);
        self.cut(&mut line);
    }

    /// Hands on what there is of an unfinished line.
    pub fn flush(&mut self, mut line: impl FnMut(&[u8])) {
        if !self.partial.is_empty() {
            pieces(&self.partial, &mut line);
            self.partial.clear();
        }
    }

    /// Whether an unfinished line is held back.
    pub fn has_partial(&self) -> bool {
        !self.partial.is_empty()
    }

    fn cut(&mut self, line: &mut impl FnMut(&[u8])) {
        let whole = self.partial.len() - self.partial.len() % MAX_LINE;
        if whole > 0 {
            pieces(&self.partial[..whole], line);
            self.partial.drain(..whole);
        }
    }
}

/// Where the last `lines` lines of a log begin.
pub fn tail_start(log: &[u8], lines: usize) -> usize {
    let Some(back) = lines.checked_sub(1) else { return log.len() };
    let end = log.strip_suffix(b"\n").unwrap_or(log);
    memchr::memrchr_iter(b'\n', end).nth(back).map_or(0, |at| at + 1)
}

/// The last `lines` lines of a log, as text.
pub fn tail(log: &[u8], lines: usize) -> Vec<String> {
    let tail = &log[tail_start(log, lines)..];
    if tail.is_empty() {
        return Vec::new();
    }
    let tail = tail.strip_suffix(b"\n").unwrap_or(tail);
    tail.split(|byte| *byte == b'\n').map(|line| String::from_utf8_lossy(line).into_owned()).collect()
}

/// The end of a log that is read to its end: no more of it than what its last lines need.
#[derive(Debug, Clone)]
pub struct Tail {
    bytes: Vec<u8>,
    kept: usize,
    cut: bool,
}

impl Tail {
    /// Keeps the last `kept` bytes, or a little more.
    pub fn of(kept: usize) -> Tail {
        Tail { bytes: Vec::new(), kept, cut: false }
    }

    /// Takes the next bytes.
    pub fn take(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        if self.bytes.len() > 2 * self.kept {
            self.bytes.drain(..self.bytes.len() - self.kept);
            self.cut = true;
        }
    }

    /// What is kept.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The last lines, none of which has lost its beginning.
    pub fn lines(&self, lines: usize) -> Vec<String> {
        let whole = if self.cut { memchr::memchr(b'\n', &self.bytes).map_or(self.bytes.len(), |at| at + 1) } else { 0 };
        tail(&self.bytes[whole..], lines)
    }
}

fn pieces(text: &[u8], line: &mut impl FnMut(&[u8])) {
    if text.len() <= MAX_LINE {
        return line(text);
    }
    text.chunks(MAX_LINE).for_each(line);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn split(chunks: &[&[u8]]) -> Vec<Vec<u8>> {
        let (mut splitter, mut lines) = (LineSplitter::default(), Vec::new());
        for chunk in chunks {
            splitter.feed(chunk, |line| lines.push(line.to_vec()));
        }
        splitter.flush(|line| lines.push(line.to_vec()));
        lines
    }

    proptest! {
        #[test]
        fn chunks_do_not_matter(text in prop::collection::vec(prop_oneof![Just(b'\n'), Just(b'\r'), any::<u8>()], 0..400),
                                cuts in prop::collection::vec(0usize..400, 0..8)) {
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(text.len())).collect();
            cuts.sort_unstable();
            let (mut chunks, mut start) = (Vec::new(), 0);
            for cut in cuts {
                chunks.push(&text[start..cut]);
                start = cut;
            }
            chunks.push(&text[start..]);
            let mut expected: Vec<Vec<u8>> = text.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
            if expected.last().is_some_and(Vec::is_empty) {
                expected.pop();
            }
            prop_assert_eq!(split(&chunks), expected);
        }
    }

    #[test]
    fn the_last_lines_are_found_however_many_there_are() {
        let cases: [(&str, usize, &[&str]); 7] = [
            ("a\nb\nc\n", 2, &["b", "c"]),
            ("a\nb\nc", 2, &["b", "c"]),
            ("a\n", 5, &["a"]),
            ("a\n\n", 2, &["a", ""]),
            ("", 3, &[]),
            ("a\nb\n", 0, &[]),
            ("\n", 3, &[""]),
        ];
        for (log, lines, expected) in cases {
            assert_eq!(tail(log.as_bytes(), lines), expected, "{log:?} {lines}");
            let start = tail_start(log.as_bytes(), lines);
            assert!(log[start..].lines().eq(expected.iter().copied()), "{log:?} {lines}");
        }
    }

    #[test]
    fn a_tail_takes_no_more_memory_than_it_needs_and_shows_whole_lines() {
        let mut tail = Tail::of(100);
        for line in 0..1000 {
            tail.take(format!("line {line}\n").as_bytes());
            assert!(tail.bytes().len() <= 200);
        }
        assert_eq!(tail.lines(2), ["line 998", "line 999"]);
        assert!(tail.lines(1000).iter().all(|line| line.starts_with("line ")), "{:?}", tail.lines(1000));
    }

    #[test]
    fn a_line_without_end_does_not_fill_the_memory() {
        let mut splitter = LineSplitter::default();
        let mut longest = 0;
        for _ in 0..100 {
            splitter.feed(&[b'x'; 10_000], |line| longest = longest.max(line.len()));
            assert!(splitter.partial.capacity() <= 2 * MAX_LINE);
        }
        assert_eq!(longest, MAX_LINE);
    }
}

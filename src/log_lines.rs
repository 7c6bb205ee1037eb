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

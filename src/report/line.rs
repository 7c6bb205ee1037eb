//! Lines as they are handed to the streams: words of ours and words from elsewhere alike, made harmless here and nowhere else.

use std::borrow::Cow;
use std::fmt::Display;

use super::sanitize;

/// How a piece of a line is meant, which is what its colour says besides the words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    /// As the rest.
    Plain,
    /// Something failed.
    Bad,
    /// Something that does not stop us.
    Warning,
    /// Good to know.
    Note,
    /// Beside the point.
    Faint,
}

impl Tone {
    /// The parameters of the terminal's colour sequence.
    fn color(self) -> Option<&'static str> {
        match self {
            Tone::Plain => None,
            Tone::Bad => Some("1;31"),
            Tone::Warning => Some("33"),
            Tone::Note => Some("36"),
            Tone::Faint => Some("2"),
        }
    }
}

/// A line of pieces. Whatever the text is that it is made of, the line cannot control a terminal, and what is not expected to have
/// several lines cannot begin one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Line(Vec<(Tone, String)>);

impl Line {
    /// An empty line.
    pub(crate) fn new() -> Line {
        Line::default()
    }

    /// Adds text that stays on the line.
    #[must_use]
    pub(crate) fn add(self, text: impl Display) -> Line {
        self.toned(Tone::Plain, text)
    }

    /// Adds text that stays on the line, in a tone.
    #[must_use]
    pub(crate) fn toned(mut self, tone: Tone, text: impl Display) -> Line {
        self.0.push((tone, sanitize::line(text.to_string().as_bytes()).into_owned()));
        self
    }

    /// Adds text that may go on for several lines.
    #[must_use]
    pub(crate) fn text(mut self, text: impl Display) -> Line {
        self.0.push((Tone::Plain, sanitize::text(&text.to_string())));
        self
    }

    /// The line without its end.
    pub(crate) fn render(&self, color: bool) -> String {
        let pieces = self.0.iter().map(|(tone, text)| match tone.color().filter(|_| color && !text.is_empty()) {
            Some(color) => Cow::Owned(format!("\x1b[{color}m{text}\x1b[0m")),
            None => Cow::Borrowed(text.as_str()),
        });
        pieces.collect()
    }
}

impl From<String> for Line {
    fn from(text: String) -> Line {
        Line::new().add(text)
    }
}

impl From<&str> for Line {
    fn from(text: &str) -> Line {
        Line::new().add(text)
    }
}

/// Lines as text, each with its end.
pub(super) fn joined(lines: &[Line], color: bool) -> String {
    lines.iter().map(|line| line.render(color) + "\n").collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_from_elsewhere_can_neither_control_a_terminal_nor_begin_a_line() {
        let line =
            Line::new().add("open (b\x1b]0;title\x07\n25 done)").toned(Tone::Bad, "\x1b[2JFAILED").text("a\nb\x1b[0m");
        assert_eq!(line.render(false), "open (b\u{fffd}25 done)FAILEDa\nb");
        assert_eq!(line.render(true), "open (b\u{fffd}25 done)\x1b[1;31mFAILED\x1b[0ma\nb");
        assert_eq!(Line::from("x").toned(Tone::Bad, "").render(true), "x");
    }
}

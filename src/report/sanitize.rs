//! Makes text from elsewhere harmless on a terminal: no control sequences, no characters that rearrange or hide others.

use std::borrow::Cow;

use unicode_width::UnicodeWidthChar as _;

/// How wide a tab is shown.
const TAB: &str = "    ";

/// One line of text, safe to print: escape sequences are left out whole, other control and formatting characters are
/// replaced, bytes that are not UTF-8 become U+FFFD.
pub fn line(bytes: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = std::str::from_utf8(bytes)
        && bytes.iter().all(|byte| (0x20..0x7f).contains(byte))
    {
        return Cow::Borrowed(text);
    }
    Cow::Owned(clean(&String::from_utf8_lossy(bytes)))
}

/// Text of several lines, safe to print; newlines stay.
pub fn text(text: &str) -> String {
    text.split('\n').map(|part| line(part.as_bytes())).collect::<Vec<_>>().join("\n")
}

/// As [`text`], with colours and other styles left as they are (those of clap's messages).
pub fn styled(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("\x1b[") {
        let (before, sequence) = rest.split_at(start);
        let length =
            sequence[2..].find(|c: char| !c.is_ascii_digit() && c != ';').map_or(sequence.len(), |end| end + 3);
        let is_style = sequence.as_bytes().get(length - 1) == Some(&b'm');
        let end = if is_style { length } else { 2 };
        safe.push_str(&self::text(before));
        safe.push_str(if is_style { &sequence[..end] } else { "\u{fffd}" });
        rest = &sequence[end..];
    }
    safe + &self::text(rest)
}

fn clean(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(c) = characters.next() {
        match c {
            '\u{1b}' => skip_sequence(&mut characters),
            '\u{9b}' => skip_parameters(&mut characters),
            '\t' => safe.push_str(TAB),
            // A carriage return lets a program write over its own line; shown one after the other nothing is lost.
            '\r' if characters.peek().is_none() => {}
            '\r' => safe.push(' '),
            c if hides_or_rearranges(c) => {}
            c if c.is_control() => safe.push('\u{fffd}'),
            c => safe.push(c),
        }
    }
    safe
}

type Characters<'a> = std::iter::Peekable<std::str::Chars<'a>>;

/// After ESC: leaves out a CSI, OSC, DCS or other sequence to its end.
fn skip_sequence(characters: &mut Characters<'_>) {
    match characters.peek() {
        Some('[') => {
            characters.next();
            skip_parameters(characters);
        }
        Some(']' | 'P' | 'X' | '^' | '_') => {
            characters.next();
            while let Some(c) = characters.next() {
                match c {
                    '\u{7}' | '\u{9c}' => return,
                    '\u{1b}' => {
                        characters.next_if_eq(&'\\');
                        return;
                    }
                    _ => {}
                }
            }
        }
        Some(c) if (' '..='~').contains(c) => {
            while characters.next_if(|c| (' '..='/').contains(c)).is_some() {}
            characters.next();
        }
        _ => {}
    }
}

/// After CSI: parameters, then one final character.
fn skip_parameters(characters: &mut Characters<'_>) {
    while characters.next_if(|c| (' '..='?').contains(c)).is_some() {}
    characters.next_if(|c| ('@'..='~').contains(c));
}

/// Characters that Unicode shows as nothing (zero-width ones, fillers, tags), and those that rearrange others: they make text look like
/// other text.
fn hides_or_rearranges(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// Whether a character does anything to a terminal, or to the characters around it.
pub fn is_unsafe(c: char) -> bool {
    c.is_control() || hides_or_rearranges(c)
}

/// Cuts text to so many columns of a terminal; what is cut off is marked, by `…` where that can be shown.
pub fn cut(text: &str, columns: usize, utf8: bool) -> Cow<'_, str> {
    let width = |c: char| c.width().unwrap_or(0);
    if text.chars().map(width).sum::<usize>() <= columns {
        return Cow::Borrowed(text);
    }
    let mut room = columns.saturating_sub(1);
    let fits = |c: &char| match room.checked_sub(width(*c)) {
        Some(left) => {
            room = left;
            true
        }
        None => false,
    };
    let mut short: String = text.chars().take_while(fits).collect();
    if columns > 0 {
        short.push(if utf8 { '…' } else { '>' });
    }
    Cow::Owned(short)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_controls_a_terminal_is_gone() {
        let cases: &[(&[u8], &str)] = &[
            (b"plain", "plain"),
            (b"\x1b[31mred\x1b[0m", "red"),
            (b"\x1b]0;title\x07after", "after"),
            (b"\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
            (b"\x1bPq#0\x1b\\after", "after"),
            (b"\x1bcreset", "reset"),
            (b"\x1b(Bcharset", "charset"),
            (b"\x1b", ""),
            (b"\x1b[", ""),
            (b"\x1b[31", ""),
            ("\u{9b}31mred".as_bytes(), "red"),
            (b"a\tb", "a    b"),
            (b"10%\r20%\r", "10% 20%"),
            (b"bell\x07", "bell\u{fffd}"),
            (b"\xff\xfe", "\u{fffd}\u{fffd}"),
            ("user\u{202e}gpj.exe".as_bytes(), "usergpj.exe"),
            ("a\u{200b}b\u{3164}c\u{34f}d\u{fe0f}".as_bytes(), "abcd"),
            ("Únïcode ✓".as_bytes(), "Únïcode ✓"),
        ];
        for (bytes, expected) in cases {
            assert_eq!(line(bytes), *expected, "{bytes:?}");
        }
    }

    #[test]
    fn styles_stay_where_they_are_wanted_and_nothing_else_does() {
        for (text, expected) in [
            ("\x1b[1merror\x1b[0m", "\x1b[1merror\x1b[0m"),
            ("\x1b[1;31ma\nb\x1b[0m", "\x1b[1;31ma\nb\x1b[0m"),
            ("x\x1b[2Jy", "x\u{fffd}2Jy"),
            ("x\x1b]0;t\x07y\u{9b}2J", "xy"),
            ("\x1b[", "\u{fffd}"),
            ("\x1b[12", "\u{fffd}12"),
            ("\x1b[ü", "\u{fffd}ü"),
        ] {
            assert_eq!(styled(text), expected, "{text:?}");
        }
    }

    #[test]
    fn cuts_by_columns_not_bytes() {
        for (text, columns, expected) in
            [("abc", 3, "abc"), ("abcd", 3, "ab…"), ("日本語", 5, "日本…"), ("日本語", 6, "日本語"), ("a", 0, "")]
        {
            assert_eq!(cut(text, columns, true), expected, "{text} {columns}");
        }
        assert_eq!(cut("abcd", 3, false), "ab>");
    }

    #[test]
    fn no_input_leaves_a_control_character() {
        let mut state = 7_u64;
        for _ in 0..20_000 {
            let bytes: Vec<u8> = (0..24)
                .map(|_| {
                    state ^= state << 13;
                    state ^= state >> 7;
                    state ^= state << 17;
                    b"\x1b[]0;m\x07\x9bP\\\r\n\tax\xc2\xe2\x80\xae"[(state % 19) as usize]
                })
                .collect();
            let safe = line(&bytes);
            assert!(!safe.chars().any(is_unsafe), "{bytes:?} -> {safe:?}");
        }
    }
}

//! Changes to a text by byte ranges: what is not changed stays as its author wrote it.

use std::ops::Range;

/// A change: the bytes of a range are replaced. An empty range is a place to insert at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Edit {
    /// The bytes in the original text.
    pub range: Range<usize>,
    /// What comes in their place.
    pub text: String,
}

impl Edit {
    /// Puts `text` before the byte at `at`.
    pub(crate) fn insert(at: usize, text: impl Into<String>) -> Edit {
        Edit { range: at..at, text: text.into() }
    }

    /// Puts `text` in the place of a range.
    pub(crate) fn replace(range: Range<usize>, text: impl Into<String>) -> Edit {
        Edit { range, text: text.into() }
    }
}

/// Two edits change the same bytes, or bytes that are not there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the bytes {} to {} of the text cannot be changed", range.start, range.end)]
pub struct BadEdit {
    /// The bytes of the second edit.
    pub range: Range<usize>,
}

/// Makes all changes at once. Insertions at the same place come in the order in which they are given.
///
/// # Errors
/// When two edits overlap, or one is outside of the text or within a character.
pub(crate) fn apply(text: &str, edits: &[Edit]) -> Result<String, BadEdit> {
    let mut sorted: Vec<&Edit> = edits.iter().collect();
    sorted.sort_by_key(|edit| (edit.range.start, edit.range.end));
    let mut changed = String::with_capacity(text.len() + edits.iter().map(|edit| edit.text.len()).sum::<usize>());
    let mut at = 0;
    for edit in sorted {
        let bad = || BadEdit { range: edit.range.clone() };
        let kept = text.get(at..edit.range.start).ok_or_else(bad)?;
        text.get(edit.range.clone()).ok_or_else(bad)?;
        changed.push_str(kept);
        changed.push_str(&edit.text);
        at = edit.range.end;
    }
    changed.push_str(text.get(at..).unwrap_or_default());
    Ok(changed)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

    use super::*;

    #[test]
    fn what_is_not_changed_stays() {
        let edits = [Edit::insert(3, "+"), Edit::replace(0..1, "A"), Edit::insert(3, "-"), Edit::insert(4, "!")];
        assert_eq!(apply("abcd", &edits).unwrap(), "Abc+-d!");
        assert_eq!(apply("abcd", &[]).unwrap(), "abcd");
    }

    #[test]
    fn changes_of_the_same_bytes_are_refused() {
        assert!(apply("abcd", &[Edit::replace(0..2, "x"), Edit::replace(1..3, "y")]).is_err());
        assert!(apply("abcd", &[Edit::insert(5, "x")]).is_err());
        assert!(apply("é", &[Edit::insert(1, "x")]).is_err());
    }
}

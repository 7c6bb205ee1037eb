//! `%(name)s` and `%%` in values, as Python's `configparser.BasicInterpolation` replaces them.
//!
//! Only for values that are read interpolated. The URL templates of rpkg are read raw and formatted later, see
//! `config::url_template`.

use super::{IniError, RawValue};

/// How deep values may refer to each other (Python: `MAX_INTERPOLATION_DEPTH`).
pub const MAX_DEPTH: usize = 10;

/// How many bytes may be put in for references in one value. Python has no such limit, and ten steps of ten references
/// each are enough to fill any memory.
pub const MAX_EXPANSION: usize = 1 << 20;

/// Replaces all references in `raw`, the value of `key`. `lookup` gives the value of a key in lower case, inherited ones
/// included.
pub(super) fn expand<'a>(
    section: &'a str,
    key: &'a str,
    raw: &'a RawValue,
    lookup: impl FnMut(&str) -> Option<&'a RawValue>,
) -> Result<String, IniError> {
    let mut expansion = Expansion { section, key, raw, lookup, text: String::new(), put_in: 0 };
    expansion.append(&raw.text, 1)?;
    Ok(expansion.text)
}

struct Expansion<'a, L> {
    section: &'a str,
    key: &'a str,
    raw: &'a RawValue,
    lookup: L,
    text: String,
    put_in: usize,
}

impl<'a, L: FnMut(&str) -> Option<&'a RawValue>> Expansion<'a, L> {
    fn append(&mut self, mut rest: &str, depth: usize) -> Result<(), IniError> {
        if depth > MAX_DEPTH {
            return Err(self.too_deep());
        }
        while let Some((plain, reference)) = rest.split_once('%') {
            self.text.push_str(plain);
            if let Some(after) = reference.strip_prefix('%') {
                self.text.push('%');
                rest = after;
            } else {
                let (name, after) = split_reference(reference).ok_or_else(|| self.syntax())?;
                self.append_reference(&name.to_lowercase(), depth)?;
                rest = after;
            }
        }
        self.text.push_str(rest);
        Ok(())
    }

    fn append_reference(&mut self, name: &str, depth: usize) -> Result<(), IniError> {
        let Some(value) = (self.lookup)(name) else { return Err(self.missing(name)) };
        // One more than its length, so that a thousand references to an empty value are not free.
        self.put_in = self.put_in.saturating_add(value.text.len() + 1);
        if self.put_in > MAX_EXPANSION {
            return Err(self.too_large());
        }
        if value.text.contains('%') {
            self.append(&value.text, depth + 1)
        } else {
            self.text.push_str(&value.text);
            Ok(())
        }
    }

    fn missing(&self, name: &str) -> IniError {
        IniError::InterpolationMissing {
            origin: self.raw.origin.clone(),
            section: self.section.to_owned(),
            key: self.key.to_owned(),
            reference: name.to_owned(),
        }
    }

    fn syntax(&self) -> IniError {
        IniError::InterpolationSyntax {
            origin: self.raw.origin.clone(),
            section: self.section.to_owned(),
            key: self.key.to_owned(),
        }
    }

    fn too_deep(&self) -> IniError {
        IniError::InterpolationDepth {
            origin: self.raw.origin.clone(),
            section: self.section.to_owned(),
            key: self.key.to_owned(),
        }
    }

    fn too_large(&self) -> IniError {
        IniError::InterpolationSize {
            origin: self.raw.origin.clone(),
            section: self.section.to_owned(),
            key: self.key.to_owned(),
        }
    }
}

/// Splits what follows a `%` into the name of `(name)s` and the rest.
fn split_reference(text: &str) -> Option<(&str, &str)> {
    let (name, after) = text.strip_prefix('(')?.split_once(')')?;
    let after = after.strip_prefix('s')?;
    if name.is_empty() { None } else { Some((name, after)) }
}

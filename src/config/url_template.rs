//! The URL templates of rpkg: values that are read raw and go through Python's `%` operator with a dictionary.
//!
//! Of that operator this knows `%(name)s` and `%%`, which is what templates use. The rest of it (`%s` would put in the
//! whole dictionary, `% s` a blank) is an error here: nobody means it.

use thiserror::Error;

use crate::address;

/// What is wrong with a template.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TemplateError {
    /// A name that there is no value for. (Python: `KeyError`; names are case-sensitive here.)
    #[error("`%({name})s` is unknown; known are {}", known.iter().map(|k| format!("%({k})s")).collect::<Vec<_>>().join(", "))]
    UnknownName {
        /// The name in the template.
        name: String,
        /// The names that have a value.
        known: Vec<&'static str>,
    },
    /// A `%` that is neither `%%` nor the begin of `%(name)s`. (Python: `incomplete format`, and others.)
    #[error("a `%` that is neither `%%` nor `%(name)s`, at character {position} of `{}`", template.escape_debug())]
    Malformed {
        /// The whole template, with user and password in it masked.
        template: String,
        /// The place of the percent sign in the template as written, counted from 1 in characters.
        position: usize,
    },
}

/// Fills in a template: `values` are pairs of name and value.
pub(super) fn fill(template: &str, values: &[(&'static str, &str)]) -> Result<String, TemplateError> {
    let mut filled = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((plain, conversion)) = rest.split_once('%') {
        filled.push_str(plain);
        if let Some(after) = conversion.strip_prefix('%') {
            filled.push('%');
            rest = after;
            continue;
        }
        let position = template[..template.len() - conversion.len()].chars().count();
        let (name, after) = named(conversion)
            .ok_or_else(|| TemplateError::Malformed { template: address::masked(template), position })?;
        filled.push_str(lookup(name, values)?);
        rest = after;
    }
    filled.push_str(rest);
    Ok(filled)
}

fn named(conversion: &str) -> Option<(&str, &str)> {
    let (name, after) = conversion.strip_prefix('(')?.split_once(')')?;
    Some((name, after.strip_prefix('s')?))
}

fn lookup<'a>(name: &str, values: &[(&'static str, &'a str)]) -> Result<&'a str, TemplateError> {
    values.iter().find(|(known, _)| *known == name).map(|(_, value)| *value).ok_or_else(|| TemplateError::UnknownName {
        name: name.to_owned(),
        known: values.iter().map(|(known, _)| *known).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALUES: &[(&str, &str)] = &[("repo", "container/foo"), ("module", "container/foo")];

    #[test]
    fn names_and_percent_signs_are_filled_in() {
        for (template, expected) in [
            ("https://h/%(repo)s.git", "https://h/container/foo.git"),
            ("https://h/%(module)s", "https://h/container/foo"),
            ("https://h/a%%20b/%(repo)s", "https://h/a%20b/container/foo"),
            ("%%(repo)s", "%(repo)s"),
            ("https://h/", "https://h/"),
            ("", ""),
        ] {
            assert_eq!(fill(template, VALUES).as_deref(), Ok(expected), "{template}");
        }
    }

    #[test]
    fn unknown_names_are_told_with_the_known_ones() {
        for name in ["nope", "Repo", "", "user"] {
            let error = fill(&format!("https://h/%({name})s"), VALUES).expect_err(name).to_string();
            assert_eq!(error, format!("`%({name})s` is unknown; known are %(repo)s, %(module)s"));
        }
    }

    #[test]
    fn other_percent_signs_are_told_with_their_place() {
        for (template, position) in [("é%", 2), ("100% x", 4), ("%s", 1), ("a%(repo)d", 2), ("%(repo", 1), ("%%%", 3)]
        {
            let error = fill(template, VALUES).expect_err(template);
            assert_eq!(error, TemplateError::Malformed { template: template.to_owned(), position });
        }
    }
}

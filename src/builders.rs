//! The builders there are, and which one a build goes to: the one place that knows them all.

#[cfg(test)]
mod tiny;

use crate::builder::{Builder, Setting};
use crate::config::ConfigError;
use crate::config::ini::Origin;
use crate::error::{Error, ErrorKind, Result};
use crate::event::BuilderName;
use crate::koji::builder::Koji;
use crate::local::builder::Local;
use crate::osbs::builder::Osbs;

/// All of them; where nothing says otherwise, builds go to the first.
const BUILDERS: &[&dyn Builder] = &[
    &Koji,
    &Osbs,
    &Local,
    #[cfg(test)]
    &tiny::Tiny,
];

pub(crate) fn all() -> impl Iterator<Item = &'static dyn Builder> {
    BUILDERS.iter().copied()
}

/// The words that `--build-with` takes.
pub(crate) fn names() -> Vec<&'static str> {
    BUILDERS
        .iter()
        .filter_map(|builder| match builder.name().0 {
            std::borrow::Cow::Borrowed(name) => Some(name),
            std::borrow::Cow::Owned(_) => None,
        })
        .collect()
}

/// The builder of a name.
pub(crate) fn named(name: &BuilderName) -> Option<&'static dyn Builder> {
    all().find(|builder| builder.name() == *name)
}

/// The builder that a build goes to: the one asked for, else the configuration's `build_with`, else one whose server is configured, else
/// the first.
///
/// # Errors
/// When the configuration's word is none of a builder.
pub(crate) fn choose(asked: Option<&BuilderName>, setting: &Setting<'_>) -> Result<&'static dyn Builder> {
    Ok(choose_because(asked, setting)?.0)
}

/// The same, with what decides it, in a word or two: an option, a place in a file.
///
/// # Errors
/// As [`choose`].
pub(crate) fn choose_because(
    asked: Option<&BuilderName>,
    setting: &Setting<'_>,
) -> Result<(&'static dyn Builder, String)> {
    if let Some(asked) = asked {
        let builder = named(asked).ok_or_else(|| Error::new(ErrorKind::Usage, UnknownBuilder(asked.clone())))?;
        return Ok((builder, "--build-with".to_owned()));
    }
    if let Some(word) = setting.config()?.build_with()? {
        let name = BuilderName(word.value.clone().into());
        let place = word.origin.to_string();
        return named(&name).map(|builder| (builder, place)).ok_or_else(|| {
            let known = names().join(", ");
            ConfigError::UnknownBuilder { value: word.value, known, origin: word.origin }.into()
        });
    }
    let configured = all().find_map(|builder| Some((builder, builder.configured_by(setting)?)));
    Ok(configured.unwrap_or_else(|| (BUILDERS[0], Origin::BuiltIn.to_string())))
}

/// There is no such builder.
#[derive(Debug, thiserror::Error)]
#[error("there is no builder {0}")]
struct UnknownBuilder(BuilderName);

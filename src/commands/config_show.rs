//! `config show`: every value in force, and the file and line it comes from.

use crate::cli::ConfigShowArgs;
use crate::config::show::{ValueInForce, values_in_force};
use crate::error::{Error, ErrorKind, Result};
use crate::exit_code::ExitCode;
use crate::report::Format;
use crate::report::text::{self, ConfigLine};

use super::Context;

/// `config show`. A Koji profile that cannot be loaded is told of, and the rest is shown.
///
/// # Errors
/// When the tool's configuration is unusable.
pub fn run(context: &Context, arguments: &ConfigShowArgs) -> Result<ExitCode> {
    let config = context.rpkg_config()?;
    let profile = match context.koji_profile(&config) {
        Ok(profile) => Some(profile),
        Err(error) => {
            context.warn(&error);
            None
        }
    };
    let values = values_in_force(&config, profile.as_ref());
    let shown = if arguments.json || context.mode.format == Format::Json {
        text::json(&values)
    } else {
        text::config(&context.mode, &values.values.iter().map(line).collect::<Vec<_>>())
    };
    shown.map_err(|source| Error::new(ErrorKind::Io, source))?;
    Ok(ExitCode::Success)
}

fn line(value: &ValueInForce) -> ConfigLine {
    ConfigLine {
        section: value.section.clone(),
        key: value.key.clone(),
        value: match (&value.value, &value.error) {
            (Some(value), _) => value.clone(),
            // Read raw and filled in later, with the repository's name.
            (None, _) if ["anongiturl", "gitbaseurl"].contains(&value.key.as_str()) => value.raw.clone(),
            (None, error) => format!("{} (unusable: {})", value.raw, error.as_deref().unwrap_or("unknown reason")),
        },
        origin: value.origin.to_string(),
    }
}

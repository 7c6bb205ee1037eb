//! `config show`: every value in force, and the file and line it comes from.

use crate::cli::ConfigShowArgs;
use crate::config::show::values_in_force;
use crate::error::Result;
use crate::exit_code::ExitCode;
use crate::report::text;

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
    text::config(&context.mode, &values, arguments.json)?;
    Ok(ExitCode::Success)
}

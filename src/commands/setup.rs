//! `container-build-setup`: the autorebuild switch of a repository.

use crate::checkout::autorebuild;
use crate::cli::{SetupArgs, Switch};
use crate::error::{Error, ErrorKind, Result};
use crate::exit_code::ExitCode;
use crate::report::text;

use super::Context;

/// `container-build-setup --get-autorebuild`, `--set-autorebuild true|false`.
///
/// # Errors
/// When the file is malformed, or cannot be written or staged.
pub fn run(context: &Context, arguments: &SetupArgs) -> Result<ExitCode> {
    let folder = context.folder()?;
    match arguments.set_autorebuild {
        Some(switch) => {
            let path = autorebuild::set(&folder, switch == Switch::True)?;
            text::say(&format_args!("Config value changed, don't forget to commit {} file", path.display()))
        }
        None => text::say(&autorebuild::get(&folder)?),
    }
    .map_err(|source| Error::new(ErrorKind::Io, source))?;
    Ok(ExitCode::Success)
}

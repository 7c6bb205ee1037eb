//! `container-build-setup`: the autorebuild switch of a repository.

use crate::checkout::autorebuild;
use crate::cli::{SetupArgs, Switch};
use crate::error::Result;
use crate::event::BuildEvent;

use super::{Context, End};
use crate::wait::blocking;

/// `container-build-setup --get-autorebuild`, `--set-autorebuild true|false`.
///
/// # Errors
/// When the file is malformed, or cannot be written or staged.
pub(super) async fn run(context: &Context, arguments: &SetupArgs) -> Result<End> {
    let folder = context.folder()?;
    let name = "autorebuild";
    let event = match arguments.set_autorebuild {
        Some(switch) => {
            let enabled = switch == Switch::True;
            // A file that is half changed is worse than one that is changed.
            let hold = context.interrupt.hold()?;
            let set = blocking(&context.events, "changing the file", move || autorebuild::set(&folder, enabled)).await;
            drop(hold);
            BuildEvent::Setting { name, value: enabled.to_string(), file: Some(set??.display().to_string()) }
        }
        None => {
            let get = blocking(&context.events, "reading the file", move || autorebuild::get(&folder)).await;
            BuildEvent::Setting { name, value: get??.to_string(), file: None }
        }
    };
    context.tell(event).await;
    Ok(End::default())
}

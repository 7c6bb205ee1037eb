//! `config show`: every value in force, and the file and line it comes from.

use crate::builders;
use crate::cli::ConfigShowArgs;
use crate::config::show::{VERSION, values_in_force};
use crate::error::Result;
use crate::event::{BuildEvent, ConfigReport};

use super::{Context, End};

/// `config show`. What some builder cannot load is told of, and the rest is shown.
///
/// # Errors
/// When the tool's configuration is unusable.
pub(super) async fn run(context: &Context, arguments: &ConfigShowArgs) -> Result<End> {
    let config = context.rpkg_config().await?;
    let own = arguments.own_options();
    let setting = context.setting(Ok(&config), &own);
    let mut values = values_in_force(&config);
    for builder in builders::all() {
        match builder.settings(&setting) {
            Ok(own) => values.extend(own),
            Err(error) => context.warn(&error).await,
        }
    }
    context.tell(BuildEvent::Configured(Box::new(ConfigReport { version: VERSION, values }))).await;
    Ok(End::default())
}

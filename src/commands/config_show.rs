//! `config show`: every value in force, and the file and line it comes from, or what else has it.

use crate::builders;
use crate::cli::ConfigShowArgs;
use crate::config::rpkg::container_build_section;
use crate::config::show::{self, VERSION, values_in_force};
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
    let section = container_build_section(&context.tool);
    if let Some(profile) = &context.globals.profile {
        show::decide(&mut values, &section, "kojiprofile", profile, "--profile");
    }
    match builders::choose_because(arguments.build_with.as_ref(), &setting) {
        Ok((builder, why)) => {
            show::decide(&mut values, &section, "build_with", &builder.name().0, &why);
        }
        Err(error) => context.warn(&error).await,
    }
    let values = show::in_order(&context.tool, values);
    context.tell(BuildEvent::Configured(Box::new(ConfigReport { version: VERSION, values }))).await;
    Ok(End::default())
}

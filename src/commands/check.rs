//! `check`: what the builder would refuse, without submitting anything.

use crate::checkout::Checkout;
use crate::cli::CheckArgs;
use crate::error::{Error, ErrorKind, Result};
use crate::exit_code::ExitCode;
use crate::report::{Format, LogView, text};
use crate::request::Artifact;
use crate::request::check;
use crate::request::findings::Finding;

use super::koji_build::KojiBuild;
use super::{Context, build, koji_build, koji_hub};

/// `check`, `check --offline`.
///
/// # Errors
/// When the checkout allows no build at all, the hub cannot be asked, or errors were found.
pub async fn run(context: &Context, arguments: &CheckArgs) -> Result<ExitCode> {
    let config = context.rpkg_config()?;
    let checkout = context.checkout()?;
    let plan = |checkout: &Checkout| {
        let options = build::container_options(&arguments.container);
        build::planned(context, &arguments.container.build, &config, checkout, Artifact::Container, options)
    };
    // What is not committed or pushed keeps a build from being submitted, but not the files from being checked.
    let (request, not_ready) = match plan(&checkout) {
        Ok(request) => (request, None),
        Err(error) if error.kind() == ErrorKind::Checkout => (plan(&checkout.as_if_pushed())?, Some(error)),
        Err(error) => return Err(error),
    };
    let mut report = check::check_files(&checkout.root, &request);
    report.findings.extend(not_ready.map(|error| {
        let finding = Finding::error("checkout-not-ready", error.to_string());
        match error.hints().first() {
            Some(hint) => finding.hint(hint.clone()),
            None => finding,
        }
    }));
    if !arguments.offline {
        let profile = context.koji_profile(&config)?;
        let koji = KojiBuild { profile: &profile, environment: &context.environment };
        let view = LogView { none: true, ..LogView::default() };
        let answers = context
            .reporting(view, async |events| {
                let mut session = koji_hub::connect(&profile, events);
                koji.ask(&mut session, &request, &report).await
            })
            .await?;
        report.findings.extend(check::check_hub(&answers, &request, &report));
    }
    context.findings(&report.findings);
    if context.mode.format == Format::Json {
        text::json(&report).map_err(|source| Error::new(ErrorKind::Io, source))?;
    }
    if report.findings.iter().any(Finding::is_error) {
        return Err(koji_build::refused(&report.findings, &checkout.root));
    }
    Ok(ExitCode::Success)
}

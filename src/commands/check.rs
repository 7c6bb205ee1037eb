//! `check`: what the builder would refuse, without submitting anything.

use std::path::PathBuf;

use crate::checkout::Checkout;
use crate::cli::CheckArgs;
use crate::config::rpkg::RpkgConfig;
use crate::error::{Error, ErrorKind, Result};
use crate::exit_code::ExitCode;
use crate::report::{Format, LogView, text};
use crate::request::check;
use crate::request::findings::Finding;
use crate::request::{Artifact, BuildRequest};

use super::koji_build::KojiBuild;
use super::{Context, build, koji_build, koji_hub};

/// `check`, `check --offline`.
///
/// # Errors
/// When the checkout allows no build at all, the hub cannot be asked, or errors were found.
pub async fn run(context: &Context, arguments: &CheckArgs) -> Result<ExitCode> {
    let Prepared { root, request, not_ready, config } = match prepare(context, arguments) {
        Ok(prepared) => prepared,
        // Files can be looked at anywhere, as long as nobody is to be asked.
        Err(error) if arguments.offline && matches!(error.kind(), ErrorKind::Checkout | ErrorKind::Config) => {
            Prepared { root: context.folder()?, request: files_only(arguments), not_ready: Some(error), config: None }
        }
        Err(error) => return Err(error),
    };
    let mut report = check::check_files(&root, &request);
    report.findings.extend(not_ready.map(|error| {
        let finding = Finding::error("checkout-not-ready", error.to_string());
        match error.hints().first() {
            Some(hint) => finding.hint(hint.clone()),
            None => finding,
        }
    }));
    if let Some(config) = config.filter(|_| !arguments.offline) {
        let profile = context.koji_profile(&config)?;
        let koji = KojiBuild { profile: &profile, environment: &context.environment };
        let view = LogView { none: true, ..LogView::default() };
        let (answers, _) = context
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
        return Err(koji_build::refused(&report.findings, &root));
    }
    Ok(ExitCode::Success)
}

/// What is checked.
struct Prepared {
    root: PathBuf,
    request: BuildRequest,
    /// Why a build could not be submitted right now.
    not_ready: Option<Error>,
    config: Option<RpkgConfig>,
}

/// Plans the build. What is not committed or pushed keeps it from being submitted, but not the files from being checked.
fn prepare(context: &Context, arguments: &CheckArgs) -> Result<Prepared> {
    let config = context.rpkg_config()?;
    let checkout = context.checkout()?;
    let plan = |checkout: &Checkout| {
        let options = build::container_options(&arguments.container);
        build::planned(context, &arguments.container.build, &config, checkout, Artifact::Container, options)
    };
    let (request, not_ready) = match plan(&checkout) {
        Ok(request) => (request, None),
        Err(error) if error.kind() == ErrorKind::Checkout => (plan(&checkout.as_if_pushed())?, Some(error)),
        Err(error) => return Err(error),
    };
    Ok(Prepared { root: checkout.root, request, not_ready, config: Some(config) })
}

/// What the command line alone asks for: enough for looking at files.
fn files_only(arguments: &CheckArgs) -> BuildRequest {
    BuildRequest {
        artifact: Artifact::Container,
        source: String::new(),
        target: arguments.container.build.target.clone().unwrap_or_default(),
        namespace: None,
        repo_name: String::new(),
        git_branch: String::new(),
        commit: String::new(),
        options: build::container_options(&arguments.container),
        priority: None,
        channel: None,
    }
}

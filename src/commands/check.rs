//! `check`: what the builder would refuse, without submitting anything.

use std::path::{Path, PathBuf};

use crate::builder::{Builder, Wish};
use crate::builders;
use crate::checkout::Checkout;
use crate::cli::CheckArgs;
use crate::config::rpkg::RpkgConfig;
use crate::error::{Error, ErrorKind, Result};
use crate::event::{BuildEvent, CheckReport, Finding};
use crate::request::check::FileReport;
use crate::request::{Artifact, BuildRequest};
use crate::wait::said;

use super::prepare::{self, Wanted};
use super::{Context, End};

/// `check`, `check --offline`.
///
/// # Errors
/// When the checkout allows no build at all, the server cannot be asked, or errors were found.
pub(super) async fn run(context: &Context, arguments: &CheckArgs) -> Result<End> {
    let wanted = Wanted::container(&arguments.container);
    let prepared = match prepare(context, &wanted).await {
        Ok(prepared) => prepared,
        // Files can be looked at anywhere, as long as nobody is to be asked.
        Err(error) if arguments.offline && matches!(error.kind(), ErrorKind::Checkout | ErrorKind::Config) => {
            return files_only(context, &wanted, error).await;
        }
        Err(error) => return Err(error),
    };
    let Prepared { config, builder, checkout, request, not_ready } = prepared;
    let mut files = prepare::check_files(context, &checkout.root, &request, &builder.rules()).await?;
    files.findings.extend(not_ready.as_ref().map(|error| not_ready_yet(error, arguments.offline)));
    context.findings(&files.findings).await;
    if !arguments.offline {
        let wish = Wish { request: &request, files: &files, checkout: &checkout, is_dry: true };
        let mut order = builder.order(context.setting(Ok(&config), &wanted.own), wish).await?;
        let answers = said(&context.events, format!("an answer of {}", order.server()), order.ask()).await;
        order.close().await;
        let rules = builder.rules();
        let found = answers?.map(|answers| prepare::check_answers(&answers, wish, &rules)).unwrap_or_default();
        drop(order);
        context.findings(&found).await;
        files.findings.extend(found);
    }
    conclude(context, files, &checkout.root).await
}

/// Tells everything that is known, and refuses where there are errors.
async fn conclude(context: &Context, files: FileReport, root: &Path) -> Result<End> {
    let FileReport { labels, base_images, findings, .. } = files;
    let report = CheckReport { version: 1, labels, base_images, findings: findings.clone() };
    context.tell(BuildEvent::Checked(Box::new(report))).await;
    prepare::stop_on_errors(&findings, root, None)?;
    Ok(End::default())
}

/// What is checked.
struct Prepared {
    config: RpkgConfig,
    builder: &'static dyn Builder,
    checkout: Checkout,
    request: BuildRequest,
    /// Why a build could not be submitted right now.
    not_ready: Option<Error>,
}

/// Plans the build. What is not committed or pushed keeps it from being submitted, but not the files from being checked.
async fn prepare(context: &Context, wanted: &Wanted) -> Result<Prepared> {
    let config = context.rpkg_config().await?;
    let builder = builders::choose(wanted.builder.as_ref(), &context.setting(Ok(&config), &wanted.own))?;
    wanted.check_options(builder)?;
    let rules = builder.rules();
    let checkout = context.checkout().await?;
    let planned = match prepare::check_committed(&checkout, &rules, &wanted.own) {
        Ok(()) => prepare::planned(context, wanted, builder, &config, &checkout, false).await,
        Err(error) => Err(error),
    };
    let (request, not_ready) = match planned {
        Ok(request) => (request, None),
        Err(error) if error.kind() == ErrorKind::Checkout => {
            (prepare::planned(context, wanted, builder, &config, &checkout, true).await?, Some(error))
        }
        Err(error) => return Err(error),
    };
    Ok(Prepared { config, builder, checkout, request, not_ready })
}

/// Looks at the files alone, where there is no configuration or no checkout to plan a build from.
async fn files_only(context: &Context, wanted: &Wanted, error: Error) -> Result<End> {
    let root: PathBuf = context.folder()?;
    let request = BuildRequest {
        artifact: Artifact::Container,
        source: String::new(),
        target: String::new(),
        namespace: None,
        repo_name: String::new(),
        git_branch: String::new(),
        commit: String::new(),
        options: wanted.options.clone(),
        priority: None,
        channel: None,
    };
    let rules = builders::all().next().map(super::super::builder::Builder::rules);
    let rules = rules.ok_or_else(|| Error::new(ErrorKind::Internal, error.to_string()))?;
    let mut files = prepare::check_files(context, &root, &request, &rules).await?;
    files.findings.push(not_ready_yet(&error, true));
    context.findings(&files.findings).await;
    conclude(context, files, &root).await
}

/// That a build cannot be submitted right now. Who asks for the files alone has no such build in mind yet, and is told by the way.
fn not_ready_yet(error: &Error, offline: bool) -> Finding {
    let make = if offline && error.kind() == ErrorKind::Checkout { Finding::warning } else { Finding::error };
    let finding = make("checkout-not-ready", error.to_string());
    match error.hints().first() {
        Some(hint) => finding.hint(hint.clone()),
        None => finding,
    }
}

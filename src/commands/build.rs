//! `container-build` and `flatpak-build`: plan, check, submit, watch.

use std::time::Duration;

use crate::address;
use crate::builder::{Builder, Created, Creation, Order, Unhappened, Wish};
use crate::builders;
use crate::checkout::Checkout;
use crate::cli::{BuildArgs, ContainerBuildArgs, FlatpakBuildArgs, FollowArgs};
use crate::config::rpkg::RpkgConfig;
use crate::error::{Error, ErrorKind, Result};
use crate::event::{BuildEvent, BuildId};
use crate::exit_code::ExitCode;
use crate::gating;
use crate::wait::said;

use super::prepare::{self, Wanted};
use super::watching::{read_by_somebody, watched};
use super::{Context, End, records};

/// What is said where checks refuse a build that could be submitted all the same.
const FORCE_HINT: &str = "--force submits all the same";
/// After a signal, how long the answer to the request that creates the build is waited for.
const TRUTH_WITHIN: Duration = Duration::from_secs(5);

/// `container-build`.
///
/// # Errors
/// Whatever keeps the build from being submitted or watched.
pub(super) async fn container(context: &Context, arguments: &ContainerBuildArgs) -> Result<End> {
    build(context, &arguments.build, Wanted::container(arguments)).await
}

/// `flatpak-build`.
///
/// # Errors
/// Whatever keeps the build from being submitted or watched.
pub(super) async fn flatpak(context: &Context, arguments: &FlatpakBuildArgs) -> Result<End> {
    build(context, &arguments.build, Wanted::flatpak(&arguments.build)).await
}

async fn build(context: &Context, arguments: &BuildArgs, wanted: Wanted) -> Result<End> {
    if arguments.skip_build {
        return Err(Error::new(ErrorKind::Usage, SkipBuild).hint("leave --skip-build out"));
    }
    let config = context.rpkg_config().await?;
    let setting = context.setting(Ok(&config), &wanted.own);
    let builder = builders::choose(wanted.builder.as_ref(), &setting)?;
    wanted.check_options(builder)?;
    let rules = builder.rules();
    let checkout = context.checkout().await?;
    if rules.gating {
        validate_gating(context, &wanted, &config, &checkout).await?;
    }
    prepare::check_committed(&checkout, &rules, &wanted.own)?;
    let request = prepare::planned(context, &wanted, builder, &config, &checkout, false).await?;
    let files = prepare::check_files(context, &checkout.root, &request, &rules).await?;
    context.findings(&files.findings).await;
    if !wanted.force {
        prepare::stop_on_errors(&files.findings, &checkout.root, Some(FORCE_HINT))?;
    }
    let is_dry = context.globals.dry_run;
    let wish = Wish { request: &request, files: &files, checkout: &checkout, is_dry };
    let mut order = builder.order(setting, wish).await?;
    if !is_dry {
        context.note(format_args!("Building on {}", order.place())).await;
    }
    let mut creation = Creation::new(context.interrupt.clone());
    let ended = with_order(context, &wanted, builder, order.as_mut(), wish, &arguments.follow, &mut creation).await;
    order.close().await;
    // Not before: a signal would have thrown away what there is to be told.
    drop(creation);
    ended
}

/// Asks what the server would refuse, and submits when it would refuse nothing.
async fn with_order(
    context: &Context,
    wanted: &Wanted,
    builder: &dyn Builder,
    order: &mut dyn Order,
    wish: Wish<'_>,
    follow: &FollowArgs,
    creation: &mut Creation,
) -> Result<End> {
    check_server(context, wanted, builder, order, wish).await?;
    if wish.is_dry {
        let run = said(&context.events, format!("an answer of {}", order.server()), order.preview()).await?;
        context.tell(BuildEvent::DryRun(Box::new(run.masked()))).await;
        return Ok(End::default());
    }
    let outlives_us = builder.manner().outlives_us;
    if wanted.nowait && !outlives_us {
        context
            .warn(format_args!("--nowait means nothing {}: the build ends with this command", builder.place()))
            .await;
    }
    // From here on a signal drops nothing any more: what happens has to be told.
    let created = submit(context, order, creation).await?;
    let build = BuildId { builder: builder.name(), server: order.server(), id: created.id.clone() };
    records::remember(context, wish.request, &build, &created).await;
    let manner = builder.manner();
    context.tell(BuildEvent::Submitted { build: build.clone(), url: created.url, manner }).await;
    if wanted.nowait && outlives_us {
        // Asked to end while the server was taking the build: that it was taken is told, and so is what ended us.
        let code = context.interrupt.signal().map(ExitCode::from);
        return Ok(End { build: Some(build), code, ..End::default() });
    }
    let logs = context.logs(follow, &[], None);
    let mut interrupt = context.interrupt.clone();
    let outcome = read_by_somebody(context, manner, order.watch(&logs, &mut interrupt)).await;
    watched(context, manner, build, &logs, outcome).await
}

/// Has the server say what it would refuse. A dry run does without a server that does not answer.
async fn check_server(
    context: &Context,
    wanted: &Wanted,
    builder: &dyn Builder,
    order: &mut dyn Order,
    wish: Wish<'_>,
) -> Result<()> {
    let answers = match said(&context.events, format!("an answer of {}", order.server()), order.ask()).await {
        Ok(answers) => answers,
        Err(error) if wish.is_dry && error.kind() == ErrorKind::Network => {
            context.warn(format_args!("what the server would refuse is not known: {error}")).await;
            None
        }
        Err(error) => return Err(error),
    };
    let Some(answers) = answers else { return Ok(()) };
    let findings = prepare::check_answers(&answers, wish, &builder.rules());
    context.findings(&findings).await;
    if wanted.force {
        return Ok(());
    }
    prepare::stop_on_errors(&findings, &wish.checkout.root, Some(FORCE_HINT))
}

/// Submits once. When a signal comes while it is not certain that nothing was created, the answer is waited for, but not for long.
async fn submit(context: &Context, order: &mut dyn Order, creation: &mut Creation) -> Result<Created> {
    let look = order.look();
    let server = order.server();
    let mut interrupt = context.interrupt.clone();
    let patience = async {
        interrupt.raised().await;
        tokio::time::sleep(TRUTH_WITHIN).await;
    };
    let answer = said(&context.events, format!("{server} to take the build"), order.submit(creation));
    let submitted = tokio::select! {
        biased;
        submitted = answer => submitted,
        () = patience => {
            let error = Error::new(ErrorKind::Network, NoAnswer { server });
            Err(Unhappened::NotKnown(error))
        }
    };
    submitted.map_err(|error| match error {
        // A no to the build itself: nothing was submitted.
        Unhappened::NotDone(error) if error.kind() == ErrorKind::Server => error.as_kind(ErrorKind::Refused),
        Unhappened::NotDone(error) => error,
        Unhappened::NotKnown(error) => error.as_kind(ErrorKind::Unseen).hint(look),
    })
}

/// Has Greenwave look at `gating.yaml`, as rpkg does (`cli.extract_greenwave_url`).
async fn validate_gating(context: &Context, wanted: &Wanted, config: &RpkgConfig, checkout: &Checkout) -> Result<()> {
    if wanted.skip_gating || context.globals.dry_run {
        return Ok(());
    }
    let Some(greenwave) = config.greenwave_url()? else { return Ok(()) };
    let validated = gating::validate(&checkout.root, &greenwave.value);
    if said(&context.events, format_args!("an answer of {}", address::masked(&greenwave.value)), validated).await? {
        context.note("Found a gating.yaml file in the repo and it is properly configured").await;
    }
    Ok(())
}

/// `--skip-build` is a feature of builders long gone.
#[derive(Debug, thiserror::Error)]
#[error("--skip-build is refused: today's builders fail such a build instead of skipping it")]
struct SkipBuild;

/// We were asked to end while the answer was being waited for.
#[derive(Debug, thiserror::Error)]
#[error("interrupted before {server} had answered: it is not known whether the build was submitted")]
struct NoAnswer {
    server: String,
}

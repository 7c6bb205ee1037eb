//! Options that exclude or need each other: `BuildContainerTask.handler` and `getArchList` of koji-containerbuild, and
//! osbs-client's `create_binary_container_build`.

use crate::event::Finding;
use crate::request::BuildOptions;
use crate::request::nvr;

/// Everything wrong with the options.
pub(super) fn check(options: &BuildOptions) -> Vec<Finding> {
    let BuildOptions { scratch, isolated, .. } = *options;
    let csv = options.operator_csv_modifications_url.is_some();
    let rules = [
        (
            scratch && isolated,
            Finding::error("scratch-and-isolated", "a build cannot be both scratch and isolated")
                .hint("leave out --scratch or --isolated"),
        ),
        (
            isolated && options.release.is_none(),
            Finding::error("isolated-without-release", "an isolated build needs a release")
                .hint("add --build-release, e.g. --build-release 2.1"),
        ),
        (
            !options.arches.is_empty() && !scratch && !isolated,
            Finding::error("arches-not-allowed", "only scratch and isolated builds may choose architectures")
                .hint("add --scratch, or leave out --arches; container.yaml limits platforms for all builds"),
        ),
        (
            options.signing_intent.is_some() && !options.compose_ids.is_empty(),
            Finding::error("signing-intent-with-composes", "a signing intent and compose ids exclude each other")
                .hint("leave out --signing-intent: composes have their own"),
        ),
        (
            csv && !isolated,
            Finding::error("csv-modifications-not-isolated", "only isolated builds may modify operator CSV metadata")
                .hint("add --isolated, or leave out the URL of CSV modifications"),
        ),
        (
            !options.dependency_replacements.is_empty() && !scratch,
            Finding::warning(
                "dependency-replacement-not-scratch",
                "replacing dependencies is meant for scratch builds only",
            )
            .hint("add --scratch"),
        ),
    ];
    let broken = rules.into_iter().filter(|(broken, _)| *broken).map(|(_, finding)| finding);
    broken.chain(release(options)).collect()
}

fn release(options: &BuildOptions) -> Option<Finding> {
    let error = nvr::check_release_option(options.release.as_deref()?, options.isolated).err()?;
    let finding = Finding::error("bad-release", format!("--build-release: {error}"));
    Some(finding.hint(if options.isolated { "write e.g. 2.1 or 2.1.fix" } else { "write e.g. 1, 2.1 or 1.f42" }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_that_do_not_go_together() {
        let release = |text: &str| Some(text.to_owned());
        let none = BuildOptions::default;
        for (options, expected) in [
            (none(), &[][..]),
            (BuildOptions { scratch: true, arches: vec!["x86_64".into()], ..none() }, &[]),
            (BuildOptions { isolated: true, release: release("2.1"), ..none() }, &[]),
            (BuildOptions { isolated: true, ..none() }, &["isolated-without-release"]),
            (BuildOptions { isolated: true, release: release("2"), ..none() }, &["bad-release"]),
            (BuildOptions { release: release("1-2"), ..none() }, &["bad-release"]),
            (
                BuildOptions { isolated: true, scratch: true, release: release("2.1"), ..none() },
                &["scratch-and-isolated"],
            ),
            (BuildOptions { arches: vec!["x86_64".into()], ..none() }, &["arches-not-allowed"]),
            (
                BuildOptions { signing_intent: release("release"), compose_ids: vec![1], ..none() },
                &["signing-intent-with-composes"],
            ),
            (
                BuildOptions { operator_csv_modifications_url: release("https://example.com/csv"), ..none() },
                &["csv-modifications-not-isolated"],
            ),
            (
                BuildOptions { dependency_replacements: vec!["gomod:a:1".into()], ..none() },
                &["dependency-replacement-not-scratch"],
            ),
        ] {
            let ids: Vec<&str> = check(&options).iter().map(|finding| finding.id).collect();
            assert_eq!(ids, expected, "{options:?}");
        }
    }
}

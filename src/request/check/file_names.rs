//! Files whose names are almost right. OSBS refuses a few of them (`RepoConfiguration`, `RepoInfo`); the others it just
//! does not read, which nobody notices.

use std::path::Path;

use super::DOCKERFILE;
use crate::event::Finding;

/// The files that OSBS reads at the top of a checkout, besides the Dockerfile.
const KNOWN: [&str; 6] = [
    "container.yaml",
    "content_sets.yml",
    "additional-tags",
    "fetch-artifacts-url.yaml",
    "fetch-artifacts-koji.yaml",
    "fetch-artifacts-pnc.yaml",
];

/// Names that make OSBS stop, instead of reading on without the file.
const REFUSED: [&str; 4] = ["container.yml", "content_sets.yaml", "content-sets.yml", "content-sets.yaml"];

/// How many names are looked at; dist-git repositories have a handful.
const MOST_NAMES: usize = 10_000;

/// One finding a file whose name is almost that of one that OSBS reads.
pub(super) fn check(root: &Path) -> Vec<Finding> {
    names(root).iter().filter_map(|name| misnamed(name)).collect()
}

/// The finding that there is no Dockerfile, with the file that was perhaps meant to be it.
pub(super) fn no_dockerfile(root: &Path) -> Finding {
    let finding = Finding::error("no-dockerfile", format!("there is no {DOCKERFILE}, which is what the builder reads"));
    match names(root).iter().find(|name| looks_like_dockerfile(name)) {
        Some(name) => finding.hint(format!("rename {name}: git mv {name} {DOCKERFILE}")),
        None => finding.hint("write one at the top of the checkout, and commit it"),
    }
}

/// The names of the files at the top, sorted. A folder that cannot be listed has none: reading its files says why.
fn names(root: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(root).into_iter().flatten().take(MOST_NAMES).flatten();
    let files = entries.filter(|entry| entry.file_type().is_ok_and(|kind| !kind.is_dir()));
    let mut names: Vec<String> = files.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort();
    names
}

fn misnamed(name: &str) -> Option<Finding> {
    if KNOWN.contains(&name) {
        return None;
    }
    let meant = KNOWN.into_iter().find(|known| blurred(known) == blurred(name))?;
    let finding = if REFUSED.contains(&name) {
        Finding::error("wrong-file-name", format!("OSBS refuses {name}: the name is {meant}"))
    } else {
        Finding::warning("wrong-file-name", format!("{name} is not read: the name is {meant}"))
    };
    Some(finding.at(name, None).hint(format!("rename it: git mv {name} {meant}")))
}

/// A name without what people mistake: case, leading dots, `-` or `_`, plurals, `.yml` or `.yaml`.
fn blurred(name: &str) -> String {
    let lower = name.to_lowercase();
    let (stem, is_yaml) = match lower.trim_start_matches('.').rsplit_once('.') {
        Some((stem, "yaml" | "yml")) => (stem.to_owned(), true),
        _ => (lower.trim_start_matches('.').to_owned(), false),
    };
    let words = stem.split(['-', '_']).map(|word| word.strip_suffix('s').unwrap_or(word));
    words.collect::<String>() + if is_yaml { ".yaml" } else { "" }
}

fn looks_like_dockerfile(name: &str) -> bool {
    let name = name.to_lowercase().replace(['-', '_'], "");
    let stem = name.trim_start_matches('.').split('.').next().unwrap_or_default();
    matches!(stem, "dockerfile" | "containerfile" | "dokerfile" | "dockefile")
        && !name.ends_with("ignore")
        && !name.ends_with('~')
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

    use super::*;

    #[test]
    fn almost_right_names_are_found() {
        for (name, meant, refused) in [
            ("container.yml", "container.yaml", true),
            ("Container.yaml", "container.yaml", false),
            (".container.yaml", "container.yaml", false),
            ("containers.yaml", "container.yaml", false),
            ("content_sets.yaml", "content_sets.yml", true),
            ("content-sets.yml", "content_sets.yml", true),
            ("content_set.yml", "content_sets.yml", false),
            ("fetch-artifact-url.yaml", "fetch-artifacts-url.yaml", false),
            ("fetch_artifacts_koji.yml", "fetch-artifacts-koji.yaml", false),
            ("additional_tags", "additional-tags", false),
        ] {
            let finding = misnamed(name).unwrap();
            assert_eq!((finding.is_error(), finding.message.ends_with(meant)), (refused, true), "{name}: {finding:?}");
        }
    }

    #[test]
    fn other_names_are_nobodys_business() {
        for name in
            ["container.yaml", "README.md", "sources", "content.yaml", "tags", "contain.yaml", "", "...", "é.yml"]
        {
            assert_eq!(misnamed(name), None, "{name}");
        }
    }

    #[test]
    fn dockerfiles_of_another_name() {
        for name in ["dockerfile", "DockerFile", "Dockerfile.txt", "Containerfile", "Docker-file", "Dockerfile.in"] {
            assert!(looks_like_dockerfile(name), "{name}");
        }
        for name in [".dockerignore", "docker-compose.yaml", "Dockerfile~", "Dockerfile.dockerignore", "Makefile"] {
            assert!(!looks_like_dockerfile(name), "{name}");
        }
    }
}

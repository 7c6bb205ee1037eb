//! Names of runs and images, as osbs-client makes them.
//!
//! Its functions are `utils.make_name_from_git`, `api._get_binary_container_pipeline_name` and
//! `user_params.BuildCommon._populate_image_tag`. Neither clock nor randomness is asked here: both come in a [`Postfix`].

use crate::digest::sha256_hex;

/// How long repository and branch together with the hyphen between them may be, at most less one.
const READABLE: usize = 37;
/// What stands for the branch where there is none.
const NO_BRANCH: &str = "unknown";

/// What makes a name unique: `48213-20250301101500`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Postfix {
    /// A random number of five digits.
    pub number: u32,
    /// When the build was asked for.
    pub at: jiff::Timestamp,
}

impl std::fmt::Display for Postfix {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:05}-{}", self.number, self.at.strftime("%Y%m%d%H%M%S"))
    }
}

/// The part of a run's name that tells what it builds: at most 43 characters, of which the last five tell repositories apart that
/// read alike. It begins with a letter or digit, whatever repository and branch are called.
pub fn base(git_uri: &str, branch: &str) -> String {
    let branch = if branch.is_empty() { NO_BRANCH } else { branch };
    let hashed = format!("{}{branch}", path(git_uri).trim_start_matches('/'));
    let hash = sha256_hex(hashed.as_bytes()).chars().take(5).collect();
    let (repository, branch) = readable(repository(git_uri), branch);
    let parts = [repository, branch, hash];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<String>>().join("-")
}

/// What people call the repository (`utils.git_repo_humanish_part_from_uri`).
fn repository(git_uri: &str) -> &str {
    let uri = git_uri.trim_end_matches('/');
    let uri = uri.strip_suffix("/.git").or_else(|| uri.strip_suffix(".git")).unwrap_or(uri);
    uri.rsplit('/').next().unwrap_or_default()
}

/// The path of a URL where Python's `urlparse` finds it: what has no scheme, such as `git@host:repository`, is all path.
fn path(git_uri: &str) -> &str {
    let rest = match git_uri.split_once(':') {
        Some((scheme, rest)) if is_scheme(scheme) => rest,
        _ => git_uri,
    };
    let rest = match rest.strip_prefix("//") {
        Some(rest) => rest.find(['/', '?', '#']).map_or("", |host_end| &rest[host_end..]),
        None => rest,
    };
    rest.split(['?', '#']).next().unwrap_or_default()
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))
}

/// Repository and branch without what names cannot have, cut so that both are told (`utils.sanitize_strings_for_openshift`).
/// Letters in upper case are left out, not made lower.
fn readable(repository: &str, branch: &str) -> (String, String) {
    let (repository, branch) = (allowed(repository), allowed(branch));
    let (mut from_repository, mut from_branch) = (0, 0);
    let has_room = |taken: usize| taken + 1 < READABLE;
    while has_room(from_repository + from_branch) && (from_repository < repository.len() || from_branch < branch.len())
    {
        if from_repository < repository.len() {
            from_repository += 1;
        }
        if from_branch < branch.len() && has_room(from_repository + from_branch) {
            from_branch += 1;
        }
    }
    let cut = |text: &str, length: usize| text[..length].trim_matches('-').to_owned();
    (cut(&repository, from_repository), cut(&branch, from_branch))
}

/// The characters of a text that names may have, all of them ASCII.
fn allowed(text: &str) -> String {
    text.chars().filter(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || *letter == '-').collect()
}

/// What kind of name a run gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// After repository and branch.
    Regular,
    /// `scratch-…`.
    Scratch,
    /// `isolated-…`.
    Isolated,
}

/// The name of a run: at most 63 characters, fit for a label's value.
pub fn run_name(kind: Kind, git_uri: &str, branch: &str, postfix: &Postfix) -> String {
    match kind {
        Kind::Regular => format!("{}{postfix}", base(git_uri, branch)),
        Kind::Scratch => format!("scratch-{postfix}"),
        Kind::Isolated => format!("isolated-{postfix}"),
    }
}

/// The unique pull spec of the image, without its registry.
pub fn image_tag(user: &str, component: &str, target: Option<&str>, postfix: &Postfix) -> String {
    format!("{user}/{component}:{}-{postfix}", target.unwrap_or("none"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

    use proptest::prelude::*;

    use super::*;

    const LONG: &str = "https://src.example.org/containers/a-very-long-component-name-for-tests";

    fn postfix() -> Postfix {
        Postfix { number: 48213, at: "2025-03-01T10:15:00Z".parse().unwrap() }
    }

    // What osbs-client 2.8.0 makes of the same.
    #[test]
    fn bases_are_osbs_clients() {
        for (uri, branch, expected) in [
            ("https://src.example.org/containers/httpd.git", "f40", "httpd-f40-959c9"),
            ("https://src.example.org/containers/My_Repo.Tools", "Main", "yepoools-ain-ada4d"),
            (LONG, "another-really-long-branch-name-1.2.3", "a-very-long-compon-another-really-lon-acb9b"),
            ("https://src.example.test/containers/hello.git", "main", "hello-main-521e3"),
            ("https://h/a/b.git/", "main", "b-main-ef79b"),
            ("https://h/a/b/.git", "x", "b-x-73022"),
            ("https://h/ns/repo.git/.git", "m", "repogit-m-d5fcf"),
            ("git@host:ns/repo.git", "main", "repo-main-4eff2"),
            ("ssh://u@h/ns/repo", "f40", "repo-f40-91aaf"),
            ("file:///x/y/repo.git", "main", "repo-main-28abe"),
            ("/local/path/repo.git", "main", "repo-main-980fb"),
            ("HTTPS://h/x/repo", "m", "repo-m-16401"),
            ("https://h", "main", "h-main-0d6e4"),
            ("https://h/ns/repo.git?x=1#frag", "main", "repogitx1frag-main-56d9d"),
            ("git://h:99/ns/é-x.git", "müll", "x-mll-80f75"),
        ] {
            assert_eq!(base(uri, branch), expected, "{uri} {branch}");
        }
    }

    #[test]
    fn what_names_cannot_have_leaves_no_hyphens_behind() {
        for (uri, branch, expected) in [
            ("https://h/ABC", "XYZ", "5ce84"),
            ("https://h/ns/repo", "-", "repo-4fc3e"),
            ("https://h/ns/--repo--", "--b--", "repo-b-c604c"),
            ("https://h/ns/repo", "", "repo-unknown-382db"),
        ] {
            assert_eq!(base(uri, branch), expected, "{uri} {branch}");
        }
    }

    #[test]
    fn a_short_name_leaves_its_room_to_the_long_one() {
        let repository = format!("https://h/ns/{}", "a".repeat(60));
        assert_eq!(base(&repository, "bbb"), format!("{}-bbb-78721", "a".repeat(33)));
        assert_eq!(base("https://h/ns/aaa", &"b".repeat(60)), format!("aaa-{}-541ef", "b".repeat(33)));
    }

    #[test]
    fn runs_are_named_after_their_kind() {
        let name = |kind| run_name(kind, LONG, "another-really-long-branch-name-1.2.3", &postfix());
        let regular = "a-very-long-compon-another-really-lon-acb9b48213-20250301101500";
        assert_eq!((name(Kind::Regular).as_str(), regular.len()), (regular, 63));
        assert_eq!(name(Kind::Scratch), "scratch-48213-20250301101500");
        assert_eq!(name(Kind::Isolated), "isolated-48213-20250301101500");
    }

    #[test]
    fn images_are_named_after_user_component_and_target() {
        let tag = |target| image_tag("jdoe", "hello", target, &postfix());
        assert_eq!(tag(Some("f40-candidate")), "jdoe/hello:f40-candidate-48213-20250301101500");
        assert_eq!(tag(None), "jdoe/hello:none-48213-20250301101500");
    }

    proptest! {
        #[test]
        fn any_repository_and_branch_make_a_name_that_clusters_take(uri in ".{0,90}", branch in "[-_a-zA-Z0-9/.é]{0,90}") {
            let name = run_name(Kind::Regular, &uri, &branch, &postfix());
            prop_assert!(name.len() <= 63, "{}", name);
            prop_assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-'));
            prop_assert!(!name.starts_with('-') && !name.ends_with('-'), "{}", name);
        }
    }
}

//! Names of runs and images, as osbs-client makes them (`utils.make_name_from_git`, `api._get_pipeline_name`, `user_params`).

use openssl::sha::sha256;

/// How long repository and branch together with the blank between them may be.
const READABLE: usize = 37;

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

/// The part of a run's name that tells what it builds: at most 43 characters.
pub fn base(git_uri: &str, branch: &str) -> String {
    let path = git_uri.split_once("://").map_or(git_uri, |(_, rest)| rest.split_once('/').map_or("", |(_, path)| path));
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let trimmed = path.trim_end_matches('/');
    let trimmed = trimmed.strip_suffix("/.git").or_else(|| trimmed.strip_suffix(".git")).unwrap_or(trimmed);
    let repo = trimmed.rsplit('/').next().unwrap_or_default();
    let (repo, readable_branch) = readable(repo, branch);
    let full = path.trim_start_matches('/');
    let digest = sha256(format!("{full}{branch}").as_bytes());
    let hash: String = digest.iter().take(3).map(|byte| format!("{byte:02x}")).collect();
    format!("{repo}-{readable_branch}-{}", &hash[..5])
}

/// Repository and branch without what names cannot have, cut so that both are told.
fn readable(repo: &str, branch: &str) -> (String, String) {
    let clean = |text: &str| -> Vec<char> {
        text.chars().filter(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || *c == '-').collect()
    };
    let (repo, branch) = (clean(repo), clean(branch));
    let (mut from_repo, mut from_branch) = (0, 0);
    while from_repo + from_branch + 1 < READABLE && (from_repo < repo.len() || from_branch < branch.len()) {
        if from_repo < repo.len() {
            from_repo += 1;
        }
        if from_repo + from_branch + 1 < READABLE && from_branch < branch.len() {
            from_branch += 1;
        }
    }
    let text = |chars: &[char]| chars.iter().collect::<String>().trim_matches('-').to_owned();
    (text(&repo[..from_repo]), text(&branch[..from_branch]))
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

/// The name of a run: at most 63 characters.
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
    use super::*;

    // C26
    #[test]
    fn names_are_osbs_clients() {
        for (uri, branch, expected) in [
            ("https://src.example.org/containers/httpd.git", "f40", "httpd-f40-959c9"),
            ("https://src.example.org/containers/My_Repo.Tools", "Main", "yepoools-ain-ada4d"),
            (
                "https://src.example.org/containers/a-very-long-component-name-for-tests",
                "another-really-long-branch-name-1.2.3",
                "a-very-long-compon-another-really-lon-acb9b",
            ),
            ("https://src.example.test/containers/hello.git", "main", "hello-main-521e3"),
        ] {
            assert_eq!(base(uri, branch), expected);
        }
        let postfix = Postfix { number: 48213, at: "2025-03-01T10:15:00Z".parse().expect("a time") };
        let long = "https://src.example.org/containers/a-very-long-component-name-for-tests";
        let name = run_name(Kind::Regular, long, "another-really-long-branch-name-1.2.3", &postfix);
        assert_eq!(name, "a-very-long-compon-another-really-lon-acb9b48213-20250301101500");
        assert_eq!(name.len(), 63);
        assert_eq!(run_name(Kind::Scratch, long, "x", &postfix), "scratch-48213-20250301101500");
        assert_eq!(image_tag("jdoe", "hello", None, &postfix), "jdoe/hello:none-48213-20250301101500");
    }
}

//! Finds a repository's name and namespace in the URL that git pushes to.
//!
//! The rules are those of pyrpkg's `Commands.load_repo_name` and `load_ns`, but for scp-like addresses
//! (`git@host:ns/name.git`), which rpkg takes for plain paths. Only the path part of a URL counts: the host plays no part,
//! and of a longer path only the last two components do, so the fork `forks/joe/container/foo` stands for `container/foo`.

/// The path part of a push URL, in components.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RemotePath {
    /// What is above the last component, outermost first.
    parents: Vec<String>,
    /// The last component as it is in the URL.
    last: String,
}

impl RemotePath {
    /// Splits the path of `url`: a URL with a scheme, an scp-like address or a plain path. Query and fragment do not
    /// belong to it. `None` when it has no component at all (`https://src.example.com/`).
    pub(crate) fn of(url: &str) -> Option<RemotePath> {
        let path = path_part(url).split(['?', '#']).next()?;
        let mut parents: Vec<String> = path.split('/').filter(|part| !part.is_empty()).map(str::to_owned).collect();
        let last = parents.pop()?;
        Some(RemotePath { parents, last })
    }

    /// The repository's name: the last component without `.git`.
    pub(crate) fn name(&self) -> &str {
        self.last.strip_suffix(".git").unwrap_or(&self.last)
    }

    /// The namespace: the second last component, if there is one.
    pub(crate) fn namespace(&self) -> Option<&str> {
        self.parents.last().map(String::as_str)
    }

    /// The last component as it is in the URL, `.git` included.
    pub(crate) fn last(&self) -> &str {
        &self.last
    }

    /// The path of the fork that the URL names, as Pagure lays them out (`forks/USER/NAMESPACE/NAME`); `None` for any
    /// other repository.
    pub(crate) fn fork(&self) -> Option<String> {
        let forks = self.parents.iter().position(|part| part == "forks" || part == "fork")?;
        // The user's name and the repository's must follow.
        (forks + 1 < self.parents.len()).then(|| format!("{}/{}", self.parents[forks..].join("/"), self.name()))
    }
}

fn path_part(url: &str) -> &str {
    if let Some((_, rest)) = url.split_once("://") {
        return rest.find('/').map_or("", |slash| &rest[slash..]);
    }
    scp_path(url).unwrap_or(url)
}

/// The path of `[USER@]HOST:PATH`. As for git, a slash before the first colon makes it a plain path; a host in brackets
/// may hold colons.
fn scp_path(url: &str) -> Option<&str> {
    let host = url.find('[').and_then(|open| Some(open + url[open..].find(']')?)).unwrap_or(0);
    let colon = host + url[host..].find(':')?;
    (!url[..colon].contains('/')).then(|| &url[colon + 1..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_and_namespace_are_the_last_two_components_of_the_path() {
        let cases = [
            ("ssh://me@pkgs.example.com/container/foo", Some("container"), "foo"),
            ("ssh://me@pkgs.example.com/container/foo.git", Some("container"), "foo"),
            ("ssh://me@pkgs.example.com/container/foo/", Some("container"), "foo"),
            ("ssh://me@pkgs.example.com/container/foo?x=1", Some("container"), "foo"),
            ("ssh://me@pkgs.example.com:2222/container/foo", Some("container"), "foo"),
            ("https://src.example.com/forks/joe/container/foo.git", Some("container"), "foo"),
            ("https://src.example.com/foo.git", None, "foo"),
            ("/abs/srv/rpms/bar.git", Some("rpms"), "bar"),
            ("file:///abs/x/container/foo", Some("container"), "foo"),
            ("git@github.com:container/foo.git", Some("container"), "foo"),
            ("github.com:/srv/container/foo.git", Some("container"), "foo"),
            ("git@[::1]:container/foo", Some("container"), "foo"),
            ("git@host:foo.git", None, "foo"),
            ("./odd:dir/container/foo", Some("container"), "foo"),
            ("foo", None, "foo"),
        ];
        for (url, namespace, name) in cases {
            let path = RemotePath::of(url).unwrap_or_else(|| panic!("{url} has a path"));
            assert_eq!((path.namespace(), path.name()), (namespace, name), "{url}");
        }
    }

    #[test]
    fn a_url_without_a_path_names_no_repository() {
        for url in ["https://src.example.com/", "https://src.example.com", "git@host:", "", "/", "https://h/?x=/a/b"] {
            assert_eq!(RemotePath::of(url), None, "{url}");
        }
    }

    #[test]
    fn the_last_component_is_kept_as_it_was_written() {
        assert_eq!(RemotePath::of("https://h/foo.git").expect("has a path").last(), "foo.git");
    }

    #[test]
    fn forks_are_recognised_by_pagures_layout() {
        let cases = [
            ("https://src.example.com/forks/joe/container/foo.git", Some("forks/joe/container/foo")),
            ("ssh://joe@pkgs.example.com/forks/joe/rpms/foo", Some("forks/joe/rpms/foo")),
            ("ssh://joe@pkgs.example.com/container/foo", None),
            ("ssh://joe@pkgs.example.com/forks/foo", None),
        ];
        for (url, fork) in cases {
            assert_eq!(RemotePath::of(url).expect("has a path").fork().as_deref(), fork, "{url}");
        }
    }
}

//! Where artifacts may come from: `artifacts_allowed_domains`.
//!
//! OSBS compares the beginning of host and path as text, so that `example.com` also admits `example.com.evil.org`. Here the
//! host has to be the same, and a path is compared segment by segment.

use std::sync::Arc;

use url::Url;

/// A list of hosts, each with or without a port and a path; or no list, which admits everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AllowedDomains(Option<Arc<[Domain]>>);

#[derive(Debug, PartialEq, Eq)]
struct Domain {
    host: String,
    /// Any, where the entry names none.
    port: Option<u16>,
    path: Vec<String>,
}

/// An entry that names no host.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{entry:?} is not HOST, HOST:PORT or HOST/PATH")]
pub struct BadDomain {
    /// The entry.
    pub entry: String,
}

impl AllowedDomains {
    /// Admits everything.
    pub fn any() -> AllowedDomains {
        AllowedDomains(None)
    }

    /// Admits what is at or beneath one of the entries; without entries, nothing.
    ///
    /// # Errors
    /// The first entry that is not a host, followed by a port and a path where it has them.
    pub fn only<I: AsRef<str>>(entries: impl IntoIterator<Item = I>) -> Result<AllowedDomains, BadDomain> {
        let domain = |entry: I| {
            let entry = entry.as_ref().trim();
            Domain::parse(entry).ok_or_else(|| BadDomain { entry: entry.to_owned() })
        };
        Ok(AllowedDomains(Some(entries.into_iter().map(domain).collect::<Result<_, _>>()?)))
    }

    /// Whether a file may come from an address.
    pub fn admits(&self, url: &Url) -> bool {
        self.0.as_deref().is_none_or(|domains| domains.iter().any(|domain| domain.admits(url)))
    }
}

impl Domain {
    fn parse(entry: &str) -> Option<Domain> {
        if entry.is_empty() || entry.contains(['?', '#', '@', ' ']) || entry.contains("://") {
            return None;
        }
        // The scheme is made up; it may not be one whose default port could be left out.
        let url = Url::parse(&format!("ssh://{}", entry.to_ascii_lowercase())).ok()?;
        let host = url.host_str().filter(|host| !host.is_empty())?.to_owned();
        Some(Domain { host, port: url.port(), path: segments(&url) })
    }

    fn admits(&self, url: &Url) -> bool {
        let host = url.host_str().is_some_and(|host| host.eq_ignore_ascii_case(&self.host));
        let port = self.port.is_none_or(|port| url.port_or_known_default() == Some(port));
        host && port && segments(url).starts_with(&self.path)
    }
}

/// The segments of a path in lower case, as OSBS compares them, without empty ones.
fn segments(url: &Url) -> Vec<String> {
    url.path().split('/').filter(|segment| !segment.is_empty()).map(str::to_ascii_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_compared_whole_and_paths_by_segment() {
        for (entry, url, admitted) in [
            ("example.com", "https://example.com/a", true),
            ("Example.COM", "https://EXAMPLE.com/a", true),
            ("example.com", "https://example.com:8443/a", true),
            ("example.com", "https://example.com.evil.org/a", false),
            ("example.com", "https://example.com@evil.org/a", false),
            ("example.com", "https://evil.org/example.com", false),
            ("example.com", "https://sub.example.com/a", false),
            ("example.com:443", "https://example.com/a", true),
            ("example.com:80", "http://example.com/a", true),
            ("example.com:80", "https://example.com/a", false),
            ("example.com:8443", "https://example.com/a", false),
            ("example.com/maven", "https://example.com/maven/a.jar", true),
            ("example.com/maven/", "https://example.com/Maven//a.jar", true),
            ("example.com/maven", "https://example.com/maven2/a.jar", false),
            ("example.com/maven", "https://example.com/maven/../a.jar", false),
            ("example.com/maven", "https://example.com/maven/%2e%2e/a.jar", false),
            ("127.0.0.1", "http://127.0.0.1:80/a", true),
            ("[::1]:8080", "http://[::1]:8080/a", true),
        ] {
            let allowed = AllowedDomains::only([entry]).unwrap();
            assert_eq!(allowed.admits(&Url::parse(url).unwrap()), admitted, "{entry} {url}");
        }
    }

    #[test]
    fn no_list_admits_everything_and_an_empty_one_nothing() {
        let url = Url::parse("https://example.com/a").unwrap();
        assert!(AllowedDomains::any().admits(&url));
        assert!(!AllowedDomains::only::<&str>([]).unwrap().admits(&url));
    }

    #[test]
    fn entries_that_name_no_host_are_refused() {
        for entry in ["", " ", "https://example.com", "user@example.com", "/maven", "a b", "example.com:x"] {
            assert!(AllowedDomains::only([entry]).is_err(), "{entry:?}");
        }
    }
}

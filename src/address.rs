//! Addresses of servers and pages. What stands before the host in one (`user:password@`, `TOKEN@`) is for the server alone:
//! none of what tells an address can tell that.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};
use url::Url;

/// What stands in place of a user, a password or a token.
const MASK: &str = "****";
/// Schemes in which the user is a name that everybody may know, and no token.
const NAMES_A_USER: [&str; 5] = ["ssh", "git+ssh", "ssh+git", "sftp", "git"];

/// An address whose texts never have user and password in them.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Address(Url);

impl Address {
    /// The whole address, for requests.
    pub fn url(&self) -> &Url {
        &self.0
    }

    /// The same place, asked by https.
    #[must_use]
    pub(crate) fn by_https(&self) -> Address {
        let mut url = self.0.clone();
        // Between the schemes of the web the change always works; others do not get past the configuration.
        let _ = url.set_scheme("https");
        Address(url)
    }

    /// The address without user and password: the name of a server in what is remembered, and what people can open.
    pub fn bare(&self) -> Url {
        let mut url = self.0.clone();
        // Both fail only for addresses that have no host, and so no user.
        let _ = url.set_username("");
        let _ = url.set_password(None);
        url
    }
}

impl From<Url> for Address {
    fn from(url: Url) -> Address {
        Address(url)
    }
}

impl FromStr for Address {
    type Err = url::ParseError;

    fn from_str(text: &str) -> Result<Address, url::ParseError> {
        Ok(Address(text.parse()?))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let has_user = !self.0.username().is_empty() || self.0.password().is_some();
        let bare = self.bare();
        match bare.as_str().split_once("://").filter(|_| has_user) {
            Some((scheme, rest)) => write!(f, "{scheme}://{MASK}@{rest}"),
            None => f.write_str(bare.as_str()),
        }
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({self})")
    }
}

impl Serialize for Address {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A text with what stands before the host of each address in it replaced. It need not be an address: templates and words
/// that are none are masked as well as can be.
pub(crate) fn masked(text: &str) -> String {
    rewritten(text, |scheme, info| match info.split_once(':') {
        Some((user, _)) if names_a_user(scheme) => format!("{user}:{MASK}@"),
        None if names_a_user(scheme) => format!("{info}@"),
        _ => format!("{MASK}@"),
    })
}

/// A text with what stands before the host of each address in it left out.
pub(crate) fn bare(text: &str) -> String {
    rewritten(
        text,
        |scheme, info| if names_a_user(scheme) && !info.contains(':') { format!("{info}@") } else { String::new() },
    )
}

fn names_a_user(scheme: &str) -> bool {
    NAMES_A_USER.iter().any(|known| scheme.eq_ignore_ascii_case(known))
}

/// Puts something else in the place of `user:password@`, in each address of a text.
fn rewritten(text: &str, instead: impl Fn(&str, &str) -> String) -> String {
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = next_address(rest) {
        result.push_str(before);
        let scheme = before.trim_end_matches(['/', '\\', ':']);
        let scheme =
            scheme.rsplit(|c: char| !c.is_ascii_alphanumeric() && !"+.-".contains(c)).next().unwrap_or_default();
        let info = userinfo(after);
        if let Some(info) = info {
            result.push_str(&instead(scheme, info));
        }
        rest = &after[info.map_or(0, |info| info.len() + 1)..];
    }
    result.push_str(rest);
    result
}

/// Splits a text behind the `://` of its first address. Browsers and our URL parser take backslashes for slashes.
fn next_address(text: &str) -> Option<(&str, &str)> {
    let marks = ["://", ":\\\\", ":/\\", ":\\/"];
    let at = marks.iter().filter_map(|mark| Some(text.find(mark)? + mark.len())).min()?;
    Some(text.split_at(at))
}

/// What stands before the `@` of an address's host. Where what should be the port is none, a password has a slash in it, and ends
/// with the last `@` of the word.
fn userinfo(address: &str) -> Option<&str> {
    let word = address.split(|c: char| c.is_whitespace() || "\"'<>".contains(c)).next().unwrap_or_default();
    let authority = word.split(['/', '\\', '?', '#']).next().unwrap_or_default();
    let is_port = |text: &str| text.chars().all(|c| c.is_ascii_digit());
    let is_odd = |(_, port): (&str, &str)| !authority.starts_with('[') && !is_port(port) && !port.starts_with('%');
    if authority.contains('@') {
        authority.rsplit_once('@').map(|(info, _)| info)
    } else if authority.rsplit_once(':').is_some_and(is_odd) {
        word.rsplit_once('@').map(|(info, _)| info)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_never_tells_who_uses_it() {
        let cases = [
            ("https://u:secret@h/x", "https://****@h/x", "https://h/x"),
            ("https://secret@h:8443/x?y#z", "https://****@h:8443/x?y#z", "https://h:8443/x?y#z"),
            ("https://:secret@h/", "https://****@h/", "https://h/"),
            ("https:\\\\secret@h/", "https://****@h/", "https://h/"),
            ("https://s%65cret%3Asecret@h/a@b", "https://****@h/a@b", "https://h/a@b"),
            ("ssh://secret@h/x", "ssh://****@h/x", "ssh://h/x"),
            ("https://h/u:p@q", "https://h/u:p@q", "https://h/u:p@q"),
            ("mailto:a@b", "mailto:a@b", "mailto:a@b"),
        ];
        for (text, shown, bare) in cases {
            let address: Address = text.parse().unwrap();
            let all = [address.to_string(), serde_json::to_value(&address).unwrap().as_str().unwrap().to_owned()];
            assert_eq!(all, [shown, shown]);
            assert_eq!(format!("{address:?}"), format!("Address({shown})"));
            assert_eq!(address.bare().as_str(), bare);
        }
    }

    #[test]
    fn addresses_inside_texts_and_templates_are_masked() {
        let cases = [
            ("https://u:p@h/x", "https://****@h/x", "https://h/x"),
            (
                "a http://u:p@q@h b ssh://%(user)s@h/y",
                "a http://****@h b ssh://%(user)s@h/y",
                "a http://h b ssh://%(user)s@h/y",
            ),
            ("https://u:p@h", "https://****@h", "https://h"),
            ("git+https://ghp_X@h/%(repo)s.git#0", "git+https://****@h/%(repo)s.git#0", "git+https://h/%(repo)s.git#0"),
            ("https://h:8443/a:b@c", "https://h:8443/a:b@c", "https://h:8443/a:b@c"),
            ("https://%(host)s:%(port)s/a@b", "https://%(host)s:%(port)s/a@b", "https://%(host)s:%(port)s/a@b"),
            ("https://[::1]:80/a@b", "https://[::1]:80/a@b", "https://[::1]:80/a@b"),
            ("https://u:p/q@h/x", "https://****@h/x", "https://h/x"),
            ("https:\\\\u:p@h/x", "https:\\\\****@h/x", "https:\\\\h/x"),
            ("ssh://u:p@h", "ssh://u:****@h", "ssh://h"),
            ("\"https://t@h\",'http://t@i'", "\"https://****@h\",'http://****@i'", "\"https://h\",'http://i'"),
            ("no url u:p@h", "no url u:p@h", "no url u:p@h"),
            ("://", "://", "://"),
        ];
        for (text, shown, without) in cases {
            assert_eq!((masked(text), bare(text)), (shown.to_owned(), without.to_owned()), "{text}");
        }
    }
}

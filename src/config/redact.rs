//! What must not be shown of a configuration: the values of keys that hold secrets, and passwords inside URLs.

/// What stands in place of a secret.
pub(super) const REDACTED: &str = "(redacted)";

/// Whether the key's name says that its value is a secret. Keys are in lower case.
pub(super) fn is_secret(key: &str) -> bool {
    ["password", "secret", "token"].iter().any(|word| key.contains(word))
}

/// The text with the password of each `scheme://user:password@host` in it replaced.
pub(super) fn mask_passwords(text: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("://") {
        masked.push_str(before);
        masked.push_str("://");
        let end = after.find(|c: char| c.is_whitespace() || c == '/').unwrap_or(after.len());
        let (authority, tail) = after.split_at(end);
        match password(authority) {
            Some((user, host)) => masked.extend([user, ":", REDACTED, "@", host]),
            None => masked.push_str(authority),
        }
        rest = tail;
    }
    masked.push_str(rest);
    masked
}

/// Splits `user:password@host` into user and host.
fn password(authority: &str) -> Option<(&str, &str)> {
    let (user_info, host) = authority.rsplit_once('@')?;
    let (user, _) = user_info.split_once(':')?;
    Some((user, host))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secret_keys_are_known_by_their_names() {
        for key in ["password", "oidc_client_secret", "api_token", "koji_password_file"] {
            assert!(is_secret(key), "{key}");
        }
        for key in ["kojiprofile", "cert", "user", "keytab"] {
            assert!(!is_secret(key), "{key}");
        }
    }

    #[test]
    fn only_passwords_in_urls_are_masked() {
        for (text, masked) in [
            ("https://u:p@h/x", "https://u:(redacted)@h/x"),
            ("a http://u:p@q@h b ssh://%(user)s@h/y", "a http://u:(redacted)@h b ssh://%(user)s@h/y"),
            ("https://u:p@h", "https://u:(redacted)@h"),
            ("https://h:8443/a:b@c", "https://h:8443/a:b@c"),
            ("no url u:p@h", "no url u:p@h"),
            ("://", "://"),
        ] {
            assert_eq!(mask_passwords(text), masked);
        }
    }
}

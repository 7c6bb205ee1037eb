//! What must not be shown of a configuration: the values of keys that hold secrets. (Users and passwords in addresses:
//! [`crate::address`].)

/// What stands in place of a secret.
pub(super) const REDACTED: &str = "(redacted)";

/// Whether the key's name says that its value is a secret. Keys are in lower case.
pub(super) fn is_secret(key: &str) -> bool {
    ["password", "secret", "token"].iter().any(|word| key.contains(word))
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
}

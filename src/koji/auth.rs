//! Who we are to a hub, and which of the ways to say so is chosen.
//!
//! The order is rpkg's (`Commands.login_koji_session`): the profile's `authtype` decides; without one a client certificate
//! that exists comes first, then a password, then Kerberos. Unlike rpkg, a Kerberos ticket of any realm is tried: the hub
//! knows best whom it trusts.

use std::path::{Path, PathBuf};

use crate::credentials::{PASSWORD_VARIABLE, Secret};
use crate::error::{Error, ErrorKind};

/// How to log in.
#[derive(Debug, Clone, PartialEq)]
pub enum Credentials {
    /// TLS client certificate: a PEM file with certificate and key.
    Certificate {
        /// The file.
        path: PathBuf,
        /// User to act for (`--runas`).
        proxy_user: Option<String>,
    },
    /// A Kerberos ticket, through the system's GSSAPI.
    Kerberos {
        /// Principal to use instead of the default one of the credential cache.
        principal: Option<String>,
        /// User to act for (`--runas`).
        proxy_user: Option<String>,
    },
    /// User and password.
    Password {
        /// The hub's name of the user.
        user: String,
        /// Their password.
        password: Secret,
    },
}

impl Credentials {
    /// The user to act for, where the method can do that.
    pub fn proxy_user(&self) -> Option<&str> {
        match self {
            Credentials::Certificate { proxy_user, .. } | Credentials::Kerberos { proxy_user, .. } => {
                proxy_user.as_deref()
            }
            Credentials::Password { .. } => None,
        }
    }
}

/// What there is to choose from.
#[derive(Debug, Clone, Default)]
pub struct Available<'a> {
    /// The profile's `authtype`.
    pub authtype: Option<&'a str>,
    /// The profile's `cert`.
    pub cert: Option<&'a Path>,
    /// The profile's `principal`.
    pub principal: Option<&'a str>,
    /// `--user`, or what stands for it.
    pub user: Option<&'a str>,
    /// `--password`, the environment's, or the keyring's.
    pub password: Option<Secret>,
    /// `--runas`.
    pub runas: Option<&'a str>,
}

/// Why no way to log in could be chosen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChoiceError {
    /// The two do not go together.
    #[error("--runas cannot be used with password auth")]
    RunasWithPassword,
    /// The profile forbids logging in.
    #[error("the Koji profile has authtype = noauth, and submitting needs a login")]
    NoAuth,
    /// Not one of Koji's words.
    #[error("unknown authtype {0:?} in the Koji profile (known: ssl, kerberos, password, noauth)")]
    UnknownType(String),
    /// authtype = ssl without a certificate.
    #[error("authtype is ssl, but the Koji profile names no client certificate (cert)")]
    NoCertificate,
    /// authtype = password without one.
    #[error("password authentication needs a user and a password")]
    NoPassword,
}

impl ChoiceError {
    /// The error as it reaches the user; `profile` is the Koji profile that lacks something.
    pub fn of_profile(self, profile: &str) -> Error {
        let hint = match &self {
            ChoiceError::RunasWithPassword => "leave one of --runas and --password out".to_owned(),
            ChoiceError::NoAuth | ChoiceError::UnknownType(_) => {
                format!("set authtype to kerberos, ssl or password in the Koji profile [{profile}]")
            }
            ChoiceError::NoCertificate => format!("name a PEM file as `cert` in the Koji profile [{profile}]"),
            ChoiceError::NoPassword => format!("give --user, and the password in {PASSWORD_VARIABLE} or the keyring"),
        };
        Error::new(ErrorKind::Authentication, self).hint(hint)
    }
}

/// Chooses how to log in.
///
/// # Errors
/// When the profile asks for something that is not there.
pub fn choose(available: &Available<'_>) -> Result<Credentials, ChoiceError> {
    let proxy_user = || available.runas.map(str::to_owned);
    let certificate = |path: &Path| Credentials::Certificate { path: path.to_owned(), proxy_user: proxy_user() };
    let kerberos =
        || Credentials::Kerberos { principal: available.principal.map(str::to_owned), proxy_user: proxy_user() };
    match available.authtype {
        Some("ssl") => available.cert.map(certificate).ok_or(ChoiceError::NoCertificate),
        Some("password") => password(available),
        Some("kerberos" | "gssapi") => Ok(kerberos()),
        Some("noauth") => Err(ChoiceError::NoAuth),
        Some(other) => Err(ChoiceError::UnknownType(other.to_owned())),
        None => match available.cert.filter(|path| path.is_file()) {
            Some(path) => Ok(certificate(path)),
            None if available.password.is_some() => password(available),
            None => Ok(kerberos()),
        },
    }
}

fn password(available: &Available<'_>) -> Result<Credentials, ChoiceError> {
    if available.runas.is_some() {
        return Err(ChoiceError::RunasWithPassword);
    }
    match (available.user, &available.password) {
        (Some(user), Some(password)) => Ok(Credentials::Password { user: user.to_owned(), password: password.clone() }),
        _ => Err(ChoiceError::NoPassword),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_profile_decides_then_what_is_there() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let there = Some(file.path());
        let missing = Some(Path::new("/nonexistent/client.crt"));
        let secret = || Some(Secret::new("s"));
        let kinds: &[(&str, Available<'_>, &str)] = &[
            ("nothing at all", Available::default(), "kerberos"),
            ("a certificate that exists", Available { cert: there, ..Default::default() }, "certificate"),
            ("a certificate that does not", Available { cert: missing, ..Default::default() }, "kerberos"),
            ("a password", Available { user: Some("u"), password: secret(), ..Default::default() }, "password"),
            (
                "the certificate wins",
                Available { cert: there, user: Some("u"), password: secret(), ..Default::default() },
                "certificate",
            ),
            ("authtype wins", Available { authtype: Some("kerberos"), cert: there, ..Default::default() }, "kerberos"),
        ];
        for (what, available, expected) in kinds {
            let kind = match choose(available).unwrap() {
                Credentials::Certificate { .. } => "certificate",
                Credentials::Kerberos { .. } => "kerberos",
                Credentials::Password { .. } => "password",
            };
            assert_eq!(kind, *expected, "{what}");
        }
    }

    #[test]
    fn what_cannot_be_chosen_is_said() {
        let cases = [
            (Available { authtype: Some("ssl"), ..Default::default() }, ChoiceError::NoCertificate),
            (Available { authtype: Some("noauth"), ..Default::default() }, ChoiceError::NoAuth),
            (Available { authtype: Some("password"), ..Default::default() }, ChoiceError::NoPassword),
            (Available { authtype: Some("SSL"), ..Default::default() }, ChoiceError::UnknownType("SSL".into())),
            (
                Available { user: Some("u"), password: Some(Secret::new("p")), runas: Some("x"), ..Default::default() },
                ChoiceError::RunasWithPassword,
            ),
        ];
        for (available, expected) in cases {
            assert_eq!(choose(&available).unwrap_err(), expected);
        }
    }
}

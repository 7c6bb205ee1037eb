//! Who we are at the API server, as long as a build takes: a token that may have to be had anew.
//!
//! [`openshift`] finds the server and, with [`token`], [`oauth`] and [`kerberos`], the way in.

pub(crate) mod kerberos;
pub(crate) mod oauth;
pub(crate) mod openshift;
pub mod token;

use std::fmt;

use crate::credentials::Secret;
use crate::http::{self, ClientError, ClientOptions};
use oauth::{Challenge, OAuthError};
use token::{Token, TokenError};

/// What to do where nobody is let in.
pub(super) const LOGIN_HINT: &str =
    "log in with `oc login`, or set token_file, username and password, or use_kerberos in osbs.conf";

/// Where the token comes from.
#[derive(Debug)]
pub enum Login {
    /// There is none: a client certificate, or what a kubeconfig says, which the client sees to itself.
    Elsewhere,
    /// There is nothing to show, or nothing is to be shown.
    Nobody(Nobody),
    /// One that is there. Where it is in a file there may be another one later: a pod's, or one that somebody logs in to.
    Token(Token),
    /// One that is got by logging in, as often as is needed.
    OAuth {
        /// The login.
        challenge: Box<Challenge>,
        /// How to reach the OAuth server. Redirects are the answer, and have to be refused.
        client: ClientOptions,
    },
}

/// Why nothing is shown to the server: everywhere that something was looked for in vain.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Nobody(pub Vec<String>);

impl fmt::Display for Nobody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.join(", "))
    }
}

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// The token that is there cannot be used.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// No client could be made.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The login did not work.
    #[error(transparent)]
    OAuth(#[from] OAuthError),
    /// Reading what it takes went wrong in this program.
    #[error("looking for the token failed: {0}")]
    Broken(String),
}

impl LoginError {
    /// Whether it may work later.
    pub fn is_transient(&self) -> bool {
        matches!(self, LoginError::OAuth(error) if error.is_transient())
    }

    /// Whether it is about who we are, rather than about reaching the server.
    pub fn is_refusal(&self) -> bool {
        match self {
            LoginError::OAuth(error) => error.is_refusal(),
            LoginError::Token(_) | LoginError::Client(_) | LoginError::Broken(_) => true,
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            LoginError::Token(error) => Some(error.hint()),
            LoginError::Client(_) | LoginError::Broken(_) => None,
            LoginError::OAuth(error) => error.hint(),
        }
    }
}

/// Reads files where waiting for them holds up nothing else.
async fn blocking<T: Send + 'static>(read: impl FnOnce() -> T + Send + 'static) -> Result<T, LoginError> {
    tokio::task::spawn_blocking(read).await.map_err(|error| LoginError::Broken(error.to_string()))
}

impl Login {
    /// The token to begin with.
    ///
    /// # Errors
    /// When it cannot be had.
    pub async fn token(&self) -> Result<Option<Secret>, LoginError> {
        match self {
            Login::Elsewhere | Login::Nobody(_) => Ok(None),
            Login::Token(token) => Ok(Some(token.secret.clone())),
            Login::OAuth { challenge, client } => {
                let options = client.clone();
                let client = blocking(move || http::client(&options)).await?;
                let token = challenge.token(&client?).await?;
                Ok(Some(token.secret))
            }
        }
    }

    /// Whether it makes sense to ask for another token.
    pub fn can_renew(&self) -> bool {
        match self {
            Login::Elsewhere | Login::Nobody(_) => false,
            Login::Token(token) => token.source.can_be_read_again(),
            Login::OAuth { .. } => true,
        }
    }

    /// Another token, after the first was refused.
    ///
    /// # Errors
    /// When it cannot be had.
    pub async fn renewed(&self) -> Result<Option<Secret>, LoginError> {
        match self {
            Login::Token(token) => {
                let source = token.source.clone();
                Ok(blocking(move || source.read_again()).await??)
            }
            Login::Elsewhere | Login::Nobody(_) | Login::OAuth { .. } => self.token().await,
        }
    }
}

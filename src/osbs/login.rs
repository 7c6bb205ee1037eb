//! Who we are at the API server, as long as a build takes: a token that may have to be had anew.

use std::path::{Path, PathBuf};

use super::oauth::{Challenge, OAuthError};
use crate::credentials::Secret;

/// Where the token comes from.
#[derive(Debug)]
pub enum Login {
    /// There is none: a client certificate, or what a kubeconfig says, which the client sees to itself.
    Elsewhere,
    /// A token that cannot be had anew.
    Fixed(Secret),
    /// A file that may have another one later: a pod's, or one that somebody logs in to.
    File(PathBuf),
    /// One that is got by logging in, as often as is needed.
    OAuth(Box<Challenge>),
}

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// The file cannot be read.
    #[error("cannot read the token file {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file holds no token.
    #[error("the token file {} holds no token", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// The login did not work.
    #[error(transparent)]
    OAuth(#[from] OAuthError),
}

impl LoginError {
    /// Whether it may work later.
    pub fn is_transient(&self) -> bool {
        matches!(self, LoginError::OAuth(error) if error.is_transient())
    }
}

impl Login {
    /// The token to begin with.
    ///
    /// # Errors
    /// When it cannot be had.
    pub async fn token(&self) -> Result<Option<Secret>, LoginError> {
        match self {
            Login::Elsewhere => Ok(None),
            Login::Fixed(token) => Ok(Some(token.clone())),
            Login::File(path) => read(path).map(Some),
            Login::OAuth(challenge) => Ok(Some(challenge.token().await?.secret)),
        }
    }

    /// Whether it makes sense to ask for another token.
    pub fn can_renew(&self) -> bool {
        matches!(self, Login::File(_) | Login::OAuth(_))
    }

    /// Another token, after the first was refused.
    ///
    /// # Errors
    /// When it cannot be had.
    pub async fn renewed(&self) -> Result<Option<Secret>, LoginError> {
        self.token().await
    }
}

fn read(path: &Path) -> Result<Secret, LoginError> {
    let text = std::fs::read_to_string(path).map_err(|source| LoginError::File { path: path.to_owned(), source })?;
    let token = text.trim();
    if token.is_empty() || token.contains(char::is_whitespace) {
        return Err(LoginError::Empty { path: path.to_owned() });
    }
    Ok(Secret::new(token))
}

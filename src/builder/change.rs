//! "Has it happened?": how a call ends that changes something elsewhere.

use crate::error::Error;

/// Done, not done, or not known. A lost or odd answer is followed by a look, and never by an error that claims that nothing was done.
pub type Change<T> = Result<T, Unhappened>;

/// Why it cannot be said that something was done.
#[derive(Debug)]
pub enum Unhappened {
    /// It certainly was not done.
    NotDone(Error),
    /// It may have been done: no answer came, and looking for it did not help.
    NotKnown(Error),
}

impl Unhappened {
    /// The error in it.
    pub fn into_error(self) -> Error {
        match self {
            Unhappened::NotDone(error) | Unhappened::NotKnown(error) => error,
        }
    }
}

impl From<Error> for Unhappened {
    /// An error from before the call was made.
    fn from(error: Error) -> Self {
        Unhappened::NotDone(error)
    }
}

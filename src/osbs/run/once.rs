//! Creating an object once, whatever becomes of the answer.
//!
//! The object's name is ours, so a create can be repeated: a cluster has one object of a name. Everything but a clear yes or a clear no
//! is followed by a look for the name. One that is there and was made of our request is the one that was created; one that was made of
//! another is never taken for ours. Where looking does not help either, it is said that it is not known.

use http::Method;
use serde_json::Value;

use crate::builder::{Creation, Interrupted};
use crate::error::{Error, ErrorKind};
use crate::event::{BuildEvent, TaskId, Warning};
use crate::osbs::cluster::{Cluster, Expected, Patience};
use crate::osbs::error::{ClusterError, RIGHTS_HINT};

/// How often a create is sent.
const TRIES: u32 = 5;

/// An object that is to be created.
#[derive(Clone, Copy)]
pub struct New<'a> {
    /// What is asked, as a verb and a resource (`create pipelineruns`).
    pub what: &'static str,
    /// The path it is sent to.
    pub to: &'a str,
    /// What is sent.
    pub body: &'a Value,
    /// The kind of what is made.
    pub kind: &'static str,
    /// The resource's plural.
    pub plural: &'static str,
    /// The name of what is made.
    pub name: &'a str,
    /// Where what is made is found.
    pub at: &'a str,
    /// Whether an object of this name is the one that was asked for.
    pub is_ours: &'a dyn Fn(&Value) -> bool,
}

/// An object that was created, as the cluster has it.
#[derive(Debug, Clone, PartialEq)]
pub struct Created {
    /// Its name.
    pub name: String,
    /// The object.
    pub object: Value,
}

/// Why it cannot be said that something was created.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    /// It certainly was not.
    #[error(transparent)]
    NotDone(#[from] ClusterError),
    /// No answer said so, and looking for it did not help.
    #[error("it is not known whether the {kind} {name} was created at {server}: {}", why.why())]
    NotKnown {
        /// Its kind.
        kind: &'static str,
        /// Its name.
        name: String,
        /// Where it may be.
        server: String,
        /// How to look for it.
        look: String,
        /// What became of the last look.
        why: Box<ClusterError>,
    },
    /// There is one of this name that was made of another request.
    #[error("there is another {kind} {name} in the cluster already")]
    Taken {
        /// Its kind.
        kind: &'static str,
        /// Its name.
        name: String,
    },
    /// The user did not want it any more, before it was asked for.
    #[error(transparent)]
    Stopped(#[from] Interrupted),
}

impl CreateError {
    /// Whether the object may have been created.
    pub fn may_have_happened(&self) -> bool {
        matches!(self, CreateError::NotKnown { .. })
    }
}

impl From<CreateError> for Error {
    fn from(error: CreateError) -> Self {
        match error {
            CreateError::NotDone(error) => refused(error),
            CreateError::Taken { .. } => Error::new(ErrorKind::Refused, error).hint("try again"),
            CreateError::Stopped(interrupted) => interrupted.into(),
            CreateError::NotKnown { ref look, .. } => {
                let hint = format!("look before you submit it again: `{look}`");
                Error::new(ErrorKind::Unseen, error).hint(hint)
            }
        }
    }
}

/// A create that the server itself said no to: a right that is missing, a quota that is full, a rule of the site's.
fn refused(error: ClusterError) -> Error {
    let ClusterError::Refused { by_api: true, code, message, .. } = &error else { return error.into() };
    if *code == 401 || error.is_transient() {
        return error.into();
    }
    let hint = match code {
        403 if message.contains("exceeded quota") => {
            Some("wait until other builds have ended or delete old ones, or ask for a larger quota")
        }
        403 if message.contains("cannot create resource") => Some(RIGHTS_HINT),
        403 => Some("the cluster's policies do not admit this build: ask its administrators"),
        _ => None,
    };
    Error::new(ErrorKind::Refused, error).hint_if(hint)
}

/// Creates an object, or finds the one that an earlier request has created.
///
/// # Errors
/// When it was not created, or it is not known whether it was.
pub async fn create(cluster: &Cluster, new: New<'_>, creation: &mut Creation) -> Result<Created, CreateError> {
    let expected = Expected::Object { kind: new.kind, name: new.name };
    let mut is_doubtful = false;
    let mut attempt = 0;
    loop {
        creation.begins()?;
        let error = match cluster.ask(new.what, Method::POST, new.to, Some(new.body), expected).await {
            Ok(object) => return Ok(created(new, object)),
            Err(error) => error,
        };
        attempt += 1;
        let is_taken = error.code() == Some(409);
        if is_taken || is_doubtful || !error.is_certain() {
            is_doubtful = true;
            if let Some(object) = look(cluster, new).await? {
                return Ok(created(new, object));
            }
        }
        // The last request may have been sent in vain; an earlier one of which that is not certain was looked for just now.
        creation.nothing_happened();
        let may_be_repeated = !error.is_certain() || is_taken || is_not_sent(&error);
        if !may_be_repeated || attempt >= TRIES {
            return Err(CreateError::NotDone(error));
        }
        cluster.wait(new.what, attempt, Some(TRIES), &error).await;
    }
}

fn created(new: New<'_>, object: Value) -> Created {
    Created { name: new.name.to_owned(), object }
}

fn is_not_sent(error: &ClusterError) -> bool {
    matches!(error, ClusterError::Network { not_sent: true, .. })
}

/// Looks for what a create without a clear answer has made; `None` when it made nothing.
async fn look(cluster: &Cluster, new: New<'_>) -> Result<Option<Value>, CreateError> {
    let expected = Expected::Object { kind: new.kind, name: new.name };
    let (kind, name) = (new.kind, new.name.to_owned());
    match cluster.object(new.plural, new.at, expected, Patience::Look).await {
        Ok(found) if (new.is_ours)(&found) => {
            cluster.events().send(BuildEvent::Warned(Warning::Adopted { task: TaskId::from(new.name) })).await;
            Ok(Some(found))
        }
        Ok(_) => Err(CreateError::Taken { kind, name }),
        Err(ClusterError::Refused { code: 404, by_api: true, .. }) => Ok(None),
        Err(why) => {
            let look = format!("oc get {} {name} -n {}", kind.to_lowercase(), cluster.namespace());
            Err(CreateError::NotKnown { kind, name, server: cluster.url().to_string(), look, why: Box::new(why) })
        }
    }
}

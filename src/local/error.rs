//! Why a build on this machine came to nothing, and what to do about it.

use super::artifacts::url_list::UrlListError;
use super::artifacts::{ArtifactsError, BadDomain, BadLookaside};
use super::base_image::BaseImageError;
use super::content_manifest::ContentManifestError;
use super::contents::ContentsError;
use super::context::ContextError;
use super::edits::BadEdit;
use super::engine::EngineError;
use super::export::ExportError;
use super::image_name::BadName;
use super::import::ImportError;
use super::inspect::PolicyError;
use super::labels::LabelError;
use super::prepare::PrepareError;
use super::push::PushError;
use super::registries::RegistryError;
use super::release::ReleaseError;
use super::setup::SetupError;
use super::store::StoreError;
use super::trouble::Trouble;
use super::yum_repos::YumRepoError;
use crate::checkout::dockerfile::DockerfileError;
use crate::checkout::sources::SourcesError;
use crate::error::{Error, ErrorKind};
use crate::http::ClientError;
use crate::koji::session::SessionError;

/// Why a build on this machine came to nothing.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
#[allow(missing_docs, reason = "each is another module's error, which says what it is")]
pub enum LocalError {
    Store(#[from] StoreError),
    Setup(#[from] SetupError),
    Prepare(#[from] PrepareError),
    Context(#[from] ContextError),
    Dockerfile(#[from] DockerfileError),
    BaseImage(#[from] BaseImageError),
    Registry(#[from] RegistryError),
    Sources(#[from] SourcesError),
    UrlList(#[from] UrlListError),
    Lookaside(#[from] BadLookaside),
    Domain(#[from] BadDomain),
    Artifacts(#[from] ArtifactsError),
    Release(#[from] ReleaseError),
    Label(#[from] LabelError),
    YumRepo(#[from] YumRepoError),
    ContentManifest(#[from] ContentManifestError),
    Name(#[from] BadName),
    Edit(#[from] BadEdit),
    Engine(#[from] EngineError),
    Contents(#[from] ContentsError),
    Policy(#[from] PolicyError),
    Push(#[from] PushError),
    Export(#[from] ExportError),
    Import(#[from] ImportError),
    Client(#[from] ClientError),
    Session(#[from] SessionError),
    #[error("interrupted")]
    Interrupted,
    #[error("the image has {size} bytes, and image_size_limit is {limit}")]
    TooLarge {
        size: u64,
        limit: u64,
    },
    #[error("the layers of the base image {base} are not in the image as they were")]
    LayersRewritten {
        base: String,
    },
    #[error("cannot write {what}")]
    Result {
        what: &'static str,
        source: std::io::Error,
    },
    #[error("the checkout has sources, and the configuration no `lookaside` to fetch them from")]
    NoLookaside,
    #[error("the Koji hub knows no target {0}")]
    NoTarget(String),
}

impl LocalError {
    /// Whether the user stopped it.
    pub fn is_interruption(&self) -> bool {
        matches!(self, LocalError::Interrupted | LocalError::Import(ImportError::Interrupted))
            || matches!(self.engine(), Some(EngineError::Interrupted { .. }))
    }

    /// The engine's error below this one.
    pub fn engine(&self) -> Option<&EngineError> {
        match self {
            LocalError::Engine(error)
            | LocalError::BaseImage(BaseImageError::Engine(error))
            | LocalError::Contents(ContentsError::Engine(error))
            | LocalError::Push(PushError::Engine(error))
            | LocalError::Export(ExportError::Engine(error)) => Some(error),
            LocalError::Setup(error) => error.engine(),
            _ => None,
        }
    }

    fn trouble(&self) -> Option<Trouble> {
        match self.engine()? {
            EngineError::Failed { trouble, .. } => Some(*trouble),
            _ => None,
        }
    }

    /// What decides the exit code.
    pub fn kind(&self) -> ErrorKind {
        match (self, self.trouble()) {
            (_, Some(Trouble::Authentication)) => ErrorKind::Authentication,
            (_, Some(Trouble::Certificate | Trouble::PlainHttp | Trouble::Network)) => ErrorKind::Network,
            (error, _) if error.is_interruption() => ErrorKind::Cancelled,
            (LocalError::Release(ReleaseError::Exists { .. }), _) => ErrorKind::Refused,
            (
                LocalError::Prepare(_)
                | LocalError::Label(_)
                | LocalError::Sources(_)
                | LocalError::UrlList(_)
                | LocalError::BaseImage(
                    BaseImageError::Dockerfile(_)
                    | BaseImageError::Registry(_)
                    | BaseImageError::KojiImageBuild { .. }
                    | BaseImageError::Platform { .. }
                    | BaseImageError::NotForArch { .. },
                ),
                _,
            ) => ErrorKind::Refused,
            (LocalError::Domain(_) | LocalError::Lookaside(_) | LocalError::Setup(_), _) => ErrorKind::Config,
            (LocalError::Session(error) | LocalError::Release(ReleaseError::Unknown(error)), _) => session_kind(error),
            _ => ErrorKind::BuildFailed,
        }
    }

    /// What to do about it, where that is known. `section` is that of the configuration.
    pub fn hint(&self, section: &str) -> Option<String> {
        if let Some(hint) = self.trouble().and_then(|trouble| trouble.hint(section)) {
            return Some(hint);
        }
        Some(match self {
            LocalError::Setup(error) => return error.hint(section),
            LocalError::Prepare(error) => return error.hint(section),
            LocalError::Registry(error) | LocalError::BaseImage(BaseImageError::Registry(error)) => {
                return registry_hint(error, section);
            }
            LocalError::Release(ReleaseError::Exists { .. }) => {
                "give another release with --build-release, or build with --scratch".to_owned()
            }
            LocalError::Release(_) => "give a release with --build-release, or build with --scratch".to_owned(),
            LocalError::Label(LabelError::Missing { .. }) => {
                "set them in the last stage: LABEL com.redhat.component=NAME name=NAME version=VERSION".to_owned()
            }
            LocalError::Policy(PolicyError::Unsigned(_)) => {
                "build from repositories with signed packages, or with --scratch, which only warns".to_owned()
            }
            LocalError::Policy(PolicyError::DatabaseLost { .. }) => {
                "leave the database where it is, so that all can tell what is in the image; --scratch only warns"
                    .to_owned()
            }
            LocalError::TooLarge { .. } => format!("make it smaller, or raise image_size_limit in [{section}]"),
            LocalError::Store(error) => error.hint(),
            LocalError::YumRepo(YumRepoError::NotAllowed { .. }) => {
                format!("scratch builds may use any; else add the host to yum_repo_allowed_domains in [{section}]")
            }
            LocalError::Import(error) => return error.hint(section),
            LocalError::Export(ExportError::Exists { .. }) => "move it away, or choose another name".to_owned(),
            _ => return None,
        })
    }
}

fn session_kind(error: &SessionError) -> ErrorKind {
    match error {
        SessionError::Unreachable { .. } | SessionError::Certificate { .. } | SessionError::Status { .. } => {
            ErrorKind::Network
        }
        SessionError::Login { .. } | SessionError::Negotiate { .. } => ErrorKind::Authentication,
        _ => ErrorKind::Server,
    }
}

fn registry_hint(error: &RegistryError, section: &str) -> Option<String> {
    match error {
        RegistryError::NotAllowed { registry, .. } => {
            Some(format!("if it is to be trusted, add {registry} to pull_registries in [{section}]"))
        }
        RegistryError::BadName { .. } | RegistryError::Credentials { .. } | RegistryError::Store(_) => None,
    }
}

impl LocalError {
    /// The error as it reaches the user.
    pub fn into_error(self, section: &str) -> Error {
        match self {
            LocalError::Artifacts(error) => return error.into(),
            LocalError::Sources(error) => return error.into(),
            LocalError::UrlList(error) => return error.into(),
            LocalError::Lookaside(error) => return error.into(),
            _ => {}
        }
        let (kind, hint) = (self.kind(), self.hint(section));
        let error = Error::new(kind, self);
        match hint {
            Some(hint) => error.hint(hint),
            None => error,
        }
    }
}

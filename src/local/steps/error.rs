//! Why a build on this machine came to nothing, and what to do about it.

use crate::blocking::Stopped;
use crate::checkout::dockerfile::DockerfileError;
use crate::checkout::sources::SourcesError;
use crate::error::{Error, ErrorKind};
use crate::fetch::url_list::UrlListError;
use crate::fetch::{ArtifactsError, BadDomain, BadLookaside};
use crate::http::ClientError;
use crate::koji::import;
use crate::koji::session::SessionError;
use crate::local::engine::EngineError;
use crate::local::engine::registry_files::RegistryFileError;
use crate::local::engine::setup::SetupError;
use crate::local::engine::store::StoreError;
use crate::local::engine::trouble::EngineTrouble;
use crate::local::image::content_manifest::ContentManifestError;
use crate::local::image::contents::ContentsError;
use crate::local::image::export::ExportError;
use crate::local::image::inspect::PolicyError;
use crate::local::image::name::BadName;
use crate::local::registry::push::PushError;
use crate::local::registry::registries::RegistryError;
use crate::local::steps::base_image::BaseImageError;
use crate::local::steps::context::ContextError;
use crate::local::steps::dockerfile::WriteError;
use crate::local::steps::import::ImportError;
use crate::local::steps::labels::LabelError;
use crate::local::steps::prepare::PrepareError;
use crate::local::steps::release::ReleaseError;
use crate::local::steps::yum_repos::YumRepoError;

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
    Write(#[from] WriteError),
    Engine(#[from] EngineError),
    Contents(#[from] ContentsError),
    Policy(#[from] PolicyError),
    Push(#[from] PushError),
    Export(#[from] ExportError),
    Import(#[from] ImportError),
    Client(#[from] ClientError),
    Hub(Error),
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
    #[error(
        "the checkout has sources, and it is not known where they are: the configuration has no `lookaside`, or no namespace is known"
    )]
    NoLookaside,
    #[error("the Koji hub knows no target {}", if .0.is_empty() { "where branch or namespace are not known" } else { .0 })]
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

    fn trouble(&self) -> Option<EngineTrouble> {
        match self.engine()? {
            EngineError::Failed { trouble, .. } => Some(*trouble),
            _ => None,
        }
    }

    /// What decides the exit code. What refuses before the engine has begun is a refusal.
    pub fn kind(&self) -> ErrorKind {
        if let Some(kind) = self.trouble().and_then(EngineTrouble::kind) {
            return kind;
        }
        match self {
            error if error.is_interruption() => ErrorKind::Cancelled,
            LocalError::Hub(error) | LocalError::Release(ReleaseError::Unknown(error)) => error.kind(),
            LocalError::Release(_)
            | LocalError::Prepare(_)
            | LocalError::Dockerfile(_)
            | LocalError::Label(_)
            | LocalError::Name(_)
            | LocalError::Write(_)
            | LocalError::Registry(_)
            | LocalError::Sources(_)
            | LocalError::UrlList(_)
            | LocalError::ContentManifest(_)
            | LocalError::NoLookaside
            | LocalError::NoTarget(_) => ErrorKind::Refused,
            LocalError::BaseImage(error) => base_image_kind(error),
            LocalError::YumRepo(error) => error.kind(),
            LocalError::Setup(error) => setup_kind(error),
            LocalError::Domain(_) | LocalError::Lookaside(_) | LocalError::Client(_) => ErrorKind::Config,
            LocalError::Store(_) | LocalError::Result { .. } => ErrorKind::Io,
            LocalError::Push(PushError::Malformed { .. }) => ErrorKind::Network,
            LocalError::Push(PushError::NoImage { .. }) => ErrorKind::Internal,
            LocalError::Import(error) => error.kind(),
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
            LocalError::NoLookaside => {
                "set `lookaside` in the tool's section to the address that source files are fetched from; --name and --namespace \
                 say whose they are"
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

fn base_image_kind(error: &BaseImageError) -> ErrorKind {
    match error {
        BaseImageError::Registry(_)
        | BaseImageError::Dockerfile(_)
        | BaseImageError::KojiImageBuild { .. }
        | BaseImageError::Platform { .. }
        | BaseImageError::NotForArch { .. } => ErrorKind::Refused,
        // Somebody stands in between, such as a proxy with a page of its own.
        BaseImageError::Malformed { .. } => ErrorKind::Network,
        BaseImageError::Engine(_) | BaseImageError::Digest { .. } => ErrorKind::Server,
    }
}

fn setup_kind(error: &SetupError) -> ErrorKind {
    match error {
        SetupError::Registry(RegistryFileError::Credentials { .. }) => ErrorKind::Authentication,
        SetupError::Registry(RegistryFileError::Store(_)) => ErrorKind::Io,
        SetupError::Store(_) => ErrorKind::Io,
        _ => ErrorKind::Refused,
    }
}

fn registry_hint(error: &RegistryError, section: &str) -> Option<String> {
    match error {
        RegistryError::NotAllowed { registry, .. } => {
            Some(format!("if it is to be trusted, add {registry} to pull_registries in [{section}]"))
        }
        RegistryError::BadName { .. } => None,
    }
}

impl LocalError {
    /// The error as it reaches the user.
    pub fn into_error(self, section: &str) -> Error {
        match self {
            LocalError::Artifacts(error) => error.into(),
            LocalError::Sources(error) => error.into(),
            LocalError::UrlList(error) => error.into(),
            LocalError::Lookaside(error) => error.into(),
            LocalError::Hub(error) => error,
            LocalError::Import(
                ImportError::Session(error) | ImportError::Import(import::ImportError::Session(error)),
            ) if !matches!(error, SessionError::Fault { .. }) => error.into(),
            error => error.with_hint(section),
        }
    }

    fn with_hint(self, section: &str) -> Error {
        let (kind, mut hints) = (self.kind(), Vec::from_iter(self.hint(section)));
        if let LocalError::Release(ReleaseError::Unknown(error)) = &self {
            hints.splice(0..0, error.hints().iter().cloned());
        }
        hints.into_iter().fold(Error::new(kind, self), Error::hint)
    }
}

impl From<Stopped> for LocalError {
    fn from(_: Stopped) -> LocalError {
        LocalError::Interrupted
    }
}

impl From<SessionError> for LocalError {
    fn from(error: SessionError) -> LocalError {
        LocalError::Hub(error.into())
    }
}

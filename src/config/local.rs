//! `[<tool>.local-build]`: how the OSBS workflow runs on this machine. Every key has a default, so that a machine with buildah
//! needs none of them.
//!
//! The keys are named after those of atomic-reactor's `config.json` schema where there is one. Lists are separated by blanks,
//! commas or line ends; `image_labels` and `image_equal_labels` have one entry a line. Nothing is read but the tool's own
//! configuration, and nothing is checked against the world: that a registry exists is found out by the workflow.

use std::path::PathBuf;

use super::rpkg::RpkgConfig;
use super::section::{Section, words};
use super::{ConfigError, ConfigWarning};

/// The keys of `[<tool>.local-build]`, each with a line for people.
pub(crate) const LOCAL_BUILD_KEYS: &[(&str, &str)] = &[
    (
        "artifacts_allowed_domains",
        "Hosts, with or without a path, that fetch-artifacts-url.yaml may name; any when empty.",
    ),
    ("authfile", "Credentials for registries, as containers-auth.json(5) or .dockercfg, or the folder of such a file."),
    ("buildah", "The program, if not the one on PATH."),
    ("builder_ca_bundle", "PEM file that yum trusts while the image is built."),
    ("content_generator", "The content generator that imports are made by (fedpkg-container-build)."),
    ("expected_media_types", "Media types that the registry must have the pushed image in."),
    ("http_proxy", "Whether RUN sees the proxy settings of the environment (no): they may hold a password."),
    ("image_equal_labels", "Groups of labels that shall be equal, one group a line."),
    ("image_label_info_url_format", "What the label url is made of, with {LABEL} fields."),
    ("image_labels", "Labels that every image gets, one NAME = VALUE a line."),
    ("image_size_limit", "The most bytes an image may have, uncompressed; 0 for any size."),
    ("insecure_registries", "Registries whose certificates are not verified, or that speak plain HTTP."),
    ("isolation", "chroot, oci or rootless; auto (the default) for what the machine can do."),
    (
        "koji_archive",
        "What Koji gets as the archive: placeholder (the default), which says where the image is, or docker-archive.",
    ),
    ("koji_import", "Whether to import into Koji without --import."),
    ("organization", "Namespace that images of the source and of the destination registry are in."),
    ("pull_registries", "Registries that base images may be from, besides the source registry."),
    ("push", "Whether to push without --push."),
    ("registry", "Where images are pushed to."),
    ("registry_mirrors", "Where images of a registry are looked for first, one REGISTRY = MIRROR a line."),
    ("require_signed", "Whether new packages must be signed, with any key where signed_by names none."),
    ("signed_by", "Ids of the keys that packages must be signed with, as --signed-by."),
    ("skopeo", "The program, if not the one on PATH."),
    ("source_registry", "Registry of base images that are named without one (fedpkg: registry.fedoraproject.org)."),
    ("storage_driver", "overlay or vfs; auto (the default) for what the machine can do."),
    ("target_repo", "Whether builds see the repository of the Koji target without --target-repo."),
    ("yum_proxy", "Proxy for the repository of the Koji target."),
    ("yum_repo_allowed_domains", "Hosts that --repo-url may name, except in scratch builds; any when empty."),
];

/// How the workflow runs on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalConfig {
    /// Registry of images that `FROM` names without one; always allowed.
    pub source_registry: String,
    /// Further registries that base images may come from.
    pub pull_registries: Vec<String>,
    /// Where images are pushed to; `None` when nothing can be pushed.
    pub registry: Option<String>,
    /// Namespace that images of the source and the destination registry are enclosed in (`registries_organization`).
    pub organization: Option<String>,
    /// Registries whose certificates are not verified, or that speak plain HTTP.
    pub insecure_registries: Vec<String>,
    /// `(registry, mirror)`: where images of a registry are looked for first.
    pub registry_mirrors: Vec<(String, String)>,
    /// Credentials for registries; `None` for what buildah and skopeo find by themselves.
    pub authfile: Option<PathBuf>,
    /// Whether to push without `--push`.
    pub push: bool,
    /// Media types that the registry must be able to give the pushed image in.
    pub expected_media_types: Vec<String>,
    /// Labels that every image gets, in the order of the file.
    pub image_labels: Vec<(String, String)>,
    /// Groups of labels that shall have the same value.
    pub image_equal_labels: Vec<Vec<String>>,
    /// Format of the `url` label, with `{LABEL}` fields.
    pub image_label_info_url_format: Option<String>,
    /// Hosts (with port, where there is one) that yum repository files may come from; any when empty.
    pub yum_repo_allowed_domains: Vec<String>,
    /// Hosts and paths that artifacts may come from; any when empty.
    pub artifacts_allowed_domains: Vec<String>,
    /// Proxy for the repository of the Koji target.
    pub yum_proxy: Option<String>,
    /// Whether builds see the repository of the Koji target without `--target-repo`.
    pub target_repo: bool,
    /// PEM bundle that yum trusts while the image is built.
    pub builder_ca_bundle: Option<PathBuf>,
    /// The most bytes an image may have, uncompressed; `None` for any size.
    pub image_size_limit: Option<u64>,
    /// Ids of the keys that packages must be signed with.
    pub signed_by: Vec<String>,
    /// Whether packages must be signed with any key at all, where `signed_by` names none.
    pub require_signed: bool,
    /// Whether to import into Koji without `--import`.
    pub koji_import: bool,
    /// The content generator that imports are made by.
    pub content_generator: String,
    /// What is uploaded as the image's archive.
    pub koji_archive: KojiArchive,
    /// Whether `RUN` sees the proxy settings of the environment.
    pub http_proxy: bool,
    /// The isolation of `RUN`; `None` for what this machine can do.
    pub isolation: Option<String>,
    /// The storage driver; `None` for what this machine can do.
    pub storage_driver: Option<String>,
    /// The program `buildah`.
    pub buildah: PathBuf,
    /// The program `skopeo`.
    pub skopeo: PathBuf,
    /// Keys that mean nothing.
    pub warnings: Vec<ConfigWarning>,
}

/// What Koji gets as the image's archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum KojiArchive {
    /// A small archive that says where the image is, as OSBS does since it runs on Tekton.
    #[default]
    Placeholder,
    /// The whole image, as OSBS did before.
    DockerArchive,
}

impl LocalConfig {
    /// Reads the section; what it does not say has its default.
    ///
    /// # Errors
    /// When a value cannot be interpolated, or is not of its key's kind.
    pub fn of(config: &RpkgConfig) -> Result<LocalConfig, ConfigError> {
        let section = format!("{}.local-build", config.tool());
        let keys = Section { ini: config.ini(), name: &section };
        Ok(LocalConfig {
            source_registry: keys
                .text("source_registry")?
                .unwrap_or_else(|| default_registry(config.tool()).to_owned()),
            pull_registries: keys.list("pull_registries")?,
            registry: keys.text("registry")?,
            organization: keys.text("organization")?,
            insecure_registries: keys.list("insecure_registries")?,
            registry_mirrors: keys.pairs("registry_mirrors", "REGISTRY = MIRROR")?,
            authfile: keys.path("authfile")?,
            push: keys.flag("push")?.unwrap_or(false),
            expected_media_types: keys.list("expected_media_types")?,
            image_labels: keys.pairs("image_labels", "NAME = VALUE")?,
            image_equal_labels: keys.lines("image_equal_labels")?.iter().map(|line| words(line)).collect(),
            image_label_info_url_format: keys.text("image_label_info_url_format")?,
            yum_repo_allowed_domains: keys.list("yum_repo_allowed_domains")?,
            artifacts_allowed_domains: keys.list("artifacts_allowed_domains")?,
            yum_proxy: keys.text("yum_proxy")?,
            target_repo: keys.flag("target_repo")?.unwrap_or(false),
            builder_ca_bundle: keys.path("builder_ca_bundle")?,
            image_size_limit: keys.number("image_size_limit", i64::MAX)?.filter(|limit| *limit > 0),
            signed_by: keys.list("signed_by")?,
            require_signed: keys.flag("require_signed")?.unwrap_or(false),
            koji_import: keys.flag("koji_import")?.unwrap_or(false),
            content_generator: keys.text("content_generator")?.unwrap_or_else(|| CONTENT_GENERATOR.to_owned()),
            koji_archive: koji_archive(&keys)?,
            http_proxy: keys.flag("http_proxy")?.unwrap_or(false),
            isolation: keys.choice("isolation", &["chroot", "oci", "rootless"])?,
            storage_driver: keys.choice("storage_driver", &["overlay", "vfs"])?,
            buildah: keys.path("buildah")?.unwrap_or_else(|| "buildah".into()),
            skopeo: keys.path("skopeo")?.unwrap_or_else(|| "skopeo".into()),
            warnings: keys.unknown(LOCAL_BUILD_KEYS),
        })
    }
}

/// What holds for keys that `[<tool>.local-build]` does not have, as it would stand there.
pub(crate) fn defaults(tool: &str) -> [(&'static str, &'static str); 13] {
    [
        ("buildah", "buildah"),
        ("content_generator", CONTENT_GENERATOR),
        ("http_proxy", "no"),
        ("image_size_limit", "0"),
        ("isolation", "auto"),
        ("koji_archive", "placeholder"),
        ("koji_import", "no"),
        ("push", "no"),
        ("require_signed", "no"),
        ("skopeo", "skopeo"),
        ("source_registry", default_registry(tool)),
        ("storage_driver", "auto"),
        ("target_repo", "no"),
    ]
}

/// The content generator that imports are made by, unless the configuration names another.
const CONTENT_GENERATOR: &str = "fedpkg-container-build";

/// Where the base images of a tool's distribution are.
fn default_registry(tool: &str) -> &'static str {
    if tool.starts_with("rhpkg") {
        "registry.redhat.io"
    } else if tool.starts_with("centpkg") {
        "quay.io"
    } else {
        "registry.fedoraproject.org"
    }
}

fn koji_archive(keys: &Section<'_>) -> Result<KojiArchive, ConfigError> {
    let word = keys.choice("koji_archive", &["placeholder", "docker-archive"])?;
    Ok(if word.as_deref() == Some("docker-archive") { KojiArchive::DockerArchive } else { KojiArchive::default() })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

    use super::*;
    use crate::config::rpkg::RpkgFiles;

    fn read(section: &str) -> Result<LocalConfig, ConfigError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("fedpkg.conf");
        std::fs::write(&path, format!("[fedpkg]\n[fedpkg.local-build]\n{section}")).unwrap();
        LocalConfig::of(&RpkgConfig::load("fedpkg", &RpkgFiles::only(path))?)
    }

    #[test]
    fn a_machine_without_the_section_builds_from_the_distributions_registry() {
        let config = read("").unwrap();
        assert_eq!(config.source_registry, "registry.fedoraproject.org");
        assert_eq!((config.registry, config.push, config.koji_import), (None, false, false));
        assert_eq!(config.koji_archive, KojiArchive::Placeholder);
    }

    #[test]
    fn what_is_shown_of_keys_that_are_not_set_is_what_holds() {
        let written = defaults("fedpkg").map(|(key, value)| format!("{key} = {value}\n")).concat();
        assert_eq!(read(&written).unwrap(), read("").unwrap());
    }

    #[test]
    fn lists_and_pairs_are_read_as_people_write_them() {
        let config = read(
            "pull_registries = a.example.com, b.example.com:5000\n  c.example.com\nimage_labels =\n  vendor = A=B\n  x=\n\
             image_equal_labels = description, io.k8s.description\n  a b\npush = yes\nimage_size_limit = 0\n",
        )
        .unwrap();
        assert_eq!(config.pull_registries, ["a.example.com", "b.example.com:5000", "c.example.com"]);
        assert_eq!(config.image_labels, [("vendor".to_owned(), "A=B".to_owned()), ("x".to_owned(), String::new())]);
        assert_eq!(config.image_equal_labels, [vec!["description", "io.k8s.description"], vec!["a", "b"]]);
        assert!(config.push && config.image_size_limit.is_none());
    }

    #[test]
    fn bad_values_name_key_and_place() {
        for (text, expected) in [
            ("isolation = none\n", "isolation = `none` is none of chroot, oci, rootless"),
            ("image_labels = vendor\n", "image_labels: `vendor` is not of the form NAME = VALUE"),
            ("image_size_limit = 0x1\n", "must be a valid integer, not `0x1`"),
            ("image_size_limit = -1\n", "value for image_size_limit config option must be between 0 and"),
            ("push = perhaps\n", "Not a boolean"),
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
        let config = read("pull_registry = a\n").unwrap();
        assert!(config.warnings[0].to_string().contains("did you mean `pull_registries`"), "{:?}", config.warnings);
    }
}

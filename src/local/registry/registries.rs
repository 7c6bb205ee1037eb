//! Which registries images may come from.

use crate::config::local::LocalConfig;
use crate::local::image::name::{BadName, ImageName};

/// Why a registry cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// A `FROM` or `COPY --from` names a registry that is not allowed.
    #[error("line {line}: {image} is from {registry}, which is not allowed; allowed are {}", allowed.join(", "))]
    NotAllowed {
        /// The line, from 1.
        line: usize,
        /// The image as it is written.
        image: String,
        /// Its registry.
        registry: String,
        /// Those that are allowed.
        allowed: Vec<String>,
    },
    /// It is no image's name.
    #[error("line {line}: {source}")]
    BadName {
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        source: BadName,
    },
}

/// The full name of an image that a Dockerfile takes something from: with a registry, which must be allowed, and in the
/// organization where there is one (atomic-reactor's `check_base_image`).
///
/// # Errors
/// When it is no name, or of a registry that is not allowed.
pub(crate) fn resolve(image: &str, line: usize, config: &LocalConfig) -> Result<ImageName, RegistryError> {
    let name = ImageName::parse(image).map_err(|source| RegistryError::BadName { line, source })?;
    let registry = name.registry.clone().unwrap_or_else(|| config.source_registry.clone());
    let allowed: Vec<String> =
        std::iter::once(&config.source_registry).chain(&config.pull_registries).cloned().collect();
    if !allowed.contains(&registry) {
        return Err(RegistryError::NotAllowed { line, image: image.to_owned(), registry, allowed });
    }
    let full = name.in_registry(&registry);
    let full = match &config.organization {
        Some(organization) if registry == config.source_registry => full.enclosed(organization),
        _ => full,
    };
    Ok(if full.tag.is_none() && full.digest.is_none() { full.with_tag("latest") } else { full })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

    use std::fs;

    use super::*;
    use crate::config::rpkg::{RpkgConfig, RpkgFiles};

    fn config(section: &str) -> LocalConfig {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("fedpkg.conf");
        fs::write(&path, format!("[fedpkg]\n[fedpkg.local-build]\n{section}")).unwrap();
        LocalConfig::of(&RpkgConfig::load("fedpkg", &RpkgFiles::only(path)).unwrap()).unwrap()
    }

    #[test]
    fn images_get_registry_organization_and_tag() {
        let plain = config("source_registry = r.example.com\npull_registries = o.example.com\n");
        let organized =
            config("source_registry = r.example.com\norganization = org\npull_registries = o.example.com\n");
        for (config, image, expected) in [
            (&plain, "fedora:42", "r.example.com/fedora:42"),
            (&plain, "fedora", "r.example.com/fedora:latest"),
            (&plain, "o.example.com/x/y:1", "o.example.com/x/y:1"),
            (&organized, "ns/app:1", "r.example.com/org/ns-app:1"),
            (&organized, "org/app:1", "r.example.com/org/app:1"),
            (&organized, "o.example.com/ns/app", "o.example.com/ns/app:latest"),
        ] {
            assert_eq!(resolve(image, 1, config).unwrap().to_string(), expected);
        }
        let error = resolve("evil.example.com/x", 3, &plain).unwrap_err().to_string();
        assert_eq!(
            error,
            "line 3: evil.example.com/x is from evil.example.com, which is not allowed; allowed are r.example.com, o.example.com"
        );
    }
}

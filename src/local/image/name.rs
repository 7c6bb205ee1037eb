//! Names of images: what `FROM` says, and what is asked of a registry.
//!
//! The rules are those of osbs-client's `utils.ImageName`, except that `localhost` is a registry, as it is for buildah.

use std::fmt;

/// The name of an image in a registry.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ImageName {
    /// Host, with port where there is one; `None` where the name does not say.
    pub registry: Option<String>,
    /// What is between the registry and the repository.
    pub namespace: Option<String>,
    /// The last part of the path; with more than three parts, all behind the second.
    pub repository: String,
    /// The tag.
    pub tag: Option<String>,
    /// The digest, `sha256:…`.
    pub digest: Option<String>,
}

/// Why a text is no image name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not the name of an image: {why}")]
pub struct BadName {
    /// The text.
    pub text: String,
    /// What is wrong with it.
    pub why: &'static str,
}

impl ImageName {
    /// Reads a name, with or without `docker://` before it.
    ///
    /// # Errors
    /// When it could not be in any registry.
    pub fn parse(text: &str) -> Result<ImageName, BadName> {
        let bad = |why| BadName { text: text.to_owned(), why };
        let rest = text.strip_prefix("docker://").unwrap_or(text);
        let (rest, digest) = match rest.split_once('@') {
            Some((rest, digest)) if is_digest(digest) => (rest, Some(digest.to_owned())),
            Some(_) => return Err(bad("what follows the @ is no sha256 digest")),
            None => (rest, None),
        };
        // The last colon separates a tag unless a slash follows it, which makes it a port.
        let (path, tag) = match rest.rsplit_once(':') {
            Some((path, tag)) if !tag.contains('/') => (path, Some(tag.to_owned())),
            _ => (rest, None),
        };
        if tag.as_deref().is_some_and(|tag| !is_tag(tag)) {
            return Err(bad("a tag has letters, digits, _, . and -, and at most 128 of them"));
        }
        let (registry, path) = match path.split_once('/') {
            Some((first, rest)) if is_registry(first) || rest.contains('/') => (Some(first.to_owned()), rest),
            _ => (None, path),
        };
        if !path.split('/').all(is_path_component) {
            return Err(bad(
                "a repository's name has lowercase letters and digits, with single separators . _ - between them",
            ));
        }
        let (namespace, repository) = match path.split_once('/') {
            Some((namespace, repository)) => (Some(namespace.to_owned()), repository.to_owned()),
            None => (None, path.to_owned()),
        };
        Ok(ImageName { registry, namespace, repository, tag, digest })
    }

    /// The path within the registry: `NAMESPACE/REPOSITORY`.
    pub fn path(&self) -> String {
        match &self.namespace {
            Some(namespace) => format!("{namespace}/{}", self.repository),
            None => self.repository.clone(),
        }
    }

    /// The name without tag and digest.
    #[must_use]
    pub fn bare(&self) -> ImageName {
        ImageName { tag: None, digest: None, ..self.clone() }
    }

    /// The same image by its digest alone.
    #[must_use]
    pub fn by_digest(&self, digest: &str) -> ImageName {
        ImageName { tag: None, digest: Some(digest.to_owned()), ..self.clone() }
    }

    /// The same repository with another tag.
    #[must_use]
    pub fn with_tag(&self, tag: &str) -> ImageName {
        ImageName { tag: Some(tag.to_owned()), digest: None, ..self.clone() }
    }

    /// The name in the given registry.
    #[must_use]
    pub fn in_registry(&self, registry: &str) -> ImageName {
        ImageName { registry: Some(registry.to_owned()), ..self.clone() }
    }

    /// Puts the image into an organization: `ns/app` becomes `ORG/ns-app`, and what is there already stays
    /// (`ImageName.enclose`).
    #[must_use]
    pub fn enclosed(&self, organization: &str) -> ImageName {
        let repository = match &self.namespace {
            Some(namespace) if namespace == organization => return self.clone(),
            Some(namespace) => format!("{namespace}-{}", self.repository),
            None => self.repository.clone(),
        };
        ImageName { namespace: Some(organization.to_owned()), repository, ..self.clone() }
    }
}

impl fmt::Display for ImageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(registry) = &self.registry {
            write!(f, "{registry}/")?;
        }
        write!(f, "{}", self.path())?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

/// Whether the text is a digest of the one kind that registries give.
pub fn is_digest(text: &str) -> bool {
    text.strip_prefix("sha256:")
        .is_some_and(|hex| hex.len() == 64 && hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')))
}

fn is_registry(first: &str) -> bool {
    first == "localhost" || first.contains(['.', ':'])
}

fn is_tag(tag: &str) -> bool {
    let of_tag = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    !tag.is_empty()
        && tag.len() <= crate::request::nvr::LONGEST_TAG
        && tag.bytes().all(of_tag)
        && !tag.starts_with(['.', '-'])
}

fn is_path_component(text: &str) -> bool {
    let of_name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'.' | b'-');
    let separator = |character| matches!(character, '_' | '.' | '-');
    !text.is_empty() && text.bytes().all(of_name) && !text.starts_with(separator) && !text.ends_with(separator)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

    use super::*;

    #[test]
    fn names_are_taken_apart_and_put_together() {
        for (text, registry, path, tag) in [
            ("fedora", None, "fedora", None),
            ("fedora:42", None, "fedora", Some("42")),
            ("ns/app:1", None, "ns/app", Some("1")),
            ("registry.example.com/fedora:42", Some("registry.example.com"), "fedora", Some("42")),
            ("host:5000/a/b/c", Some("host:5000"), "a/b/c", None),
            ("a/b/c", Some("a"), "b/c", None),
            ("localhost/x:1", Some("localhost"), "x", Some("1")),
            ("host:5000/x", Some("host:5000"), "x", None),
        ] {
            let name = ImageName::parse(text).unwrap();
            assert_eq!(
                (name.registry.as_deref(), name.path().as_str(), name.tag.as_deref()),
                (registry, path, tag),
                "{text}"
            );
            assert_eq!(name.to_string(), text);
        }
        let digest = format!("sha256:{}", "a".repeat(64));
        let name = ImageName::parse(&format!("r.example.com/x:1@{digest}")).unwrap();
        assert_eq!((name.tag.as_deref(), name.digest.as_deref()), (Some("1"), Some(digest.as_str())));
        assert_eq!(name.by_digest(&digest).to_string(), format!("r.example.com/x@{digest}"));
    }

    #[test]
    fn an_organization_takes_the_namespace_into_the_name() {
        for (text, expected) in [("app", "org/app"), ("ns/app:1", "org/ns-app:1"), ("org/app:1", "org/app:1")] {
            assert_eq!(ImageName::parse(text).unwrap().enclosed("org").to_string(), expected);
        }
    }

    #[test]
    fn what_no_registry_has_is_refused() {
        for text in ["", "A/b", "a b", "x:", "x:-1", "x@sha256:12", "a//b", "x@", "-x", "x;y", "\u{e9}"] {
            assert!(ImageName::parse(text).is_err(), "{text:?}");
        }
    }
}

//! A software bill of materials of an image in CycloneDX 1.6, made of its package database. Two runs over the same image make the
//! same document: its serial number is made of what is described.

use serde_json::{Value, json};

use super::rpmdb::Package;
use crate::digest::sha256_hex;

#[derive(Debug, Clone, Copy)]
pub(crate) struct Subject<'a> {
    /// The repository's name.
    pub name: &'a str,
    /// `VERSION-RELEASE`.
    pub version: &'a str,
    /// Koji's name of the architecture.
    pub arch: &'a str,
    /// The image's id, `sha256:…`.
    pub id: &'a str,
    /// The distribution (`fedora`), where the image says.
    pub distribution: Option<&'a str>,
    /// When the build began, RFC 3339.
    pub timestamp: &'a str,
}

pub(crate) fn build(subject: &Subject<'_>, packages: &[Package]) -> Value {
    let Subject { name, version, arch, id, distribution, timestamp } = *subject;
    let purl = format!("pkg:oci/{}@{}?arch={arch}", encoded(name.rsplit('/').next().unwrap_or(name)), encoded(id));
    json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": format!("urn:uuid:{}", uuid(id)),
        "version": 1,
        "metadata": {
            "timestamp": timestamp,
            "tools": {"components": [{
                "type": "application",
                "name": env!("CARGO_PKG_NAME"),
                "version": env!("CARGO_PKG_VERSION"),
            }]},
            "component": {"type": "container", "bom-ref": purl, "name": name, "version": version, "purl": purl},
        },
        "components": packages.iter().map(|package| component(package, distribution)).collect::<Vec<_>>(),
    })
}

fn component(package: &Package, distribution: Option<&str>) -> Value {
    let purl = purl(package, distribution);
    let mut component = json!({
        "type": "library",
        "bom-ref": purl,
        "name": package.name,
        "version": package.evr(),
        "purl": purl,
    });
    if let Some(vendor) = &package.vendor {
        component["publisher"] = json!(vendor);
    }
    if let Some(license) = &package.license {
        component["licenses"] = json!([{"license": {"name": license}}]);
    }
    let properties =
        [("sigmd5", &package.sigmd5), ("signature", &package.signature), ("sourcerpm", &package.source_rpm)];
    let properties: Vec<Value> = properties
        .into_iter()
        .filter_map(|(name, value)| Some(json!({"name": format!("rpm:{name}"), "value": value.as_ref()?})))
        .collect();
    if !properties.is_empty() {
        component["properties"] = json!(properties);
    }
    component
}

/// The package's URL: `pkg:rpm/fedora/bash@5.2-1.fc42?arch=x86_64`.
fn purl(package: &Package, distribution: Option<&str>) -> String {
    let namespace = distribution.map(|id| format!("{}/", encoded(id))).unwrap_or_default();
    let version = format!("{}-{}", package.version, package.release);
    let epoch = package.epoch.map(|epoch| format!("&epoch={epoch}")).unwrap_or_default();
    format!(
        "pkg:rpm/{namespace}{}@{}?arch={}{epoch}",
        encoded(&package.name),
        encoded(&version),
        encoded(&package.arch)
    )
}

fn encoded(text: &str) -> String {
    const PLAIN: percent_encoding::AsciiSet =
        percent_encoding::NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
    percent_encoding::utf8_percent_encode(text, &PLAIN).to_string()
}

/// A UUID of version 8: made of the digest's first digits.
fn uuid(id: &str) -> String {
    let hex = sha256_hex(id.as_bytes());
    let part = |range: std::ops::Range<usize>| hex.get(range).unwrap_or_default();
    format!("{}-{}-8{}-8{}-{}", part(0..8), part(8..12), part(13..16), part(17..20), part(20..32))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_have_their_urls() {
        let package = Package {
            name: "gtk+".into(),
            version: "1:2~rc".into(),
            release: "1.fc42".into(),
            arch: "x86_64".into(),
            epoch: Some(1),
            size: None,
            sigmd5: Some("ab".into()),
            build_time: None,
            signature: None,
            module: None,
            license: Some("MIT".into()),
            vendor: None,
            source_rpm: None,
        };
        assert_eq!(purl(&package, Some("fedora")), "pkg:rpm/fedora/gtk%2B@1%3A2~rc-1.fc42?arch=x86_64&epoch=1");
        let subject = Subject {
            name: "demo/app",
            version: "1.0-3",
            arch: "x86_64",
            id: "sha256:00",
            distribution: None,
            timestamp: "2026-11-23T13:00:00Z",
        };
        let (one, two) = (build(&subject, std::slice::from_ref(&package)), build(&subject, &[package]));
        assert_eq!(one, two);
        let serial = one["serialNumber"].as_str().unwrap_or_default();
        assert_eq!(serial.len(), "urn:uuid:".len() + 36);
    }
}

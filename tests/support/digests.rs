//! Digests in hexadecimal digits. Not the product's own way to write them, which is what is tested.

use openssl::hash::{MessageDigest, hash};

/// Bytes in lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The digest of some bytes.
pub(crate) fn digest(kind: MessageDigest, content: &[u8]) -> String {
    hex(&hash(kind, content).expect("a digest"))
}

/// `sha256:…` of some bytes, as registries write it.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    format!("sha256:{}", digest(MessageDigest::sha256(), bytes))
}

//! Checksums computed while a file passes by: all that are asked for, in one pass.

use openssl::error::ErrorStack;
use openssl::hash::{Hasher, MessageDigest};

use super::error::FetchProblem;
use crate::checkout::sources::{Algorithm, Checksum};
use crate::digest::hex;

/// What has been hashed so far of a file, for each of its checksums.
pub(super) struct Digests {
    running: Vec<(Checksum, Hasher)>,
}

impl Digests {
    pub(super) fn new(checksums: &[Checksum]) -> Result<Digests, FetchProblem> {
        let start = |checksum: &Checksum| match Hasher::new(message_digest(checksum.algorithm())) {
            Ok(hasher) => Ok((checksum.clone(), hasher)),
            Err(source) => Err(FetchProblem::Digest { algorithm: checksum.algorithm(), source }),
        };
        let running = checksums.iter().map(start).collect::<Result<_, _>>()?;
        Ok(Digests { running })
    }

    pub(super) fn update(&mut self, bytes: &[u8]) -> Result<(), FetchProblem> {
        for (checksum, hasher) in &mut self.running {
            hasher.update(bytes).map_err(|source| failed(checksum, source))?;
        }
        Ok(())
    }

    /// Whether all that was hashed is the file; hashing may go on after it.
    pub(super) fn verify(&self) -> Result<(), FetchProblem> {
        for (checksum, hasher) in &self.running {
            let digest = hasher.clone().finish().map_err(|source| failed(checksum, source))?;
            let found = hex(&digest);
            if found != checksum.hash() {
                return Err(FetchProblem::Mismatch { expected: checksum.clone(), found });
            }
        }
        Ok(())
    }
}

fn failed(checksum: &Checksum, source: ErrorStack) -> FetchProblem {
    FetchProblem::Digest { algorithm: checksum.algorithm(), source }
}

fn message_digest(algorithm: Algorithm) -> MessageDigest {
    match algorithm {
        Algorithm::Md5 => MessageDigest::md5(),
        Algorithm::Sha1 => MessageDigest::sha1(),
        Algorithm::Sha224 => MessageDigest::sha224(),
        Algorithm::Sha256 => MessageDigest::sha256(),
        Algorithm::Sha384 => MessageDigest::sha384(),
        Algorithm::Sha512 => MessageDigest::sha512(),
    }
}

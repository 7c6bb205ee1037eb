//! Certificates for https: an authority, a server and a client called `packager`; and who is at the other end.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig, crypto};
use tokio_rustls::server::TlsStream;

/// Writes `ca.crt`, `server.crt`, `server.key` and `packager.pem` (certificate and key) into `folder`, and makes a server
/// that takes clients with and without a certificate. They are as complete as Python wants them from 3.13 on.
pub(crate) fn set_up(folder: &Path) -> TlsAcceptor {
    let ca_key = KeyPair::generate().expect("a key");
    let mut ca = named("Test authority");
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let ca_pem = ca.self_signed(&ca_key).expect("a certificate").pem();
    let issuer = Issuer::new(ca, ca_key);

    let mut server = CertificateParams::new(["localhost".to_owned(), "127.0.0.1".to_owned()]).expect("names");
    server.use_authority_key_identifier_extension = true;
    server.distinguished_name.push(DnType::CommonName, "localhost");
    server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let (server_pem, server_key) = signed(&server, &issuer);
    let mut client = named("packager");
    client.use_authority_key_identifier_extension = true;
    client.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let (client_pem, client_key) = signed(&client, &issuer);

    let write = |name: &str, text: &str| fs::write(folder.join(name), text).expect("a folder for certificates");
    write("ca.crt", &ca_pem);
    write("server.crt", &server_pem);
    write("server.key", &server_key);
    write("packager.pem", &format!("{client_pem}{client_key}"));
    acceptor(&ca_pem, &server_pem, &server_key)
}

fn named(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

fn signed(params: &CertificateParams, issuer: &Issuer<'_, KeyPair>) -> (String, String) {
    let key = KeyPair::generate().expect("a key");
    let certificate = params.signed_by(&key, issuer).expect("a certificate");
    (certificate.pem(), key.serialize_pem())
}

fn acceptor(ca: &str, certificate: &str, key: &str) -> TlsAcceptor {
    let der = |pem: &str| CertificateDer::from_pem_slice(pem.as_bytes()).expect("a certificate");
    let provider = Arc::new(crypto::aws_lc_rs::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(der(ca)).expect("an authority");
    let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
    let clients = clients.allow_unauthenticated().build().expect("a verifier");
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).expect("a key");
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_client_cert_verifier(clients)
        .with_single_cert(vec![der(certificate)], key)
        .expect("a certificate that fits its key");
    TlsAcceptor::from(Arc::new(config))
}

/// The common name in the client's certificate, where there is one.
pub(crate) fn client_name(stream: &TlsStream<TcpStream>) -> Option<String> {
    let certificate = stream.get_ref().1.peer_certificates()?.first()?;
    let certificate = openssl::x509::X509::from_der(certificate).ok()?;
    let entry = certificate.subject_name().entries_by_nid(openssl::nid::Nid::COMMONNAME).next()?;
    Some(entry.data().to_string().ok()?.as_str().to_owned()).filter(|name| !name.is_empty())
}

//! The only place that makes an HTTP client: TLS, proxies, time-outs, redirects.
//!
//! OpenSSL is the one TLS stack: the system's trust store and crypto-policies hold, and packagers' internal CAs are already
//! there. Proxies come from the environment (`https_proxy`, `no_proxy`), as they do for Koji's own client. Retrying is the
//! caller's business: only the caller knows what may be repeated.

use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use openssl::pkey::PKey;
use openssl::x509::X509;
use reqwest::{Certificate, Client, Identity, Response, redirect};
use url::{Host, Url};

use crate::file;

/// How long to wait for a TCP and TLS connection. Koji's client uses its request time-out of twelve hours for this too.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// After so long a silence the other side is asked whether it is still there, and again after each further one: a connection
/// that a sleeping laptop or a changed network has cut is noticed within a minute.
const KEEPALIVE: Duration = Duration::from_secs(15);
/// How often it is asked in vain before the connection is given up.
const KEEPALIVE_PROBES: u32 = 3;

/// What this program calls itself in `User-Agent`.
pub const USER_AGENT: &str = concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION"));

/// Whom to trust, who we are, and how long to wait.
#[derive(Debug, Clone, Default)]
pub struct ClientOptions {
    /// PEM bundle that *replaces* the system's trust store.
    pub serverca: Option<PathBuf>,
    /// PEM file with our certificate and its private key.
    pub certificate: Option<PathBuf>,
    /// The same in two files: the certificate and its key.
    pub certificate_pair: Option<(PathBuf, PathBuf)>,
    /// `false` switches off verification of the server's certificate.
    pub insecure: bool,
    /// Longest silence while waiting for an answer.
    pub read_timeout: Option<Duration>,
    /// Whether to follow redirects. Never where a request carries a session: a redirect would hand it to another host.
    pub redirects: Redirects,
}

/// Whether redirects are followed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Redirects {
    /// The redirect is the answer.
    #[default]
    Refuse,
    /// Up to ten are followed.
    Follow,
}

/// Why no client could be made.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// A certificate file could not be read.
    #[error("cannot read {what} {path}", path = path.display())]
    Read {
        /// `client certificate` or `CA bundle`.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A certificate file holds something else.
    #[error("{what} {path} is not usable: {reason}", path = path.display())]
    Pem {
        /// `client certificate` or `CA bundle`.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong with it; never its content.
        reason: String,
    },
    /// The TLS library refused the settings.
    #[error("cannot set up TLS")]
    Tls(#[source] reqwest::Error),
}

/// What the file with our certificate and its key is called in errors.
const CLIENT_CERTIFICATE: &str = "client certificate";

impl ClientError {
    /// Whether it is our own certificate or its key that cannot be used.
    pub fn is_about_client_certificate(&self) -> bool {
        matches!(self, ClientError::Read { what, .. } | ClientError::Pem { what, .. } if *what == CLIENT_CERTIFICATE)
    }
}

/// Makes a client.
///
/// # Errors
/// When a certificate file is missing or malformed.
pub fn client(options: &ClientOptions) -> Result<Client, ClientError> {
    let mut builder = Client::builder()
        .user_agent(USER_AGENT)
        .connect_timeout(CONNECT_TIMEOUT)
        .http1_only()
        .tcp_keepalive(KEEPALIVE)
        .tcp_keepalive_interval(KEEPALIVE)
        .tcp_keepalive_retries(KEEPALIVE_PROBES)
        .redirect(match options.redirects {
            Redirects::Refuse => redirect::Policy::none(),
            Redirects::Follow => redirect::Policy::limited(10),
        });
    if let Some(timeout) = options.read_timeout {
        builder = builder.read_timeout(timeout);
    }
    if let Some(path) = &options.serverca {
        builder = builder.tls_certs_only(ca_bundle(path)?);
    } else if options.insecure {
        builder = builder.tls_danger_accept_invalid_certs(true);
    }
    if let Some((certificate, key)) = &options.certificate_pair {
        builder = builder.identity(identity(&[certificate, key])?);
    }
    if let Some(path) = &options.certificate {
        // Hubs ask for the certificate only at `/ssllogin`. Under TLS 1.3 that needs post-handshake authentication, which
        // the TLS library offers no way to allow; under TLS 1.2 it is a renegotiation, which works.
        builder = builder.identity(identity(&[path])?).tls_version_max(reqwest::tls::Version::TLS_1_2);
    }
    builder.build().map_err(ClientError::Tls)
}

fn ca_bundle(path: &Path) -> Result<Vec<Certificate>, ClientError> {
    const WHAT: &str = "CA bundle";
    let pem = read(WHAT, path)?;
    let certificates = Certificate::from_pem_bundle(&pem).unwrap_or_default();
    if certificates.is_empty() {
        return Err(ClientError::Pem {
            what: WHAT,
            path: path.to_owned(),
            reason: "it holds no PEM certificate".into(),
        });
    }
    Ok(certificates)
}

/// When the certificate in a file expired, in OpenSSL's words; `None` when it is still good or cannot be read.
pub fn expired(path: &Path) -> Option<String> {
    let certificate = X509::from_pem(&file::read(path, file::LONGEST).ok()?).ok()?;
    let now = openssl::asn1::Asn1Time::days_from_now(0).ok()?;
    (certificate.not_after() < now).then(|| certificate.not_after().to_string())
}

/// Reads a certificate and its key out of PEM files, the certificate's first. Koji's files hold the key as PKCS#1, SEC1 or PKCS#8, before or after
/// the certificate; the TLS library wants PKCS#8.
fn identity(paths: &[&PathBuf]) -> Result<Identity, ClientError> {
    let path = paths.first().copied().cloned().unwrap_or_default();
    let unusable =
        |reason: &str| ClientError::Pem { what: CLIENT_CERTIFICATE, path: path.clone(), reason: reason.to_owned() };
    let mut pem = Vec::new();
    for path in paths {
        pem.extend(read(CLIENT_CERTIFICATE, path)?);
        pem.push(b'\n');
    }
    let chain = X509::stack_from_pem(&pem).map_err(|_| unusable("its certificate is malformed"))?;
    if chain.is_empty() {
        return Err(unusable("it holds no PEM certificate"));
    }
    // Without a callback OpenSSL would ask for the passphrase on the terminal, in the middle of everything.
    let key = PKey::private_key_from_pem_callback(&pem, |_| Ok(0)).map_err(|_| {
        let encrypted = pem.windows(9).any(|window| window == b"ENCRYPTED");
        unusable(if encrypted { "its private key is encrypted" } else { "it holds no private key" })
    })?;
    let key = key.private_key_to_pem_pkcs8().map_err(|_| unusable("its private key cannot be converted"))?;
    let mut certificates = Vec::new();
    for certificate in chain {
        certificates.extend(certificate.to_pem().map_err(|_| unusable("its certificate is malformed"))?);
    }
    Identity::from_pkcs8_pem(&certificates, &key).map_err(|_| unusable("certificate and key do not belong together"))
}

fn read(what: &'static str, path: &Path) -> Result<Vec<u8>, ClientError> {
    file::read(path, file::LONGEST).map_err(|source| ClientError::Read { what, path: path.to_owned(), source })
}

/// The variable that names the file of trusted certificates, to OpenSSL and to other programs.
pub const TRUST_FILE: &str = "SSL_CERT_FILE";

/// Whether the system keeps its trusted certificates also one by one, in a folder that OpenSSL looks into when it needs one.
/// Then [`TRUST_FILE`] may name an empty file: without it OpenSSL reads the bundle of all certificates for every client,
/// and the TLS library once more, which takes longer than a whole submit. The user's own choice is left alone.
pub fn has_hashed_trust_store() -> bool {
    let chosen = [TRUST_FILE, "SSL_CERT_DIR"].iter().any(|name| std::env::var_os(name).is_some());
    let is_hash = |name: &std::ffi::OsStr| Path::new(name).extension().is_some_and(|extension| extension == "0");
    !chosen
        && std::fs::read_dir("/etc/ssl/certs")
            .is_ok_and(|entries| entries.flatten().any(|entry| is_hash(&entry.file_name())))
}

/// How much is read of a page that only explains why there is no answer.
const LONGEST_EXPLANATION: usize = 64 * 1024;

/// Why an answer has no body that could be used.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// It is longer than anything that was asked for.
    #[error("it is longer than {} MiB", limit >> 20)]
    TooLong {
        /// What would have been taken, in bytes.
        limit: usize,
    },
    /// The connection broke, or went silent.
    #[error("{reason}")]
    Lost {
        /// The transport's words, without the address.
        reason: String,
    },
}

/// Reads the whole body of an answer that is not longer than `limit` bytes. No more than that is ever in memory.
///
/// # Errors
/// When it is longer, or the connection breaks.
pub async fn body_within(mut response: Response, limit: usize) -> Result<Bytes, BodyError> {
    let announced = response.content_length().and_then(|length| usize::try_from(length).ok());
    if announced.is_some_and(|length| length > limit) {
        return Err(BodyError::TooLong { limit });
    }
    let mut body = BytesMut::with_capacity(announced.unwrap_or(0));
    while let Some(chunk) = response.chunk().await.map_err(|error| BodyError::Lost { reason: chain(&error) })? {
        if chunk.len() > limit - body.len() {
            return Err(BodyError::TooLong { limit });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

/// Reads the beginning of the body of an answer that says no. What else there is of it is not waited for.
pub async fn beginning(mut response: Response) -> Bytes {
    let mut body = BytesMut::new();
    while body.len() < LONGEST_EXPLANATION {
        let Ok(Some(chunk)) = response.chunk().await else { break };
        body.extend_from_slice(&chunk[..chunk.len().min(LONGEST_EXPLANATION - body.len())]);
    }
    body.freeze()
}

/// What a failed request means for whoever decides about repeating it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// No connection was made: the request certainly did not arrive.
    NotSent,
    /// The server's or our own certificate was refused; repeating is useless.
    Certificate,
    /// The connection broke or went silent after the request was sent: it may have been carried out.
    Lost,
}

/// Tells what a transport error means.
pub fn classify(error: &reqwest::Error) -> Failure {
    let chain = chain(error);
    if is_about_certificates(&chain) {
        return Failure::Certificate;
    }
    if error.is_connect() || error.is_builder() { Failure::NotSent } else { Failure::Lost }
}

/// Whether the causes of a failed connection say that the server's or our own certificate was refused.
pub fn is_about_certificates(causes: &str) -> bool {
    [
        "certificate verify failed",
        "self-signed",
        "self signed",
        "unable to get local issuer",
        "Hostname mismatch",
        "IP address mismatch",
        "alert certificate",
        "alert unknown ca",
        "alert bad certificate",
        "certificate required",
        "certificate revoked",
        "certificate expired",
    ]
    .iter()
    .any(|mark| causes.contains(mark))
}

/// Whether it was the server that refused, which means our certificate or the lack of one. An alert is what the other side
/// sends; what we find wrong with the server's certificate never becomes one here.
pub fn is_about_our_certificate(causes: &str) -> bool {
    is_about_certificates(causes) && (causes.contains(" alert ") || causes.contains("certificate required"))
}

/// Whether what is sent there can be read on its way: plain http to another machine.
pub fn is_exposed(url: &Url) -> bool {
    let is_here = match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => true,
    };
    url.scheme() == "http" && !is_here
}

/// The innermost causes of a transport error in one line. The URL is left out: old hubs take the session in it.
pub fn chain(error: &reqwest::Error) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut next = std::error::Error::source(error);
    while let Some(cause) = next {
        let text = cause.to_string();
        if !parts.iter().any(|part| part.contains(&text)) {
            parts.push(text);
        }
        next = cause.source();
    }
    if parts.is_empty() {
        parts.push(if error.is_timeout() { "timed out".into() } else { "the request failed".into() });
    }
    parts.join(": ")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;
    use tokio::time::timeout;

    use super::*;

    /// How long a test waits for what should come at once.
    const PATIENCE: Duration = Duration::from_secs(20);

    /// The answer of a server that sends this, and then neither more nor an end.
    async fn answer(text: &str) -> Response {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let text = format!("HTTP/1.1 200 OK\r\n{text}");
        tokio::spawn(async move {
            let (mut socket, _) = listener.accept().await.unwrap();
            let _ = socket.read(&mut [0; 4096]).await;
            let _ = socket.write_all(text.as_bytes()).await;
            std::future::pending::<()>().await;
        });
        client(&ClientOptions::default()).unwrap().get(url).send().await.unwrap()
    }

    #[tokio::test]
    async fn a_body_is_taken_up_to_its_limit_and_nothing_is_waited_for_beyond() {
        const LIMIT: usize = 5;
        for (text, expected) in [
            ("content-length: 5\r\n\r\nhello", Some("hello")),
            ("transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", Some("hello")),
            ("content-length: 6\r\n\r\n", None),
            ("transfer-encoding: chunked\r\n\r\n6\r\nhello!\r\n", None),
            ("transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n1\r\n!\r\n", None),
        ] {
            let body = timeout(PATIENCE, body_within(answer(text).await, LIMIT)).await.expect(text);
            match expected {
                Some(expected) => assert_eq!(body.unwrap(), expected, "{text}"),
                None => assert!(matches!(body, Err(BodyError::TooLong { limit: LIMIT })), "{text}"),
            }
        }
    }

    #[tokio::test]
    async fn of_an_explanation_the_beginning_is_enough() {
        let long = "x".repeat(LONGEST_EXPLANATION + 1000);
        let answer = answer(&format!("content-length: 1000000\r\n\r\n{long}")).await;
        let read = timeout(PATIENCE, beginning(answer)).await.expect("the rest is not waited for");
        assert_eq!(read.len(), LONGEST_EXPLANATION);
    }

    #[test]
    fn what_leaves_this_machine_by_plain_http_is_exposed() {
        let cases = [
            ("http://koji.example.com/kojihub", true),
            ("http://192.0.2.1/kojihub", true),
            ("http://[2001:db8::1]/kojihub", true),
            ("https://koji.example.com/kojihub", false),
            ("http://localhost:8080/kojihub", false),
            ("http://127.0.0.9/kojihub", false),
            ("http://[::1]/kojihub", false),
        ];
        for (url, exposed) in cases {
            assert_eq!(is_exposed(&url.parse().unwrap()), exposed, "{url}");
        }
    }
}

//! What the engine's errors mean, as far as its texts tell, and what to do about them.

/// The reason behind an engine's error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// The registry wants other credentials, or any.
    Authentication,
    /// A certificate could not be verified.
    Certificate,
    /// The registry speaks plain HTTP.
    PlainHttp,
    /// Nobody answers there, or the connection broke.
    Network,
    /// The registry does not have it.
    NoSuchImage,
    /// The registry's settings forbid it.
    Blocked,
    /// The disk is full.
    DiskFull,
    /// The user may not map further user ids, which `RUN` needs.
    NoSubordinateIds,
    /// Anything else.
    Unknown,
}

/// Beginnings of messages, the most telling first.
const SIGNS: &[(Trouble, &[&str])] = &[
    (
        Trouble::Certificate,
        &["x509:", "tls: failed to verify", "tls: bad certificate", "certificate signed by unknown authority"],
    ),
    (
        Trouble::PlainHttp,
        &["server gave HTTP response to HTTPS client", "first record does not look like a TLS handshake"],
    ),
    (
        Trouble::Authentication,
        &[
            "unauthorized",
            "authentication required",
            "invalid username/password",
            "access to the resource is denied",
            "403 (Forbidden)",
            "401 (Unauthorized)",
        ],
    ),
    (Trouble::Blocked, &["is blocked in"]),
    (Trouble::NoSuchImage, &["manifest unknown", "name unknown", "repository name not known", "404 (Not Found)"]),
    (
        Trouble::Network,
        &[
            "connection refused",
            "no such host",
            "i/o timeout",
            "connection reset",
            "network is unreachable",
            "EOF",
            "502 (Bad Gateway)",
            "503 (Service Unavailable)",
        ],
    ),
    (Trouble::DiskFull, &["no space left on device"]),
    (
        Trouble::NoSubordinateIds,
        &["setting supplemental groups list", "no subuid ranges found", "newuidmap", "potentially insufficient UIDs"],
    ),
];

impl Trouble {
    /// Reads it out of a child's standard error.
    pub fn of(text: &str) -> Trouble {
        let found = SIGNS.iter().find(|(_, signs)| signs.iter().any(|sign| text.contains(sign)));
        found.map_or(Trouble::Unknown, |(trouble, _)| *trouble)
    }

    /// What to do about it. `section` is that of the configuration.
    pub fn hint(self, section: &str) -> Option<String> {
        Some(match self {
            Trouble::Authentication => {
                format!(
                    "log in with `skopeo login REGISTRY`, or name a file with credentials as `authfile` in [{section}]"
                )
            }
            Trouble::Certificate => "put the registry's CA into the system's trust store, or as *.crt into \
                                     /etc/containers/certs.d/HOST:PORT/"
                .to_owned(),
            Trouble::PlainHttp => {
                format!(
                    "the registry speaks plain HTTP: add it to `insecure_registries` in [{section}] if you trust the network"
                )
            }
            Trouble::Network => {
                "is the registry's name right, and does it run? Check the network (VPN, proxy)".to_owned()
            }
            Trouble::NoSuchImage => "the registry answers, and does not have it: check name and tag".to_owned(),
            Trouble::Blocked => {
                format!("registries.conf forbids it; see [{section}] and /etc/containers/registries.conf")
            }
            Trouble::DiskFull => "make room where the cache is (XDG_CACHE_HOME, else ~/.cache)".to_owned(),
            Trouble::NoSubordinateIds => {
                "give the user ranges of ids: usermod --add-subuids 100000-165535 --add-subgids 100000-165535 USER"
                    .to_owned()
            }
            Trouble::Unknown => return None,
        })
    }
}

//! What the engine's errors mean, as far as its texts tell, and what to do about them.
//!
//! Only the engine's own verdict is read. What `RUN` prints goes through the same pipe, and an instruction is quoted in the error
//! that it ends with: words of the author's decide nothing.

use crate::error::ErrorKind;

/// The reason behind an engine's error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EngineTrouble {
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
    /// The user may not make user namespaces, without which only root can build.
    NoUserNamespaces,
    /// Anything else.
    Unknown,
}

/// What messages say.
const SIGNS: &[(EngineTrouble, &[&str])] = &[
    (
        EngineTrouble::Certificate,
        &["x509:", "tls: failed to verify", "tls: bad certificate", "certificate signed by unknown authority"],
    ),
    (
        EngineTrouble::PlainHttp,
        &["server gave HTTP response to HTTPS client", "first record does not look like a TLS handshake"],
    ),
    (
        EngineTrouble::Authentication,
        &[
            "unauthorized",
            "authentication required",
            "invalid username/password",
            "access to the resource is denied",
            "403 (Forbidden)",
            "403 Forbidden",
            "401 (Unauthorized)",
            "401 Unauthorized",
        ],
    ),
    (EngineTrouble::Blocked, &["is blocked in"]),
    (EngineTrouble::NoSuchImage, &["manifest unknown", "name unknown", "repository name not known", "404 (Not Found)"]),
    (
        EngineTrouble::Network,
        &[
            "connection refused",
            "no such host",
            "server misbehaving",
            "no route to host",
            "network is unreachable",
            "connection reset",
            "broken pipe",
            "i/o timeout",
            "TLS handshake timeout",
            "context deadline exceeded",
            "proxyconnect",
            ": EOF",
            "unexpected EOF",
            "429 (Too Many Requests)",
            "429 Too Many Requests",
            "500 (Internal Server Error)",
            "500 Internal Server Error",
            "502 (Bad Gateway)",
            "502 Bad Gateway",
            "503 (Service Unavailable)",
            "503 Service Unavailable",
            "504 (Gateway Timeout)",
            "504 Gateway Timeout",
        ],
    ),
    (EngineTrouble::DiskFull, &["no space left on device"]),
    (EngineTrouble::NoSubordinateIds, &["no subuid ranges found", "newuidmap", "potentially insufficient UIDs"]),
    (EngineTrouble::NoUserNamespaces, &[NO_USER_NAMESPACES]),
];

/// What the engine says before it gives up with words that say nothing.
const NO_USER_NAMESPACES: &str = "Error during unshare(CLONE_NEWUSER)";

impl EngineTrouble {
    /// Reads it out of the verdict of an engine that was to do something of its own, such as pulling. A reason stands behind what
    /// it is the reason of, and what mirrors said before what the registry said: the last sign counts.
    fn of(verdict: &str) -> EngineTrouble {
        let signs = SIGNS.iter().flat_map(|(trouble, signs)| signs.iter().map(move |sign| (*trouble, *sign)));
        let found = signs.filter_map(|(trouble, sign)| Some((verdict.rfind(sign)?, trouble)));
        found.max_by_key(|(at, _)| *at).map_or(EngineTrouble::Unknown, |(_, trouble)| trouble)
    }

    /// The same for an engine that carried out a Dockerfile. It asks no registry for that; what can be the machine's fault is told,
    /// and only where it is the innermost reason.
    fn of_build(verdict: &str) -> EngineTrouble {
        let reason = verdict.rsplit("\": ").next().unwrap_or(verdict);
        match EngineTrouble::of(reason) {
            EngineTrouble::DiskFull if reason.ends_with("no space left on device") => EngineTrouble::DiskFull,
            found @ (EngineTrouble::NoSubordinateIds | EngineTrouble::NoUserNamespaces) => found,
            _ => EngineTrouble::Unknown,
        }
    }

    /// What decides the exit code, where this does.
    pub fn kind(self) -> Option<ErrorKind> {
        match self {
            EngineTrouble::Authentication => Some(ErrorKind::Authentication),
            EngineTrouble::Certificate | EngineTrouble::PlainHttp | EngineTrouble::Network => Some(ErrorKind::Network),
            EngineTrouble::Blocked | EngineTrouble::NoSubordinateIds | EngineTrouble::NoUserNamespaces => {
                Some(ErrorKind::Refused)
            }
            EngineTrouble::DiskFull => Some(ErrorKind::Io),
            EngineTrouble::NoSuchImage | EngineTrouble::Unknown => None,
        }
    }

    /// What to do about it. `section` is that of the configuration.
    pub fn hint(self, section: &str) -> Option<String> {
        Some(match self {
            EngineTrouble::Authentication => {
                format!(
                    "log in with `skopeo login REGISTRY`, or name a file with credentials as `authfile` in [{section}]"
                )
            }
            EngineTrouble::Certificate => "put the registry's CA into the system's trust store, or as *.crt into \
                                     /etc/containers/certs.d/HOST:PORT/"
                .to_owned(),
            EngineTrouble::PlainHttp => {
                format!(
                    "the registry speaks plain HTTP: add it to `insecure_registries` in [{section}] if you trust the network"
                )
            }
            EngineTrouble::Network => {
                "is the registry's name right, and does it run? Check the network (VPN, proxy)".to_owned()
            }
            EngineTrouble::NoSuchImage => "the registry answers, and does not have it: check name and tag".to_owned(),
            EngineTrouble::Blocked => {
                format!("registries.conf forbids it; see [{section}] and /etc/containers/registries.conf")
            }
            EngineTrouble::DiskFull => "make room where the cache is (XDG_CACHE_HOME, else ~/.cache)".to_owned(),
            EngineTrouble::NoSubordinateIds => {
                "give the user ranges of ids: usermod --add-subuids 100000-165535 --add-subgids 100000-165535 USER"
                    .to_owned()
            }
            EngineTrouble::NoUserNamespaces => {
                "users may not make user namespaces here (sysctl user.max_user_namespaces, \
                                          kernel.unprivileged_userns_clone; in a container its runtime's settings): \
                                          allow it, or build as root"
                    .to_owned()
            }
            EngineTrouble::Unknown => return None,
        })
    }
}

/// What an engine says before it gives up because of the runtime, with words that say nothing.
const NO_CONTAINER: &str = "error running container: ";
/// Those words.
const RUNTIME_ENDED: &str = "while running runtime: exit status ";

/// What an engine that did something of its own says of its failure on standard error, and what that means.
pub(super) fn of_call(stderr: &[u8]) -> (String, EngineTrouble) {
    let text = String::from_utf8_lossy(stderr);
    let verdict = verdict(stderr);
    let reason = text.lines().rev().find_map(|line| line.strip_prefix(NO_CONTAINER));
    let verdict =
        reason.filter(|_| verdict.starts_with(RUNTIME_ENDED)).map_or(verdict, |reason| reason.trim().to_owned());
    let trouble = EngineTrouble::of(&verdict);
    (verdict, trouble)
}

/// The same of an engine that carried out a Dockerfile, among whose own words are those of what `RUN` started.
pub(super) fn of_build(stderr: &[u8]) -> (String, EngineTrouble) {
    let verdict = verdict(stderr);
    let trouble = EngineTrouble::of_build(&verdict);
    (verdict, trouble)
}

/// The line of standard error that says why an engine ended, without the words that every error has.
fn verdict(stderr: &[u8]) -> String {
    let text = String::from_utf8_lossy(stderr);
    let said = || text.lines().rev().map(str::trim).filter(|line| !line.is_empty());
    let is_verdict = |line: &&str| line.starts_with("Error:") || line.contains("level=fatal");
    let is_reason = |line: &&str| line.starts_with(NO_USER_NAMESPACES);
    let line = said().find(is_verdict).or_else(|| said().find(is_reason)).or_else(|| said().next());
    let line = line.unwrap_or("it did not say why");
    let line = line.strip_prefix("Error: ").unwrap_or(line);
    match line.split_once(" msg=\"") {
        Some((_, message)) => message.trim_end_matches('"').replace("\\\"", "\""),
        None => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_reason_counts() {
        let cases = [
            ("(Mirrors also failed: [m/x: manifest unknown]): lookup r: no such host", EngineTrouble::Network),
            (
                "(Mirrors also failed: [m/x: dial tcp: connection refused]): r/x: manifest unknown",
                EngineTrouble::NoSuchImage,
            ),
            (
                "copying: writing blob: received unexpected HTTP status: 500 Internal Server Error",
                EngineTrouble::Network,
            ),
            ("writing manifest: uploading manifest 1 to r/x: 403 (Forbidden)", EngineTrouble::Authentication),
            ("parsing name \"EOF/x\": no policy", EngineTrouble::Unknown),
        ];
        for (verdict, trouble) in cases {
            assert_eq!(EngineTrouble::of(verdict), trouble, "{verdict}");
        }
    }

    #[test]
    fn words_of_a_dockerfile_decide_nothing() {
        let words =
            ["unauthorized", "x509: bad", "connection refused", "no space left on device", "cat <<EOF", "newuidmap"];
        for words in words {
            let verdict = format!("building at STEP \"RUN echo '{words}'; exit 1\": exit status 1");
            assert_eq!(EngineTrouble::of_build(&verdict), EngineTrouble::Unknown, "{verdict}");
        }
        let full = "building at STEP \"COPY a \"b\" /\": storing \"/b\": copier: put: write: no space left on device";
        assert_eq!(EngineTrouble::of_build(full), EngineTrouble::DiskFull);
    }

    #[test]
    fn the_verdict_is_the_engines_last_word_that_says_something() {
        let namespaces = "Error during unshare(CLONE_NEWUSER): Operation not permitted\n\
                          User namespaces are not enabled in /proc/sys/kernel/unprivileged_userns_clone.\n\
                          time=\"x\" level=error msg=\"(Unable to determine exit status)\"\n";
        assert_eq!(verdict(namespaces.as_bytes()), "Error during unshare(CLONE_NEWUSER): Operation not permitted");
        assert_eq!(EngineTrouble::of(&verdict(namespaces.as_bytes())), EngineTrouble::NoUserNamespaces);
        let fatal = "Error: no\ntime=\"x\" level=fatal msg=\"Error parsing image name \\\"docker://a\\\": EOF\"\n";
        assert_eq!(verdict(fatal.as_bytes()), "Error parsing image name \"docker://a\": EOF");
        assert_eq!(verdict(b"first\nlast\n\n"), "last");
        assert_eq!(verdict(b""), "it did not say why");
    }

    #[test]
    fn a_runtime_that_starts_no_container_says_why() {
        let stderr = b"error running container: from /usr/bin/crun creating container for [/usr/bin/true]: setrlimit \
            (RLIM_MEMLOCK): Operation not permitted\n: exit status 1\ntime=\"T\" level=error msg=\"did not get container \
            create message from subprocess: EOF\"\nError: while running runtime: exit status 1\n";
        let why = "from /usr/bin/crun creating container for [/usr/bin/true]: setrlimit (RLIM_MEMLOCK): Operation not permitted";
        assert_eq!(of_call(stderr), (why.to_owned(), EngineTrouble::Unknown));
        // RUN may have printed that.
        assert_eq!(of_build(stderr).0, "while running runtime: exit status 1");
    }
}

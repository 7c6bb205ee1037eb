//! Kerberos for the OAuth server: a ticket from a keytab where one is configured, and the token that shows it.
//!
//! As in osbs-client's `utils.kerberos`, `kinit` is run for a keytab unless the ticket lasts another hour. A credential cache
//! of the instance's own (`kerberos_ccache`) is put into the environment of children only: GSSAPI reads `KRB5CCNAME` of its
//! process, and changing that under running threads is not safe. So with such a cache this program calls itself, by
//! [`NEGOTIATE`], for the token.

use std::ffi::OsStr;
use std::io;
use std::path::PathBuf;
use std::process::{Output, Stdio};
use std::time::Duration;

use base64::Engine as _;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use tokio::process::Command;

use crate::child;
use crate::credentials::negotiate::{self, CACHE_VARIABLE, NEGOTIATE, NegotiateError};

/// A ticket that lasts so long is not replaced.
const LASTING: Duration = Duration::from_secs(3600);
/// The longest that a child may take: the KDC may be slow.
const CHILD_WITHIN: Duration = Duration::from_secs(60);

/// What the configuration says about Kerberos.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Kerberos {
    /// Key table to get a ticket with; needs the principal.
    pub keytab: Option<PathBuf>,
    /// The principal whose ticket is wanted; without it the cache's default one.
    pub principal: Option<String>,
    /// Credential cache, as in `KRB5CCNAME`; without it the environment's.
    pub ccache: Option<String>,
}

/// Why Kerberos has nothing to show.
#[derive(Debug, thiserror::Error)]
pub enum KerberosError {
    /// A keytab without a principal.
    #[error("You need to provide both keytab and principal.")]
    NoPrincipal,
    /// A program could not be run.
    #[error("cannot run {program}")]
    Run {
        /// Its name.
        program: &'static str,
        /// What the system says.
        source: io::Error,
    },
    /// A program did not end.
    #[error("{program} did not end within {} s: is the KDC reachable?", CHILD_WITHIN.as_secs())]
    Slow {
        /// Its name.
        program: &'static str,
    },
    /// `kinit` failed.
    #[error("kinit with the keytab {keytab} failed ({status}): {words}", keytab = keytab.display())]
    Kinit {
        /// The keytab.
        keytab: PathBuf,
        /// How it ended.
        status: std::process::ExitStatus,
        /// What it said.
        words: String,
    },
    /// GSSAPI gives no token.
    #[error(transparent)]
    Negotiate(#[from] NegotiateError),
    /// GSSAPI gives no token with the instance's own cache.
    #[error("with the credential cache {ccache}: {words}")]
    OtherCache {
        /// The cache.
        ccache: String,
        /// What is wrong.
        words: String,
    },
    /// The token is none.
    #[error("the Kerberos library's token cannot be sent")]
    Malformed,
}

impl KerberosError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            KerberosError::Negotiate(NegotiateError::Unsupported) => {
                "use a build with Kerberos, or log in with a token or with user and password"
            }
            KerberosError::Negotiate(NegotiateError::NoTicket(_)) => {
                "get a ticket with `kinit USER@REALM` (Fedora: `fkinit`), then try again"
            }
            KerberosError::NoPrincipal | KerberosError::Kinit { .. } => {
                "check `kerberos_keytab` and `kerberos_principal` in osbs.conf"
            }
            KerberosError::OtherCache { .. } => "check `kerberos_ccache` in osbs.conf, and the ticket in it (`klist`)",
            KerberosError::Run { .. } => "is Kerberos installed (Fedora: krb5-workstation)?",
            KerberosError::Negotiate(NegotiateError::NoService { .. })
            | KerberosError::Slow { .. }
            | KerberosError::Malformed => "check `openshift_url` and the realm of your ticket (`klist`)",
        }
    }
}

impl Kerberos {
    /// The first token of a negotiation with `HTTP@host`, after getting a ticket if there is a keytab for it.
    ///
    /// # Errors
    /// Without a valid ticket and a way to one, or when the KDC does not know the service.
    pub async fn negotiate(&self, host: &str) -> Result<Vec<u8>, KerberosError> {
        if let Some(keytab) = &self.keytab {
            let principal = self.principal.as_deref().ok_or(KerberosError::NoPrincipal)?;
            if !self.has_lasting_ticket(principal).await {
                self.kinit(keytab, principal).await?;
            }
        }
        match &self.ccache {
            Some(ccache) if std::env::var_os(CACHE_VARIABLE).is_none_or(|current| current != **ccache) => {
                self.in_child(ccache, host).await
            }
            _ => {
                let (host, principal) = (host.to_owned(), self.principal.clone());
                let token = tokio::task::spawn_blocking(move || negotiate::token(&host, principal.as_deref())).await;
                Ok(token.unwrap_or_else(|panic| Err(NegotiateError::NoTicket(panic.to_string())))?)
            }
        }
    }

    /// Without `klist`, or if its words are not understood, a new ticket is got.
    async fn has_lasting_ticket(&self, principal: &str) -> bool {
        let mut command = self.command("klist");
        command.env("TZ", "UTC");
        let Ok(output) = self.run("klist", command).await else { return false };
        let until = TimeZone::UTC.to_datetime(Timestamp::now()).saturating_add(LASTING);
        output.status.success() && lasts(&String::from_utf8_lossy(&output.stdout), principal, until)
    }

    async fn kinit(&self, keytab: &std::path::Path, principal: &str) -> Result<(), KerberosError> {
        let mut command = self.command("kinit");
        command.arg("-k").arg("-t").arg(keytab).arg("--").arg(principal);
        let output = self.run("kinit", command).await?;
        if output.status.success() {
            return Ok(());
        }
        Err(KerberosError::Kinit { keytab: keytab.to_owned(), status: output.status, words: said(&output) })
    }

    async fn in_child(&self, ccache: &str, host: &str) -> Result<Vec<u8>, KerberosError> {
        const PROGRAM: &str = "this program";
        let mut command = self.command("/proc/self/exe");
        command.arg(NEGOTIATE).arg(host).args(&self.principal);
        let output = self.run(PROGRAM, command).await?;
        if !output.status.success() {
            return Err(KerberosError::OtherCache { ccache: ccache.to_owned(), words: said(&output) });
        }
        let token = base64::engine::general_purpose::STANDARD.decode(output.stdout.trim_ascii());
        token.map_err(|_| KerberosError::Malformed)
    }

    fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = child::command(program);
        command.env("LC_ALL", "C").stdin(Stdio::null()).kill_on_drop(true);
        if let Some(ccache) = &self.ccache {
            command.env(CACHE_VARIABLE, ccache);
        }
        command
    }

    async fn run(&self, program: &'static str, mut command: Command) -> Result<Output, KerberosError> {
        match tokio::time::timeout(CHILD_WITHIN, command.output()).await {
            Ok(output) => output.map_err(|source| KerberosError::Run { program, source }),
            Err(_) => Err(KerberosError::Slow { program }),
        }
    }
}

/// What a child said, in one line.
fn said(output: &Output) -> String {
    let text = [&output.stderr, &output.stdout].map(|bytes| String::from_utf8_lossy(bytes).into_owned()).join("\n");
    text.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(300).collect()
}

/// Whether `klist` (in the locale C) tells of a ticket-granting ticket of the principal that is valid at `until`.
///
/// The output of MIT's program is `Default principal: NAME@REALM`, then lines of two times and the service.
fn lasts(klist: &str, principal: &str, until: DateTime) -> bool {
    let owner = klist.lines().find_map(|line| line.strip_prefix("Default principal: ")).map(str::trim);
    let is_owner = |owner: &str| {
        owner == principal
            || (!principal.contains('@') && owner.rsplit_once('@').is_some_and(|(name, _)| name == principal))
    };
    owner.is_some_and(is_owner)
        && klist.lines().any(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let [_, _, date, time, service] = words[..] else { return false };
            service.starts_with("krbtgt/") && end(date, time).is_some_and(|end| end >= until)
        })
}

/// The time a ticket ends; the year has two digits in older versions.
fn end(date: &str, time: &str) -> Option<DateTime> {
    let text = format!("{date} {time}");
    ["%m/%d/%y %H:%M:%S", "%m/%d/%Y %H:%M:%S"].iter().find_map(|format| DateTime::strptime(format, &text).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As MIT Kerberos 1.20 prints it.
    const KLIST: &str = "Ticket cache: FILE:/tmp/krb5cc_0\nDefault principal: osbs/builder@EXAMPLE.TEST\n\n\
        Valid starting       Expires              Service principal\n\
        11/23/2026 10:00:00  11/23/2026 20:00:00  krbtgt/EXAMPLE.TEST@EXAMPLE.TEST\n\
        \trenew until 11/24/2026 10:00:00\n\
        11/23/2026 10:00:01  11/25/2026 20:00:00  HTTP/oauth.example.test@EXAMPLE.TEST\n";

    #[test]
    fn a_ticket_lasts_when_it_is_the_principals_and_long_enough() {
        let until = |text: &str| text.parse::<DateTime>().unwrap();
        let short_year = KLIST.replace("/2026", "/26");
        for (klist, principal, time, expected) in [
            (KLIST, "osbs/builder@EXAMPLE.TEST", "2026-11-23T19:59:59", true),
            (KLIST, "osbs/builder@EXAMPLE.TEST", "2026-11-23T20:00:00", true),
            (KLIST, "osbs/builder@EXAMPLE.TEST", "2026-11-23T20:00:01", false),
            (KLIST, "osbs/builder", "2026-11-23T12:00:00", true),
            (KLIST, "osbs", "2026-11-23T12:00:00", false),
            (KLIST, "osbs/builder@OTHER.TEST", "2026-11-23T12:00:00", false),
            (&short_year, "osbs/builder", "2026-11-23T12:00:00", true),
            ("klist: No credentials cache found", "osbs/builder", "2026-11-23T12:00:00", false),
            ("", "", "2026-11-23T12:00:00", false),
        ] {
            assert_eq!(lasts(klist, principal, until(time)), expected, "{principal} {time}");
        }
    }
}

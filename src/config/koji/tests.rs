#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

use std::fs;

use super::*;
use crate::error::Error;
use tempfile::TempDir;

/// An `/etc` and a home folder to put files into.
struct Place {
    folder: TempDir,
    roots: KojiRoots,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let roots = KojiRoots { etc: folder.path().join("etc"), home: Some(folder.path().join("home")) };
        Place { folder, roots }
    }

    fn with(self, path: &str, text: &str) -> Self {
        let path = self.folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    fn load(&self) -> Result<KojiProfile, ConfigError> {
        KojiProfile::load("koji", &self.roots)
    }
}

/// The profile that has these lines.
fn load(lines: &str) -> Result<KojiProfile, ConfigError> {
    Place::new().with("etc/koji.conf", &format!("[koji]\n{lines}\n")).load()
}

fn profile(lines: &str) -> KojiProfile {
    load(lines).unwrap_or_else(|error| panic!("{lines}: {error}"))
}

fn refusal(lines: &str) -> String {
    let text = load(lines).expect_err(lines).to_string();
    // The folder's name differs from run to run.
    let (start, _) = text.split_once('/').unwrap_or((&text, ""));
    format!("{start}{}", text.rsplit('/').next().unwrap_or_default())
}

#[test]
fn an_empty_profile_has_kojis_defaults() {
    let profile = profile("");
    assert_eq!(profile.server.url().as_str(), "http://localhost/kojihub");
    assert_eq!((profile.weburl.as_str(), profile.topurl.as_deref()), ("http://localhost/koji", None));
    assert_eq!(profile.topdir, Path::new("/mnt/koji"));
    assert_eq!((profile.authtype.as_ref(), profile.cert.as_ref(), profile.serverca.as_ref()), (None, None, None));
    assert_eq!((profile.principal.as_ref(), profile.keytab.as_ref(), profile.no_ssl_verify), (None, None, false));
    assert_eq!((profile.max_retries, profile.retry_interval.as_secs()), (30, 20));
    assert_eq!((profile.anon_retry, profile.offline_retry), (true, false));
    assert_eq!(profile.offline_retry_interval.as_secs(), 20);
    assert_eq!((profile.timeout.as_secs(), profile.auth_timeout.as_secs()), (43200, 60));
    assert_eq!(
        (profile.use_fast_upload, profile.upload_blocksize, profile.poll_interval.as_secs()),
        (true, 1048576, 6)
    );
    assert_eq!((profile.plugin_paths.len(), profile.pyver), (0, None));
    assert_eq!((profile.debug, profile.debug_xmlrpc, profile.force_auth), (false, false, false));
    assert!(profile.warnings().is_empty() && profile.origin("server").is_none());
}

#[test]
fn every_key_is_read() {
    type Check = fn(&KojiProfile) -> bool;
    let cases: &[(&str, Check)] = &[
        ("server = https://h/kojihub", |p| p.server.url().as_str() == "https://h/kojihub"),
        ("weburl = https://h/koji", |p| p.weburl == "https://h/koji"),
        ("topurl = https://h/", |p| p.topurl.as_deref() == Some("https://h/")),
        ("topurl =", |p| p.topurl.is_none()),
        ("pkgurl = https://h/k/packages/", |p| p.topurl.as_deref() == Some("https://h/k")),
        ("pkgurl = https://h/p\ntopurl = https://t", |p| p.topurl.as_deref() == Some("https://t")),
        ("topdir = /srv/koji", |p| p.topdir == Path::new("/srv/koji")),
        ("authtype = noauth", |p| p.authtype == Some(AuthType::NoAuth)),
        ("authtype = ssl", |p| p.authtype == Some(AuthType::Ssl)),
        ("authtype = password", |p| p.authtype == Some(AuthType::Password)),
        ("authtype = kerberos", |p| p.authtype == Some(AuthType::Kerberos)),
        ("authtype = Kerberos", |p| p.authtype == Some(AuthType::Other("Kerberos".to_owned()))),
        ("authtype =", |p| p.authtype.is_none()),
        ("cert = /c.pem", |p| p.cert.as_deref() == Some(Path::new("/c.pem"))),
        ("serverca = /ca.pem", |p| p.serverca.as_deref() == Some(Path::new("/ca.pem"))),
        ("no_ssl_verify = true", |p| p.no_ssl_verify),
        ("principal = me@R", |p| p.principal.as_deref() == Some("me@R")),
        ("keytab = /k.tab", |p| p.keytab.as_deref() == Some(Path::new("/k.tab"))),
        ("max_retries = 3", |p| p.max_retries == 3),
        ("retry_interval = 1_0", |p| p.retry_interval == Duration::from_secs(10)),
        ("anon_retry = no", |p| !p.anon_retry),
        ("offline_retry = yes", |p| p.offline_retry),
        ("offline_retry_interval = 5", |p| p.offline_retry_interval == Duration::from_secs(5)),
        ("timeout = 90", |p| p.timeout == Duration::from_secs(90)),
        ("auth_timeout = 9", |p| p.auth_timeout == Duration::from_secs(9)),
        ("use_fast_upload = 0", |p| !p.use_fast_upload),
        ("upload_blocksize = 4096", |p| p.upload_blocksize == 4096),
        ("poll_interval = 2", |p| p.poll_interval == Duration::from_secs(2)),
        ("plugin_paths = /a::/b", |p| p.plugin_paths == [Path::new("/a"), Path::new("/b")]),
        ("pyver = 3", |p| p.pyver == Some(3)),
        ("debug = on", |p| p.debug),
        ("debug_xmlrpc = on", |p| p.debug_xmlrpc),
        ("force_auth = on", |p| p.force_auth),
        ("user = me\npassword = p\nkrb_rdns = what\nca = x\nrunas = y", |p| p.warnings().is_empty()),
    ];
    for (lines, check) in cases {
        assert!(check(&profile(lines)), "{lines}");
    }
    for key in PROFILE_KEYS {
        assert!(cases.iter().any(|(lines, _)| lines.starts_with(key)), "{key} is not covered");
    }
}

#[test]
fn values_that_cannot_be_used_are_told_with_their_place() {
    let cases = [
        (
            "timeout = 30 # seconds",
            "value for timeout config option must be a valid integer, not `30 # seconds` (koji.conf:2)",
        ),
        (
            "max_retries = -1",
            "value for max_retries config option must be between 0 and 4294967295, not -1 (koji.conf:2)",
        ),
        ("\nanon_retry = maybe", "Not a boolean: maybe (koji.conf:3, `anon_retry` of [koji])"),
        ("no_ssl_verify = nope", "Not a boolean: nope (koji.conf:2, `no_ssl_verify` of [koji])"),
        ("topurl = 100%", "'%' must be followed by '%' or '(': option 'topurl' in section 'koji' (koji.conf:2)"),
        ("server =", "server = `` is not an http or https URL (koji.conf:2)"),
        ("server = mailto:me@h", "server = `mailto:me@h` is not an http or https URL (koji.conf:2)"),
    ];
    for (lines, message) in cases {
        assert_eq!(refusal(lines), message);
    }
    let text = load("server = https://me:hunter2@").unwrap_err().to_string();
    assert!(text.starts_with("server = `https://****@`"), "{text}");
}

#[test]
fn a_percent_sign_must_be_doubled_in_values_that_are_used() {
    assert_eq!(profile("topurl = https://h/a%%20b").topurl.as_deref(), Some("https://h/a%20b"));
    let profile = profile("comment = 100%");
    let [ConfigWarning::BrokenUnusedValue { error }] = profile.warnings() else { panic!("{:?}", profile.warnings()) };
    assert_eq!(error.origin().line(), Some(2));
}

#[test]
fn no_ssl_verify_is_a_boolean_and_warns() {
    let warning = |lines: &str| profile(lines).warnings().first().map(std::string::ToString::to_string);
    assert!(!profile("no_ssl_verify = false").no_ssl_verify);
    assert!(
        warning("no_ssl_verify = false")
            .unwrap()
            .starts_with("no_ssl_verify = false turns verification on here, but off")
    );
    assert!(warning("no_ssl_verify = yes").unwrap().starts_with("the hub's certificate is not verified"));
    assert_eq!((profile("no_ssl_verify =").no_ssl_verify, warning("no_ssl_verify =")), (false, None));
    let lines = "no_ssl_verify = yes\nserverca = /ca.pem";
    assert_eq!((profile(lines).no_ssl_verify, warning(lines)), (false, None), "serverca goes first");
}

#[test]
fn pkgurl_is_obsolete_and_warns() {
    let warning = |lines: &str| profile(lines).warnings()[0].to_string();
    assert!(warning("pkgurl = http://h/packages").ends_with(", using topurl = http://h"));
    assert!(warning("pkgurl = http://h/packages\ntopurl = http://t").ends_with(", use topurl instead"));
    assert!(warning("pkgurl = http://h/else").ends_with(", use topurl instead"));
}

#[test]
fn certificates_default_to_files_that_exist() {
    let home_files = |place: Place| place.with("home/.koji/client.crt", "").with("home/.koji/serverca.crt", "");
    let place = home_files(Place::new().with("etc/koji.conf", "[koji]"));
    let home = place.folder.path().join("home/.koji");
    let profile = place.load().unwrap();
    assert_eq!((profile.cert, profile.serverca), (Some(home.join("client.crt")), Some(home.join("serverca.crt"))));

    let place = home_files(Place::new().with("etc/koji.conf", "[koji]\ncert = ~/.koji/other.pem\nserverca ="));
    let profile = place.load().unwrap();
    let other = place.folder.path().join("home/.koji/other.pem");
    assert_eq!((profile.cert, profile.serverca), (Some(other), None), "named files need not exist, empty means none");

    let homeless = KojiRoots { etc: place.roots.etc.clone(), home: None };
    let profile = KojiProfile::load("koji", &homeless).unwrap();
    assert_eq!(profile.cert.as_deref(), Some(Path::new("~/.koji/other.pem")));
}

/// The files in order of precedence, lowest first.
const PLACES: &[&str] = &[
    "etc/koji.conf.d/10.conf",
    "etc/koji.conf.d/9.conf",
    "etc/koji.conf",
    "home/.koji/config.d/a.conf",
    "home/.koji/config.d/b.conf",
    "home/.koji/config",
];

#[test]
fn later_files_override_earlier_ones_key_by_key() {
    let mut place =
        Place::new().with("etc/koji.conf.d/ignored.cfg", "not read").with("home/.koji/config.d/x.conf~", "");
    for (number, file) in (0..).zip(PLACES) {
        let only = format!("[DEFAULT]\ntimeout = {number}\n[koji]\nmax_retries = {number}\nplugin_paths = /{number}\n");
        place = place.with(file, &only);
        let profile = place.load().unwrap();
        assert_eq!((profile.max_retries, profile.timeout.as_secs()), (number, number.into()), "{file}");
        let line = format!("{}:4", place.folder.path().join(file).display());
        assert_eq!(profile.origin("max_retries").unwrap().to_string(), line);
    }
}

#[test]
fn an_explicit_file_replaces_the_users() {
    let mut place = Place::new();
    for (number, file) in (0..).zip(PLACES) {
        place = place.with(file, &format!("[koji]\nmax_retries = {number}"));
    }
    let place = place.with("home/mine.conf", "[koji]\ntimeout = 1").with("home/folder/m.conf", "[koji]\ntimeout = 2");
    let explicit = |path: &str| KojiProfile::load_with("koji", &place.roots, Path::new(path));
    for (path, timeout) in [("~/mine.conf", 1), ("~/folder", 2)] {
        let profile = explicit(path).unwrap();
        assert_eq!((profile.max_retries, profile.timeout.as_secs()), (2, timeout), "{path}");
    }
    let missing = explicit("/nonexistent/koji.conf").unwrap_err().to_string();
    assert_eq!(missing, "Config file /nonexistent/koji.conf can't be opened.");
    fs::create_dir(place.folder.path().join("home/empty")).unwrap();
    assert!(matches!(explicit("~/empty").unwrap_err(), ConfigError::EmptyKojiConfigFolder { .. }));
    fs::create_dir(place.folder.path().join("home/empty/folder.conf")).unwrap();
    assert!(matches!(explicit("~/empty").unwrap_err(), ConfigError::MissingKojiConfig { .. }));
}

#[test]
fn an_unknown_profile_is_told_with_the_nearest_one() {
    let place = Place::new().with("etc/koji.conf", "[DEFAULT]\nserver = http://h\n[kojii]\n[brew]");
    let error = Error::from(place.load().unwrap_err());
    assert_eq!(error.to_string(), "no configuration for profile name: koji");
    let file = place.roots.etc.join("koji.conf");
    assert_eq!(error.hints(), [format!("did you mean `kojii`? read: {}", file.display())]);
    let error = Error::from(Place::new().load().unwrap_err());
    assert!(error.hints()[0].starts_with("there is no Koji configuration at all: looked at /etc/koji.conf.d, "));
}

#[test]
fn what_is_shown_of_keys_that_are_not_set_is_what_holds() {
    let written: String = PROFILE_DEFAULTS.iter().map(|(key, value)| format!("{key} = {value}\n")).collect();
    let load = |lines: &str| {
        let place = Place::new().with("etc/koji.conf", &format!("[koji]\n{lines}"));
        let folder = place.folder.path().display().to_string();
        format!("{:?}", place.load().unwrap()).replace(&folder, "")
    };
    assert_eq!(load(&written), load(""));
}

use std::cell::Cell;
use std::fs;

use futures_util::FutureExt as _;
use futures_util::future::ready;

use super::*;

const SERVER: &str = "https://api.example.test:6443/";

fn url(text: &str) -> Url {
    Url::parse(text).unwrap()
}

/// A folder with files to name.
struct Files(tempfile::TempDir);

impl Files {
    fn new() -> Files {
        Files(tempfile::tempdir().unwrap())
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, bytes).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        path
    }

    fn missing(&self) -> PathBuf {
        self.0.path().join("missing")
    }
}

/// The identity as a word or two: the token, or what else it is.
fn name(identity: &Identity) -> String {
    match identity {
        Identity::Token(token) => token.secret.expose().to_owned(),
        Identity::Kubeconfig(user) => format!("{:?} of {} in {}", user.login, user.user, user.context),
        Identity::Nobody(_) => "Nobody".to_owned(),
        other => format!("{other:?}"),
    }
}

/// Nothing here is waited for.
fn choose(order: &TokenOrder<'_>) -> Result<Chosen, TokenError> {
    super::choose(order).now_or_never().unwrap()
}

fn chosen(order: &TokenOrder<'_>) -> String {
    name(&choose(order).unwrap().identity)
}

/// A kubeconfig with the clusters `ours` and `theirs`, a context for each user, and what is said about the users.
fn kubeconfig(current: &str, users: &[(&str, &str, &str)]) -> Kubeconfig {
    let mut text = format!(
        "current-context: {current}\nclusters:\n- name: ours\n  cluster: {{server: 'HTTPS://API.example.test:6443'}}\n\
         - name: theirs\n  cluster: {{server: 'https://api.other.test:6443'}}\ncontexts:\n"
    );
    for (user, cluster, _) in users {
        text += &format!("- name: {user}-at-{cluster}\n  context: {{cluster: {cluster}, user: {user}}}\n");
    }
    text += "users:\n";
    for (user, _, info) in users {
        text += &format!("- name: {user}\n  user: {{{info}}}\n");
    }
    Kubeconfig::from_yaml(&text).unwrap()
}

#[test]
fn each_place_counts_before_those_after_it() {
    let files = Files::new();
    let server = url(SERVER);
    let secrets = ["option", "conf"].map(Secret::new);
    let paths = ["option-file", "conf-file", "instance", "pod"].map(|name| files.write(name, format!("{name}\n")));
    let [option_file, conf_file, instance, pod] = &paths;
    let keyring = || ready(Ok(Some(Secret::new("keyring")))).boxed_local();
    let kubeconfig = kubeconfig("me-at-ours", &[("me", "ours", "token: kubeconfig")]);
    type TakeAway = fn(&mut TokenOrder<'_>);
    let places: [(&str, TakeAway); 9] = [
        ("option", |order| order.option_token = None),
        ("option-file", |order| order.option_token_file = None),
        ("conf", |order| order.token = None),
        ("conf-file", |order| order.token_file = None),
        ("instance", |order| order.instance_file = None),
        ("Challenge", |order| order.configured = None),
        ("keyring", |order| order.keyring = None),
        ("kubeconfig", |order| order.kubeconfig = None),
        ("pod", |order| order.pod_file = None),
    ];
    let mut order = TokenOrder {
        server: &server,
        use_auth: None,
        option_token: Some(&secrets[0]),
        option_token_file: Some(option_file),
        token: Some(&secrets[1]),
        token_file: Some(conf_file),
        instance_file: Some(instance),
        configured: Some(ConfiguredLogin::Challenge),
        keyring: Some(&keyring),
        kubeconfig: Some(&kubeconfig),
        pod_file: Some(pod),
    };
    for (expected, take_away) in places {
        assert_eq!(chosen(&order), expected);
        take_away(&mut order);
    }
    assert_eq!(chosen(&order), "Nobody");
}

#[test]
fn use_auth_and_certificates_decide_whether_a_token_is_sent() {
    let server = url(SERVER);
    let secret = Secret::new("conf");
    let (certificate, challenge) = (Some(ConfiguredLogin::Certificate), Some(ConfiguredLogin::Challenge));
    for (use_auth, configured, token, expected) in [
        (None, certificate, None, "Certificate"),
        (Some(true), certificate, None, "Challenge"),
        (Some(false), certificate, Some(&secret), "Certificate"),
        (Some(false), challenge, Some(&secret), "Nobody"),
        (None, certificate, Some(&secret), "conf"),
        (Some(true), None, None, "Nobody"),
    ] {
        let order = TokenOrder { use_auth, token, configured, ..TokenOrder::new(&server) };
        assert_eq!(chosen(&order), expected, "{use_auth:?} {configured:?}");
    }
}

#[test]
fn the_keyring_is_asked_only_when_its_turn_comes() {
    let server = url(SERVER);
    let asked = Cell::new(0);
    let keyring = || {
        asked.set(asked.get() + 1);
        ready(Ok(None)).boxed_local()
    };
    let token = Secret::new("conf");
    let order = TokenOrder { token: Some(&token), keyring: Some(&keyring), ..TokenOrder::new(&server) };
    assert_eq!((chosen(&order).as_str(), asked.get()), ("conf", 0));
    assert_eq!((chosen(&TokenOrder { token: None, ..order }).as_str(), asked.get()), ("Nobody", 1));
}

#[test]
fn a_token_file_that_cannot_be_used_is_named_and_nothing_else_is_tried() {
    let files = Files::new();
    let server = url(SERVER);
    let fallback = Secret::new("fallback");
    let folder = files.0.path().to_owned();
    for (path, flaw) in [
        (files.missing(), "cannot read"),
        (folder, "cannot read"),
        (files.write("empty", ""), "it is empty"),
        (files.write("blank", " \n\n"), "it is empty"),
        (files.write("lines", "sha256~aaa\nsha256~bbb\n"), "it has more than one line"),
        (files.write("carriage", "sha256~aaa\rsha256~bbb"), "it has more than one line"),
        (files.write("words", "sha256~aaa bbb"), "it has characters that no token has"),
        (files.write("letters", "sha256~žžž"), "it has characters that no token has"),
        (files.write("bytes", b"sha256~\xff\xfe"), "it has characters that no token has"),
        (files.write("nul", b"sha256~a\0b"), "it has characters that no token has"),
        (files.write("long", "a".repeat(70_000)), "it is longer than 65536 bytes"),
    ] {
        let order = TokenOrder {
            option_token_file: Some(&path),
            token: Some(&fallback),
            configured: Some(ConfiguredLogin::Challenge),
            ..TokenOrder::new(&server)
        };
        let error = choose(&order).unwrap_err();
        let text = error.to_string();
        assert!(text.contains(flaw) && text.contains(path.to_str().unwrap()), "{text}");
        assert!(!format!("{text} {error:?}").contains("sha256"), "{error:?}");
    }
}

#[test]
fn a_token_with_lines_is_refused_wherever_it_is_from() {
    let server = url(SERVER);
    let bad = Secret::new("one\nHost: other");
    let keyring = || ready(Ok(Some(Secret::new("one\ntwo")))).boxed_local();
    let kubeconfig = kubeconfig("me-at-ours", &[("me", "ours", r#"token: "one\ntwo""#)]);
    let none = TokenOrder::new(&server);
    for (order, origin) in [
        (TokenOrder { option_token: Some(&bad), ..none }, "the token on the command line"),
        (TokenOrder { token: Some(&bad), ..none }, "`token` in osbs.conf"),
        (TokenOrder { keyring: Some(&keyring), ..none }, "the token in the keyring"),
        (TokenOrder { kubeconfig: Some(&kubeconfig), ..none }, "the token of the kubeconfig's context me-at-ours"),
    ] {
        let error = choose(&order).unwrap_err().to_string();
        assert_eq!(error, format!("{origin} cannot be used: it has more than one line"));
    }
}

#[test]
fn only_files_that_nobody_named_may_be_missing() {
    let files = Files::new();
    let server = url(SERVER);
    let missing = files.missing();
    let none = TokenOrder::new(&server);
    let order = TokenOrder { instance_file: Some(&missing), pod_file: Some(&missing), ..none };
    assert_eq!(chosen(&order), "Nobody");
    for order in [
        TokenOrder { option_token_file: Some(&missing), ..none },
        TokenOrder { token_file: Some(&missing), ..none },
        TokenOrder { instance_file: Some(files.0.path()), ..none },
        TokenOrder { pod_file: Some(files.0.path()), ..none },
    ] {
        assert!(matches!(choose(&order).unwrap_err(), TokenError::Read { .. }));
    }
}

#[test]
fn a_token_file_that_others_can_read_is_warned_about_but_for_a_pods() {
    let files = Files::new();
    let server = url(SERVER);
    let path = files.write("token", "t");
    for (mode, warned) in [(0o600, false), (0o400, false), (0o640, true), (0o604, true), (0o644, true)] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let none = TokenOrder::new(&server);
        let named = choose(&TokenOrder { token_file: Some(&path), ..none }).unwrap();
        assert_eq!(!named.warnings.is_empty(), warned, "{mode:o}: {:?}", named.warnings);
        assert!(choose(&TokenOrder { pod_file: Some(&path), ..none }).unwrap().warnings.is_empty());
    }
    let warning = TokenWarning::ReadableByOthers { path: "/t".into(), mode: 0o644 }.to_string();
    assert_eq!(warning, "other users of this machine can read the token file /t (mode 0644): `chmod 600` it");
}

#[test]
fn a_kubeconfig_counts_for_its_own_server_only() {
    let me = ("me", "ours", "token: mine");
    let other = ("other", "theirs", "token: others");
    let second = ("second", "ours", "token: second");
    let plugin = ("me", "ours", "exec: {apiVersion: client.authentication.k8s.io/v1, command: login}");
    let certificate = ("me", "ours", "client-certificate: /c, client-key-data: a2V5");
    let password = ("me", "ours", "username: u, password: p");
    let half = ("me", "ours", "client-certificate: /c");
    let nobody = ("me", "ours", "");
    for (current, users, expected) in [
        ("me-at-ours", vec![me, other], "mine"),
        ("other-at-theirs", vec![me, other], "mine"),
        ("''", vec![me], "mine"),
        ("other-at-theirs", vec![other], "Nobody"),
        ("me-at-theirs", vec![("me", "theirs", "token: mine")], "Nobody"),
        ("second-at-ours", vec![me, second], "second"),
        ("other-at-theirs", vec![me, second, other], "Nobody"),
        ("gone", vec![me, me], "mine"),
        ("me-at-ours", vec![plugin], "Plugin of me in me-at-ours"),
        ("me-at-ours", vec![certificate], "Certificate of me in me-at-ours"),
        ("me-at-ours", vec![half], "Nobody"),
        ("me-at-ours", vec![password], "Nobody"),
        ("me-at-ours", vec![nobody], "Nobody"),
        ("me-at-ours", vec![("me", "nowhere", "token: mine")], "Nobody"),
        ("me-at-ours", vec![], "Nobody"),
    ] {
        let kubeconfig = kubeconfig(current, &users);
        let server = url(SERVER);
        let order = TokenOrder { kubeconfig: Some(&kubeconfig), ..TokenOrder::new(&server) };
        assert_eq!(chosen(&order), expected, "{current} {users:?}");
    }
}

#[test]
fn several_users_of_a_server_are_told_when_none_is_current() {
    let kubeconfig = kubeconfig("gone", &[("you", "ours", "token: a"), ("me", "ours", "token: b")]);
    let server = url(SERVER);
    let chosen = choose(&TokenOrder { kubeconfig: Some(&kubeconfig), ..TokenOrder::new(&server) }).unwrap();
    let told = chosen.warnings.iter().map(TokenWarning::to_string).collect::<Vec<_>>();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].starts_with("the kubeconfig has several users for https://api.example.test:6443/ (me, you)"));
}

#[test]
fn a_kubeconfigs_token_file_goes_before_the_token_beside_it_unless_it_is_gone() {
    let files = Files::new();
    let server = url(SERVER);
    let (path, missing) = (files.write("token", "filed"), files.missing());
    for (info, expected) in [
        (format!("tokenFile: {}", path.display()), Some("filed")),
        (format!("tokenFile: {}, token: inline", path.display()), Some("filed")),
        (format!("tokenFile: {}, token: inline", missing.display()), Some("inline")),
        (format!("tokenFile: {}, token: ''", missing.display()), None),
    ] {
        let kubeconfig = kubeconfig("me-at-ours", &[("me", "ours", &info)]);
        let order = TokenOrder { kubeconfig: Some(&kubeconfig), ..TokenOrder::new(&server) };
        match (choose(&order), expected) {
            (Ok(chosen), Some(expected)) => assert_eq!(name(&chosen.identity), expected, "{info}"),
            (Err(error), None) => assert!(error.to_string().contains("missing"), "{error}"),
            (result, _) => panic!("{info}: {result:?}"),
        }
    }
}

#[test]
fn servers_are_compared_as_they_are_meant() {
    for (one, other, same) in [
        ("https://api.example.test:6443", "https://api.example.test:6443/", true),
        ("https://api.example.test:6443", "HTTPS://API.Example.TEST:6443//", true),
        ("https://api.example.test", "https://api.example.test:443/", true),
        ("http://api.example.test:80", "http://api.example.test", true),
        ("https://proxy.example.test/k8s/a/", "https://proxy.example.test/k8s/a", true),
        ("https://[::1]:6443", "https://[0:0:0:0:0:0:0:1]:6443", true),
        ("https://proxy.example.test/k8s/a", "https://proxy.example.test/k8s/b", false),
        ("https://proxy.example.test/k8s/a", "https://proxy.example.test/K8s/a", false),
        ("https://api.example.test", "http://api.example.test:443", false),
        ("https://api.example.test", "https://api.example.test:6443", false),
        ("https://api.example.test", "https://api.example.test.evil.test", false),
        ("https://api.example.test", "https://api.example.test@evil.test", false),
    ] {
        assert_eq!(is_same_server(&url(one), &url(other)), same, "{one} {other}");
        assert_eq!(is_same_server(&url(other), &url(one)), same, "{other} {one}");
    }
}

// The reading; the retry is the cluster's.
#[test]
fn files_are_read_again_and_options_are_not() {
    let files = Files::new();
    let server = url(SERVER);
    let path = files.write("token", "first");
    let chosen = choose(&TokenOrder { token_file: Some(&path), ..TokenOrder::new(&server) }).unwrap();
    let Identity::Token(token) = chosen.identity else { panic!("a token") };
    assert!(token.source.can_be_read_again());
    fs::write(&path, "second\n").unwrap();
    assert_eq!(token.source.read_again().unwrap(), Some(Secret::new("second")));
    fs::remove_file(&path).unwrap();
    assert!(matches!(token.source.read_again(), Err(TokenError::Read { .. })));

    for source in [TokenSource::CommandLine, TokenSource::Configuration, TokenSource::Keyring] {
        assert!(!source.can_be_read_again() && source.read_again().unwrap().is_none(), "{source}");
    }
}

#[test]
fn an_instances_file_is_in_the_home_and_nowhere_else() {
    let home = Path::new("/home/me");
    assert_eq!(instance_file(home, "prod").unwrap(), Path::new("/home/me/.osbs/prod.token"));
    for name in ["", "../prod", "a/b", "a\0b"] {
        assert_eq!(instance_file(home, name), None, "{name:?}");
    }
}

#[test]
fn nothing_shows_a_token() {
    let token = Token { secret: Secret::new("sha256~seen"), source: TokenSource::CommandLine };
    let chosen = Chosen { identity: Identity::Token(token), warnings: Vec::new() };
    assert!(!format!("{chosen:?}").contains("seen"), "{chosen:?}");
}

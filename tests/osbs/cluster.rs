//! Which cluster, who we are there, and what is told when we are nobody.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::support::kube_api::play::Play;
use crate::support::kube_api::{KubeApi, OAuth, Options, TOKEN, Trick};
use crate::support::osbs_world::OsbsWorld;

/// A world whose osbs.conf has a template and no credentials.
fn nobody(options: Options) -> OsbsWorld {
    let world = OsbsWorld::with(options, "");
    world.server.play(Play { lines: 1, ..Play::default() });
    world
}

fn tokens(world: &OsbsWorld) -> Vec<String> {
    let requests = world.server.requests(" /apis/tekton.dev");
    let mut tokens: Vec<String> =
        requests.iter().filter_map(|request| request.header("authorization")).map(str::to_owned).collect();
    tokens.dedup();
    tokens
}

#[test]
fn options_alone_lead_to_a_cluster() {
    let world = nobody(Options::default());
    let _clone = world.clone();
    fs::remove_file(world.sandbox.root().join("home/.config/osbs.conf")).unwrap();
    let template = world.sandbox.root().join("etc/template.yaml");
    let url = world.server.url();
    let run = world.build(&[
        "--openshift-url",
        &url,
        "--osbs-namespace",
        "osbs",
        "--token",
        TOKEN,
        "--pipeline-run",
        template.to_str().unwrap(),
    ]);
    assert!(run.succeeded(), "{run}");
    assert_eq!(tokens(&world), [format!("Bearer {TOKEN}")]);
    assert!(run.stderr.contains("other users of this machine can see the token"), "{run}");
    assert!(!run.stdout.contains(TOKEN) && !run.stderr.contains(TOKEN), "{run}");
}

#[test]
fn an_instance_that_is_not_there_is_told() {
    let world = nobody(Options::default());
    let _clone = world.clone();
    let run = world.build(&["--instance", "x"]);
    assert_eq!(run.status, Some(1), "{run}");
    assert!(run.stderr.contains("Specified section 'x' not found in '$ROOT/home/.config/osbs.conf'"), "{run}");
    assert!(run.stderr.contains("no OpenShift server is known\nhint: set openshift_url in [x] of osbs.conf"), "{run}");
}

#[test]
fn the_token_that_is_named_first_counts() {
    let world = nobody(Options::default());
    let _clone = world.clone();
    let template = world.sandbox.root().join("etc/template.yaml");
    let template = format!("pipeline_run_path = {}\n", template.display());
    let file = world.sandbox.write("token", "sha256~of-the-file\n");
    world.sandbox.write("home/.osbs/default_binary.token", " sha256~of-the-instance \n");
    world.server.change(|state| {
        for name in ["file", "instance", "option", "config"] {
            state.tokens.insert(format!("sha256~of-the-{name}"), name.to_owned());
        }
    });
    let in_config = format!("token = sha256~of-the-config\ntoken_file = {}\n", file.display());
    let in_file = format!("token_file = {}\n", file.display());
    let cases: [(&str, &[&str], &str); 4] = [
        (&in_config, &["--token", "sha256~of-the-option"], "option"),
        (&in_config, &[], "config"),
        (&in_file, &[], "file"),
        ("", &[], "instance"),
    ];
    for (config, arguments, expected) in cases {
        world.configure(&format!("{template}{config}"));
        let before = world.server.requests("POST ").len();
        let run = world.build(&[arguments, &["--nowait"]].concat());
        assert!(run.succeeded(), "{run}");
        let posts = world.server.requests("POST ");
        let expected = format!("Bearer sha256~of-the-{expected}");
        assert_eq!(posts[before].header("authorization"), Some(expected.as_str()));
    }
    world.configure(&format!("{template}token_file = /nonexistent/token\n"));
    let before = world.server.requests("").len();
    let run = world.build(&[]);
    assert_eq!(run.status, Some(5), "{run}");
    assert!(run.stderr.contains("cannot read the token file /nonexistent/token"), "{run}");
    assert_eq!(world.server.requests("").len(), before, "nothing was asked");
}

fn oauth(endpoint: Option<String>) -> OAuth {
    OAuth { user: "packager".into(), password: "secretpw".into(), token: "sha256~given".into(), endpoint, error: None }
}

#[test]
fn a_password_gets_a_token_where_the_cluster_says() {
    let other = KubeApi::with(Options { oauth: Some(oauth(None)), ..Options::default() });
    let elsewhere = format!("{}/oauth/authorize", other.url());
    for endpoint in [None, Some(elsewhere)] {
        let is_elsewhere = endpoint.is_some();
        let world = OsbsWorld::with(Options { oauth: Some(oauth(endpoint)), ..Options::default() }, "");
        world.server.change(|state| state.tokens.insert("sha256~given".into(), "packager".into()));
        world.server.play(Play { lines: 1, ..Play::default() });
        let _clone = world.clone();
        let template = world.sandbox.root().join("etc/template.yaml");
        let login = "username = packager\npassword = secretpw\n";
        world.configure(&format!("pipeline_run_path = {}\n{login}", template.display()));
        let run = world.build(&["-v"]);
        assert!(run.succeeded(), "{run}");
        assert_eq!(tokens(&world), ["Bearer sha256~given"]);
        let asked = if is_elsewhere { other.requests("/oauth/") } else { world.server.requests("/oauth/authorize") };
        assert_eq!(asked.len(), 1, "the redirect is not followed");
        assert!(asked[0].path.contains("client_id=openshift-challenging-client"), "{asked:?}");
        assert!(asked[0].header("x-csrf-token").is_some_and(|value| !value.is_empty()));
        for secret in ["secretpw", "sha256~given"] {
            assert!(!run.stdout.contains(secret) && !run.stderr.contains(secret), "{run}");
        }
    }
}

#[test]
fn a_login_that_is_refused_says_why() {
    let wrong = OAuth { password: "other".into(), ..oauth(None) };
    let denied = OAuth { error: Some(("access_denied".into(), "no+way".into())), ..oauth(None) };
    for (oauth, expected) in [
        (wrong, "refused the login as user packager with a password; it takes Basic"),
        (denied, "gives no token: access_denied (no way)"),
    ] {
        let world = OsbsWorld::with(Options { oauth: Some(oauth), ..Options::default() }, "");
        let _clone = world.clone();
        world.configure("username = packager\npassword = secretpw\n");
        let run = world.build(&[]);
        assert_eq!(run.status, Some(5), "{run}");
        assert!(run.stderr.contains(&format!("/oauth/authorize {expected}")), "{run}");
        assert!(!run.stderr.contains("secretpw"), "{run}");
        assert!(world.server.requests(" /apis").is_empty());
    }
}

#[test]
fn a_kubeconfig_is_for_its_own_server() {
    let world = nobody(Options::default());
    let _clone = world.clone();
    let kubeconfig = |server: &str| {
        format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: other\ncontexts:\n- name: other\n  context: {{cluster: other, user: o}}\n\
             - name: ours\n  context: {{cluster: ours, user: u, namespace: osbs}}\nclusters:\n\
             - name: other\n  cluster: {{server: 'https://other.example.com:6443'}}\n- name: ours\n  cluster: {{server: '{server}'}}\nusers:\n\
             - name: u\n  user: {{token: '{TOKEN}'}}\n- name: o\n  user: {{token: 'sha256~other'}}\n"
        )
    };
    world.sandbox.write("home/.kube/config", &kubeconfig(&world.server.url()));
    let run = world.build(&[]);
    assert!(run.succeeded(), "{run}");
    assert_eq!(tokens(&world), [format!("Bearer {TOKEN}")]);
    // Another server's token stays where it is: nobody is let in.
    world.sandbox.write("home/.kube/config", &kubeconfig("https://another.example.com:6443"));
    let before = tokens(&world).len();
    let run = world.build(&[]);
    assert_eq!(run.status, Some(5), "{run}");
    let places = "(not in osbs.conf, no $ROOT/home/.osbs/default_binary.token, nothing in the keyring, \
                  nobody for this server in the kubeconfig, no token of a pod)";
    assert!(run.stderr.contains(places), "{run}");
    assert!(run.stderr.contains("User \"system:anonymous\" cannot"), "{run}");
    assert!(run.stderr.contains("hint: log in with `oc login`"), "{run}");
    assert_eq!(tokens(&world).len(), before);
    // Without osbs.conf the current context is the cluster.
    fs::remove_file(world.sandbox.root().join("home/.config/osbs.conf")).unwrap();
    let config = kubeconfig(&world.server.url()).replace("current-context: other", "current-context: ours");
    world.sandbox.write("home/.kube/config", &config);
    let template = world.sandbox.root().join("etc/template.yaml");
    let run = world.build(&["--pipeline-run", template.to_str().unwrap()]);
    assert!(run.succeeded(), "{run}");
}

#[test]
fn an_exec_plugin_of_a_kubeconfig_is_run() {
    let world = nobody(Options::default());
    let _clone = world.clone();
    let seen = world.sandbox.root().join("seen");
    let credential = format!(
        "#!/bin/sh\nenv > {}\necho '{{\"apiVersion\": \"client.authentication.k8s.io/v1\", \"kind\": \"ExecCredential\", \"status\": {{\"token\": \"{TOKEN}\"}}}}'\n",
        seen.display()
    );
    let plugin = world.sandbox.write("plugin", &credential);
    fs::set_permissions(&plugin, fs::Permissions::from_mode(0o755)).unwrap();
    let kubeconfig = format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: a\ncontexts:\n- name: a\n  context: {{cluster: a, user: a}}\nclusters:\n\
         - name: a\n  cluster: {{server: '{}'}}\nusers:\n- name: a\n  user:\n    exec: {{apiVersion: client.authentication.k8s.io/v1, \
         command: '{}', interactiveMode: Never}}\n",
        world.server.url(),
        plugin.display()
    );
    world.sandbox.write("home/.kube/config", &kubeconfig);
    let mut command = world.command(&["container-build", "--build-with", "osbs"]);
    command.env("FEDPKG_CONTAINER_BUILD_PASSWORD", "secretpw");
    let run = world.sandbox.finish(command);
    assert!(run.succeeded(), "{run}");
    assert_eq!(tokens(&world), [format!("Bearer {TOKEN}")]);
    // It is somebody else's program: our secrets, and our way to speed up TLS, are none of its business.
    let seen = fs::read_to_string(seen).unwrap();
    assert!(seen.contains("KUBERNETES_EXEC_INFO="), "{seen}");
    assert!(!seen.contains("secretpw") && !seen.contains("SSL_CERT_FILE"), "{seen}");
}

#[test]
fn what_is_asked_and_answered_is_told_when_debugging_and_no_token_is() {
    let world = OsbsWorld::new();
    let _clone = world.clone();
    let run = world.build(&["--nowait", "--debug"]);
    assert!(run.succeeded(), "{run}");
    let create = "POST /apis/tekton.dev/v1/namespaces/osbs/pipelineruns: 201 after ";
    for told in ["GET /apis/tekton.dev: 200 after ", create, "create pipelineruns: an answer of "] {
        assert!(run.stderr.contains(told), "{told}: {run}");
    }
    assert!(!run.stderr.contains("sha256~") && !run.stderr.contains("Bearer"), "{run}");
}

#[test]
fn a_token_that_ends_in_the_middle_is_read_anew_once() {
    let world = OsbsWorld::with(Options::default(), "");
    let _clone = world.clone();
    let template = world.sandbox.root().join("etc/template.yaml");
    let file = world.sandbox.write("token", TOKEN);
    world.configure(&format!("pipeline_run_path = {}\ntoken_file = {}\n", template.display(), file.display()));
    let mut build = world.start_build(&[]);
    let run = world.server.await_run();
    run.start(&["clone"], &[]);
    let task = run.begin("clone", &["step"]);
    task.log("step", b"words 1\n");
    build.read_until("words 1");
    world.sandbox.write("token", "sha256~new\n");
    world.server.change(|state| {
        state.tokens.clear();
        state.tokens.insert("sha256~new".into(), "packager".into());
    });
    world.server.cut_watches();
    world.server.cut_logs();
    task.log("step", b"words 2\n");
    build.read_until("words 2");
    task.succeed();
    run.succeed(&serde_json::json!({}));
    let run = build.finish();
    assert!(run.succeeded(), "{run}");
    assert_eq!(run.stderr.matches("had ended and was renewed").count(), 1, "{run}");
}

#[test]
fn a_server_that_knows_nobody_for_a_while_is_waited_for() {
    let world = OsbsWorld::new();
    let (mut build, run) = world.begin(&[], &["clone"]);
    let task = run.begin("clone", &["step"]);
    task.log("step", b"words 1\n");
    build.read_until("words 1");
    for code in [401, 403] {
        for _ in 0..2 {
            world.server.trick("watch=true", Trick::Status(code, "not now".into()));
            world.server.trick("/log?", Trick::Status(code, "not now".into()));
        }
    }
    world.server.cut_watches();
    world.server.cut_logs();
    task.log("step", b"words 2\n");
    build.read_until("words 2");
    task.succeed();
    run.succeed(&serde_json::json!({}));
    let run = build.finish();
    assert!(run.succeeded(), "{run}");
    assert!(run.stderr.contains("server returned error 40"), "{run}");
}

#[test]
fn what_may_not_be_done_is_named() {
    let world = OsbsWorld::new();
    let _clone = world.clone();
    world.server.change(|state| state.forbidden.insert("create pipelineruns".into()));
    let run = world.build(&[]);
    assert_eq!(run.status, Some(4), "{run}");
    let expected = "create pipelineruns: server returned error 403: pipelineruns.tekton.dev is forbidden: User \"packager\" cannot create resource \"pipelineruns\" in API group \"tekton.dev\"";
    assert!(run.stderr.contains(expected) && run.stderr.contains("hint: ask the cluster's administrators"), "{run}");
    // A full quota is no missing right.
    let quota = "pipelineruns.tekton.dev \"x\" is forbidden: exceeded quota: builds, requested: 1, used: 5, limited: 5";
    let denied = "admission webhook \"policy.example.com\" denied the request: not on Fridays";
    for (code, message, hint) in [
        (403, quota, "hint: wait until other builds have ended or delete old ones, or ask for a larger quota"),
        (403, denied, "hint: the cluster's policies do not admit this build"),
        (422, "PipelineRun \"x\" is invalid: spec.y: Forbidden: no", "is invalid"),
    ] {
        world.server.trick("POST /apis/tekton.dev", Trick::Status(code, message.into()));
        let run = world.build(&[]);
        assert_eq!(run.status, Some(4), "{run}");
        assert!(run.stderr.contains(message) && run.stderr.contains(hint), "{run}");
        assert!(!run.stderr.contains("for that right"), "{run}");
    }
    // Who may not see pods sees everything else.
    let world = OsbsWorld::new();
    let _clone = world.clone();
    world.server.play(Play::default());
    world.server.change(|state| state.forbidden.insert("list pods".into()));
    let run = world.build(&[]);
    assert!(run.succeeded(), "{run}");
    assert!(run.stdout.contains(" | binary-container-build-x86-64 build line 2\n"), "{run}");
}

#[test]
fn certificates_are_verified() {
    let folder = tempfile::tempdir().unwrap();
    let world = nobody(Options { tls: Some(folder.path().to_owned()), ..Options::default() });
    let _clone = world.clone();
    let template = format!("pipeline_run_path = {}\n", world.sandbox.root().join("etc/template.yaml").display());
    world.configure(&format!("{template}token = {TOKEN}\n"));
    let run = world.build(&[]);
    assert_eq!(run.status, Some(6), "{run}");
    assert!(run.stderr.contains("was refused: ") && run.stderr.contains("hint: set ca_file in osbs.conf"), "{run}");
    let authority = folder.path().join("ca.crt");
    world.configure(&format!("{template}token = {TOKEN}\nca_file = {}\n", authority.display()));
    let run = world.build(&[]);
    assert!(run.succeeded(), "{run}");
    world.configure(&format!("{template}token = {TOKEN}\nverify_ssl = false\n"));
    let run = world.build(&[]);
    assert!(run.succeeded(), "{run}");
    assert!(run.stderr.contains("certificate is not verified, because of verify_ssl"), "{run}");
}

#[test]
fn before_there_is_a_build_a_server_that_is_broken_is_no_refusal() {
    let world = OsbsWorld::new();
    let _clone = world.clone();
    for (trick, expected) in [
        (Trick::Page, "get apis: the answer is not understood"),
        (Trick::Status(503, "later".into()), "get apis: server returned error 503: later"),
    ] {
        for _ in 0..5 {
            world.server.trick("GET /apis/tekton.dev", trick.clone());
        }
        let run = world.build(&[]);
        assert_eq!(run.status, Some(6), "{run}");
        assert!(run.stderr.contains(expected), "{run}");
        // An operation is named once.
        assert!(!run.stderr.contains("get apis failed (get apis"), "{run}");
        world.server.change(|state| state.tricks.clear());
    }
}

#[test]
fn a_cluster_that_is_not_there_is_told_after_a_few_tries() {
    let world = OsbsWorld::new();
    let _clone = world.clone();
    world.server.stop_listening();
    let run = world.build(&[]);
    assert_eq!(run.status, Some(6), "{run}");
    assert!(run.stderr.contains("Network error at http://127.0.0.1:"), "{run}");
    assert!(run.stderr.matches("trying again in").count() <= 5, "{run}");
}

#[test]
fn osbs_is_where_builds_go_when_it_is_configured() {
    let world = OsbsWorld::new();
    let _clone = world.clone();
    world.server.play(Play::default());
    let run = world.run(&["container-build"]);
    assert!(run.succeeded(), "{run}");
    assert!(run.stderr.contains("Building on OSBS, instance default_binary (http://"), "{run}");
    let run = world.run(&["container-build", "--build-with", "koji", "--instance", "x"]);
    assert_eq!(run.status, Some(2), "{run}");
    assert!(run.stderr.contains("--instance is an option of builds on OSBS"), "{run}");
}

#[test]
fn the_proxy_of_the_environment_is_asked() {
    let mut world = OsbsWorld::new();
    let proxy = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://me:secretpw@{}", proxy.local_addr().unwrap());
    world.sandbox.set_variable("HTTP_PROXY", &address);
    world.sandbox.set_variable("http_proxy", &address);
    let _clone = world.clone();
    // It takes the connection and hangs up.
    let asked = std::thread::spawn(move || {
        let (mut stream, _) = proxy.accept().unwrap();
        let mut head = [0; 1024];
        let count = std::io::Read::read(&mut stream, &mut head).unwrap();
        String::from_utf8_lossy(&head[..count]).into_owned()
    });
    let template = world.sandbox.root().join("etc/template.yaml");
    world.configure(&format!("token = {TOKEN}\npipeline_run_path = {}\n", template.display()));
    let build = world.start_build(&["-v"]);
    let head = asked.join().unwrap();
    assert!(head.to_ascii_lowercase().contains("proxy-authorization: basic bwu6c2vjcmv0chc="), "{head}");
    build.signal("INT");
    let run = build.finish();
    assert!(!run.stdout.contains("secretpw") && !run.stderr.contains("secretpw"), "{run}");
    assert!(world.server.requests("").is_empty());
    world.sandbox.set_variable("NO_PROXY", "127.0.0.1");
    assert!(world.build(&["--nowait"]).succeeded());
}

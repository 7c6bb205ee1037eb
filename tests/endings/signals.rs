//! A signal ends the program whatever it waits for, with the signal's code and no second one, and nothing is created afterwards.

use std::time::Duration;

use crate::support::koji_hub::{Fault, HubOptions};
use crate::support::kube_api::{OAuth, Options, Trick};
use crate::support::local_world::LocalWorld;
use crate::support::osbs_world::OsbsWorld;
use crate::support::sandbox::Finished;
use crate::support::world::{PATIENCE, Running, World};

/// Signals, and the codes of those that they end.
const SIGNALS: [(&str, i32); 3] = [("INT", 130), ("TERM", 143), ("HUP", 129)];
/// An answer that no test waits for.
const NEVER: Duration = Duration::from_secs(600);
/// An answer that takes its time.
const LATE: Duration = Duration::from_millis(700);

/// A moment at which a signal comes: the program waits for the answer to a call.
struct Moment {
    what: &'static str,
    arguments: &'static [&'static str],
    /// The call, and when its answer comes.
    call: &'static str,
    delay: Duration,
    /// How many builds there are more afterwards.
    created: usize,
}

impl Moment {
    const fn of(what: &'static str, arguments: &'static [&'static str], call: &'static str) -> Moment {
        Moment { what, arguments, call, delay: NEVER, created: 0 }
    }

    const fn creates(self) -> Moment {
        Moment { created: 1, ..self }
    }

    const fn late(self) -> Moment {
        Moment { delay: LATE, ..self }
    }
}

/// Sends a signal, and sees to how the program ends.
fn ended(running: Running<'_>, (signal, code): (&str, i32), moment: &Moment) -> Finished {
    running.signal(signal);
    let run = running.finish();
    assert_eq!(run.status, Some(code), "SIG{signal}, {}: {run}", moment.what);
    let builds = moment.arguments.first() == Some(&"container-build");
    let says_so = run.stderr.contains("nothing was submitted");
    assert_eq!(says_so, builds && moment.created == 0, "SIG{signal}, {}: {run}", moment.what);
    run
}

#[test]
fn a_signal_ends_what_waits_for_a_hub() {
    const BUILD: &[&str] = &["container-build", "--build-with", "koji"];
    const NOWAIT: &[&str] = &["container-build", "--build-with", "koji", "--nowait"];
    const MOMENTS: &[Moment] = &[
        Moment::of("login", BUILD, "login"),
        Moment::of("questions", BUILD, "getBuildTarget"),
        Moment::of("submit under way", BUILD, "buildContainer").late().creates(),
        Moment::of("submit under way of a build that is not watched", NOWAIT, "buildContainer").late().creates(),
        Moment::of("watch", BUILD, "getTaskInfo").creates(),
        Moment::of("check", &["check"], "getBuildTarget"),
        Moment::of("watch of an older build", &["watch", "--last"], "getTaskInfo"),
        Moment::of("status", &["status"], "getTaskInfo"),
        Moment::of("cancel", &["cancel", "--last"], "cancelTask"),
    ];
    let world = World::new();
    world.clone();
    assert!(world.run(&["--nowait"]).succeeded());
    for (moment, signal) in MOMENTS.iter().flat_map(|moment| SIGNALS.map(|signal| (moment, signal))) {
        let before = world.hub.tasks().len();
        world.hub.forget_requests();
        world.hub.inject(moment.call, Fault::Delay(moment.delay), 1);
        let running = world.start(moment.arguments);
        world.hub.wait_for_calls(moment.call, 1, PATIENCE);
        let run = ended(running, signal, moment);
        let tasks = world.hub.tasks();
        assert_eq!(tasks.len(), before + moment.created, "{}: {run}", moment.what);
        let id = tasks.last().unwrap().id.to_string();
        assert!(moment.created == 0 || run.to_string().contains(&id), "{}: {run}", moment.what);
    }
}

#[test]
fn a_signal_does_not_wait_for_ever_for_the_answer_to_a_submit_and_says_that_it_is_not_known() {
    let world = World::new();
    world.clone();
    world.hub.inject("buildContainer", Fault::Delay(NEVER), 1);
    let running = world.start(&["container-build", "--build-with", "koji"]);
    world.hub.wait_for_calls("buildContainer", 1, PATIENCE);
    running.signal("INT");
    let run = running.finish();
    assert_eq!(run.status, Some(7), "{run}");
    assert!(run.stderr.contains("it is not known whether the build was submitted"), "{run}");
    assert!(run.stderr.contains("hint: look") && run.stderr.contains("/tasks?method=buildContainer"), "{run}");
}

#[test]
fn a_signal_while_a_submit_without_an_answer_is_looked_for_does_not_say_that_nothing_was_submitted() {
    let world = World::new();
    world.clone();
    world.hub.inject("buildContainer", Fault::LoseAnswer, 1);
    // The look that was made before the submit is answered.
    world.hub.inject_after(1, "listTasks", Fault::Delay(NEVER), 1);
    let running = world.start(&["container-build", "--build-with", "koji"]);
    world.hub.wait_for_calls("listTasks", 2, PATIENCE);
    running.signal("TERM");
    let run = running.finish();
    assert_eq!(run.status, Some(7), "{run}");
    assert!(run.stderr.contains("it is not known whether the build was submitted"), "{run}");
}

#[test]
fn a_signal_ends_what_waits_for_a_cluster() {
    const BUILD: &[&str] = &["container-build", "--build-with", "osbs"];
    const MOMENTS: &[Moment] = &[
        Moment::of("discovery", BUILD, "GET /apis"),
        Moment::of("submit under way", BUILD, "POST /apis/tekton.dev").late().creates(),
        Moment::of("watch", BUILD, "watch=true").creates(),
        Moment::of("watch of an older build", &["watch", "--last"], "watch=true"),
        Moment::of("check", &["check", "--build-with", "osbs"], "GET /apis"),
        Moment::of("status", &["status"], "GET /apis"),
        Moment::of("cancel", &["cancel", "--last"], "PATCH "),
    ];
    let world = OsbsWorld::new();
    world.clone();
    assert!(world.build(&["--nowait"]).succeeded());
    let runs = || world.server.requests("POST /apis/tekton.dev").len();
    for (moment, signal) in MOMENTS.iter().flat_map(|moment| SIGNALS.map(|signal| (moment, signal))) {
        let before = runs();
        let asked = world.server.requests(moment.call).len();
        world.server.trick(moment.call, Trick::Delay(moment.delay));
        let running = world.start(moment.arguments);
        world.server.wait_for_requests(moment.call, asked + 1);
        let run = ended(running, signal, moment);
        assert_eq!(runs(), before + moment.created, "{}: {run}", moment.what);
        let name = world.server.await_runs(1).pop().expect("a run").name;
        assert!(moment.created == 0 || run.to_string().contains(&name), "{}: {run}", moment.what);
    }
}

#[test]
fn a_signal_ends_a_login_that_is_not_answered() {
    const BUILD: &[&str] = &["container-build", "--build-with", "osbs"];
    const MOMENT: Moment = Moment::of("the login of OpenShift", BUILD, "GET /oauth/authorize");
    let (user, password, token) = ("packager".to_owned(), "secretpw".to_owned(), "sha256~given".to_owned());
    let oauth = OAuth { user, password, token, endpoint: None, error: None };
    let world = OsbsWorld::with(Options { oauth: Some(oauth), ..Options::default() }, "");
    let endpoint = format!("{}/oauth/authorize", world.server.url());
    world.configure(&format!("username = packager\npassword = secretpw\noauth_url = {endpoint}\n"));
    world.clone();
    for signal in SIGNALS {
        let asked = world.server.requests(MOMENT.call).len();
        world.server.trick(MOMENT.call, Trick::Delay(NEVER));
        let running = world.start(MOMENT.arguments);
        world.server.wait_for_requests(MOMENT.call, asked + 1);
        let _ = ended(running, signal, &MOMENT);
    }
    assert!(world.server.requests("POST ").is_empty());
}

#[test]
#[cfg(feature = "keyring")]
fn a_signal_ends_the_wait_for_a_keyring_that_is_silent() {
    let (mut world, mut cluster) = (World::new(), OsbsWorld::new());
    let bus = SilentBus::new(&world.sandbox);
    world.sandbox.set_variable("FEDPKG_CONTAINER_BUILD_PASSWORD", "");
    for sandbox in [&mut world.sandbox, &mut cluster.sandbox] {
        sandbox.set_variable("DBUS_SESSION_BUS_ADDRESS", &bus.address);
    }
    world.clone();
    cluster.clone();
    cluster.configure("");
    let moments = [
        (&world.sandbox, Moment::of("Koji's keyring", &["container-build", "--build-with", "koji"], "")),
        (&world.sandbox, Moment::of("Koji's keyring", &["cancel", "1"], "")),
        (&cluster.sandbox, Moment::of("OSBS' keyring", &["container-build", "--build-with", "osbs"], "")),
        (&cluster.sandbox, Moment::of("OSBS' keyring", &["watch", "--build-with", "osbs", "a-run"], "")),
    ];
    for ((sandbox, moment), signal) in moments.iter().flat_map(|moment| SIGNALS.map(|signal| (moment, signal))) {
        let running = Running::start(sandbox.command_in_clone(moment.arguments), sandbox);
        let connection = bus.connection();
        let _ = ended(running, signal, moment);
        drop(connection);
    }
    assert!(world.hub.tasks().is_empty() && cluster.server.requests("POST ").is_empty());
}

/// A D-Bus that takes connections, and says nothing.
#[cfg(feature = "keyring")]
struct SilentBus {
    listener: std::os::unix::net::UnixListener,
    address: String,
}

#[cfg(feature = "keyring")]
impl SilentBus {
    fn new(sandbox: &crate::support::sandbox::Sandbox) -> SilentBus {
        let path = sandbox.root().join("bus");
        let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
        listener.set_nonblocking(true).unwrap();
        SilentBus { listener, address: format!("unix:path={}", path.display()) }
    }

    /// The next connection, once there is one.
    fn connection(&self) -> std::os::unix::net::UnixStream {
        let deadline = std::time::Instant::now() + PATIENCE;
        loop {
            match self.listener.accept() {
                Ok((stream, _)) => return stream,
                Err(error) => assert!(std::time::Instant::now() < deadline, "nobody asks the keyring: {error}"),
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

#[test]
fn a_signal_ends_the_wait_between_two_tries() {
    let world = World::new();
    world.clone();
    let cluster = OsbsWorld::new();
    cluster.clone();
    let koji = Moment::of("a hub that is away", &["container-build", "--build-with", "koji"], "");
    let osbs = Moment::of("a cluster that is away", &["container-build", "--build-with", "osbs"], "");
    world.hub.stop_listening();
    cluster.server.stop_listening();
    for signal in SIGNALS {
        for (mut running, moment) in [(world.start(koji.arguments), &koji), (cluster.start(osbs.arguments), &osbs)] {
            running.read_error_until("trying again in");
            let _ = ended(running, signal, moment);
        }
    }
    assert!(world.hub.tasks().is_empty() && cluster.server.requests("POST ").is_empty());
}

#[test]
fn a_signal_ends_a_build_on_this_machine_that_waits_for_its_hub() {
    let options = HubOptions::default().content_generator("fedpkg-container-build");
    let Some(world) = LocalWorld::with_hub(options, "") else { return };
    world.clone("FROM fedora:42\nLABEL com.redhat.component=foo-container name=demo/app version=1.0 release=3\n");
    for (signal, code) in SIGNALS {
        world.hub().forget_requests();
        world.hub().inject("login", Fault::Delay(NEVER), 1);
        let running = world.start(&["--push", "--import"]);
        world.hub().wait_for_calls("login", 1, PATIENCE);
        running.signal(signal);
        let run = running.finish();
        assert_eq!(run.status, Some(code), "SIG{signal}: {run}");
        assert!(world.hub().reservations().is_empty() && world.registry.tags("demo/app").is_empty(), "{run}");
    }
}

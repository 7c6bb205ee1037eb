//! A Koji hub in the test process: HTTP on the loopback, state in memory, and every way to fail that clients have to survive.
//!
//! Answers have the shapes of recorded hub 1.35.3 answers. Not there: access control beyond ownership, inheritance between
//! tags, rpms.

pub(crate) mod args;
pub(crate) mod builder;
pub(crate) mod content_generator;
pub(crate) mod files;
pub(crate) mod metadata;
pub(crate) mod methods;
pub(crate) mod misbehaviour;
pub(crate) mod server;
pub(crate) mod sessions;
pub(crate) mod state;
pub(crate) mod tagging;
pub(crate) mod tasks;
pub(crate) mod tls;
pub(crate) mod uploads;
pub(crate) mod xmlrpc;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use axum::http::request::Parts;
use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

#[allow(unused_imports, reason = "the test binary and the test hub program use different parts")]
pub(crate) use builder::{End, Script, TaskHandle};
pub(crate) use content_generator::Reservation;
pub(crate) use misbehaviour::Fault;
pub(crate) use state::TaskState;

use super::faults;
use super::serving::{self, Port};
use misbehaviour::Injection;
use state::{State, Task};
use xmlrpc::Call;

/// Which header a hub takes the call number from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Callnum {
    /// `Koji-Session-Callnum`, else `Koji-Callnum`: hubs after 1.35.3.
    #[default]
    Session,
    /// Only `Koji-Callnum`: hubs from 1.31 to 1.35.3.
    Old,
    /// Numbers are not looked at.
    Off,
}

/// What kind of hub.
#[derive(Debug, Clone, Default)]
pub(crate) struct HubOptions {
    /// The port for http; 0 for any.
    pub port: u16,
    /// Sessions in the query, as before Koji 1.31.
    pub old_sessions: bool,
    pub callnum: Callnum,
    /// Also serve https; certificates are written into this folder.
    pub tls: Option<PathBuf>,
    /// Take the header `X-Remote-User` for what the web server found out by Kerberos.
    pub trust_user_header: bool,
    /// Content generators, and the names of those who may use them.
    pub content_generators: BTreeMap<String, Vec<String>>,
    /// Types of builds beyond Koji's own four (`icm`, `remote-sources`).
    pub types: Vec<String>,
}

impl HubOptions {
    /// With https, certificates in `folder`.
    #[must_use]
    pub(crate) fn tls(mut self, folder: impl Into<PathBuf>) -> HubOptions {
        self.tls = Some(folder.into());
        self
    }

    /// With a content generator that the packager may use.
    #[must_use]
    pub(crate) fn content_generator(mut self, name: &str) -> HubOptions {
        self.content_generators.insert(name.to_owned(), vec!["packager".to_owned()]);
        self
    }

    fn has_type(&self, name: &str) -> bool {
        self.types.iter().any(|known| known == name)
    }
}

/// A request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Recorded {
    /// HTTP's method.
    pub method: String,
    /// With its query.
    pub path: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// The hub's calls; those of a multiCall one by one.
    pub calls: Vec<Call>,
}

impl Recorded {
    fn new(parts: &Parts, calls: Vec<Call>) -> Recorded {
        let header = |(name, value): (&axum::http::HeaderName, &axum::http::HeaderValue)| {
            (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned())
        };
        Recorded {
            method: parts.method.to_string(),
            path: parts.uri.path_and_query().map(ToString::to_string).unwrap_or_default(),
            headers: parts.headers.iter().map(header).collect(),
            calls,
        }
    }

    /// A header, by its name in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Whether the request holds a call of this method.
    pub(crate) fn has(&self, method: &str) -> bool {
        self.calls.iter().any(|(name, _)| name == method)
    }
}

/// What the threads of a hub have in common.
pub(crate) struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    stopped: AtomicBool,
    /// How many bytes of endless answers were taken from here.
    pub(super) endless: Arc<AtomicUsize>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Changes the state and wakes those who wait.
    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let result = change(&mut self.lock());
        self.changed.notify_all();
        result
    }

    /// Waits until something is there; panics when that takes longer.
    fn wait<T>(&self, timeout: Duration, what: &str, look: impl Fn(&State) -> Option<T>) -> T {
        let deadline = Instant::now() + timeout;
        let mut state = self.lock();
        loop {
            if let Some(found) = look(&state) {
                return found;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "waited {timeout:?} for {what}");
            state = self.changed.wait_timeout(state, left).unwrap_or_else(std::sync::PoisonError::into_inner).0;
        }
    }

    /// Sleeps until something changes, at most so long.
    fn doze(&self, longest: Duration) {
        let _ = self.changed.wait_timeout(self.lock(), longest);
    }
}

/// A running hub; it stops when it is dropped, which fails the test when an injected fault never happened.
pub(crate) struct Hub {
    shared: Arc<Shared>,
    port: u16,
    https_port: Option<u16>,
    acceptor: Option<tokio_rustls::TlsAcceptor>,
    runtime: Handle,
    listening: Mutex<Vec<JoinHandle<()>>>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Hub {
    /// Starts a hub with the usual users, tags, targets and packages.
    pub(crate) fn start(options: HubOptions) -> Hub {
        let acceptor = options.tls.as_deref().map(tls::set_up);
        let listener = serving::bind(options.port);
        let port = serving::port(&listener);
        let https = acceptor.as_ref().map(|_| serving::bind(0));
        let https_port = https.as_ref().map(serving::port);
        let state = Mutex::new(State::seeded(options));
        let shared = Arc::new(Shared {
            state,
            changed: Condvar::new(),
            stopped: AtomicBool::new(false),
            endless: Arc::default(),
        });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel();
        let thread = thread::spawn(move || {
            let _ = runtime.block_on(stopped);
        });
        let hub = Hub {
            shared,
            port,
            https_port,
            acceptor,
            runtime: handle,
            listening: Mutex::default(),
            stop: Some(stop),
            thread: Some(thread),
        };
        hub.listen(listener, https);
        hub
    }

    fn listen(&self, http: std::net::TcpListener, https: Option<std::net::TcpListener>) {
        let https = https.map(|listener| Port::new(listener, self.acceptor.clone()));
        let ports = [Some(Port::new(http, None)), https].into_iter().flatten();
        self.listening.lock().expect("not poisoned").extend(ports.map(|port| {
            let shared = Arc::clone(&self.shared);
            self.runtime.spawn(port.serve(move |request, name| server::answer(Arc::clone(&shared), request, name)))
        }));
    }

    /// Closes the ports and all connections.
    pub(crate) fn stop_listening(&self) {
        for task in self.listening.lock().expect("not poisoned").drain(..) {
            task.abort();
            while !task.is_finished() {
                thread::sleep(Duration::from_millis(1));
            }
        }
    }

    /// Opens the same ports again.
    pub(crate) fn listen_again(&self) {
        self.listen(serving::bind(self.port), self.https_port.map(serving::bind));
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// The XML-RPC address.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/kojihub", self.port)
    }

    /// The XML-RPC address with TLS; needs [`HubOptions::tls`].
    pub(crate) fn https_url(&self) -> String {
        format!("https://localhost:{}/kojihub", self.https_port.expect("a hub with tls"))
    }

    pub(crate) fn weburl(&self) -> String {
        format!("http://127.0.0.1:{}/koji", self.port)
    }

    pub(crate) fn topurl(&self) -> String {
        format!("http://127.0.0.1:{}/kojifiles", self.port)
    }

    /// Where Greenwave is.
    pub(crate) fn greenwave_url(&self) -> String {
        format!("http://127.0.0.1:{}/greenwave", self.port)
    }

    /// All requests so far.
    pub(crate) fn requests(&self) -> Vec<Recorded> {
        self.shared.lock().recorded.clone()
    }

    /// All calls of a method so far, in order.
    pub(crate) fn calls(&self, method: &str) -> Vec<Vec<xmlrpc::Value>> {
        let calls = self.requests().into_iter().flat_map(|request| request.calls);
        calls.filter(|(name, _)| name == method).map(|(_, params)| params).collect()
    }

    /// Forgets the requests so far.
    pub(crate) fn forget_requests(&self) {
        self.shared.change(|state| state.recorded.clear());
    }

    /// Changes anything that has no call of its own.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        self.shared.change(change)
    }

    pub(crate) fn add_target(&self, name: &str, build_tag: &str, dest_tag: &str) {
        self.shared.change(|state| state.add_target(name, build_tag, dest_tag));
    }

    pub(crate) fn add_package(&self, tag: &str, name: &str, blocked: bool) {
        self.shared.change(|state| state.add_package(tag, name, blocked));
    }

    /// Adds a build in one of Koji's `BUILD_STATES` and gives its id.
    pub(crate) fn add_build(&self, nvr: &str, build_state: i64) -> i64 {
        self.shared.change(|state| state.add_build(nvr, build_state, None))
    }

    /// No longer offers a method, as a hub without the container plug-in.
    pub(crate) fn hide_method(&self, method: &str) {
        self.shared.change(|state| state.hidden_methods.insert(method.to_owned()));
    }

    /// Adds a task of `owner` (1 is packager) without a call.
    pub(crate) fn add_task(&self, method: &str, owner: i64, request: Vec<xmlrpc::Value>) -> TaskHandle {
        self.task(self.shared.change(|state| state.new_task(method, owner, request).id))
    }

    /// All tasks, by id.
    pub(crate) fn tasks(&self) -> Vec<Task> {
        self.shared.lock().tasks.values().cloned().collect()
    }

    /// The builder's side of a task.
    pub(crate) fn task(&self, id: i64) -> TaskHandle {
        TaskHandle { shared: Arc::clone(&self.shared), id }
    }

    /// Waits for a container build that is free, and gives its id; panics when that takes longer.
    pub(crate) fn wait_for_task(&self, timeout: Duration) -> i64 {
        self.shared.wait(timeout, "a free buildContainer task", |state| {
            let free = |task: &&Task| task.method == "buildContainer" && task.state == TaskState::Free;
            state.tasks.values().find(free).map(|task| task.id)
        })
    }

    /// Waits until so many requests held a call of `method`; panics when that takes longer.
    pub(crate) fn wait_for_calls(&self, method: &str, times: usize, timeout: Duration) {
        self.shared.wait(timeout, &format!("{times} calls of {method}"), |state| {
            (state.recorded.iter().filter(|request| request.has(method)).count() >= times).then_some(())
        });
    }

    /// Lets a builder take all container builds from now on.
    pub(crate) fn script(&self, script: Script) {
        let shared = Arc::clone(&self.shared);
        thread::spawn(move || builder::run_script(&shared, &script));
    }

    /// Lets the next `times` requests that match fail, no fewer: by a method, the beginning of a path (`/kojifiles`), or `*`.
    pub(crate) fn inject(&self, matching: &str, fault: Fault, times: usize) {
        self.inject_after(0, matching, fault, times);
    }

    /// As [`Hub::inject`], and for good.
    pub(crate) fn inject_for_good(&self, matching: &str, fault: Fault) {
        self.put_in_store(Injection { matching: matching.to_owned(), fault, spared: 0, times: None, met: 0 });
    }

    /// As [`Hub::inject`], after so many matching requests.
    pub(crate) fn inject_after(&self, spared: usize, matching: &str, fault: Fault, times: usize) {
        self.put_in_store(Injection { matching: matching.to_owned(), fault, spared, times: Some(times), met: 0 });
    }

    fn put_in_store(&self, injection: Injection) {
        self.shared.change(|state| state.injections.push(injection));
    }

    /// How many bytes of endless answers were sent, or wait to be.
    pub(crate) fn endless_bytes(&self) -> usize {
        self.shared.endless.load(Ordering::SeqCst)
    }

    /// Lets all sessions expire (1007); logins with `renew` mend them.
    pub(crate) fn expire_sessions(&self) {
        self.shared.change(|state| state.sessions.values_mut().for_each(|session| session.expired = true));
    }

    /// Forgets all sessions (1002).
    pub(crate) fn forget_sessions(&self) {
        self.shared.change(|state| state.sessions.clear());
    }

    /// What was uploaded, by path.
    pub(crate) fn uploads(&self) -> BTreeMap<String, Vec<u8>> {
        let state = self.shared.lock();
        let file = |((folder, name), file): (&(String, String), &uploads::Uploaded)| {
            (format!("{folder}/{name}"), file.bytes.clone())
        };
        state.uploads.files.iter().map(file).collect()
    }

    /// The metadata that a build was imported with.
    pub(crate) fn imported(&self, nvr: &str) -> Option<serde_json::Value> {
        let state = self.shared.lock();
        let build = state.find_build(nvr)?;
        state.generators.imports.get(&build.id).map(|import| import.metadata.clone())
    }

    /// The NVRs that are reserved, by the builds' ids.
    pub(crate) fn reservations(&self) -> BTreeMap<i64, Reservation> {
        self.shared.lock().generators.reservations.clone()
    }

    /// The NVRs that were given a tag by `tagBuild`.
    pub(crate) fn tagged(&self, tag: &str) -> Vec<String> {
        self.shared.change(|state| {
            state.run_tagging();
            state.tagged.iter().filter(|(other, _)| other == tag).map(|(_, nvr)| nvr.clone()).collect()
        })
    }

    /// Whether files below `topurl` are there.
    pub(crate) fn serve_files(&self, served: bool) {
        self.shared.change(|state| state.serve_files = served);
    }

    /// What Greenwave answers from now on: a status and a JSON body.
    pub(crate) fn greenwave_answers(&self, status: u16, body: &str) {
        self.shared.change(|state| state.greenwave = (status, body.to_owned()));
    }

    /// What Greenwave was sent.
    pub(crate) fn greenwave_bodies(&self) -> Vec<Bytes> {
        self.shared.lock().greenwave_bodies.clone()
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        self.shared.changed.notify_all();
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        let missed = self.shared.lock().missed_faults();
        faults::all_happened(&missed);
    }
}

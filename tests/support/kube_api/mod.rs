//! A Kubernetes API server with Tekton in the test process: objects with versions, watches, logs, tokens.
//!
//! It answers as a real one was seen to (kube-apiserver 1.36 with Tekton Pipelines): 410 as an event inside a 200, 204 for the log
//! of a pod without a node, a clean end of a log whose node is gone, times cut to seconds. It runs nothing: a test moves runs along
//! by [`Run`] and [`Task`], or has whole builds played by [`play`]. Not there: tables, schemas (`/openapi`), managed fields,
//! objects of a cluster, patches that are not merged.

mod access;
mod admission;
mod answers;
mod builds;
mod logs;
mod misbehaviour;
mod oauth;
mod objects;
pub(crate) mod play;
mod resources;
mod run;
mod selectors;
mod server;
mod state;
mod task;
mod versions;
mod watches;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use super::faults;
use super::koji_hub::tls;
use super::serving::{self, Answer, Port};

pub(crate) use misbehaviour::{Odd, Trick};
pub(crate) use oauth::OAuth;
pub(crate) use run::Run;
pub(crate) use state::{Collection, Recorded, State};
#[allow(unused_imports, reason = "what tests keep of a task")]
pub(crate) use task::Task;

use misbehaviour::Injection;

/// The namespace that the users may use.
pub(crate) const NAMESPACE: &str = "osbs";
/// A token that lets in.
pub(crate) const TOKEN: &str = "sha256~good";

/// How the server begins.
#[derive(Debug, Clone, Default)]
pub(crate) struct Options {
    /// Versions of `tekton.dev`; both when empty.
    pub versions: Option<Vec<&'static str>>,
    /// Whether OpenShift's own builds are served.
    pub builds: bool,
    /// The folder that certificates are written into; without one it speaks plain HTTP.
    pub tls: Option<PathBuf>,
    /// The OAuth server.
    pub oauth: Option<OAuth>,
}

/// What connections and tests share.
pub(crate) struct Shared {
    state: Mutex<State>,
    changed: watch::Sender<u64>,
    kills: watch::Sender<u64>,
    is_over: AtomicBool,
    options: Mutex<Options>,
    url: Mutex<String>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn read<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.lock())
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let result = change(&mut self.lock());
        self.changed.send_modify(|count| *count += 1);
        result
    }

    fn changed(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    fn kills(&self) -> watch::Receiver<u64> {
        self.kills.subscribe()
    }

    /// Whether the server is about to go.
    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }

    fn options(&self) -> Options {
        self.options.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    fn oauth(&self) -> Option<OAuth> {
        self.options().oauth
    }

    fn url(&self) -> String {
        self.url.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    fn versions(&self, group: &str) -> Vec<&'static str> {
        match group {
            "tekton.dev" => self.options().versions.unwrap_or_else(|| vec!["v1", "v1beta1"]),
            "build.openshift.io" | "image.openshift.io" => vec!["v1"],
            _ => Vec::new(),
        }
    }

    fn groups(&self) -> Vec<&'static str> {
        let tekton = (!self.versions("tekton.dev").is_empty()).then_some("tekton.dev");
        let openshift = ["build.openshift.io", "image.openshift.io"].into_iter().filter(|_| self.options().builds);
        tekton.into_iter().chain(openshift).collect()
    }

    fn serves(&self, group: &str, version: &str) -> bool {
        self.groups().contains(&group) && self.versions(group).contains(&version)
    }
}

/// A server that runs until it is dropped, which fails the test when a trick in store never happened.
pub(crate) struct KubeApi {
    shared: Arc<Shared>,
    runtime: Option<Runtime>,
    serving: Mutex<Option<tokio::task::JoinHandle<()>>>,
    port: u16,
    acceptor: Option<TlsAcceptor>,
    players: Mutex<Vec<JoinHandle<()>>>,
}

impl KubeApi {
    /// A server with both versions of Tekton's API.
    pub(crate) fn start() -> KubeApi {
        KubeApi::with(Options::default())
    }

    /// A server as `options` say.
    pub(crate) fn with(options: Options) -> KubeApi {
        let listener = serving::bind(0);
        let port = serving::port(&listener);
        let acceptor = options.tls.as_deref().map(tls::set_up);
        let scheme = if acceptor.is_some() { "https" } else { "http" };
        let mut state = State { version: 100, ..State::default() };
        state.tokens.insert(TOKEN.to_owned(), "packager".to_owned());
        state.namespaces.insert(NAMESPACE.to_owned());
        let shared = Arc::new(Shared {
            state: Mutex::new(state),
            changed: watch::channel(0).0,
            kills: watch::channel(0).0,
            is_over: AtomicBool::new(false),
            options: Mutex::new(options),
            url: Mutex::new(format!("{scheme}://127.0.0.1:{port}")),
        });
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        let server = KubeApi {
            shared,
            runtime: Some(runtime),
            serving: Mutex::new(None),
            port,
            acceptor,
            players: Mutex::new(Vec::new()),
        };
        server.serve(listener);
        server
    }

    fn serve(&self, listener: std::net::TcpListener) {
        let port = Port { kills: Some(self.shared.kills()), ..Port::new(listener, self.acceptor.clone()) };
        let (runtime, shared) = (self.runtime.as_ref().expect("a runtime"), Arc::clone(&self.shared));
        let task = runtime.spawn(port.serve(move |request, _| server::answer(Arc::clone(&shared), request)));
        *self.serving.lock().unwrap() = Some(task);
    }

    /// The address without a path.
    pub(crate) fn url(&self) -> String {
        self.shared.url()
    }

    /// Looks at the state.
    pub(crate) fn read<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        self.shared.read(look)
    }

    /// Changes the state.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        self.shared.change(change)
    }

    /// Puts an object into a collection.
    pub(crate) fn put(&self, collection: &Collection, object: Value) {
        self.change(|state| state.put(collection, object));
    }

    /// Does something else with the next request whose method and path hold a text.
    pub(crate) fn trick(&self, text: &str, trick: Trick) {
        self.trick_after(text, 0, trick);
    }

    /// Lets so many such requests go well first.
    pub(crate) fn trick_after(&self, text: &str, spared: usize, trick: Trick) {
        self.put_in_store(Injection { spared, ..Injection::new(text, trick) });
    }

    /// Does something else with all such requests from now on.
    pub(crate) fn trick_for_good(&self, text: &str, trick: Trick) {
        self.put_in_store(Injection { for_good: true, ..Injection::new(text, trick) });
    }

    fn put_in_store(&self, injection: Injection) {
        self.change(|state| state.tricks.push_back(injection));
    }

    /// Waits until all tricks have happened.
    pub(crate) fn await_tricks(&self) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while self.read(|state| !state.tricks.is_empty()) {
            assert!(Instant::now() < deadline, "a trick did not happen");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Requests so far whose method and path hold a text.
    pub(crate) fn requests(&self, text: &str) -> Vec<Recorded> {
        let all = self.read(|state| state.requests.clone());
        all.into_iter().filter(|request| format!("{} {}", request.method, request.path).contains(text)).collect()
    }

    /// Waits until so many requests hold a text.
    pub(crate) fn wait_for_requests(&self, text: &str, count: usize) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while self.requests(text).len() < count {
            assert!(Instant::now() < deadline, "no {count} requests of {text}");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Forgets what changed so far.
    pub(crate) fn compact(&self) {
        self.change(|state| {
            state.version += 1;
            state.forgotten = state.version;
            state.changes.clear();
        });
    }

    /// Ends open watches, uncleanly.
    pub(crate) fn cut_watches(&self) {
        self.change(|state| state.misbehaviour.cut_watches += 1);
    }

    /// Tells open watches of the current version, where they want to be told.
    pub(crate) fn bookmark(&self) {
        self.change(|state| state.misbehaviour.bookmarks += 1);
    }

    /// Ends followed logs cleanly, as when the connection to a node breaks.
    pub(crate) fn cut_logs(&self) {
        self.cut_logs_after(0);
    }

    /// Ends followed logs after so many more bytes: in the middle of a line, for instance.
    pub(crate) fn cut_logs_after(&self, bytes: usize) {
        self.change(|state| {
            state.misbehaviour.cut_logs += 1;
            state.misbehaviour.cut_logs_after = bytes;
        });
    }

    /// Lets logs that are followed bring no more, and not end either.
    pub(crate) fn mute_logs(&self) {
        self.change(|state| state.misbehaviour.mute_logs += 1);
    }

    /// Forbids everybody to do these things (`list pods`), or allows it again.
    pub(crate) fn forbid(&self, rights: &[&str], are_forbidden: bool) {
        self.change(|state| {
            for right in rights {
                if are_forbidden {
                    state.forbidden.insert((*right).to_owned());
                } else {
                    state.forbidden.remove(*right);
                }
            }
        });
    }

    /// Whether nodes can be asked for logs.
    pub(crate) fn nodes_are_down(&self, down: bool) {
        self.change(|state| state.misbehaviour.nodes_are_down = down);
    }

    /// Ends all connections uncleanly, and goes on listening.
    pub(crate) fn kill_connections(&self) {
        self.shared.kills.send_modify(|count| *count += 1);
    }

    /// Ends all connections and listens no more.
    pub(crate) fn stop_listening(&self) {
        if let Some(task) = self.serving.lock().unwrap().take() {
            task.abort();
            let _ = self.runtime.as_ref().expect("a runtime").block_on(task);
        }
    }

    /// Listens again, with the state as it was.
    pub(crate) fn listen_again(&self) {
        self.serve(serving::bind(self.port));
    }

    /// Waits for a run to be there: the one that was created last.
    pub(crate) fn await_run(&self) -> Run {
        self.await_runs(1).pop().expect("a run")
    }

    /// Waits for so many runs to be there, in the order of their creation.
    pub(crate) fn await_runs(&self, count: usize) -> Vec<Run> {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let runs = run::all(&self.shared);
            if runs.len() >= count {
                return runs;
            }
            assert!(Instant::now() < deadline, "{} of {count} runs were created", runs.len());
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Plays a build for each run that is created from now on.
    pub(crate) fn play(&self, play: play::Play) {
        let shared = Arc::clone(&self.shared);
        self.lock_players().push(std::thread::spawn(move || play::play(&shared, &play)));
    }

    /// Cancels runs as their creators wish, for tests that move runs along by themselves.
    pub(crate) fn obey_cancels(&self) {
        let shared = Arc::clone(&self.shared);
        self.lock_players().push(std::thread::spawn(move || play::obey(&shared)));
    }

    fn lock_players(&self) -> MutexGuard<'_, Vec<JoinHandle<()>>> {
        self.players.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Drop for KubeApi {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::Relaxed);
        for player in self.lock_players().drain(..) {
            let _ = player.join();
        }
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
        let missed = self.read(State::missed_tricks);
        faults::all_happened(&missed);
    }
}

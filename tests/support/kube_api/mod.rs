//! A Kubernetes API server with Tekton in the test process: objects with versions, watches, logs, tokens.
//!
//! It answers as a real one was seen to (kube-apiserver 1.36 with Tekton Pipelines): 410 as an event inside a 200, 204 for the log
//! of a pod without a node, a clean end of a log whose node is gone, times cut to seconds. It runs nothing: a test moves runs along
//! by [`Run`], or has whole builds played by [`play`].

mod logs;
mod oauth;
pub mod play;
mod run;
mod server;
mod state;

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::Response;
use serde_json::Value;
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use super::koji_hub::tls;

pub use oauth::OAuth;
pub use run::Run;
pub use state::{Collection, Log, Recorded, State};

/// The namespace that the users may use.
pub const NAMESPACE: &str = "osbs";
/// A token that lets in.
pub const TOKEN: &str = "sha256~good";

/// An answer, or a closed connection.
type Answer = Result<Response<Body>, io::Error>;

/// What is done with a request instead of answering it as it should be.
#[derive(Debug, Clone)]
pub enum Trick {
    /// Answers with this status and message.
    Status(u16, String),
    /// Closes the connection without an answer.
    Reset,
    /// Does what is asked, and closes the connection without an answer.
    LoseAnswer,
    /// Waits before the answer.
    Delay(Duration),
}

/// How the server begins.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Versions of `tekton.dev`; both when empty.
    pub versions: Option<Vec<&'static str>>,
    /// Whether `build.openshift.io` is served.
    pub builds: bool,
    /// The folder that certificates are written into; without one it speaks plain HTTP.
    pub tls: Option<PathBuf>,
    /// The OAuth server.
    pub oauth: Option<OAuth>,
}

/// What connections and tests share.
pub struct Shared {
    state: Mutex<State>,
    changed: watch::Sender<u64>,
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
            "build.openshift.io" => vec!["v1"],
            _ => Vec::new(),
        }
    }

    fn groups(&self) -> Vec<&'static str> {
        let tekton = (!self.versions("tekton.dev").is_empty()).then_some("tekton.dev");
        tekton.into_iter().chain(self.options().builds.then_some("build.openshift.io")).collect()
    }

    fn serves(&self, group: &str, version: &str) -> bool {
        self.groups().contains(&group) && self.versions(group).contains(&version)
    }
}

/// A server that runs until it is dropped.
pub struct KubeApi {
    shared: Arc<Shared>,
    runtime: Option<Runtime>,
    serving: Mutex<Option<tokio::task::JoinHandle<()>>>,
    port: u16,
    acceptor: Option<TlsAcceptor>,
    players: Mutex<Vec<JoinHandle<()>>>,
}

impl KubeApi {
    /// A server with both versions of Tekton's API.
    pub fn start() -> KubeApi {
        KubeApi::with(Options::default())
    }

    /// A server as `options` say.
    pub fn with(options: Options) -> KubeApi {
        let listener = server::bind(0);
        let port = listener.local_addr().expect("an address").port();
        let acceptor = options.tls.as_deref().map(tls::set_up);
        let scheme = if acceptor.is_some() { "https" } else { "http" };
        let mut state = State { version: 100, ..State::default() };
        state.tokens.insert(TOKEN.to_owned(), "packager".to_owned());
        let shared = Arc::new(Shared {
            state: Mutex::new(state),
            changed: watch::channel(0).0,
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
        let acceptor = self.acceptor.clone();
        let runtime = self.runtime.as_ref().expect("a runtime");
        let task = runtime.spawn(server::serve(Arc::clone(&self.shared), listener, acceptor));
        *self.serving.lock().unwrap() = Some(task);
    }

    /// The address without a path.
    pub fn url(&self) -> String {
        self.shared.url()
    }

    /// Looks at the state.
    pub fn read<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        self.shared.read(look)
    }

    /// Changes the state.
    pub fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        self.shared.change(change)
    }

    /// Puts an object into a collection.
    pub fn put(&self, collection: &Collection, object: Value) {
        self.change(|state| state.put(collection, object));
    }

    /// Does something else with the next request whose method and path hold a text.
    pub fn trick(&self, text: &str, trick: Trick) {
        self.change(|state| state.tricks.push_back((text.to_owned(), trick)));
    }

    /// Requests so far whose method and path hold a text.
    pub fn requests(&self, text: &str) -> Vec<Recorded> {
        let all = self.read(|state| state.requests.clone());
        all.into_iter().filter(|request| format!("{} {}", request.method, request.path).contains(text)).collect()
    }

    /// Forgets what changed so far.
    pub fn compact(&self) {
        self.change(|state| {
            state.version += 1;
            state.forgotten = state.version;
            state.changes.clear();
        });
    }

    /// Ends open watches, uncleanly.
    pub fn cut_watches(&self) {
        self.change(|state| state.cut_watches += 1);
    }

    /// Ends open logs cleanly, as when the connection to a node breaks.
    pub fn cut_logs(&self) {
        self.change(|state| state.cut_logs += 1);
    }

    /// Ends all connections and listens no more.
    pub fn stop_listening(&self) {
        if let Some(task) = self.serving.lock().unwrap().take() {
            task.abort();
            let _ = self.runtime.as_ref().expect("a runtime").block_on(task);
        }
    }

    /// Listens again, with the state as it was.
    pub fn listen_again(&self) {
        let deadline = Instant::now() + Duration::from_secs(5);
        while Instant::now() < deadline {
            if let Ok(listener) = std::net::TcpListener::bind(("127.0.0.1", self.port)) {
                listener.set_nonblocking(true).expect("a socket that does not block");
                return self.serve(listener);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("the port is taken");
    }

    /// Waits for a run to be created.
    pub fn await_run(&self) -> Run {
        let deadline = Instant::now() + Duration::from_secs(20);
        let runs = Collection::new("tekton.dev", "pipelineruns");
        loop {
            let names: Vec<String> = self.read(|state| {
                let of_runs = state.objects.keys().filter(|(collection, _)| *collection == runs);
                of_runs.map(|(_, name)| name.clone()).collect()
            });
            if let Some(name) = names.into_iter().next_back() {
                return Run::new(Arc::clone(&self.shared), &name);
            }
            assert!(Instant::now() < deadline, "no PipelineRun was created");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Plays a build for each run that is created from now on.
    pub fn play(&self, play: play::Play) {
        let shared = Arc::clone(&self.shared);
        self.players.lock().unwrap().push(std::thread::spawn(move || play::play(&shared, &play)));
    }
}

impl Drop for KubeApi {
    fn drop(&mut self) {
        self.shared.change(|state| state.tokens.clear());
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

//! The OSBS room without the program around it, against the tests' API server: for what takes many rounds, or the patience of a
//! quarter of an hour.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use fedpkg_container_build::backoff::Backoff;
use fedpkg_container_build::credentials::Secret;
use fedpkg_container_build::event::{self, BuildEvent};
use fedpkg_container_build::osbs::cluster::Cluster;
use fedpkg_container_build::osbs::login::Login;
use fedpkg_container_build::osbs::login::token::{Token, TokenSource};

use super::kube_api::{KubeApi, NAMESPACE, TOKEN};

/// A connection to a server, and what was told.
pub(crate) struct Inside {
    /// Where everything runs.
    pub runtime: tokio::runtime::Runtime,
    /// The connection. It waits a thousandth of the usual time before it tries again.
    pub cluster: Arc<Cluster>,
    told: Arc<Mutex<Vec<BuildEvent>>>,
}

impl Inside {
    /// Connects to a server.
    pub(crate) fn new(server: &KubeApi) -> Inside {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let told = Arc::new(Mutex::new(Vec::new()));
        let url: url::Url = server.url().parse().unwrap();
        let cluster = runtime.block_on(async {
            let (events, mut receiver) = event::channel();
            let listener = Arc::clone(&told);
            tokio::spawn(async move {
                while let Some(stamped) = receiver.recv().await {
                    listener.lock().unwrap().push(stamped.event);
                }
            });
            let config = kube::Config::new(url.as_str().parse().unwrap());
            let login = Login::Token(Token { secret: Secret::new(TOKEN), source: TokenSource::CommandLine });
            Cluster::connect(config, url, NAMESPACE.to_owned(), login, events).await.unwrap()
        });
        let pace = Backoff::doubling(Duration::from_micros(800), Duration::from_millis(30));
        Inside { runtime, cluster: Arc::new(cluster.with_pace(pace)), told }
    }

    /// What was told since the last time.
    pub(crate) fn told(&self) -> Vec<BuildEvent> {
        // Who listens does so only while something else is done.
        self.runtime.block_on(async {
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
        });
        std::mem::take(&mut *self.told.lock().unwrap())
    }
}

//! HTTP on ports of the loopback: how every server in the test process takes connections.

use std::io;
use std::net::{Ipv4Addr, TcpListener as StdListener};
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::koji_hub::tls;

/// How long a port that was given back may stay taken.
const PATIENCE: Duration = Duration::from_secs(5);

/// An answer; an error closes the connection without one.
pub(crate) type Answer = io::Result<Response<Body>>;

/// Binds a port of the loopback; 0 for any.
pub(crate) fn bind(port: u16) -> StdListener {
    let deadline = Instant::now() + PATIENCE;
    let listener = loop {
        match StdListener::bind((Ipv4Addr::LOCALHOST, port)) {
            Ok(listener) => break listener,
            Err(error) => assert!(port != 0 && Instant::now() < deadline, "port {port} of the loopback: {error}"),
        }
        std::thread::sleep(Duration::from_millis(10));
    };
    listener.set_nonblocking(true).expect("a socket that does not block");
    listener
}

/// The number of a port.
pub(crate) fn port(listener: &StdListener) -> u16 {
    listener.local_addr().expect("an address").port()
}

/// A port that is served.
pub(crate) struct Port {
    /// Where connections come in.
    pub listener: StdListener,
    /// With TLS.
    pub acceptor: Option<TlsAcceptor>,
    /// Each change ends all connections, uncleanly.
    pub kills: Option<watch::Receiver<u64>>,
}

impl Port {
    /// A port without TLS, or with it.
    pub(crate) fn new(listener: StdListener, acceptor: Option<TlsAcceptor>) -> Port {
        Port { listener, acceptor, kills: None }
    }

    /// Answers requests, and the name in the client's certificate, until the task is aborted, which also ends the connections.
    pub(crate) async fn serve<A, F>(self, answer: A)
    where
        A: Fn(Request<Incoming>, Option<String>) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Answer> + Send + 'static,
    {
        let listener = TcpListener::from_std(self.listener).expect("a listener");
        let mut connections = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, answer, kills) = (self.acceptor.clone(), answer.clone(), self.kills.clone());
            connections.spawn(async move {
                tokio::select! {
                    () = connection(stream, acceptor, answer) => {}
                    () = killed(kills) => {}
                }
            });
            while connections.try_join_next().is_some() {}
        }
    }
}

async fn killed(kills: Option<watch::Receiver<u64>>) {
    match kills {
        None => std::future::pending().await,
        Some(mut kills) => {
            kills.mark_unchanged();
            let _ = kills.changed().await;
        }
    }
}

async fn connection<A, F>(stream: TcpStream, acceptor: Option<TlsAcceptor>, answer: A)
where
    A: Fn(Request<Incoming>, Option<String>) -> F,
    F: Future<Output = Answer> + Send + 'static,
{
    // Whole answers in few packets, without waiting for the client to acknowledge.
    let _ = stream.set_nodelay(true);
    match acceptor {
        None => http(stream, |request| answer(request, None)).await,
        Some(acceptor) => {
            if let Ok(stream) = acceptor.accept(stream).await {
                let user = tls::client_name(&stream);
                http(stream, |request| answer(request, user.clone())).await;
            }
        }
    }
}

async fn http<F>(stream: impl AsyncRead + AsyncWrite + Unpin, answer: impl Fn(Request<Incoming>) -> F)
where
    F: Future<Output = Answer> + Send + 'static,
{
    // An error is the connection's end, wanted or the client's doing.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(answer)).await;
}

/// What closes a connection without an answer, or in the middle of it.
pub(crate) fn closed() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionAborted, "closed on purpose")
}

//! HTTP/1 on a port, in plain or over TLS: the connections, their bounds, their end.
//!
//! Whoever connects holds a place, and for a bounded time, whatever is sent and however slowly: a handshake, the head of a
//! request and the whole connection each have an end. What the body of a request may take is said where it is read. Each
//! connection is a task of whoever serves, and ends with it at the latest.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::transport::Tls;

/// What is served on a port.
pub struct Server {
    router: Router,
    tls: Option<Tls>,
    bounds: Bounds,
}

/// What those who connect may take.
#[derive(Debug, Clone)]
pub struct Bounds {
    /// Connections at once. One more is closed.
    pub connections: usize,
    /// How long a handshake may take.
    pub handshake: Duration,
    /// How long it may take until the head of a request is there: from the handshake on, and from each answer on. So it is also
    /// how long a connection may lie idle.
    pub head: Duration,
    /// After this time a connection ends, however busy it is.
    pub age: Duration,
    /// How long what is under way may then take, or when the process ends.
    pub grace: Duration,
}

impl Bounds {
    /// For pages, which few ask for.
    pub const PAGES: Self = Self {
        connections: 32,
        // As on the port of checks.
        handshake: Duration::from_secs(5),
        // Few places: who only sits there has one for no longer. Whoever reads metrics connects again.
        head: Duration::from_secs(10),
        // It is there for those who take no answers.
        age: Duration::from_mins(10),
        // No API server waits for longer.
        grace: Duration::from_secs(30),
    };
}

/// What is read ahead on a connection, and so the largest head: an API server's has some hundred bytes.
const MAX_BUFFER: usize = 16 * 1024;
/// How long accepting is left alone when the system has no room for another connection.
const PAUSE: Duration = Duration::from_millis(50);

impl Server {
    /// In plain, for pages.
    pub fn new(router: Router) -> Self {
        Self { router, tls: None, bounds: Bounds::PAGES }
    }

    /// Over TLS, with the certificates that are in force when a connection comes.
    #[must_use]
    pub fn over(self, tls: Tls) -> Self {
        Self { tls: Some(tls), ..self }
    }

    /// With other bounds.
    #[must_use]
    pub fn within(self, bounds: Bounds) -> Self {
        Self { bounds, ..self }
    }

    /// Serves until told to stop; then what is under way is answered.
    pub async fn serve(self, port: TcpListener, stop: CancellationToken) {
        let server = Arc::new(self);
        // Dropped with whoever serves, which ends all that is in it.
        let mut open = JoinSet::new();
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                // Its place is there for the next one.
                Some(ended) = open.join_next() => if ended.is_err() {
                    tracing::error!("a connection panicked: it is closed, all others go on");
                },
                accepted = port.accept() => match accepted {
                    Ok((stream, _)) if open.len() < server.bounds.connections => {
                        open.spawn(Arc::clone(&server).attend(stream, stop.clone()));
                    }
                    // Closed at once, since it is dropped here.
                    Ok(_) => {}
                    Err(error) => {
                        tracing::warn!(%error, "a connection could not be accepted");
                        sleep(PAUSE).await;
                    }
                },
            }
        }
        drop(port);
        while open.join_next().await.is_some() {}
    }

    async fn attend(self: Arc<Self>, stream: TcpStream, stop: CancellationToken) {
        let Some(tls) = &self.tls else { return self.converse(stream, &stop).await };
        // Who is turned away stands in the log, where one asks for so much.
        if let Some(Ok(stream)) = stop.run_until_cancelled(tls.accept(stream, self.bounds.handshake)).await {
            self.converse(stream, &stop).await;
        }
    }

    async fn converse(&self, stream: impl AsyncRead + AsyncWrite + Unpin, stop: &CancellationToken) {
        let mut builder = http1::Builder::new();
        builder.timer(TokioTimer::new()).header_read_timeout(self.bounds.head).max_buf_size(MAX_BUFFER);
        let service = TowerToHyperService::new(self.router.clone());
        let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
        tokio::select! {
            // What a client does to its connection is no news for operators.
            _ = connection.as_mut() => return,
            () = stop.cancelled() => {}
            () = sleep(self.bounds.age) => {}
        }
        connection.as_mut().graceful_shutdown();
        let _ = timeout(self.bounds.grace, connection).await;
    }
}

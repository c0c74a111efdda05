//! HTTP/1 on a port, in plain or over TLS: the connections, their bounds, their end.
//!
//! Whoever connects holds a place, and for a bounded time, whatever is sent and however slowly: a handshake, the head of a
//! request and the whole connection each have an end. Who waits for long may have to give way to somebody else before that. What
//! the body of a request may take is said where it is read. Each connection is a task of whoever serves, and ends with it at
//! the latest.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::yield_now;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tower::Service as _;

use crate::transport::{Places, Seat, Tls, TurnedAway};

/// What is served on a port.
pub struct Server {
    router: Router,
    tls: Option<Tls>,
    bounds: Bounds,
    turned_away: TurnedAway,
}

/// What those who connect may take.
#[derive(Debug, Clone)]
pub struct Bounds {
    /// Connections at once. One more is closed.
    pub connections: usize,
    /// Those of them that may wait for a request, with their handshake. Where there is one more, the one that has waited longest ends.
    pub waiting: usize,
    /// How long a handshake may take.
    pub handshake: Duration,
    /// How long it may take until the head of a request is there: from the handshake on, and from each answer on. So it is also
    /// how long a connection may lie idle.
    pub head: Duration,
    /// How long one that gives way may take for the rest of a head that it has begun, or to take its last answer. A request that is whole by
    /// then is answered.
    pub farewell: Duration,
    /// After this time a connection ends, however busy it is.
    pub age: Duration,
    /// How long what is under way may then take, or when the process ends.
    pub grace: Duration,
}

impl Bounds {
    /// For pages, which few ask for.
    pub const PAGES: Self = Self {
        connections: 32,
        waiting: 24,
        // As on the port of checks.
        handshake: Duration::from_secs(5),
        // Few places: who only sits there has one for no longer. Whoever reads metrics connects again.
        head: Duration::from_secs(10),
        // Whoever sends a head sends it in one go; and its place is another one's already.
        farewell: Duration::from_millis(100),
        // It is there for those who take no answers.
        age: Duration::from_mins(10),
        // No API server waits for longer.
        grace: Duration::from_secs(30),
    };
}

/// What is read ahead on a connection, and so the largest head: an API server's has some hundred bytes.
const MAX_BUFFER: usize = 16 * 1024;

impl Server {
    /// In plain, for pages.
    pub fn new(router: Router) -> Self {
        Self { router, tls: None, bounds: Bounds::PAGES, turned_away: TurnedAway::default() }
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

    /// With whom it turns away counted.
    #[must_use]
    pub fn counting(self, turned_away: TurnedAway) -> Self {
        Self { turned_away, ..self }
    }

    /// Serves until told to stop; then what is under way is answered.
    pub async fn serve(self, port: TcpListener, stop: CancellationToken) {
        let Bounds { connections, waiting, .. } = self.bounds;
        let places = Places::new(connections, waiting, self.turned_away.clone());
        let (server, told) = (Arc::new(self), stop.clone());
        places.serve(port, move |stream, seat| Arc::clone(&server).attend(stream, seat, told.clone()), stop).await;
    }

    async fn attend(self: Arc<Self>, stream: TcpStream, seat: Arc<Seat>, stop: CancellationToken) {
        let Some(tls) = &self.tls else { return self.converse(stream, &seat, &stop).await };
        let accepted = tokio::select! {
            accepted = tls.accept(stream, self.bounds.handshake) => accepted,
            () = stop.cancelled() => return,
            () = seat.gives_way() => return,
        };
        // Who is turned away stands in the log, where one asks for so much.
        if let Ok(stream) = accepted {
            self.converse(stream, &seat, &stop).await;
        }
    }

    async fn converse(&self, stream: impl AsyncRead + AsyncWrite + Unpin, seat: &Arc<Seat>, stop: &CancellationToken) {
        let mut builder = http1::Builder::new();
        builder.timer(TokioTimer::new()).header_read_timeout(self.bounds.head).max_buf_size(MAX_BUFFER);
        let service = service_fn(|request| {
            let (busy, mut router) = (seat.busy(), self.router.clone());
            async move {
                let answered = router.call(request).await;
                busy.done();
                answered
            }
        });
        let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
        let gives_way = async {
            seat.gives_way().await;
            // Sockets are looked at before this goes on, and below the connection is: a request that is there already is seen.
            yield_now().await;
        };
        tokio::select! {
            biased;
            // What a client does to its connection is no news for operators.
            _ = connection.as_mut() => return,
            () = stop.cancelled() => {}
            () = sleep(self.bounds.age) => {}
            () = gives_way => {
                connection.as_mut().graceful_shutdown();
                if timeout(self.bounds.farewell, connection.as_mut()).await.is_ok() || !seat.is_busy() {
                    return;
                }
            }
        }
        connection.as_mut().graceful_shutdown();
        let _ = timeout(self.bounds.grace, connection).await;
    }
}

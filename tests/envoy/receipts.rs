//! A service that keeps the receipt of every request that reached it, or that it had none.
//!
//! The laboratory's sample services keep whole requests, and so only the last few.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

type Seen = Arc<Mutex<Vec<Option<String>>>>;

/// Stops when it is dropped.
pub(crate) struct Receipts {
    pub(crate) address: SocketAddr,
    seen: Seen,
    _server: JoinSet<()>,
}

impl Receipts {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let (address, seen) = (listener.local_addr().unwrap(), Seen::default());
        let mut server = JoinSet::new();
        server.spawn(serve(listener, Arc::clone(&seen)));
        Self { address, seen, _server: server }
    }

    /// One entry a request, in order.
    pub(crate) fn seen(&self) -> Vec<Option<String>> {
        self.seen.lock().unwrap().clone()
    }
}

async fn serve(listener: TcpListener, seen: Seen) {
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let seen = Arc::clone(&seen);
        let service = service_fn(move |request: Request<Incoming>| {
            let receipt = request.headers().get("tollgate-receipt").map(|value| value.to_str().unwrap().to_owned());
            seen.lock().unwrap().push(receipt);
            std::future::ready(Ok::<_, Infallible>(Response::new(Full::<Bytes>::default())))
        });
        let server = hyper::server::conn::http1::Builder::new().timer(TokioTimer::new()).to_owned();
        connections.spawn(async move {
            // A connection that breaks off is Envoy's to notice.
            let _ = server.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

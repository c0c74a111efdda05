//! The services behind Envoy: one loopback port that answers every request with JSON and says what it received, so that
//! a caller can see which headers were taken away and which query was sent instead of its own.
//!
//! It counts every request before it answers. That count is what "no request passed unjudged" is measured by.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// The last requests are kept for whoever asks what arrived; more would only be memory.
const KEPT: usize = 256;

/// What arrived.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Received {
    /// The method.
    pub method: String,
    /// Path and query, as they came.
    pub target: String,
    /// Names in lower case, in order; values that are not text are shown lossily.
    pub headers: Vec<(String, String)>,
    /// Shown lossily.
    pub body: String,
}

/// The services, while they run. They stop when this value goes.
#[derive(Debug)]
pub struct Upstream {
    address: SocketAddr,
    journal: Arc<Journal>,
    /// Aborted when it is dropped.
    _server: JoinSet<()>,
}

#[derive(Debug, Default)]
struct Journal {
    count: AtomicU64,
    last: Mutex<VecDeque<Received>>,
}

impl Upstream {
    /// Opens a port and answers on it.
    pub async fn start() -> anyhow::Result<Self> {
        let listener =
            TcpListener::bind(("127.0.0.1", 0)).await.context("can't open a port for the sample services")?;
        let address = listener.local_addr().context("can't tell the port of the sample services")?;
        let journal = Arc::new(Journal::default());
        let mut server = JoinSet::new();
        server.spawn(serve(listener, Arc::clone(&journal)));
        Ok(Self { address, journal, _server: server })
    }

    /// Where the services listen.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many requests have arrived since the start.
    pub fn count(&self) -> u64 {
        self.journal.count.load(Ordering::SeqCst)
    }

    /// The last request that carried this header with this value.
    pub fn find(&self, header: &str, value: &str) -> Option<Received> {
        let last = self.journal.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.iter().rev().find(|received| received.header(header) == Some(value)).cloned()
    }
}

impl Received {
    /// The first header of that name (in lower case).
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    async fn read(request: hyper::Request<Incoming>) -> Self {
        let (head, body) = request.into_parts();
        // A body that breaks off was still received: what came of it is not needed here.
        let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self {
            method: head.method.to_string(),
            target: head.uri.to_string(),
            headers: head.headers.iter().map(|(name, value)| (name.to_string(), text(value.as_bytes()))).collect(),
            body: text(&body),
        }
    }
}

impl Journal {
    fn keep(&self, received: Received) {
        self.count.fetch_add(1, Ordering::SeqCst);
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.len() == KEPT {
            last.pop_front();
        }
        last.push_back(received);
    }
}

async fn serve(listener: TcpListener, journal: Arc<Journal>) {
    let mut connections = JoinSet::new();
    loop {
        // Out of file descriptors, or a client that left already: the next accept may do better.
        if let Ok((stream, _)) = listener.accept().await {
            connections.spawn(connection(stream, Arc::clone(&journal)));
        }
        while connections.try_join_next().is_some() {}
    }
}

async fn connection(stream: TcpStream, journal: Arc<Journal>) {
    let service = service_fn(move |request| {
        let journal = Arc::clone(&journal);
        async move {
            let received = Received::read(request).await;
            let answer = answer(&received);
            journal.keep(received);
            Ok::<_, Infallible>(answer)
        }
    });
    let _ = stream.set_nodelay(true);
    // A connection that fails is the client's to notice.
    let _ = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

fn answer(received: &Received) -> hyper::Response<Full<Bytes>> {
    let path = received.target.split('?').next().unwrap_or_default();
    let body = json!({ "data": sample(path), "received": received });
    let mut response = hyper::Response::new(Full::new(Bytes::from(body.to_string())));
    response
        .headers_mut()
        .insert(hyper::header::CONTENT_TYPE, hyper::header::HeaderValue::from_static("application/json"));
    response
}

/// A little data of the kind that the path is about; nobody's, and the same each time.
fn sample(path: &str) -> Value {
    let has = |part: &str| path.split('/').any(|segment| segment == part);
    if has("deliveries") {
        json!({ "tracking": "JD014600", "status": "out for delivery", "eta": "2026-11-24" })
    } else if has("refund-quote") {
        json!({ "order": "1042", "amount": "120.00", "currency": "EUR", "refundable": true })
    } else if has("credentials") {
        json!({ "reset": "link sent" })
    } else if has("offers") {
        json!([{ "id": "spring", "discount": "10 %" }])
    } else if has("accounts") {
        json!({ "id": "7", "name": "Robin Example", "email": "robin@example.com" })
    } else if has("stats") {
        json!({ "orders": 1042, "returned": 17 })
    } else if has("customers") {
        json!([{ "id": "1042", "status": "shipped", "eta": "2026-11-24" }])
    } else if has("orders") {
        json!({ "id": "1042", "status": "shipped", "eta": "2026-11-24", "customer": { "name": "Robin Example" } })
    } else {
        Value::Null
    }
}

//! The ports that Envoy talks to: sockets, TLS, connections, HTTP/2 and its bounds. And the places on any other port.
//!
//! What is asked over them is somebody else's matter: a port is served by an [`Answer`]. What may be under way is bounded,
//! over all connections and on each; a connection is asked to end after a while, so that new replicas get their share, and
//! finishes what is under way when the process ends. What is too much is answered with an error, which is never an allow.

mod admission;
mod connection;
mod exchange;
mod frame;
mod gather;
mod incoming;
mod listener;
mod metrics;
mod places;
mod quiet;
mod tls;
mod turn;

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub use admission::{Admission, Shed};
use bytes::Bytes;
use http::{HeaderMap, Request, Response};
pub use incoming::Incoming;
use listener::Socket;
pub use listener::{Arrived, Bound, Connections, SocketFileConfig};
pub use metrics::{Metrics, SmallPorts, TurnedAway};
pub use places::{Places, Seat};
pub use tls::Tls;
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;
use tonic::Status;
use tonic::body::Body;
pub use turn::{has_looked, looks, pulse};

/// An address to listen on: `127.0.0.1:9000`, or `unix:/run/tollgate/tollgate.sock`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listen {
    /// A TCP port.
    Tcp(SocketAddr),
    /// A Unix socket.
    Unix(PathBuf),
}

/// What connections may hold, and for how long they live.
#[derive(Debug, Clone)]
pub struct Config {
    /// After about this time a connection is asked to end; the client opens another one, perhaps to another replica.
    pub max_age: Duration,
    /// Connections at once, over all ports.
    pub max_connections: usize,
    /// Requests under way on one connection. Envoy opens another one when they are not enough.
    pub max_streams: u32,
    /// Requests under way at once, over all connections.
    pub max_pending: usize,
    /// Bytes of requests that are held at once, over all connections.
    pub max_pending_bytes: usize,
    /// The largest message.
    pub max_message: usize,
    /// The longest time that a request may take from its beginning until its client has the answer. It is there for those who
    /// send or read slowly; whoever judges has a shorter one.
    pub max_time: Duration,
    /// How long a client may take for the TLS handshake, and again to say that it speaks HTTP/2.
    pub greeting: Duration,
    /// How often a client is asked whether it is there. Who has not answered by the next time is gone.
    pub ping_every: Duration,
}

impl Config {
    /// On the port of checks.
    pub const MAX_STREAMS: u32 = 1024;
    /// A handshake, or a greeting, takes a millisecond or two of work, and some round trips.
    pub const GREETING: Duration = Duration::from_secs(5);
    /// Rarely enough to cost nothing; a connection whose other end is gone without a word is noticed within a minute.
    pub const PING_EVERY: Duration = Duration::from_secs(30);
}

/// A request of the method that is asked often.
#[derive(Debug)]
pub struct Asked<M = Bytes> {
    /// Its headers.
    pub headers: HeaderMap,
    /// Its message.
    pub message: M,
    /// When it may have arrived: it is not older than this.
    pub arrived: Instant,
}

/// What is answered on a port.
pub trait Answer: Send + Sync + 'static {
    /// The path of the unary method that is asked often.
    const METHOD: &'static str;

    /// Answers it, from message to message.
    fn unary(&self, asked: Asked) -> impl Future<Output = Result<Vec<u8>, Status>> + Send;

    /// What is said of a request of that method that is not looked at.
    fn shed(&self, why: Shed) -> Status;

    /// Takes note of an answer that panicked. Its request was reset, which is an error to a proxy.
    fn panicked(&self);

    /// Answers anything else.
    fn other(&self, request: Request<Incoming>) -> impl Future<Output = Response<Body>> + Send;
}

/// What all connections to a port share.
pub struct Port<A> {
    /// What is answered.
    pub answer: A,
    /// What connections may hold.
    pub config: Config,
    /// What is left of it.
    pub admission: Admission,
    /// What is left for anything but the method that is asked often, such as a watch on health. It is never full of the others.
    pub others: Admission,
    /// What is counted.
    pub metrics: Metrics,
    /// Certificates, where TCP is not plain.
    pub tls: Option<Tls>,
}

/// The longest path of a Unix socket on Linux (`sun_path`, 108 bytes with the ending zero).
const MAX_SOCKET_PATH: usize = 107;

impl<A: Answer> Port<A> {
    /// Serves a connection until it ends. It must run where it is to stay.
    pub async fn serve(self: Arc<Self>, arrived: Arrived, stop: CancellationToken) {
        let Arrived { socket, place } = arrived;
        let _open = self.metrics.open();
        match socket.register() {
            Ok(Socket::Unix(stream)) => connection::serve(stream, self, stop).await,
            Ok(Socket::Tcp(stream)) => match self.tls.clone() {
                None => connection::serve(stream, self, stop).await,
                Some(tls) => match stop.run_until_cancelled(tls.accept(stream, self.config.greeting)).await {
                    Some(Ok(stream)) => connection::serve(stream, self, stop).await,
                    Some(Err(refused)) => self.metrics.count_handshake(refused),
                    None => {}
                },
            },
            Err(error) => tracing::warn!(%error, "a connection could not be taken over"),
        }
        drop(place);
    }

    /// Serves a connection in plain, whose place is somebody else's matter.
    pub async fn serve_plain(self: Arc<Self>, stream: TcpStream, stop: CancellationToken) {
        connection::serve(stream, self, stop).await;
    }
}

impl FromStr for Listen {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let Some(path) = text.strip_prefix("unix:") else {
            let address = text.parse().map(Self::Tcp);
            return address.map_err(|_| format!("`{text}` is neither `IP:PORT` nor `unix:/path`"));
        };
        if !path.starts_with('/') || path.len() > MAX_SOCKET_PATH {
            return Err(format!("a Unix socket has an absolute path of at most {MAX_SOCKET_PATH} bytes"));
        }
        Ok(Self::Unix(path.into()))
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_port_or_a_socket() {
        assert_eq!("127.0.0.1:9000".parse(), Ok(Listen::Tcp(([127, 0, 0, 1], 9000).into())));
        assert_eq!("unix:/run/t.sock".parse(), Ok(Listen::Unix("/run/t.sock".into())));
        for bad in ["9000", "localhost:9000", "unix:t.sock", "unix:", &format!("unix:/{}", "a".repeat(107))] {
            assert!(bad.parse::<Listen>().is_err(), "{bad}");
        }
    }
}

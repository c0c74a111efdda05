//! The ports that Envoy talks to: sockets, connections, HTTP/2 and its bounds.
//!
//! What is asked over them is somebody else's matter: a port is served by a function from request to answer. A connection
//! is bounded in what it may hold, is asked to end after a while, so that new replicas get their share, and finishes what is
//! under way when the process ends.

mod connection;
mod gather;
mod listener;

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

pub use connection::Answer;
pub use listener::Bound;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// An address to listen on: `127.0.0.1:9000`, or `unix:/run/tollgate/tollgate.sock`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listen {
    /// A TCP port.
    Tcp(SocketAddr),
    /// A Unix socket.
    Unix(PathBuf),
}

/// What a connection may hold, and for how long it lives.
#[derive(Debug, Clone)]
pub struct Config {
    /// After about this time a connection is asked to end; the client opens another one, perhaps to another replica.
    pub max_age: Duration,
}

/// The longest path of a Unix socket on Linux (`sun_path`, 108 bytes with the ending zero).
const MAX_SOCKET_PATH: usize = 107;
/// How long accepting is left alone when the system has no room for another connection.
const PAUSE: Duration = Duration::from_millis(50);

impl Bound {
    /// Serves until told to stop, and until what is under way then is done.
    pub async fn serve(self, answer: impl Answer, config: Config, stop: CancellationToken) {
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                accepted = self.accept() => match accepted {
                    Ok(stream) => {
                        connections.spawn(connection::serve(stream, answer.clone(), config.max_age, stop.clone()));
                    }
                    Err(error) => {
                        tracing::warn!(%error, "a connection could not be accepted");
                        tokio::time::sleep(PAUSE).await;
                    }
                },
                Some(_) = connections.join_next() => {}
            }
        }
        // Nobody else may connect while the last ones finish.
        drop(self);
        while connections.join_next().await.is_some() {}
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

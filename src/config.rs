//! What the operator wrote, checked: one value that holds the configuration of every part.
//!
//! Each part owns its own `Config`; this puts them together. Nothing is read from files or the environment here: the command
//! line does that, and what comes out of it is either all good or a list of everything that is wrong.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use crate::{ext_authz, ledger, sources};

/// The configuration of `tollgate serve`.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where checks are answered.
    pub listen: Vec<Listen>,
    /// Where health is answered, in plain gRPC, for the kubelet.
    pub health: SocketAddr,
    /// Where metrics are served.
    pub metrics: SocketAddr,
    /// Where the policies come from.
    pub policies: sources::Config,
    /// Where decisions are recorded.
    pub ledger: ledger::Config,
    /// The key of the pseudonyms; without it each process makes one of its own.
    pub pseudonym_key: Option<PathBuf>,
    /// How checks are answered.
    pub check: ext_authz::Config,
    /// Where traces go.
    pub traces: Option<Collector>,
    /// How the process ends.
    pub drain: Drain,
}

/// An address to listen on: `127.0.0.1:9000`, or `unix:/run/tollgate/tollgate.sock`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listen {
    /// A TCP port.
    Tcp(SocketAddr),
    /// A Unix socket.
    Unix(PathBuf),
}

/// An OTLP/gRPC collector.
#[derive(Debug, Clone)]
pub struct Collector {
    /// Its URL.
    pub endpoint: String,
    /// The share of traces without a parent that is sent, apart from what is always sent.
    pub ratio: f64,
}

/// How the process ends.
#[derive(Debug, Clone)]
pub struct Drain {
    /// How long it serves on after it has said that it is not ready.
    pub delay: Duration,
    /// How long what is under way may then take.
    pub timeout: Duration,
}

/// The longest path of a Unix socket on Linux (`sun_path`, 108 bytes with the ending zero).
const MAX_SOCKET_PATH: usize = 107;

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

impl Config {
    /// Says what is in force, in one log line.
    pub fn log(&self) {
        let listen: Vec<_> = self.listen.iter().map(ToString::to_string).collect();
        tracing::info!(
            version = env!("CARGO_PKG_VERSION"),
            listen = listen.join(","),
            health = %self.health,
            metrics = %self.metrics,
            policies = %self.policies.folder.display(),
            policies_poll = ?self.policies.poll,
            ledger = %self.ledger.dir.display(),
            pseudonym_key = self.pseudonym_key.as_ref().map_or("made at start".to_owned(), |path| path.display().to_string()),
            max_check_time = ?self.check.max_time,
            max_check_bytes = self.check.max_bytes,
            error_answer = %self.check.errors,
            otlp_endpoint = self.traces.as_ref().map_or("none", |traces| traces.endpoint.as_str()),
            trace_ratio = self.traces.as_ref().map(|traces| traces.ratio),
            drain_delay = ?self.drain.delay,
            drain_timeout = ?self.drain.timeout,
            "effective configuration"
        );
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

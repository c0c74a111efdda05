//! What the operator wrote, checked: one value that holds the configuration of every part.
//!
//! Each part owns its own `Config`; this puts them together. Nothing is read from files or the environment here: the command
//! line does that, and what comes out of it is either all good or a list of everything that is wrong.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::transport::{self, Listen};
use crate::{ext_authz, ledger, sources};

/// The configuration of `tollgate serve`.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where checks are answered.
    pub listen: Vec<Listen>,
    /// What connections may do there.
    pub transport: transport::Config,
    /// Who may connect to Unix sockets.
    pub socket_file: transport::SocketFileConfig,
    /// Certificates of TCP ports; without them these are plain.
    pub tls: Option<sources::certificates::Config>,
    /// Threads that answer. None: the runtime that everything is started on.
    pub workers: usize,
    /// A thread that answers and does not turn for longer than this is stuck: the process is no longer alive.
    pub max_stall: Duration,
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
            max_check_bytes = self.transport.max_message,
            max_connection_age = ?self.transport.max_age,
            error_answer = %self.check.errors,
            otlp_endpoint = self.traces.as_ref().map_or("none", |traces| traces.endpoint.as_str()),
            trace_ratio = self.traces.as_ref().map(|traces| traces.ratio),
            drain_delay = ?self.drain.delay,
            drain_timeout = ?self.drain.timeout,
            "effective configuration"
        );
    }
}

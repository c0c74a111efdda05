//! What the operator wrote, checked: one value that holds the configuration of every part.
//!
//! Two stages: what was typed, each value by itself, from the file, the environment and the command line; then what can be used
//! together. What comes out is either all good or a list of everything that is wrong. Each part owns its own `Config`; this
//! puts them together. Nothing is read from files or the environment here.

mod layers;
mod setting;
mod settings;
mod value;

use std::net::SocketAddr;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use layers::{Effective, Layers, Origin};
pub use setting::Setting;
pub use settings::SETTINGS;
use settings::Typed;
pub use value::Disclosed;

use crate::secret::Secret;
use crate::sources::certificates;
use crate::telemetry::Decisions;
use crate::transport::{self, Listen};
use crate::yaml::Problems;
use crate::{ext_authz, ledger, sources, telemetry};

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
    pub tls: Option<certificates::Config>,
    /// Threads that answer. None: the runtime that everything is started on.
    pub workers: usize,
    /// A thread that answers and does not turn for longer than this is stuck: the process is no longer alive.
    pub max_stall: Duration,
    /// Where health is answered, in plain gRPC, for the kubelet.
    pub health: SocketAddr,
    /// Where metrics are served.
    pub metrics: SocketAddr,
    /// Where the state is shown and the log level changed, on this machine only.
    pub admin: Option<SocketAddr>,
    /// Where the policies come from.
    pub policies: sources::Config,
    /// Where decisions are recorded.
    pub ledger: ledger::Config,
    /// Where decisions are told besides.
    pub decisions: Option<Decisions>,
    /// The key of the pseudonyms; without it each process makes one of its own.
    pub pseudonym_key: Option<PathBuf>,
    /// How checks are answered.
    pub check: ext_authz::Config,
    /// Where traces go.
    pub traces: Option<Collector>,
    /// How the process ends.
    pub drain: Drain,
    /// What is logged.
    pub log_level: String,
    /// What was set, and where.
    pub effective: Vec<Effective>,
}

/// An OTLP/gRPC collector.
#[derive(Debug, Clone)]
pub struct Collector {
    /// Its URL.
    pub endpoint: String,
    /// File with those who vouch for it, where the URL is of TLS.
    pub authorities: Option<PathBuf>,
    /// Headers that it asks for.
    pub headers: Vec<(String, Secret<String>)>,
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

/// Envoy gives up on a check after 200 ms unless told otherwise; below this no check could be recorded durably.
const MIN_CHECK_TIME: Duration = Duration::from_millis(1);
/// Envoy's headers alone may have as much.
const MIN_CHECK_BYTES: usize = 64 * 1024;
/// A file of the ledger is an eighth of it, and a batch, which is never split, about a megabyte.
const MIN_LEDGER_BYTES: usize = 64 * 1024 * 1024;
/// Connections that are younger than it takes to open them would serve nobody.
const MIN_CONNECTION_AGE: Duration = Duration::from_secs(1);
/// A machine that stands still for a moment is no reason to start again.
const MIN_STALL: Duration = Duration::from_secs(1);
const MAX_WORKERS: usize = 256;
/// Beside its own time a check may wait for a client that sends or reads slowly.
const SLOW_CLIENT: Duration = Duration::from_secs(1);

impl Config {
    /// Checks what was given: all that is wrong at once. `exists` says whether there is such a file or folder.
    pub fn try_new(layers: &Layers, mut problems: Problems, exists: impl Fn(&Path) -> bool) -> Result<Self, Problems> {
        let typed = Typed::read(layers, &mut problems);
        if let Some(typed) = &typed {
            let mut refuse = |name: &str, what: &str| layers.refuse(name, what, &mut problems);
            check(typed, &mut refuse);
            if !exists(&typed.policies) {
                refuse("policies", &format!("is `{}`, which is not there", typed.policies.display()));
            }
        }
        match typed {
            Some(typed) if problems.is_empty() => Ok(Self::of(typed, layers.effective())),
            _ => {
                problems.sort();
                Err(problems)
            }
        }
    }

    fn of(typed: Typed, effective: Vec<Effective>) -> Self {
        let (client_ca, allowed, poll) = (typed.tls_client_ca, typed.tls_client_san, typed.tls_poll);
        let cores = || std::thread::available_parallelism().map_or(1, NonZero::get);
        Self {
            listen: typed.listen,
            transport: transport::Config {
                max_age: typed.max_connection_age,
                max_connections: typed.max_connections,
                max_streams: transport::Config::MAX_STREAMS,
                max_pending: typed.max_pending_checks,
                max_pending_bytes: typed.max_pending_bytes.0,
                max_message: typed.max_check_bytes.0,
                max_time: typed.max_check_time.saturating_add(SLOW_CLIENT),
                greeting: transport::Config::GREETING,
                ping_every: transport::Config::PING_EVERY,
            },
            socket_file: transport::SocketFileConfig { mode: typed.socket_mode.0, group: typed.socket_group },
            tls: typed.tls.map(|folder| certificates::Config { folder, client_ca, allowed, poll }),
            workers: typed.workers.unwrap_or_else(cores),
            max_stall: typed.max_stall,
            health: typed.health,
            metrics: typed.metrics,
            admin: typed.admin.0,
            policies: sources::Config { folder: typed.policies, poll: typed.policies_poll },
            ledger: ledger::Config::new(typed.ledger).bounded(typed.ledger_max_bytes.map(|most| most.0 as u64)),
            decisions: typed.decisions.0.map(|to| match to == Path::new("stdout") {
                true => Decisions::Stdout,
                false => Decisions::File(to),
            }),
            pseudonym_key: typed.pseudonym_key,
            check: ext_authz::Config {
                max_time: typed.max_check_time,
                errors: typed.error_answer,
                metadata: typed.answer_metadata,
                removal: typed.header_removal,
            },
            traces: typed.otlp_endpoint.map(|endpoint| Collector {
                endpoint,
                authorities: typed.otlp_ca,
                headers: typed.otlp_header.0,
                ratio: typed.trace_ratio,
            }),
            drain: Drain { delay: typed.drain_delay, timeout: typed.drain_timeout },
            log_level: typed.log_level,
            effective,
        }
    }

    /// Says in one log line what was set; all else is as it is by default.
    pub fn log(&self) {
        let set = self.effective.iter().filter_map(|one| {
            let value = one.value.as_ref().filter(|_| one.origin != Origin::Default.to_string())?;
            Some(format!("{}={value} ({})", one.setting, one.origin))
        });
        let set = set.collect::<Vec<_>>().join("; ");
        tracing::info!(version = env!("CARGO_PKG_VERSION"), set, "effective configuration");
    }
}

/// What each value may be, and what they may be together.
fn check(typed: &Typed, refuse: &mut impl FnMut(&str, &str)) {
    let mut refuse_if = |is_wrong: bool, name: &str, what: &str| {
        if is_wrong {
            refuse(name, what);
        }
    };
    refuse_if(typed.listen.is_empty(), "listen", "names at least one address");
    refuse_if(!(0.0..=1.0).contains(&typed.trace_ratio), "traceRatio", "is a share between 0 and 1");
    refuse_if(typed.policies_poll.is_zero(), "policiesPoll", "is a time above zero");
    refuse_if(typed.tls_poll.is_zero(), "tlsPoll", "is a time above zero");
    refuse_if(typed.max_check_time < MIN_CHECK_TIME, "maxCheckTime", "is at least 1ms");
    refuse_if(
        typed.max_check_bytes.0 < MIN_CHECK_BYTES,
        "maxCheckBytes",
        "is at least 64KiB: headers alone may have as much",
    );
    refuse_if(
        typed.max_pending_bytes.0 < typed.max_check_bytes.0,
        "maxPendingBytes",
        "is at least as much as one check may have (`maxCheckBytes`)",
    );
    refuse_if(
        typed.ledger_max_bytes.is_some_and(|most| most.0 < MIN_LEDGER_BYTES),
        "ledgerMaxBytes",
        "is at least 64MiB: what is removed at once is an eighth of it",
    );
    refuse_if(typed.max_pending_checks == 0, "maxPendingChecks", "is at least 1");
    refuse_if(typed.max_connections == 0, "maxConnections", "is at least 1");
    refuse_if(typed.max_connection_age < MIN_CONNECTION_AGE, "maxConnectionAge", "is at least 1s");
    refuse_if(typed.max_stall < MIN_STALL, "maxStall", "is at least 1s");
    refuse_if(
        typed.workers.is_some_and(|count| !(1..=MAX_WORKERS).contains(&count)),
        "workers",
        "is between 1 and 256",
    );
    refuse_if(
        typed.tls.is_none() && typed.tls_client_ca.is_some(),
        "tlsClientCa",
        "needs `tls`: without it ports are plain",
    );
    let no_ca = typed.tls_client_ca.is_none() && !typed.tls_client_san.is_empty();
    refuse_if(no_ca, "tlsClientSan", "needs `tlsClientCa`: without it clients show no certificate");
    let is_remote = typed.admin.0.is_some_and(|address| !address.ip().is_loopback());
    refuse_if(
        is_remote,
        "admin",
        "is an address of this machine only, such as `127.0.0.1:9901`: it asks nobody who he is",
    );
    check_collector(typed, &mut refuse_if);
    refuse_if(telemetry::check_filter(&typed.log_level).is_err(), "logLevel", "is neither a level nor a filter");
}

fn check_collector(typed: &Typed, refuse_if: &mut impl FnMut(bool, &str, &str)) {
    let Some(url) = &typed.otlp_endpoint else {
        refuse_if(!typed.otlp_header.0.is_empty(), "otlpHeader", "needs `otlpEndpoint`");
        refuse_if(typed.otlp_ca.is_some(), "otlpCa", "needs `otlpEndpoint`");
        return;
    };
    let is_tls = url.starts_with("https://");
    refuse_if(
        !is_tls && !url.starts_with("http://"),
        "otlpEndpoint",
        "is a URL that begins with `http://` or `https://`, such as `http://otel-collector:4317`",
    );
    refuse_if(
        is_tls && typed.otlp_ca.is_none(),
        "otlpEndpoint",
        "with `https://` needs `otlpCa`, the file with the authorities to believe; public ones mostly stand in \
         `/etc/ssl/certs/ca-certificates.crt`",
    );
    refuse_if(
        !is_tls && typed.otlp_ca.is_some(),
        "otlpCa",
        "needs `https://` in `otlpEndpoint`: without it nothing is proven",
    );
    refuse_if(url.contains('@'), "otlpEndpoint", "holds no credentials, since it is shown: `otlpHeader` is for them");
}

#[cfg(test)]
mod tests;

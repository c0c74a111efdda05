//! `tollgate serve`: what can be set, and the life of the process.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::signal::unix::{SignalKind, signal};

use super::Outcome;
use crate::config::{Collector, Config, Drain};
use crate::ext_authz::ErrorAnswer;
use crate::telemetry::Logs;
use crate::transport::{self, Listen};
use crate::{app, ext_authz, ledger, sources};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Folder with the policies: a mounted ConfigMap, or any folder of YAML files
    #[arg(long, env = "TOLLGATE_POLICIES", value_name = "FOLDER")]
    policies: PathBuf,
    /// How often the folder is looked at; an edit is in force after this
    #[arg(long, env = "TOLLGATE_POLICIES_POLL", value_name = "TIME", default_value = "1s", value_parser = humantime::parse_duration)]
    policies_poll: Duration,
    /// Where Envoy asks: `IP:PORT` or `unix:/path`; may be repeated
    #[arg(
        long,
        env = "TOLLGATE_LISTEN",
        value_name = "ADDRESS",
        default_value = "0.0.0.0:9000",
        value_delimiter = ','
    )]
    listen: Vec<Listen>,
    /// Where health is answered, in plain gRPC (grpc.health.v1)
    #[arg(long, env = "TOLLGATE_HEALTH", value_name = "IP:PORT", default_value = "0.0.0.0:9099")]
    health: SocketAddr,
    /// Where metrics are served, at `/metrics`
    #[arg(long, env = "TOLLGATE_METRICS", value_name = "IP:PORT", default_value = "0.0.0.0:9090")]
    metrics: SocketAddr,
    /// Folder in which decisions are recorded; it belongs to this process alone
    #[arg(long, env = "TOLLGATE_LEDGER", value_name = "FOLDER", default_value = "/var/lib/tollgate/ledger")]
    ledger: PathBuf,
    /// File with at least 32 random bytes, the same on all replicas: people stand in records under pseudonyms made with it
    #[arg(long, env = "TOLLGATE_PSEUDONYM_KEY", value_name = "FILE")]
    pseudonym_key: Option<PathBuf>,
    /// OTLP/gRPC collector that traces are sent to, such as `http://otel-collector:4317`
    #[arg(long, env = "TOLLGATE_OTLP_ENDPOINT", value_name = "URL")]
    otlp_endpoint: Option<String>,
    /// Share of calls without a trace of their own that is traced; impact and critical always are
    #[arg(long, env = "TOLLGATE_TRACE_RATIO", value_name = "0..1", default_value_t = 0.01)]
    trace_ratio: f64,
    /// Longest time of one check; set it below the timeout in Envoy's `grpc_service`, whose default is 200 ms
    #[arg(long, env = "TOLLGATE_MAX_CHECK_TIME", value_name = "TIME", default_value = "150ms", value_parser = humantime::parse_duration)]
    max_check_time: Duration,
    /// Largest request from Envoy, in bytes; it must be above `max_request_bytes` in Envoy's `with_request_body`
    #[arg(long, env = "TOLLGATE_MAX_CHECK_BYTES", value_name = "BYTES", default_value_t = 16 * 1024 * 1024)]
    max_check_bytes: usize,
    /// After about this time a connection is asked to end, so that new replicas get their share
    #[arg(long, env = "TOLLGATE_MAX_CONNECTION_AGE", value_name = "TIME", default_value = "5m", value_parser = humantime::parse_duration)]
    max_connection_age: Duration,
    /// What an error looks like to Envoy: `grpc-status` for any Envoy, `error-response` from Envoy 1.37 on
    #[arg(long, env = "TOLLGATE_ERROR_ANSWER", value_name = "FORM", default_value = "grpc-status")]
    error_answer: ErrorAnswer,
    /// How long to serve on after SIGTERM, so that everyone learns that this replica is going
    #[arg(long, env = "TOLLGATE_DRAIN_DELAY", value_name = "TIME", default_value = "10s", value_parser = humantime::parse_duration)]
    drain_delay: Duration,
    /// How long what is under way may take after that
    #[arg(long, env = "TOLLGATE_DRAIN_TIMEOUT", value_name = "TIME", default_value = "30s", value_parser = humantime::parse_duration)]
    drain_timeout: Duration,
    /// What is logged: `error`, `warn`, `info`, `debug`, or a filter such as `info,tollgate=debug`
    #[arg(long, env = "TOLLGATE_LOG_LEVEL", value_name = "FILTER", default_value = "info")]
    log_level: String,
    /// Threads that answer; as many as there are cores where this is left out
    #[arg(long, env = "TOLLGATE_WORKERS", value_name = "COUNT")]
    workers: Option<usize>,
}

/// Envoy gives up on a check after 200 ms unless told otherwise; below this no check could be recorded durably.
const MIN_CHECK_TIME: Duration = Duration::from_millis(1);

/// Connections that are younger than it takes to open them would serve nobody.
const MIN_CONNECTION_AGE: Duration = Duration::from_secs(1);

/// How long the runtime may take to let go of what it still runs.
const RUNTIME_SHUTDOWN: Duration = Duration::from_secs(2);

impl Args {
    /// What was typed, checked: all that is wrong at once.
    fn check(self) -> std::result::Result<Config, Vec<String>> {
        let mut wrong = Vec::new();
        let mut refuse = |is_wrong: bool, what: &str| {
            if is_wrong {
                wrong.push(what.to_owned());
            }
        };
        refuse(!(0.0..=1.0).contains(&self.trace_ratio), "--trace-ratio is a share between 0 and 1");
        refuse(self.policies_poll.is_zero(), "--policies-poll is a time above zero");
        refuse(self.max_check_time < MIN_CHECK_TIME, "--max-check-time is at least 1ms");
        refuse(
            self.max_check_bytes < 64 * 1024,
            "--max-check-bytes is at least 65536: Envoy's headers alone may have as much",
        );
        refuse(self.max_connection_age < MIN_CONNECTION_AGE, "--max-connection-age is at least 1s");
        refuse(self.workers == Some(0), "--workers is at least 1");
        let is_url = |url: &String| url.starts_with("http://");
        refuse(
            self.otlp_endpoint.as_ref().is_some_and(|url| !is_url(url)),
            "--otlp-endpoint is a URL that begins with `http://`: TLS to a collector is not supported yet",
        );
        let has_credentials = self.otlp_endpoint.as_ref().is_some_and(|url| url.contains('@'));
        refuse(has_credentials, "--otlp-endpoint holds no credentials: it is written to the log");
        refuse(!self.policies.exists(), &format!("--policies: there is no `{}`", self.policies.display()));
        if !wrong.is_empty() {
            return Err(wrong);
        }
        Ok(Config {
            listen: self.listen,
            transport: transport::Config {
                max_age: self.max_connection_age,
                max_connections: 4096,
                max_pending: 4096,
                max_pending_bytes: 64 << 20,
                max_message: self.max_check_bytes,
                max_time: self.max_check_time + Duration::from_secs(1),
            },
            socket_file: transport::SocketFileConfig { mode: 0o660, group: None },
            tls: None,
            workers: self
                .workers
                .unwrap_or_else(|| std::thread::available_parallelism().map_or(1, std::num::NonZero::get)),
            max_stall: Duration::from_secs(10),
            health: self.health,
            metrics: self.metrics,
            policies: sources::Config { folder: self.policies, poll: self.policies_poll },
            ledger: ledger::Config::new(self.ledger),
            pseudonym_key: self.pseudonym_key,
            check: ext_authz::Config { max_time: self.max_check_time, errors: self.error_answer },
            traces: self.otlp_endpoint.map(|endpoint| Collector { endpoint, ratio: self.trace_ratio }),
            drain: Drain { delay: self.drain_delay, timeout: self.drain_timeout },
        })
    }
}

pub(super) fn run(args: Args) -> Result<Outcome> {
    let Ok((logs, guard)) = Logs::to_stderr(&args.log_level) else {
        writeln!(io::stderr(), "error: --log-level `{}` is neither a level nor a filter", args.log_level)?;
        return Ok(Outcome::BadConfiguration);
    };
    let config = match args.check() {
        Ok(config) => config,
        Err(wrong) => {
            for one in wrong {
                writeln!(io::stderr(), "error: {one}")?;
            }
            return Ok(Outcome::BadConfiguration);
        }
    };
    // Health, metrics and accepting; those who answer have threads of their own.
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot start the runtime")?;
    let (threads, ended) = runtime.block_on(async {
        // As process 1 of a container the default for SIGTERM is to ignore it: the handler comes first.
        let end = end()?;
        let running = app::start(config).await?;
        anyhow::Ok(running.until(end).await)
    })?;
    // Lets go of what was cut off, and so of the last handles on the ledger.
    runtime.shutdown_timeout(RUNTIME_SHUTDOWN);
    threads.join();
    tracing::info!(lost_log_lines = logs.lost(), "ended");
    drop(guard);
    ended.map(|()| Outcome::Good)
}

/// Resolves with the signal that ends the process.
fn end() -> Result<impl Future<Output = &'static str>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
        }
    })
}

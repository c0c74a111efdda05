//! `tollgate serve` as a child: started as an operator would start it, ready when its log says so,
//! killed and started again at the same addresses.
//!
//! Nothing is taken from inside the library: what the laboratory knows of the running service, it knows from its log,
//! its ports and its answers.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use serde_json::Value;

use super::json_lines::{self, text};
use super::process::{POLL, Process, last_words};

/// Far more than a start takes; a loaded CI machine may need some of it.
const STARTS_WITHIN: Duration = Duration::from_secs(20);

/// How one `tollgate serve` is started.
#[derive(Debug, Clone)]
pub struct Options {
    /// The `tollgate` binary.
    pub binary: PathBuf,
    /// The bundle's folder.
    pub policies: PathBuf,
    /// How often it is looked at.
    pub policies_poll: Duration,
    /// Where Envoy asks. Port 0 takes a free one.
    pub listen: Address,
    /// The ledger's folder.
    pub ledger: PathBuf,
    /// The file for its log.
    pub log: PathBuf,
    /// Further arguments, as they would be typed.
    pub arguments: Vec<String>,
}

/// Where a server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// A port.
    Tcp(SocketAddr),
    /// A socket file.
    Unix(PathBuf),
}

/// A `tollgate serve` that is ready.
#[derive(Debug)]
pub struct Tollgate {
    process: Process,
    options: Options,
    listen: Address,
    health: SocketAddr,
    metrics: SocketAddr,
}

impl Tollgate {
    /// Starts it and waits until it is ready.
    pub async fn start(options: &Options) -> anyhow::Result<Self> {
        let anywhere = SocketAddr::from(([127, 0, 0, 1], 0));
        Self::start_at(options.clone(), anywhere, anywhere).await
    }

    /// Starts it again at the same addresses, after it was killed or has ended. The old log is kept beside the new one.
    pub async fn restart(&mut self) -> anyhow::Result<()> {
        let mut options = self.options.clone();
        let kept = options.log.with_extension("before-restart.log");
        std::fs::rename(&options.log, &kept).with_context(|| format!("can't keep the log as `{}`", kept.display()))?;
        options.listen = self.listen.clone();
        *self = Self::start_at(options, self.health, self.metrics).await?;
        Ok(())
    }

    async fn start_at(options: Options, health: SocketAddr, metrics: SocketAddr) -> anyhow::Result<Self> {
        let mut command = command(&options, health, metrics);
        let mut process = Process::start("tollgate serve", &mut command, &options.log)?;
        let deadline = Instant::now() + STARTS_WITHIN;
        loop {
            process.still_runs().context("tollgate did not start")?;
            let ports = Ports::in_log(&process.logged()?);
            if let Some(problems) = ports.refused {
                anyhow::bail!("tollgate refuses the policies: {problems}; its log is `{}`", options.log.display());
            }
            if let Ports { listen: Some(listen), health: Some(health), metrics: Some(metrics), ready: true, .. } = ports
            {
                return Ok(Self { process, options, listen, health, metrics });
            }
            if Instant::now() >= deadline {
                anyhow::bail!("tollgate was not ready within {STARTS_WITHIN:?}; {}", last_words(&options.log));
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Where Envoy asks.
    pub fn listen(&self) -> &Address {
        &self.listen
    }

    /// Where it answers health checks (gRPC).
    pub fn health(&self) -> SocketAddr {
        self.health
    }

    /// Where it answers Prometheus.
    pub fn metrics(&self) -> SocketAddr {
        self.metrics
    }

    /// Its log file.
    pub fn log(&self) -> &Path {
        self.process.log()
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// The lines of its log that are JSON objects, in order.
    pub fn log_lines(&self) -> anyhow::Result<Vec<Value>> {
        Ok(json_lines::events(&self.process.logged()?).collect())
    }

    /// Fails, with the end of its log, if it has ended.
    pub fn still_runs(&mut self) -> anyhow::Result<()> {
        self.process.still_runs()
    }

    /// SIGKILL: as a node that goes down.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        self.process.kill()
    }

    /// SIGTERM: as the kubelet ends a pod.
    pub async fn terminate(&mut self, within: Duration) -> anyhow::Result<ExitStatus> {
        self.process.terminate(within).await
    }
}

/// What the log says about ports until now.
#[derive(Debug, Default, PartialEq, Eq)]
struct Ports {
    listen: Option<Address>,
    health: Option<SocketAddr>,
    metrics: Option<SocketAddr>,
    /// A bundle is in force.
    ready: bool,
    /// What is wrong with the bundle.
    refused: Option<String>,
}

impl Ports {
    fn in_log(log: &str) -> Self {
        let mut ports = Self::default();
        for event in json_lines::events(log) {
            let problems = text(&event, "problems");
            if !problems.is_empty() {
                ports.refused = Some(problems.to_owned());
            }
            match text(&event, "message") {
                "ready" => ports.ready = true,
                "listening" => ports.take(text(&event, "port"), text(&event, "address")),
                _ => {}
            }
        }
        ports
    }

    fn take(&mut self, port: &str, address: &str) {
        let address = Address::parse(address);
        match (port, address) {
            ("ext_authz", address) => self.listen = address,
            ("health", Some(Address::Tcp(address))) => self.health = Some(address),
            ("metrics", Some(Address::Tcp(address))) => self.metrics = Some(address),
            _ => {}
        }
    }
}

impl Address {
    fn parse(text: &str) -> Option<Self> {
        if let Some(path) = text.strip_prefix("unix:") {
            return Some(Self::Unix(path.into()));
        }
        // A line of the log that has no address in it says nothing about a port.
        text.parse().map_or(None, |address| Some(Self::Tcp(address)))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

fn command(options: &Options, health: SocketAddr, metrics: SocketAddr) -> Command {
    let mut command = Command::new(&options.binary);
    command
        .arg("serve")
        .arg("--policies")
        .arg(&options.policies)
        .arg("--policies-poll")
        .arg(format!("{}ms", options.policies_poll.as_millis()))
        .arg("--listen")
        .arg(options.listen.to_string())
        .arg("--health")
        .arg(health.to_string())
        .arg("--metrics")
        .arg(metrics.to_string())
        // Several of them run at once on one machine.
        .args(["--admin", "127.0.0.1:0"])
        .arg("--ledger")
        .arg(&options.ledger)
        .args(&options.arguments);
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = r#"{"timestamp":"t","level":"INFO","message":"effective configuration"}
{"level":"INFO","message":"listening","port":"ext_authz","address":"unix:/run/t.sock"}
{"level":"INFO","message":"listening","port":"health","address":"127.0.0.1:41234"}
{"level":"INFO","message":"listening","port":"metrics","addr"#;

    #[test]
    fn the_ports_are_read_from_the_log_line_by_line() {
        let ports = Ports::in_log(LOG);
        assert_eq!(ports.listen, Some(Address::Unix("/run/t.sock".into())));
        assert_eq!(ports.health, Some(SocketAddr::from(([127, 0, 0, 1], 41234))));
        assert_eq!(ports.metrics, None, "a line that is still being written does not count");
    }

    #[test]
    fn a_binary_that_ends_at_once_is_an_error_with_its_last_words() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let mut command = Command::new("sh");
        command.args(["-c", "echo no such policy >&2; exit 64"]);
        let mut process = Process::start("tollgate serve", &mut command, &log).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let status = runtime.block_on(process.ended(Duration::from_secs(5))).unwrap();
        assert_eq!(status.code(), Some(64));
        let error = process.still_runs().unwrap_err().to_string();
        assert!(error.contains("no such policy") && error.contains("64"), "{error}");
    }
}

//! `tollgate serve` as a child: started as an operator would start it, ready when its log says that all of its ports
//! listen, killed and started again at the same addresses.
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

use super::process::{POLL, Process, last_words};

/// Far more than a start takes; a loaded CI machine may need some of it.
const STARTS_WITHIN: Duration = Duration::from_secs(20);

/// How one `tollgate serve` is started.
#[derive(Debug, Clone)]
pub struct Options {
    /// The `tollgate` binary.
    pub binary: PathBuf,
    pub policies: PathBuf,
    pub policies_poll: Duration,
    /// Where Envoy asks. Port 0 takes a free one.
    pub listen: Address,
    pub ledger: PathBuf,
    pub log: PathBuf,
    /// Further arguments, as they would be typed.
    pub arguments: Vec<String>,
}

/// Where a server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

/// A `tollgate serve` that listens.
#[derive(Debug)]
pub struct Tollgate {
    process: Process,
    options: Options,
    listen: Address,
    health: SocketAddr,
    metrics: SocketAddr,
}

impl Tollgate {
    /// Starts it and waits until all of its ports listen.
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
            if let Ports { listen: Some(listen), health: Some(health), metrics: Some(metrics) } = ports {
                return Ok(Self { process, options, listen, health, metrics });
            }
            if Instant::now() >= deadline {
                anyhow::bail!("tollgate did not listen within {STARTS_WITHIN:?}; {}", last_words(&options.log));
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Where Envoy asks.
    pub fn listen(&self) -> &Address {
        &self.listen
    }

    pub fn health(&self) -> SocketAddr {
        self.health
    }

    pub fn metrics(&self) -> SocketAddr {
        self.metrics
    }

    pub fn log(&self) -> &Path {
        self.process.log()
    }

    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// The lines of its log that are JSON objects, in order.
    pub fn log_lines(&self) -> anyhow::Result<Vec<Value>> {
        Ok(log_lines(&self.process.logged()?))
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
}

impl Ports {
    fn in_log(log: &str) -> Self {
        let mut ports = Self::default();
        for line in log_lines(log) {
            let fields = &line["fields"];
            if fields["message"] != "listening" {
                continue;
            }
            let address = fields["address"].as_str().unwrap_or_default();
            match fields["port"].as_str() {
                Some("ext_authz") => ports.listen = Address::parse(address),
                Some("health") => ports.health = address.parse().ok(),
                Some("metrics") => ports.metrics = address.parse().ok(),
                _ => {}
            }
        }
        ports
    }
}

impl Address {
    fn parse(text: &str) -> Option<Self> {
        match text.strip_prefix("unix:") {
            Some(path) => Some(Self::Unix(path.into())),
            None => text.parse().ok().map(Self::Tcp),
        }
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
        .arg("--ledger")
        .arg(&options.ledger)
        .args(&options.arguments);
    command
}

fn log_lines(log: &str) -> Vec<Value> {
    // A line that is being written, or that is no JSON (a message of the runtime), is not an event.
    log.lines().filter_map(|line| serde_json::from_str(line).ok()).filter(Value::is_object).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = r#"{"timestamp":"t","level":"INFO","fields":{"message":"configuration"}}
{"level":"INFO","fields":{"message":"listening","port":"ext_authz","address":"unix:/run/t.sock"}}
{"level":"INFO","fields":{"message":"listening","port":"health","address":"127.0.0.1:41234"}}
{"level":"INFO","fields":{"message":"listening","port":"metrics","addr"#;

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

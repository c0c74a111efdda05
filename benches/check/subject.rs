//! Who is measured: the floor, Tollgate with the shipped policies, Tollgate with ten thousand actions.
//!
//! Each is a child of ours, pinned to the servers' core. All but the one that is measured are stopped (SIGSTOP), so that
//! nobody looks at his policies or flushes his log on somebody else's time. Dropping a subject ends its process.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use serde_json::Value;
use tollgate::clock::{Clock as _, System};
use tollgate::demo::client::{Client, Request};
use tollgate::demo::process::{POLL, Process};
use tollgate::demo::service::{Address, Options, Tollgate};

use crate::machine::{self, Machine, Memory};

/// A server under measurement.
pub(crate) struct Subject {
    pub(crate) name: &'static str,
    pub(crate) address: SocketAddr,
    /// From the start of the process to its word that it is ready, several times; none of the floor.
    pub(crate) ready: Vec<Duration>,
    /// None: the floor.
    pub(crate) actions: Option<usize>,
    /// When it was ready, before the first request.
    pub(crate) memory_at_start: Memory,
    child: Child,
}

enum Child {
    Floor(Process),
    Tollgate(Box<Tollgate>),
}

/// The first start after a build reads the binary from disk.
const STARTS: usize = 3;
const FLOOR_STARTS_WITHIN: Duration = Duration::from_secs(10);

impl Subject {
    pub(crate) async fn floor(folder: &Path, workers: usize, machine: &Machine) -> anyhow::Result<Self> {
        let own = std::env::current_exe().context("can't tell the path of this binary")?;
        let mut command = Command::new(own);
        command.args(["floor", &workers.to_string()]);
        let mut process = Process::start("the floor", &mut command, &folder.join("floor.log"))?;
        let deadline = Instant::now() + FLOOR_STARTS_WITHIN;
        let address = loop {
            process.still_runs()?;
            let logged = process.logged()?;
            if let Some(said) = logged.lines().next().map(serde_json::from_str::<Value>).transpose()? {
                break said.get("address").and_then(Value::as_str).context("no address")?.parse()?;
            }
            anyhow::ensure!(Instant::now() < deadline, "the floor did not start");
            tokio::time::sleep(POLL).await;
        };
        Self::settle("floor", address, Vec::new(), None, Child::Floor(process), machine)
    }

    /// Starts it several times, and keeps the last one.
    pub(crate) async fn tollgate(
        name: &'static str,
        policies: &Path,
        folder: &Path,
        workers: usize,
        machine: &Machine,
    ) -> anyhow::Result<Self> {
        let mut ready = Vec::new();
        let mut tollgate = None;
        for start in 0..STARTS {
            drop(tollgate.take());
            let options = options(policies, &folder.join(format!("{name}-{start}")), workers)?;
            let began = System.now();
            let started = Tollgate::start(&options).await?;
            ready.push(Duration::try_from(timestamp(&said(&started, "ready")?)?.duration_since(began))?);
            tollgate = Some(started);
        }
        let tollgate = tollgate.context("it was never started")?;
        let Address::Tcp(address) = *tollgate.listen() else { anyhow::bail!("it does not listen on TCP") };
        let actions = said(&tollgate, "bundle in force")?.get("actions").and_then(Value::as_u64);
        let actions = usize::try_from(actions.context("it does not say how many actions it has")?)?;
        Self::settle(name, address, ready, Some(actions), Child::Tollgate(Box::new(tollgate)), machine)
    }

    fn settle(
        name: &'static str,
        address: SocketAddr,
        ready: Vec<Duration>,
        actions: Option<usize>,
        child: Child,
        machine: &Machine,
    ) -> anyhow::Result<Self> {
        machine.pin_server(child.pid())?;
        let memory_at_start = machine::memory(child.pid())?;
        machine::signal(child.pid(), "STOP")?;
        Ok(Self { name, address, ready, actions, memory_at_start, child })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.pid()
    }

    /// Lets it run.
    pub(crate) fn wake(&self) -> anyhow::Result<()> {
        machine::signal(self.pid(), "CONT")
    }

    /// Stops it where it is, and fails if it has ended.
    pub(crate) fn rest(&mut self) -> anyhow::Result<()> {
        match &mut self.child {
            Child::Floor(process) => process.still_runs()?,
            Child::Tollgate(tollgate) => tollgate.still_runs()?,
        }
        machine::signal(self.pid(), "STOP")
    }

    /// How many records of decisions it wrote, and how many it gave up: neither is asked of the floor.
    pub(crate) async fn records(&self) -> anyhow::Result<Option<Records>> {
        let Child::Tollgate(tollgate) = &self.child else { return Ok(None) };
        self.wake()?;
        // What was handed over just before it was stopped is still on its way.
        tokio::time::sleep(Duration::from_millis(300)).await;
        let metrics = Client::plain(tollgate.metrics()).send(&Request::get("metrics", "/metrics")).await?.text();
        let sum = |name: &str| {
            let values =
                metrics.lines().filter(|line| line.starts_with(name)).filter_map(|line| line.rsplit(' ').next());
            values.flat_map(str::parse::<u64>).sum()
        };
        Ok(Some(Records {
            written: sum("tollgate_ledger_records_total"),
            lost: sum("tollgate_ledger_lost_records_total"),
            syncs: sum("tollgate_ledger_syncs_total"),
        }))
    }
}

/// What became of the records.
#[derive(Debug, Clone, Copy, serde::Serialize)]
pub(crate) struct Records {
    pub(crate) written: u64,
    pub(crate) lost: u64,
    pub(crate) syncs: u64,
}

impl Child {
    fn pid(&self) -> u32 {
        match self {
            Self::Floor(process) => process.pid(),
            Self::Tollgate(tollgate) => tollgate.pid(),
        }
    }
}

fn options(policies: &Path, folder: &Path, workers: usize) -> anyhow::Result<Options> {
    tollgate::demo::files::private_folder(folder)?;
    Ok(Options {
        binary: env!("CARGO_BIN_EXE_tollgate").into(),
        policies: policies.to_owned(),
        // The default.
        policies_poll: Duration::from_secs(1),
        listen: Address::Tcp(([127, 0, 0, 1], 0).into()),
        ledger: folder.join("ledger"),
        log: folder.join("tollgate.log"),
        arguments: vec![
            "--workers".to_owned(),
            workers.to_string(),
            // What it says at its start is needed; nothing is logged for a check.
            "--log-level".to_owned(),
            "warn,tollgate=info".to_owned(),
            // A machine that stands still for a moment is no wrong answer.
            "--max-check-time".to_owned(),
            "2s".to_owned(),
        ],
    })
}

fn said(tollgate: &Tollgate, message: &str) -> anyhow::Result<Value> {
    let lines = tollgate.log_lines()?;
    let mut found = lines.into_iter().filter(|line| line.get("message").and_then(Value::as_str) == Some(message));
    found.next().with_context(|| format!("its log has no line `{message}`"))
}

fn timestamp(line: &Value) -> anyhow::Result<jiff::Timestamp> {
    let text = line.get("timestamp").and_then(Value::as_str).context("a line of its log has no time")?;
    text.parse().with_context(|| format!("`{text}` is not a time"))
}

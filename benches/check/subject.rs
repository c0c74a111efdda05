//! A contender that runs, over one transport, for the length of the measurement.
//!
//! Each is a child of ours, pinned to the servers' core. All but the one that is measured are stopped (SIGSTOP), so that
//! nobody looks at his policies or flushes his log on somebody else's time. Dropping a subject ends its process.

use std::net::SocketAddr;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tollgate::demo::client::{Client, Request};
use tollgate::demo::service::Address;

use crate::args::Settings;
use crate::cell::{Body, Cell, Load, Transport, Way};
use crate::contender::{Contender, Stage, Started};
use crate::load::Target;
use crate::machine::{self, Machine, Memory};
use crate::parties::Parties;
use crate::question::Question;

/// A server under measurement.
pub(crate) struct Subject {
    pub(crate) contender: Rc<dyn Contender>,
    pub(crate) transport: Transport,
    pub(crate) name: String,
    /// From the start of the process to its word that it is ready, several times.
    pub(crate) ready: Vec<Duration>,
    /// When it had been ready for [`SETTLE`], before the first request.
    pub(crate) memory_at_rest: Memory,
    started: Started,
}

/// What was needed to load policies is given back to the system by allocators and collectors a second or two later.
const SETTLE: Duration = Duration::from_secs(3);

impl Subject {
    /// Starts it several times, and keeps the last one; asks it what it must allow, and what it must refuse.
    pub(crate) async fn start(
        contender: &Rc<dyn Contender>,
        transport: Transport,
        run: &Path,
        parties: &Parties,
        settings: &Settings,
        machine: &Machine,
    ) -> anyhow::Result<Self> {
        let name = contender.name();
        let (mut ready, mut kept) = (Vec::new(), None);
        for start in 0..settings.starts {
            drop(kept.take());
            let folder = run.join(format!("{name}-{}-{start}", transport.word()));
            tollgate::demo::files::private_folder(&folder)?;
            let stage = Stage { run, folder: &folder, transport, workers: settings.workers, parties, callgrind: None };
            let started = contender.start(&stage).await.with_context(|| format!("can't start {name}"))?;
            ready.push(started.ready);
            kept = Some(started);
        }
        let started = kept.context("it was never started")?;
        let pid = started.process.pid();
        machine.pin_server(pid)?;
        tokio::time::sleep(SETTLE).await;
        let memory_at_rest = machine::memory(pid)?;
        let subject = Self { contender: Rc::clone(contender), transport, name, ready, memory_at_rest, started };
        subject.try_out(parties, settings).await.with_context(|| format!("{} judges wrongly", subject.name))?;
        machine::signal(pid, "STOP")?;
        Ok(subject)
    }

    /// Where it is asked.
    pub(crate) fn address(&self) -> &Address {
        &self.started.address
    }

    pub(crate) fn pid(&self) -> u32 {
        self.started.process.pid()
    }

    /// Its port at Envoy, and its cluster.
    pub(crate) fn at_envoy(&self) -> String {
        format!("{}-{}", self.name, self.transport.word())
    }

    /// How it is asked directly.
    pub(crate) fn target(&self, question: Question, parties: &Parties) -> anyhow::Result<Target> {
        let tls = if self.transport == Transport::Mtls { Some(parties.to_server()?) } else { None };
        question.target(self.address().clone(), tls)
    }

    /// Lets it run.
    pub(crate) fn wake(&self) -> anyhow::Result<()> {
        machine::signal(self.pid(), "CONT")
    }

    /// Stops it where it is, and fails if it has ended.
    pub(crate) fn rest(&mut self) -> anyhow::Result<()> {
        self.started.process.still_runs()?;
        machine::signal(self.pid(), "STOP")
    }

    async fn try_out(&self, parties: &Parties, settings: &Settings) -> anyhow::Result<()> {
        let bodies = [Body::Bare, Body::Json].into_iter().filter(|body| {
            let cell = Cell { way: Way::Direct, transport: self.transport, body: *body, load: Load::Closed };
            self.contender.can(cell)
        });
        for body in bodies {
            let allowed = self.contender.question(settings.headers, body);
            let forbidden = self.contender.forbidden(settings.headers, body);
            for question in [Some(allowed), forbidden].into_iter().flatten() {
                let target = Arc::new(self.target(question, parties)?);
                target.connect(1).await?.once().await.map_err(anyhow::Error::msg)?;
            }
        }
        Ok(())
    }

    /// How many records of decisions it wrote, and how many it gave up: asked of Tollgate alone.
    pub(crate) async fn records(&self) -> anyhow::Result<Option<Records>> {
        let Some(address) = self.started.metrics else { return Ok(None) };
        self.wake()?;
        // What was handed over just before it was stopped is still on its way.
        tokio::time::sleep(Duration::from_millis(300)).await;
        let metrics = metrics(address).await?;
        Ok(Some(Records {
            written: sum(&metrics, "tollgate_ledger_records_total"),
            lost: sum(&metrics, "tollgate_ledger_lost_records_total"),
            syncs: sum(&metrics, "tollgate_ledger_syncs_total"),
        }))
    }

    /// How many bundles have come into force: asked of Tollgate alone, while it runs.
    pub(crate) async fn bundles(&self) -> anyhow::Result<u64> {
        let metrics = metrics(self.started.metrics.context("it does not count its bundles")?).await?;
        Ok(sum(&metrics, "tollgate_policy_reloads_total{outcome=\"accepted\"}"))
    }
}

async fn metrics(address: SocketAddr) -> anyhow::Result<String> {
    Ok(Client::plain(address).send(&Request::get("metrics", "/metrics")).await?.text())
}

/// The sum of all series whose line begins like this.
fn sum(metrics: &str, name: &str) -> u64 {
    let values = metrics.lines().filter(|line| line.starts_with(name)).filter_map(|line| line.rsplit(' ').next());
    values.flat_map(str::parse::<u64>).sum()
}

/// What became of the records.
#[derive(Debug, Clone, Copy, serde::Serialize)]
pub(crate) struct Records {
    pub(crate) written: u64,
    pub(crate) lost: u64,
    pub(crate) syncs: u64,
}

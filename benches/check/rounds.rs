//! The measurement itself: every cell of every subject, round after round, so that all see the machine in the same moods.
//!
//! One thing runs at a time. Any wrong answer ends the run.

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;

use crate::answer::Expected;
use crate::args::Settings;
use crate::bundle;
use crate::figures::{All, Cell, Figures, Load, Spent, Way};
use crate::load::{Connections, Sample, Target, pace, saturate};
use crate::machine::{Machine, cpu_time};
use crate::proxy::{NOBODY, Proxy};
use crate::request;
use crate::subject::Subject;

/// All that runs. Dropping it ends every child.
pub(crate) struct Bench {
    pub(crate) subjects: Vec<Subject>,
    pub(crate) all: All,
    pub(crate) check_bytes: usize,
    proxy: Option<Proxy>,
    body: Bytes,
    /// How many answers came through each of Envoy's ports.
    answers_by_port: BTreeMap<&'static str, u64>,
}

impl Bench {
    pub(crate) async fn set_up(settings: &Settings, machine: &Machine, folder: &Path) -> anyhow::Result<Self> {
        say("starting the floor, and tollgate twice")?;
        let policies = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies");
        let floor = Subject::floor(folder, settings.workers, machine).await?;
        let shipped = Subject::tollgate("tollgate", &policies, folder, settings.workers, machine).await?;
        let many = folder.join("policies-10k");
        bundle::write(&policies, shipped.actions.unwrap_or_default(), &many)?;
        let many = Subject::tollgate("tollgate-10k", &many, folder, settings.workers, machine).await?;
        anyhow::ensure!(many.actions == Some(bundle::ACTIONS), "it has {:?} actions", many.actions);
        let subjects = vec![floor, shipped, many];
        let mut proxy = None;
        if let Some(binary) = &settings.envoy {
            say("starting envoy")?;
            proxy = Some(Proxy::start(binary, settings, &subjects, folder, machine).await?);
        }
        let body = request::check_body(settings.headers);
        let (check_bytes, answers_by_port) = (body.len() - 5, BTreeMap::new());
        Ok(Self { subjects, all: All::default(), check_bytes, proxy, body, answers_by_port })
    }

    pub(crate) async fn run(&mut self, settings: &Settings) -> anyhow::Result<()> {
        let cells = cells(settings);
        for round in 0..settings.rounds {
            for (number, cell) in cells.iter().enumerate() {
                say(&format!("round {} of {}, cell {} of {}", round + 1, settings.rounds, number + 1, cells.len()))?;
                for who in self.order(*cell, round) {
                    let name = who.and_then(|who| self.subjects.get(who)).map_or(NOBODY, |subject| subject.name);
                    let measured = self.measure(settings, round, *cell, who).await;
                    let figures = measured.with_context(|| format!("{cell}: {name}, round {}", round + 1))?;
                    self.all.0.push(figures);
                }
            }
        }
        self.compare_counts().await
    }

    /// Who is measured in which order: another one begins in each round. None: nobody is asked.
    fn order(&self, cell: Cell, round: usize) -> Vec<Option<usize>> {
        let mut order: Vec<_> = (0..self.subjects.len()).map(Some).collect();
        if cell.way == Way::Envoy {
            order.insert(0, None);
        }
        let first = round % order.len();
        order.rotate_left(first);
        order
    }

    async fn measure(
        &mut self,
        settings: &Settings,
        round: usize,
        cell: Cell,
        who: Option<usize>,
    ) -> anyhow::Result<Figures> {
        let target = Arc::new(self.target(cell.way, who)?);
        let subject = who.and_then(|who| self.subjects.get(who));
        let name = subject.map_or(NOBODY, |subject| subject.name);
        let pid = subject.map(Subject::pid);
        subject.map_or(Ok(()), Subject::wake)?;
        let connections = target.connect(settings.connections).await?;
        let warm_up = run(&connections, settings, cell.load, settings.warm_up()).await?;
        let before = self.spent(pid)?;
        let sample = run(&connections, settings, cell.load, settings.time()).await?;
        let after = self.spent(pid)?;
        drop(connections);
        if let Some(subject) = who.and_then(|who| self.subjects.get_mut(who)) {
            subject.rest()?;
        }
        if cell.way == Way::Envoy {
            *self.answers_by_port.entry(name).or_default() += warm_up.latency.len() + sample.latency.len();
        }
        let spent = Spent {
            subject: after.subject.saturating_sub(before.subject),
            envoy: if cell.way == Way::Envoy { after.envoy.saturating_sub(before.envoy) } else { Duration::ZERO },
        };
        Ok(Figures::new(round, cell, name, &sample, spent))
    }

    fn spent(&self, pid: Option<u32>) -> anyhow::Result<Spent> {
        let of = |pid: Option<u32>| pid.map_or(Ok(Duration::ZERO), cpu_time);
        Ok(Spent { subject: of(pid)?, envoy: of(self.proxy.as_ref().map(|proxy| proxy.envoy.pid()))? })
    }

    fn target(&self, way: Way, who: Option<usize>) -> anyhow::Result<Target> {
        let subject = who.and_then(|who| self.subjects.get(who));
        let is_judged = subject.is_some_and(|subject| subject.actions.is_some());
        if way == Way::Grpc {
            let address = subject.context("nobody to ask")?.address;
            let expected = if is_judged { Expected::Judged } else { Expected::Allowed };
            let head = request::check_head(address)?;
            return Ok(Target { address, tls: None, head, body: Some(self.body.clone()), expected });
        }
        let proxy = self.proxy.as_ref().context("there is no envoy")?;
        Ok(Target {
            address: proxy.envoy.address(subject.map_or(NOBODY, |subject| subject.name))?,
            tls: Some(proxy.tls.clone()),
            head: request::through_envoy()?,
            body: None,
            expected: if is_judged { Expected::PassedWithReceipt } else { Expected::Passed },
        })
    }

    /// What came through Envoy was asked for: by Envoy's own counters.
    async fn compare_counts(&self) -> anyhow::Result<()> {
        let Some(proxy) = &self.proxy else { return Ok(()) };
        let counted = proxy.allowed().await?;
        for subject in &self.subjects {
            let answers = self.answers_by_port.get(subject.name).copied().unwrap_or_default();
            let allowed = counted.iter().filter(|(name, _)| name.contains(&format!(".{}.", subject.name)));
            let allowed: u64 = allowed.map(|(_, count)| count).sum();
            anyhow::ensure!(allowed == answers, "{}: {answers} passed, envoy counted {allowed}", subject.name);
        }
        Ok(())
    }
}

fn cells(settings: &Settings) -> Vec<Cell> {
    let way = |way, rates: &[u32]| {
        let loads = [Load::Saturated].into_iter().chain(rates.iter().copied().map(Load::Rate));
        loads.map(|load| Cell { way, load }).collect::<Vec<_>>()
    };
    let mut cells = way(Way::Grpc, &settings.rates);
    if settings.envoy.is_some() {
        cells.extend(way(Way::Envoy, &settings.envoy_rates));
    }
    cells
}

async fn run(connections: &Connections, settings: &Settings, load: Load, time: Duration) -> anyhow::Result<Sample> {
    let sample = match load {
        Load::Saturated => saturate(connections, settings.in_flight_each, time).await?,
        Load::Rate(rate) => pace(connections, rate, time).await?,
    };
    if let Some(first) = &sample.first_wrong {
        anyhow::bail!("{} of {} answers were wrong; the first: {first}", sample.wrong, sample.latency.len());
    }
    Ok(sample)
}

/// Says how far it is.
fn say(what: &str) -> io::Result<()> {
    writeln!(io::stderr(), "check: {what}")
}

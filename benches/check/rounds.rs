//! The measurement itself: every cell of every subject, round after round, so that all see the machine in the same moods.
//!
//! One thing runs at a time. Any wrong answer ends the run.

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;

use crate::args::Settings;
use crate::cell::{Cell, Load, Way};
use crate::figures::{All, Figures, Spent};
use crate::load::{Connections, Sample, Target, pace, saturate};
use crate::machine::{Machine, cpu_time};
use crate::parties::Parties;
use crate::plan::Plan;
use crate::proxy::{NOBODY, Proxy};
use crate::subject::Subject;

/// All that runs. Dropping it ends every child.
pub(crate) struct Bench {
    pub(crate) subjects: Vec<Subject>,
    pub(crate) all: All,
    /// Who was not measured at a rate, and what it could take instead, in each round in which it was so.
    pub(crate) left_out: BTreeMap<String, Vec<f64>>,
    plan: Plan,
    parties: Parties,
    proxy: Option<Proxy>,
    /// How many answers came through each of Envoy's ports.
    answers_by_port: BTreeMap<String, u64>,
}

/// A server that is asked for more than this share of what it can take is not measured at a rate: its queue is.
const MOST_OF_WHAT_IT_CAN: f64 = 0.9;

impl Bench {
    pub(crate) async fn set_up(
        settings: &Settings,
        plan: Plan,
        machine: &Machine,
        folder: &Path,
    ) -> anyhow::Result<Self> {
        let parties = Parties::try_new(folder)?;
        let mut subjects = Vec::new();
        for (contender, transports) in plan.processes() {
            say(&format!("starting {}", contender.title()))?;
            contender.prepare(folder)?;
            for transport in transports {
                subjects.push(Subject::start(&contender, transport, folder, &parties, settings, machine).await?);
            }
        }
        let mut proxy = None;
        let behind: Vec<&Subject> =
            subjects.iter().filter(|one| plan.is_behind_envoy(&one.name, one.transport)).collect();
        if let (Some(binary), false) = (&settings.envoy, behind.is_empty()) {
            say("starting Envoy")?;
            proxy = Some(Proxy::start(binary, settings, &behind, &parties, folder, machine).await?);
        }
        let (all, left_out, answers_by_port) = (All::default(), BTreeMap::new(), BTreeMap::new());
        Ok(Self { subjects, all, left_out, plan, parties, proxy, answers_by_port })
    }

    pub(crate) async fn run(&mut self, settings: &Settings) -> anyhow::Result<()> {
        let cells = self.plan.cells();
        for round in 0..settings.rounds {
            for (number, cell) in cells.iter().enumerate() {
                say(&format!("round {} of {}, cell {} of {}", round + 1, settings.rounds, number + 1, cells.len()))?;
                for who in self.order(*cell, round) {
                    let name = self.name(who).to_owned();
                    if let Some(most) = self.is_too_much(*cell, &name) {
                        self.left_out.entry(format!("{cell}: {name}")).or_default().push(most);
                        continue;
                    }
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
        let subjects = self.subjects.iter().enumerate();
        let subjects = subjects.filter(|(_, one)| one.transport == cell.transport && self.plan.has(cell, &one.name));
        let nobody = (cell.way == Way::Envoy).then_some(None);
        let mut order: Vec<_> = nobody.into_iter().chain(subjects.map(|(index, _)| Some(index))).collect();
        let first = round % order.len().max(1);
        order.rotate_left(first);
        order
    }

    fn name(&self, who: Option<usize>) -> &str {
        who.and_then(|who| self.subjects.get(who)).map_or(NOBODY, |subject| &subject.name)
    }

    /// What it could take where it was asked for as many as it can, if that is less than the cell asks for.
    fn is_too_much(&self, cell: Cell, name: &str) -> Option<f64> {
        let Load::Rate(rate) = cell.load else { return None };
        let most = self.all.median(Cell { load: Load::Closed, ..cell }, name, |figures| figures.per_second);
        (most * MOST_OF_WHAT_IT_CAN < f64::from(rate)).then_some(most)
    }

    async fn measure(
        &mut self,
        settings: &Settings,
        round: usize,
        cell: Cell,
        who: Option<usize>,
    ) -> anyhow::Result<Figures> {
        let target = Arc::new(self.target(settings, cell, who)?);
        let subject = who.and_then(|who| self.subjects.get(who));
        let (name, port) = subject
            .map_or((NOBODY.to_owned(), NOBODY.to_owned()), |subject| (subject.name.clone(), subject.at_envoy()));
        let pid = subject.map(Subject::pid);
        subject.map_or(Ok(()), Subject::wake)?;
        let connections = target.connect(settings.connections).await?;
        let warm_up = run(&connections, settings, cell.load, settings.warm_up(cell.load)).await?;
        let before = self.spent(pid)?;
        let sample = run(&connections, settings, cell.load, settings.time(cell.load)).await?;
        let after = self.spent(pid)?;
        drop(connections);
        if let Some(subject) = who.and_then(|who| self.subjects.get_mut(who)) {
            subject.rest()?;
        }
        if cell.way == Way::Envoy {
            *self.answers_by_port.entry(port).or_default() += warm_up.latency.len() + sample.latency.len();
        }
        let spent = Spent {
            subject: after.subject.saturating_sub(before.subject),
            envoy: if cell.way == Way::Envoy { after.envoy.saturating_sub(before.envoy) } else { Duration::ZERO },
        };
        Ok(Figures::new(round, cell, &name, &sample, spent))
    }

    fn spent(&self, pid: Option<u32>) -> anyhow::Result<Spent> {
        let of = |pid: Option<u32>| pid.map_or(Ok(Duration::ZERO), cpu_time);
        Ok(Spent { subject: of(pid)?, envoy: of(self.proxy.as_ref().map(|proxy| proxy.envoy.pid()))? })
    }

    fn target(&self, settings: &Settings, cell: Cell, who: Option<usize>) -> anyhow::Result<Target> {
        let subject = who.and_then(|who| self.subjects.get(who));
        if cell.way == Way::Direct {
            let subject = subject.context("nobody to ask")?;
            return subject.target(subject.contender.question(settings.headers, cell.body), &self.parties);
        }
        let proxy = self.proxy.as_ref().context("there is no Envoy")?;
        let (port, expected) = match subject {
            None => (NOBODY.to_owned(), crate::answer::passed as crate::answer::Compare),
            Some(subject) => (subject.at_envoy(), subject.contender.behind_envoy().context("Envoy cannot ask it")?),
        };
        proxy.target(&port, cell.body, expected)
    }

    /// What came through Envoy was asked for: by Envoy's own counters.
    async fn compare_counts(&self) -> anyhow::Result<()> {
        let Some(proxy) = &self.proxy else { return Ok(()) };
        let counted = proxy.allowed().await?;
        for (port, answers) in self.answers_by_port.iter().filter(|(port, _)| *port != NOBODY) {
            let allowed = counted.iter().filter(|(name, _)| name.contains(&format!(".{port}.")));
            let allowed: u64 = allowed.map(|(_, count)| count).sum();
            anyhow::ensure!(allowed == *answers, "{port}: {answers} passed, Envoy counted {allowed}");
        }
        Ok(())
    }
}

pub(crate) async fn run(
    connections: &Connections,
    settings: &Settings,
    load: Load,
    time: Duration,
) -> anyhow::Result<Sample> {
    let sample = match load {
        Load::Closed => saturate(connections, settings.in_flight_each, time).await?,
        Load::Rate(rate) => pace(connections, rate, time).await?,
    };
    if let Some(first) = &sample.first_wrong {
        anyhow::bail!("{} of {} answers were wrong; the first: {first}", sample.wrong, sample.latency.len());
    }
    Ok(sample)
}

/// Says how far it is.
pub(crate) fn say(what: &str) -> io::Result<()> {
    writeln!(io::stderr(), "check: {what}")
}

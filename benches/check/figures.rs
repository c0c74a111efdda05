//! From samples to figures: of one cell in one round, and medians over rounds.
//!
//! Ratios and differences are made within a round, between neighbours in time, and only then is their median taken: the
//! machine is faster in one minute than in the next.

use std::time::Duration;

use serde::Serialize;

use crate::cell::Cell;
use crate::load::Sample;

/// What one cell of one subject came to in one round.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Figures {
    pub(crate) round: usize,
    #[serde(flatten)]
    pub(crate) cell: Cell,
    pub(crate) subject: String,
    pub(crate) answers: u64,
    pub(crate) per_second: f64,
    /// Of the subject's process; zero where nobody is asked.
    pub(crate) cpu_us_each: f64,
    /// Of Envoy's process; zero where there is none.
    pub(crate) envoy_cpu_us_each: f64,
    /// How much of their core the servers had.
    pub(crate) servers_busy: f64,
    pub(crate) p50_us: f64,
    pub(crate) p90_us: f64,
    pub(crate) p99_us: f64,
    pub(crate) p999_us: f64,
    pub(crate) max_us: f64,
    /// How much too late the generator sent the latest hundredth of the requests, at least.
    pub(crate) lag_p99_us: f64,
    pub(crate) missed: u64,
}

/// Processor time that was spent during a sample.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Spent {
    pub(crate) subject: Duration,
    pub(crate) envoy: Duration,
}

impl Figures {
    pub(crate) fn new(round: usize, cell: Cell, subject: &str, sample: &Sample, spent: Spent) -> Self {
        let answers = sample.latency.len();
        let each = |time: Duration| time.as_secs_f64() * 1e6 / count(answers.max(1));
        let quantile = |at: f64| micros(sample.latency.value_at_quantile(at));
        Self {
            round,
            cell,
            subject: subject.to_owned(),
            answers,
            per_second: count(answers) / sample.took.as_secs_f64(),
            cpu_us_each: each(spent.subject),
            envoy_cpu_us_each: each(spent.envoy),
            servers_busy: (spent.subject + spent.envoy).as_secs_f64() / sample.took.as_secs_f64(),
            p50_us: quantile(0.5),
            p90_us: quantile(0.9),
            p99_us: quantile(0.99),
            p999_us: quantile(0.999),
            max_us: micros(sample.latency.max()),
            lag_p99_us: micros(sample.lag.value_at_quantile(0.99)),
            missed: sample.missed,
        }
    }

    /// How far the worst thousandth is from the worst hundredth.
    pub(crate) fn tail(&self) -> f64 {
        self.p999_us / self.p99_us
    }
}

/// All figures of a run.
#[derive(Debug, Default, Serialize)]
#[serde(transparent)]
pub(crate) struct All(pub(crate) Vec<Figures>);

impl All {
    fn of(&self, cell: Cell, subject: &str) -> impl Iterator<Item = &Figures> {
        self.0.iter().filter(move |one| one.cell == cell && one.subject == subject)
    }

    pub(crate) fn has(&self, cell: Cell, subject: &str) -> bool {
        self.of(cell, subject).next().is_some()
    }

    /// The median of one figure.
    pub(crate) fn median(&self, cell: Cell, subject: &str, figure: fn(&Figures) -> f64) -> f64 {
        median(self.of(cell, subject).map(figure).collect())
    }

    /// The median of what comes of one subject and another in the same round.
    pub(crate) fn compared(
        &self,
        cell: Cell,
        (subject, base): (&str, &str),
        figure: fn(&Figures) -> f64,
        compare: fn(f64, f64) -> f64,
    ) -> f64 {
        let pairs = self.of(cell, subject).filter_map(|one| {
            let other = self.of(cell, base).find(|other| other.round == one.round)?;
            Some(compare(figure(one), figure(other)))
        });
        median(pairs.collect())
    }

    /// How often what one adds at a percentile is what the floor adds, the median over rounds. A round in which the floor
    /// seemed to add nothing says nothing, and is left out.
    pub(crate) fn added_to_floor(
        &self,
        cell: Cell,
        (subject, floor, nobody): (&str, &str, &str),
        figure: fn(&Figures) -> f64,
    ) -> f64 {
        let ratios = self.of(cell, subject).filter_map(|one| {
            let of = |other: &str| self.of(cell, other).find(|other| other.round == one.round).map(figure);
            let (floor, nobody) = (of(floor)?, of(nobody)?);
            (floor > nobody).then(|| (figure(one) - nobody) / (floor - nobody))
        });
        median(ratios.collect())
    }

    /// The cells, in the order in which they are shown.
    pub(crate) fn cells(&self) -> Vec<Cell> {
        let mut cells: Vec<_> = self.0.iter().map(|one| one.cell).collect();
        cells.sort_unstable();
        cells.dedup();
        cells
    }
}

/// The one in the middle; of an even number, between the two.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let upper = values.get(values.len() / 2).copied();
    let lower = values.get(values.len().saturating_sub(1) / 2).copied();
    upper.zip(lower).map_or(f64::NAN, |(upper, lower)| upper.midpoint(lower))
}

#[expect(clippy::cast_precision_loss, reason = "nobody sends 2^53 requests")]
pub(crate) fn count(number: u64) -> f64 {
    number as f64
}

fn micros(nanos: u64) -> f64 {
    count(nanos) / 1e3
}

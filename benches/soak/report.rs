//! What came of it: tables for people, everything as JSON, and whether it holds.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use serde::Serialize;

use crate::args::Settings;
use crate::counters::{Counters, beginning};
use crate::rolling::Rolled;
use crate::stage::Ended;
use crate::tally::{Sort, Tally};
use crate::watch::{Sample, mebibytes};

/// All of it.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    requests_per_second: u32,
    seconds: f64,
    counts: Vec<(Sort, BTreeMap<String, u64>)>,
    wrong: u64,
    first_wrong: Vec<String>,
    counters: Counters,
    ended: Ended,
    memory: Option<Memory>,
    samples: Vec<Sample>,
    rolling: Option<Rolled>,
}

/// What it held, in KiB.
#[derive(Debug, Clone, Copy, Serialize)]
struct Memory {
    first: u64,
    median: u64,
    last: u64,
    most: u64,
    /// Medians of two quarters of the time: the first one is for warming up.
    second_quarter: u64,
    last_quarter: u64,
    /// After the first quarter, by least squares.
    kib_per_minute: f64,
}

/// Per cent by which the last quarter may be above the second.
const FLAT: u64 = 10;

const SORTS: [(Sort, &str); 7] = [
    (Sort::Answer, "right answers"),
    (Sort::Error, "errors of the well-behaved"),
    (Sort::Noticed, "noticed"),
    (Sort::Policies, "policies"),
    (Sort::Certificates, "certificates"),
    (Sort::Collector, "collector"),
    (Sort::Hostile, "hostile clients"),
];

/// Of what Tollgate counts itself.
const COUNTERS: &[&str] = &[
    "tollgate_requests_total",
    "tollgate_shed_checks_total",
    "tollgate_panics_total",
    "tollgate_connections",
    "tollgate_refused_connections_total",
    "tollgate_tls_",
    "tollgate_policy_reloads_total",
    "tollgate_ledger_records_total",
    "tollgate_ledger_lost_records_total",
    "tollgate_ledger_syncs_total",
];

impl Report {
    pub(crate) fn new(
        tally: &Tally,
        samples: &[Sample],
        counters: Counters,
        ended: Ended,
        rolling: Option<Rolled>,
        (requests_per_second, took): (u32, Duration),
    ) -> Self {
        Self {
            requests_per_second,
            seconds: took.as_secs_f64(),
            counts: SORTS.iter().map(|(sort, _)| (*sort, tally.of(*sort))).collect(),
            wrong: tally.wrongs(),
            first_wrong: tally.first_wrong(),
            counters,
            ended,
            memory: Memory::of(samples),
            samples: samples.to_vec(),
            rolling,
        }
    }

    pub(crate) fn print(&self, out: &mut impl Write) -> anyhow::Result<()> {
        writeln!(out, "\n{:.0} s at {} requests a second", self.seconds, self.requests_per_second)?;
        for (sort, title) in SORTS {
            let counts = self.counts.iter().filter(|(found, _)| *found == sort).flat_map(|(_, counts)| counts);
            let counts: Vec<_> = counts.map(|(what, count)| (what.as_str(), *count)).collect();
            let total: u64 = counts.iter().map(|(_, count)| count).sum();
            table(&format!("{title} ({total})"), &counts, out)?;
        }
        let counters: Vec<_> = COUNTERS.iter().flat_map(|name| beginning(&self.counters, name)).collect();
        table("what Tollgate counted", &counters, out)?;
        let logged: Vec<_> = self.ended.logged.iter().map(|(message, count)| (message.as_str(), *count)).collect();
        table("warnings and errors in its log", &logged, out)?;
        let passed = [("passed Envoy with a receipt", self.ended.passed), ("reached them", self.ended.reached)];
        table("services", &passed, out)?;
        if let Some(memory) = &self.memory {
            memory.print(out)?;
        }
        let ends = [self.samples.first(), self.samples.last()];
        for sample in ends.into_iter().flatten() {
            let Sample { seconds, threads, open_files, .. } = sample;
            writeln!(out, "after {seconds:.0} s: {threads} threads, {open_files} open files")?;
        }
        if let Some(rolled) = &self.rolling {
            rolled.print(out)?;
        }
        Ok(())
    }

    pub(crate) fn write(&self, folder: &Path) -> anyhow::Result<PathBuf> {
        let path = folder.join("soak.json");
        tollgate::demo::files::write(&path, serde_json::to_string_pretty(self)?)?;
        Ok(path)
    }

    /// Fails where something is wrong, and never for a time.
    pub(crate) fn verdict(&self, out: &mut impl Write, settings: &Settings) -> anyhow::Result<ExitCode> {
        let mut is_good = true;
        let mut must = |holds: bool, what: &str| {
            is_good &= holds;
            writeln!(out, "{}: {what}", if holds { "holds" } else { "FAILS" })
        };
        must(self.wrong == 0, &format!("nothing is wrong ({})", self.wrong))?;
        let errors = self.counts.iter().filter(|(sort, _)| *sort == Sort::Error);
        let errors: u64 = errors.flat_map(|(_, counts)| counts.values()).sum();
        must(errors == 0, &format!("no well-behaved client got an error ({errors})"))?;
        if let Some(memory) = &self.memory {
            let is_flat = memory.last_quarter * 100 <= memory.second_quarter * (100 + FLAT);
            let what = format!("memory is flat: the last quarter's median is within {FLAT} % of the second's");
            if settings.is_long {
                must(is_flat, &what)?;
            }
        }
        let sum = |name| beginning(&self.counters, name).map(|(_, count)| count).sum::<u64>();
        must(sum("tollgate_panics_total") == 0, "nothing panicked")?;
        let lost = sum("tollgate_ledger_lost_records_total");
        must(lost == 0, &format!("no record is lost ({lost})"))?;
        if let Some(rolled) = &self.rolling {
            must(rolled.is_good(), "no request failed while replicas were started again, and each is recorded")?;
        }
        for wrong in &self.first_wrong {
            writeln!(out, "  {wrong}")?;
        }
        Ok(if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

impl Rolled {
    pub(crate) fn is_good(&self) -> bool {
        // Envoy may have asked twice where a connection ended: then both replicas may have recorded it.
        let most = u64::from(self.asked) + self.envoy_retries;
        self.failed == 0 && (u64::from(self.asked)..=most).contains(&self.recorded)
    }

    pub(crate) fn print(&self, out: &mut impl Write) -> anyhow::Result<()> {
        let Self { asked, failed, restarts, envoy_ok, envoy_errors, envoy_retries, recorded, seconds, .. } = self;
        writeln!(
            out,
            "\nrolling restart: {failed} failed of {asked} in {seconds:.0} s, {restarts} restarts; Envoy: {envoy_ok} \
             ok, {envoy_errors} errors, {envoy_retries} asked again; {recorded} recorded"
        )?;
        for failed in &self.first_failed {
            writeln!(out, "  {failed}")?;
        }
        Ok(())
    }
}

impl Memory {
    fn of(samples: &[Sample]) -> Option<Self> {
        let quarter = |from: usize, to: usize| {
            let at = |quarter| samples.len() * quarter / 4;
            median(samples.get(at(from)..at(to))?)
        };
        Some(Self {
            first: samples.first()?.resident_kib,
            median: median(samples)?,
            last: samples.last()?.resident_kib,
            most: samples.iter().map(|sample| sample.resident_kib).max()?,
            second_quarter: quarter(1, 2)?,
            last_quarter: quarter(3, 4)?,
            kib_per_minute: slope(samples.get(samples.len() / 4..)?) * 60.0,
        })
    }

    fn print(&self, out: &mut impl Write) -> std::io::Result<()> {
        let [first, middle, last, most, second, fourth] =
            [self.first, self.median, self.last, self.most, self.second_quarter, self.last_quarter].map(mebibytes);
        writeln!(
            out,
            "\nresident memory in MiB: first {first:.1}, median {middle:.1}, last {last:.1}, most {most:.1}; second \
             quarter {second:.1}, last quarter {fourth:.1}; {:+.1} KiB a minute after the first quarter",
            self.kib_per_minute
        )
    }
}

fn median(samples: &[Sample]) -> Option<u64> {
    let mut all: Vec<_> = samples.iter().map(|sample| sample.resident_kib).collect();
    all.sort_unstable();
    all.get(all.len() / 2).copied()
}

/// KiB a second, by least squares.
#[expect(clippy::cast_precision_loss, reason = "counts and memory are far below 2^52")]
fn slope(samples: &[Sample]) -> f64 {
    let count = samples.len().max(1) as f64;
    let points = || samples.iter().map(|sample| (sample.seconds, sample.resident_kib as f64));
    let (x, y) = points().fold((0.0, 0.0), |(x, y), point| (x + point.0, y + point.1));
    let (x, y) = (x / count, y / count);
    let both: f64 = points().map(|point| (point.0 - x) * (point.1 - y)).sum();
    let own: f64 = points().map(|point| (point.0 - x).powi(2)).sum();
    if own > 0.0 { both / own } else { 0.0 }
}

fn table(title: &str, rows: &[(&str, u64)], out: &mut impl Write) -> std::io::Result<()> {
    writeln!(out, "\n{title}")?;
    rows.iter().try_for_each(|(what, count)| writeln!(out, "  {count:>10}  {what}"))
}

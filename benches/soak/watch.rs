//! Looks at Tollgate from outside: what it holds (`/proc`), what it counts (`/metrics`), whether it runs. Prints a line each time.

use std::time::Instant;

use anyhow::Context as _;
use serde::Serialize;

use crate::args::Settings;
use crate::stage::Stage;
use crate::tally::{Sort, Tally};

/// What the process holds at one moment.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Sample {
    pub(crate) seconds: f64,
    pub(crate) resident_kib: u64,
    pub(crate) threads: u64,
    pub(crate) open_files: u64,
}

/// How many of the newest files of the ledger are kept.
const SEGMENTS: usize = 3;

/// Looks until it is dropped.
pub(crate) async fn keep(
    stage: &mut Stage,
    tally: &Tally,
    settings: &Settings,
    samples: &mut Vec<Sample>,
) -> anyhow::Result<()> {
    let began = Instant::now();
    loop {
        tokio::time::sleep(settings.look_every).await;
        stage.still_runs()?;
        remove_old_segments(stage)?;
        let sample = Sample::take(stage.tollgate.pid(), began)?;
        samples.push(sample);
        let Sample { seconds, resident_kib, threads, open_files } = sample;
        crate::say(&format!(
            "{seconds:6.0} s  {} right  {} wrong  {} errors  {} under way  {} hostile  {:.1} MiB  {threads} threads  \
             {open_files} files",
            tally.total(Sort::Answer),
            tally.wrongs(),
            tally.total(Sort::Error),
            tally.under_way(),
            tally.total(Sort::Hostile),
            mebibytes(resident_kib),
        ))?;
    }
}

impl Sample {
    fn take(pid: u32, began: Instant) -> anyhow::Result<Self> {
        let status =
            std::fs::read_to_string(format!("/proc/{pid}/status")).context("no /proc, which only Linux has")?;
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            let number = line.and_then(|line| line.split_whitespace().next());
            number.with_context(|| format!("the process has no {name}"))?.parse().map_err(anyhow::Error::from)
        };
        let open_files = std::fs::read_dir(format!("/proc/{pid}/fd"))?.count();
        Ok(Self {
            seconds: began.elapsed().as_secs_f64(),
            resident_kib: field("VmRSS")?,
            threads: field("Threads")?,
            open_files: u64::try_from(open_files)?,
        })
    }
}

#[expect(clippy::cast_precision_loss, reason = "memory is far below 2^52 KiB")]
pub(crate) fn mebibytes(kib: u64) -> f64 {
    kib as f64 / 1024.0
}

/// As an operator does: oldest first. An hour of load is more than a developer's disk should hold.
fn remove_old_segments(stage: &Stage) -> anyhow::Result<()> {
    let mut segments = Vec::new();
    for entry in std::fs::read_dir(&stage.ledger)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "ledger") {
            segments.push(path);
        }
    }
    segments.sort();
    let old = segments.len().saturating_sub(SEGMENTS);
    segments.iter().take(old).try_for_each(std::fs::remove_file)?;
    Ok(())
}

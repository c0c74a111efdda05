//! `make soak`: an hour under known load, with everything going wrong around it that may.
//!
//! A real `tollgate serve`, a real Envoy before it, a real collector of traces. All the time requests are asked whose right
//! answer is known, and every answer is compared; meanwhile policies are edited, certificates exchanged, the collector goes
//! away, and hostile clients do what they can. It fails where an answer is wrong, or where memory grows: never for a time.
//! Everything is on loopback, bounded in count and time, and stopped at the end, also at Ctrl-C.
//!
//! `docs/benchmarks.md` says how to read what it prints; all of it is in `target/bench/soak.json`.

mod args;
mod ask;
mod cases;
mod certificates;
#[path = "../shared/claims.rs"]
mod claims;
mod collector;
mod counters;
mod edits;
#[path = "../shared/grpc.rs"]
mod grpc;
mod hostile;
mod load;
mod report;
mod rolling;
#[path = "../shared/run.rs"]
mod run;
mod slot;
mod stage;
mod tally;
#[allow(dead_code, reason = "tests look at more of it")]
#[path = "../../tests/it/kubelet/volume.rs"]
mod volume;
mod watch;

use std::io::{self, Write as _};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::Parser as _;
use tokio::task::JoinSet;

use args::{Args, Settings};
use load::Load;
use report::Report;
use slot::Slot;
use stage::Stage;
use tally::Tally;

/// The one that Tollgate has: a generator that is short of time would be what is measured.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> anyhow::Result<ExitCode> {
    let settings = Args::parse().check()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let interrupted = run::interrupted()?;
        tokio::select! {
            done = soak(&settings) => done,
            () = interrupted => anyhow::bail!("interrupted: all that was started is stopped"),
        }
    })
}

async fn soak(settings: &Settings) -> anyhow::Result<ExitCode> {
    let results = run::results()?;
    let folder = tempfile::Builder::new().prefix("soak-").tempdir_in(&results)?;
    let out = &mut io::stdout();
    let rolled = match settings.rolling {
        0 => None,
        _ => Some(rolling::roll(settings, folder.path()).await?),
    };
    if let Some(rolled) = &rolled {
        rolled.print(out)?;
        if settings.time.is_zero() {
            return Ok(if rolled.is_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
    }
    let tally = Arc::new(Tally::default());
    let mut stage = Stage::build(settings, folder.path()).await?;
    let load = Load::prepare(&stage, &tally);
    let rate = match settings.rate {
        Some(rate) => rate,
        None => load.half_of_what_can_be_done().await,
    };
    say(&format!("asking {rate} times a second for {:?}", settings.time))?;

    let began = Instant::now();
    let (mut around, mut samples) = (surround(&mut stage, settings, &tally)?, Vec::new());
    tokio::select! {
        asked = load.keep_asking(rate, settings.time) => asked?,
        watched = watch::keep(&mut stage, &tally, settings, &mut samples) => watched?,
        Some(ended) = around.join_next() => {
            ended??;
            anyhow::bail!("something around it ended by itself");
        }
    }
    around.shutdown().await;
    let took = began.elapsed();
    let counters = counters::counters(stage.tollgate.metrics()).await?;
    let ended = stage.end(&tally).await?;
    let report = Report::new(&tally, &samples, counters, ended, rolled, (rate, took));
    report.print(out)?;
    let path = report.write(&results)?;
    say(&format!("\nall of it: {}", path.display()))?;
    report.verdict(out, settings)
}

/// Everything that goes on around the load.
fn surround(stage: &mut Stage, settings: &Settings, tally: &Arc<Tally>) -> anyhow::Result<JoinSet<anyhow::Result<()>>> {
    let mut around = JoinSet::new();
    let rotation = stage.rotation.take().context("nobody exchanges certificates")?;
    let editor = stage.editor.take().context("nobody edits")?;
    let collector = stage.collector.take().context("no collector")?;
    let ask = Slot::new(load::direct(stage), tally);
    around.spawn(rotation.keep_on(settings.rotate_every, stage.tcp, Arc::clone(tally)));
    around.spawn(editor.keep_on(settings.edit_every, ask, stage.tollgate.metrics(), Arc::clone(tally)));
    around.spawn(collector.come_and_go(settings.collector, Arc::clone(tally)));
    hostile::start(stage.tcp, &stage.current, tally, &mut around);
    Ok(around)
}

/// A line for whoever watches, at once.
fn say(line: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}

/// Waits until something is so; how long that took, or nothing where it took too long.
async fn until<F: Future<Output = bool>>(within: Duration, mut is_so: impl FnMut() -> F) -> Option<Duration> {
    const LOOK: Duration = Duration::from_millis(100);
    let began = Instant::now();
    while began.elapsed() < within {
        if is_so().await {
            return Some(began.elapsed());
        }
        tokio::time::sleep(LOOK).await;
    }
    None
}

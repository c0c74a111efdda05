//! `make bench`: what a check costs, beside a server that answers without looking, in one run.
//!
//! It measures a stock tonic server that says OK to everything (the floor), Tollgate with the shipped policies, and Tollgate
//! with ten thousand actions; over plain gRPC and through a real Envoy; saturated, and at a constant rate. It prints tables,
//! and writes every figure to `target/bench/check.json`. `docs/benchmarks.md` says how to read them.
//!
//! It asserts that each answer is right, and nothing about time: machines differ, and change their mind.
//! Everything is on loopback, bounded in count and time, and stopped at the end, also at Ctrl-C.

mod answer;
mod args;
mod bundle;
mod figures;
mod floor;
mod load;
mod machine;
mod proxy;
mod report;
mod request;
mod rounds;
mod subject;

use std::io::{self, Write as _};
use std::path::Path;

use anyhow::Context as _;
use clap::Parser as _;
use tokio::signal::unix::{SignalKind, signal};

use args::{Args, Role, Settings};
use machine::Machine;
use rounds::Bench;

/// The one that Tollgate has, for the floor's sake.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    if let Some(Role::Floor { workers }) = args.role {
        return floor::serve(workers);
    }
    let settings = args.check()?;
    let machine = Machine::take()?;
    // One thread: the load generator has one core, and nothing else runs on it.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let interrupted = interrupted()?;
        tokio::select! {
            done = measure(&settings, &machine) => done,
            () = interrupted => anyhow::bail!("interrupted: all that was started is stopped"),
        }
    })
}

async fn measure(settings: &Settings, machine: &Machine) -> anyhow::Result<()> {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().context("cargo has no target folder")?;
    let results = target.join("bench");
    std::fs::create_dir_all(&results).with_context(|| format!("can't create `{}`", results.display()))?;
    // On the disk that the build is on: a folder in memory would sync in no time.
    let folder = tempfile::Builder::new().prefix("run-").tempdir_in(&results)?;
    let mut bench = Bench::set_up(settings, machine, folder.path()).await?;
    bench.run(settings).await?;
    let ended = report::ended(&bench.subjects).await?;
    let mut out = io::stdout().lock();
    report::print(settings, machine, &bench, &ended, &mut out)?;
    let path = report::write(settings, machine, &bench, &ended)?;
    writeln!(out, "\nevery figure of every round: {}", path.display())?;
    Ok(())
}

/// Resolves with Ctrl-C or SIGTERM.
fn interrupted() -> io::Result<impl Future<Output = ()>> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

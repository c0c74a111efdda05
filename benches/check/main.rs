//! `make bench`: what a check costs, beside a server that answers without looking, and beside a peer, in one run.
//!
//! A matrix: who is asked (the floor, which is a stock tonic server that says OK to everything; Tollgate with more and
//! fewer actions; Cerbos with more and fewer policies), directly or by a real Envoy, over TCP, a Unix socket or mTLS,
//! with a body to judge or without, as often as it can take or at a constant rate. It prints tables, and writes every
//! figure to `target/bench/check.json`. `docs/benchmarks.md` says how to read them.
//!
//! It asserts that each answer is right, and nothing about time: machines differ, and change their mind.
//! Everything is on loopback, bounded in count and time, and stopped at the end, also at Ctrl-C.

mod answer;
mod args;
mod bundle;
mod cell;
mod contender;
mod figures;
mod floor;
mod instructions;
mod load;
mod machine;
mod parties;
mod plan;
mod proxy;
mod question;
mod report;
mod request;
mod rounds;
mod subject;

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Parser as _;
use tokio::signal::unix::{SignalKind, signal};

use args::{Args, Role, Settings};
use machine::Machine;
use plan::Plan;
use rounds::Bench;

/// The one that Tollgate has, for the floor's sake.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> anyhow::Result<()> {
    let mut args = Args::parse();
    let (role, only_list) = (args.role.take(), args.list);
    if let Some(Role::Floor { workers, listen, tls }) = &role {
        return floor::serve(*workers, listen, tls);
    }
    let settings = args.check()?;
    if only_list {
        return Ok(Plan::try_new(&settings)?.list(&mut io::stdout())?);
    }
    // One thread: the load generator has one core, and nothing else runs on it.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let interrupted = interrupted()?;
        let work = async {
            match role {
                Some(Role::Instructions { checks }) => instructions::count(&settings, checks).await,
                _ => measure(&settings).await,
            }
        };
        tokio::select! {
            done = work => done,
            () = interrupted => anyhow::bail!("interrupted: all that was started is stopped"),
        }
    })
}

async fn measure(settings: &Settings) -> anyhow::Result<()> {
    let plan = Plan::try_new(settings)?;
    let results = results()?;
    // On the disk that the build is on: a folder in memory would sync in no time.
    let folder = tempfile::Builder::new().prefix("run-").tempdir_in(&results)?;
    let machine = Machine::take()?;
    let mut bench = Bench::set_up(settings, plan, &machine, folder.path()).await?;
    bench.run(settings).await?;
    let ended = report::ended(&bench.subjects).await?;
    let mut out = io::stdout().lock();
    report::print(settings, &machine, &bench, &ended, &mut out)?;
    let path = results.join("check.json");
    report::write(settings, &machine, &bench, &ended, &path)?;
    writeln!(out, "\nevery figure of every round: {}", path.display())?;
    Ok(())
}

/// `target/bench`, where results are left.
fn results() -> anyhow::Result<PathBuf> {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().context("cargo has no target folder")?;
    let results = target.join("bench");
    std::fs::create_dir_all(&results).with_context(|| format!("can't create `{}`", results.display()))?;
    Ok(results)
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

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
mod callgrind;
mod cell;
#[path = "../shared/claims.rs"]
mod claims;
mod contender;
mod figures;
mod floor;
#[path = "../shared/grpc.rs"]
mod grpc;
mod instructions;
mod load;
mod machine;
mod parties;
mod plan;
mod proxy;
mod question;
mod reload;
mod report;
mod request;
mod rounds;
#[path = "../shared/run.rs"]
mod run;
mod subject;

use std::io::{self, Write as _};

use clap::Parser as _;

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
        let interrupted = run::interrupted()?;
        let work = async {
            match role {
                Some(Role::Instructions { checks }) => instructions::count(&settings, checks).await,
                Some(Role::Reload) => reload::measure(&settings).await,
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
    let results = run::results()?;
    let folder = tempfile::Builder::new().prefix("run-").tempdir_in(&results)?;
    let machine = Machine::take(settings)?;
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

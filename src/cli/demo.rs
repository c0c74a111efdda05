//! `tollgate demo`: everything on one machine, on loopback, in under a minute.

use std::io;
use std::path::PathBuf;

use anyhow::{Context, Result};

use super::Outcome;
use crate::demo::{self, Afterwards, Config};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The Envoy to start; `make envoy` fetches the pinned one
    #[arg(long, env = "TOLLGATE_ENVOY", value_name = "FILE", default_value = ".tools/envoy")]
    envoy: PathBuf,
    /// The policies to start from; they are copied, and the copy may be edited
    #[arg(long, env = "TOLLGATE_POLICIES", value_name = "FOLDER", default_value = "policies")]
    policies: PathBuf,
    /// Where certificates, configuration, policies and logs are written; it is emptied first
    #[arg(long, value_name = "FOLDER", default_value = ".demo")]
    work: PathBuf,
}

/// The sample services and the client share the machine with what they talk to.
const WORKERS: usize = 2;

pub(super) fn run(args: Args) -> Result<Outcome> {
    let config = Config {
        envoy: args.envoy,
        tollgate: std::env::current_exe().context("cannot find the binary that is running")?,
        policies: args.policies,
        work: args.work,
        afterwards: Afterwards::of_standard_output(),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(WORKERS).enable_all().build()?;
    let outcome = runtime.block_on(demo::run(config, &mut io::stdout()))?;
    Ok(if outcome.is_as_claimed() { Outcome::Good } else { Outcome::Finding })
}

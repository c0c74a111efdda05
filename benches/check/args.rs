//! What the benchmark is run with.
//!
//! `--bench` is what cargo itself adds; it changes nothing.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};
use serde::Serialize;

/// Measure checks against a server that answers without looking: over plain gRPC, and through a real Envoy
#[derive(Debug, Parser)]
#[command(name = "check", max_term_width = 100)]
pub(crate) struct Args {
    /// How often each cell is measured, interleaved; figures are medians
    #[arg(long, value_name = "COUNT", default_value_t = 5)]
    rounds: usize,
    /// How long each cell is measured in a round
    #[arg(long, value_name = "SECONDS", default_value_t = 3.0)]
    seconds: f64,
    /// Two rounds of a second: says that everything runs, not how fast
    #[arg(long)]
    quick: bool,
    /// How Envoy describes headers: `raw` is `encode_raw_headers: true`
    #[arg(long, value_name = "FORM", default_value = "raw")]
    headers: Form,
    /// Requests a second over plain gRPC, at a constant rate
    #[arg(long, value_name = "RATES", value_delimiter = ',', default_value = "1000,3000")]
    rates: Vec<u32>,
    /// Requests a second through Envoy, at a constant rate
    #[arg(long, value_name = "RATES", value_delimiter = ',', default_value = "1000")]
    envoy_rates: Vec<u32>,
    /// Leave Envoy out
    #[arg(long)]
    no_envoy: bool,
    /// The Envoy binary; `make envoy` fetches the pinned one
    #[arg(long, env = "TOLLGATE_ENVOY", value_name = "FILE", default_value = ".tools/envoy")]
    envoy: PathBuf,
    #[arg(long, hide = true)]
    bench: bool,
    #[command(subcommand)]
    pub(crate) role: Option<Role>,
}

/// What else this binary is.
#[derive(Debug, Clone, Copy, Subcommand)]
#[command(hide = true)]
pub(crate) enum Role {
    /// The server that answers without looking
    #[command(hide = true)]
    Floor { workers: usize },
}

/// How headers stand in a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Form {
    /// `header_map`: one entry for each header, bytes as sent
    Raw,
    /// `headers`: a map, values of one name joined
    Map,
}

/// What was asked for, checked.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Settings {
    pub(crate) rounds: usize,
    pub(crate) seconds: f64,
    pub(crate) headers: Form,
    pub(crate) rates: Vec<u32>,
    pub(crate) envoy_rates: Vec<u32>,
    /// None: not through Envoy.
    #[serde(skip)]
    pub(crate) envoy: Option<PathBuf>,
    pub(crate) connections: usize,
    pub(crate) in_flight_each: usize,
    pub(crate) workers: usize,
}

/// As many as keep one core of a server busy: more only queue.
const CONNECTIONS: usize = 4;
const IN_FLIGHT_EACH: usize = 16;
/// A runtime thread for each core that a server gets, which is one.
const WORKERS: usize = 1;
/// Bounds of one run: longer or faster than this is a mistake.
const MAX_SECONDS: f64 = 60.0;
const MAX_ROUNDS: usize = 100;
const MAX_RATE: u32 = 50_000;

impl Args {
    pub(crate) fn check(self) -> anyhow::Result<Settings> {
        anyhow::ensure!((1..=MAX_ROUNDS).contains(&self.rounds), "--rounds is between 1 and {MAX_ROUNDS}");
        anyhow::ensure!((0.2..=MAX_SECONDS).contains(&self.seconds), "--seconds is between 0.2 and {MAX_SECONDS}");
        let rates = self.rates.iter().chain(&self.envoy_rates);
        anyhow::ensure!(rates.clone().all(|rate| (1..=MAX_RATE).contains(rate)), "a rate is between 1 and {MAX_RATE}");
        let (rounds, seconds) = if self.quick { (2, 1.0) } else { (self.rounds, self.seconds) };
        Ok(Settings {
            rounds,
            seconds,
            headers: self.headers,
            rates: self.rates,
            envoy_rates: self.envoy_rates,
            envoy: (!self.no_envoy).then_some(self.envoy),
            connections: CONNECTIONS,
            in_flight_each: IN_FLIGHT_EACH,
            workers: WORKERS,
        })
    }
}

impl Settings {
    /// How long a cell is measured.
    pub(crate) fn time(&self) -> Duration {
        Duration::from_secs_f64(self.seconds)
    }

    /// Before it is measured, the same load for a moment: connections, caches, allocator, frequency of the core.
    pub(crate) fn warm_up(&self) -> Duration {
        (self.time() / 8).max(Duration::from_millis(200))
    }
}

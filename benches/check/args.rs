//! What the benchmark is run with.
//!
//! `--bench` is what cargo itself adds; it changes nothing.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};
use serde::Serialize;

use crate::cell::Load;

/// Measure checks against a server that answers without looking, and against peers: directly, and through a real Envoy
#[derive(Debug, Parser)]
#[command(name = "check", max_term_width = 100)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag")]
pub(crate) struct Args {
    /// How often each cell is measured, interleaved; figures are medians
    #[arg(long, value_name = "COUNT", default_value_t = 7)]
    rounds: usize,
    /// How long each cell is measured in a round; half of it where servers take as many as they can
    #[arg(long, value_name = "SECONDS", default_value_t = 2.5)]
    seconds: f64,
    /// One short round: says that everything runs, not how fast
    #[arg(long)]
    quick: bool,
    /// Cells to measure, from the whole matrix, each by some of its words: `envoy/mtls`, `direct/json/closed`, `5000`
    #[arg(long, value_name = "CELLS", value_delimiter = ',')]
    only: Vec<String>,
    /// Who is measured, in every cell that they can: `floor`, `tollgate-10k`, or the beginning of a name
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    subjects: Vec<String>,
    /// Say which cells and subjects would be measured, and measure nothing
    #[arg(long)]
    pub(crate) list: bool,
    /// How Envoy describes headers: `raw` is `encode_raw_headers: true`
    #[arg(long, value_name = "FORM", default_value = "raw")]
    headers: Form,
    /// Requests a second without Envoy, at a constant rate
    #[arg(long, value_name = "RATES", value_delimiter = ',', default_value = "1000")]
    rates: Vec<u32>,
    /// Requests a second through Envoy, at a constant rate
    #[arg(long, value_name = "RATES", value_delimiter = ',', default_value = "1000,3000,5000")]
    envoy_rates: Vec<u32>,
    /// Let servers, Envoy and the load run on whichever core is free, and not servers on one and the load on another
    #[arg(long)]
    share_cores: bool,
    /// Leave Envoy out
    #[arg(long)]
    no_envoy: bool,
    /// The Envoy binary; `make envoy` fetches the pinned one
    #[arg(long, env = "TOLLGATE_ENVOY", value_name = "FILE", default_value = ".tools/envoy")]
    envoy: PathBuf,
    /// Leave the peers out
    #[arg(long)]
    no_peers: bool,
    /// The Cerbos binary; `make cerbos` fetches the pinned one
    #[arg(long, env = "TOLLGATE_CERBOS", value_name = "FILE", default_value = ".tools/cerbos")]
    cerbos: PathBuf,
    #[arg(long, hide = true, global = true)]
    bench: bool,
    #[command(subcommand)]
    pub(crate) role: Option<Role>,
}

/// What else this binary is.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum Role {
    /// Count the instructions of a check instead, with valgrind's callgrind
    Instructions {
        /// Checks of one count
        #[arg(long, value_name = "COUNT", default_value_t = 500)]
        checks: usize,
    },
    /// Measure what an edit of the policies every second is to those who are served meanwhile
    Reload,
    /// The server that answers without looking
    #[command(hide = true)]
    Floor {
        workers: usize,
        listen: String,
        /// Its certificate and key, and who signs those of its clients
        #[arg(num_args = 0..=2)]
        tls: Vec<PathBuf>,
    },
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
    pub(crate) share_cores: bool,
    /// Empty: the usual ones.
    pub(crate) only: Vec<String>,
    /// Empty: the usual ones.
    pub(crate) subjects: Vec<String>,
    /// None: not through Envoy.
    #[serde(skip)]
    pub(crate) envoy: Option<PathBuf>,
    /// None: without peers.
    #[serde(skip)]
    pub(crate) cerbos: Option<PathBuf>,
    /// How often each server is started, to see how long that takes.
    pub(crate) starts: usize,
    pub(crate) connections: usize,
    pub(crate) in_flight_each: usize,
    pub(crate) workers: usize,
}

/// As many as keep one core of a server busy: more only queue.
const CONNECTIONS: usize = 4;
const IN_FLIGHT_EACH: usize = 16;
/// A runtime thread for each core that a server gets, which is one.
const WORKERS: usize = 1;
/// The first start after a build reads the binary from disk.
const STARTS: usize = 3;
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
        let (rounds, seconds, starts) = if self.quick { (1, 0.4, 1) } else { (self.rounds, self.seconds, STARTS) };
        Ok(Settings {
            rounds,
            seconds,
            headers: self.headers,
            rates: self.rates,
            envoy_rates: self.envoy_rates,
            share_cores: self.share_cores,
            only: self.only,
            subjects: self.subjects,
            envoy: (!self.no_envoy).then_some(self.envoy),
            cerbos: (!self.no_peers).then_some(self.cerbos),
            starts,
            connections: CONNECTIONS,
            in_flight_each: IN_FLIGHT_EACH,
            workers: WORKERS,
        })
    }
}

impl Settings {
    /// Whether a subject was named.
    pub(crate) fn names(&self, subject: &str) -> bool {
        self.subjects.iter().any(|chosen| subject.starts_with(chosen.as_str()))
    }

    /// Whether it was named, or nobody was.
    pub(crate) fn may_be(&self, subject: &str) -> bool {
        self.subjects.is_empty() || self.names(subject)
    }

    /// How long a cell is measured. A closed loop has tens of thousands of answers soon.
    pub(crate) fn time(&self, load: Load) -> Duration {
        let time = Duration::from_secs_f64(self.seconds);
        if load == Load::Closed { time / 2 } else { time }
    }

    /// Before it is measured, the same load for a moment: connections, caches, allocator, frequency of the core.
    pub(crate) fn warm_up(&self, load: Load) -> Duration {
        (self.time(load) / 8).max(Duration::from_millis(200))
    }
}

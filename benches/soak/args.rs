//! What the soak is run with.
//!
//! `--bench` is what cargo itself adds; it changes nothing.

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;

/// Load with known answers, while policies, certificates, the collector and hostile clients come and go
#[derive(Debug, Parser)]
#[command(name = "soak", max_term_width = 100)]
pub(crate) struct Args {
    /// How long
    #[arg(long, value_name = "MINUTES", default_value_t = 60.0)]
    minutes: f64,
    /// About a minute, with everything coming sooner: says that all of it runs, not that nothing grows
    #[arg(long)]
    quick: bool,
    /// Requests a second; half of what the machine can do where this is left out
    #[arg(long, value_name = "COUNT")]
    rate: Option<u32>,
    /// Requests through Envoy while two replicas are started again one after the other, before the soak; 0 for none
    #[arg(long, value_name = "COUNT", default_value_t = 50_000)]
    rolling: u32,
    /// The Envoy binary; `make envoy` fetches the pinned one
    #[arg(long, env = "TOLLGATE_ENVOY", value_name = "FILE", default_value = ".tools/envoy")]
    envoy: PathBuf,
    #[arg(long, hide = true)]
    bench: bool,
}

/// What was asked for, checked.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// Zero: only the replicas that are started again.
    pub(crate) time: Duration,
    pub(crate) rate: Option<u32>,
    pub(crate) rolling: u32,
    pub(crate) envoy: PathBuf,
    /// Between two edits of the policies.
    pub(crate) edit_every: Duration,
    /// Between two exchanges of the certificates.
    pub(crate) rotate_every: Duration,
    /// How long the collector is there, and then is not.
    pub(crate) collector: (Duration, Duration),
    /// Between two looks at the process.
    pub(crate) look_every: Duration,
    /// Whether it is long enough to say that nothing grows.
    pub(crate) is_long: bool,
}

const QUICK: Duration = Duration::from_mins(1);
const QUICK_ROLLING: u32 = 5_000;
/// A process that has just started grows: caches, buffers and pools are filled.
const LONG: Duration = Duration::from_mins(10);
/// Bounds of one run: more than this is a mistake.
const MAX_MINUTES: f64 = 24.0 * 60.0;
const MAX_RATE: u32 = 50_000;
const MAX_ROLLING: u32 = 10_000_000;

impl Args {
    pub(crate) fn check(self) -> anyhow::Result<Settings> {
        anyhow::ensure!((0.0..=MAX_MINUTES).contains(&self.minutes), "--minutes is between 0 and {MAX_MINUTES}");
        anyhow::ensure!(self.rate.is_none_or(|rate| (1..=MAX_RATE).contains(&rate)), "--rate is 1 to {MAX_RATE}");
        anyhow::ensure!(self.rolling <= MAX_ROLLING, "--rolling is at most {MAX_ROLLING}");
        let time = if self.quick { QUICK } else { Duration::from_secs_f64(self.minutes * 60.0) };
        let seconds = |long, quick| Duration::from_secs(if self.quick { quick } else { long });
        Ok(Settings {
            time,
            rate: self.rate,
            rolling: if self.quick { self.rolling.min(QUICK_ROLLING) } else { self.rolling },
            envoy: self.envoy,
            edit_every: seconds(10, 4),
            rotate_every: seconds(60, 8),
            collector: (seconds(45, 10), seconds(20, 6)),
            look_every: seconds(10, 5),
            is_long: time >= LONG,
        })
    }
}

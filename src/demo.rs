//! `tollgate demo`, and the laboratory that it is made of.
//!
//! The laboratory is a real Envoy with everything around it: certificates, tokens, sample services, a client, and
//! `tollgate serve` as a child. The tests against a real Envoy and the benchmarks use the same pieces.
//!
//! The demo drives journeys through it, compares every answer with what it claims, shows a table, and says what to try
//! next. It uses Tollgate as operators do: its command line, its ports, its log, its ledger.
//! Everything listens on loopback, on free ports; everything that was started is stopped, also when it fails.
//!
//! All of this is behind the feature `demo`: an image for production is built without.

use std::io::{IsTerminal as _, Write};
use std::path::PathBuf;
use std::pin::Pin;
use std::time::Duration;

use anyhow::Context as _;
use tokio::signal::unix::{SignalKind, signal};

pub mod access_log;
mod cast;
pub mod client;
mod drive;
pub mod envoy;
pub mod files;
mod journeys;
mod json_lines;
mod next_steps;
mod outage;
pub mod pki;
mod policy_edit;
pub mod process;
pub mod service;
mod stage;
mod table;
pub mod tokens;
pub mod upstream;
mod work;

use drive::Row;
use outage::Tally;
use process::last_words;
use stage::Stage;

/// What the demo is run with.
#[derive(Debug, Clone)]
pub struct Config {
    /// The Envoy binary.
    pub envoy: PathBuf,
    /// The `tollgate` binary: the one that is running.
    pub tollgate: PathBuf,
    /// The bundle to start from. It is copied, so that the copy can be edited.
    pub policies: PathBuf,
    /// Where everything is written. It is emptied at the start.
    pub work: PathBuf,
    /// What happens when it is over.
    pub afterwards: Afterwards,
}

/// What to do when the journeys are over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Afterwards {
    /// Stop everything.
    End,
    /// Leave everything up until Ctrl-C.
    Stay,
}

impl Afterwards {
    /// Somebody who watches can try things; a script wants to go on.
    pub fn of_standard_output() -> Self {
        if std::io::stdout().is_terminal() { Self::Stay } else { Self::End }
    }
}

/// How the claims came out.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// How many calls were compared with what is claimed of them.
    pub calls: usize,
    /// Each difference, with the call that it belongs to. Empty: all is as claimed.
    pub differences: Vec<String>,
}

impl Outcome {
    /// Whether nothing differs.
    pub fn is_as_claimed(&self) -> bool {
        self.differences.is_empty()
    }
}

const INTERRUPTED: &str = "interrupted: Envoy and Tollgate are stopped";

/// Runs the demo. Ctrl-C and SIGTERM stop it, and what it has started.
pub async fn run(config: Config, out: &mut impl Write) -> anyhow::Result<Outcome> {
    let mut stage = None;
    let interrupted = interrupted();
    tokio::pin!(interrupted);
    let outcome = tokio::select! {
        outcome = perform(&config, &mut stage, out) => outcome,
        () = &mut interrupted => anyhow::bail!(INTERRUPTED),
    };
    // Ctrl-C reaches the children too, and one that is gone may be noticed before the signal is.
    if outcome.is_err() && tokio::time::timeout(Duration::from_millis(100), &mut interrupted).await.is_ok() {
        anyhow::bail!(INTERRUPTED);
    }
    let outcome = outcome?;
    if let (Some(stage), Afterwards::Stay) = (&mut stage, config.afterwards) {
        stay(stage, interrupted, out).await?;
    }
    Ok(outcome)
}

async fn perform(config: &Config, place: &mut Option<Stage>, out: &mut impl Write) -> anyhow::Result<Outcome> {
    let config = Config { envoy: envoy::locate(&config.envoy)?, ..config.clone() };
    let stage = place.insert(Stage::build(&config, out).await?);
    let mut rows = Vec::new();
    let played = play(stage, &mut rows, out).await;
    // Also after a fault: what came before it may say why.
    writeln!(out)?;
    table::print(&rows, out)?;
    let tally = played?;

    let mut differences = named_differences(&rows);
    differences.extend(tally.differences());
    let outcome = Outcome { calls: rows.len(), differences };
    conclude(&outcome, stage, out)?;
    Ok(outcome)
}

/// The three parts of the story: the journeys, a policy that is edited, Tollgate killed.
async fn play(stage: &mut Stage, rows: &mut Vec<Row>, out: &mut impl Write) -> anyhow::Result<Tally> {
    writeln!(out, "driving {} calls through envoy", journeys::STEPS.len())?;
    for step in journeys::STEPS {
        let row = drive::call(stage, step, rows.len()).await.with_context(|| format!("the call `{}`", step.title));
        rows.push(row?);
    }
    policy_edit::play(stage, rows, out).await.context("a policy is edited while running")?;

    write!(out, "killing tollgate under load ")?;
    out.flush()?;
    let tally = outage::play(stage, rows).await.context("tollgate is killed")?;
    writeln!(out, "({tally})")?;
    writeln!(out, "starting tollgate again")?;
    stage.restart_tollgate().await?;
    outage::recover(stage, rows).await?;
    Ok(tally)
}

fn named_differences(rows: &[Row]) -> Vec<String> {
    rows.iter().flat_map(|row| row.differences.iter().map(|what| format!("{}: {what}", row.title))).collect()
}

fn conclude(outcome: &Outcome, stage: &Stage, out: &mut impl Write) -> anyhow::Result<()> {
    if outcome.is_as_claimed() {
        writeln!(out, "{} calls, each as claimed", outcome.calls)?;
        return Ok(());
    }
    writeln!(out, "not as claimed:")?;
    for difference in &outcome.differences {
        writeln!(out, "  {difference}")?;
    }
    writeln!(out, "Tollgate: {}", last_words(stage.tollgate.log()))?;
    writeln!(out, "Envoy: {}", last_words(stage.envoy.log()))?;
    Ok(())
}

/// Leaves everything up until somebody has seen enough.
async fn stay(
    stage: &mut Stage,
    mut interrupted: Pin<&mut impl Future<Output = ()>>,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    next_steps::print(stage, out)?;
    out.flush()?;
    loop {
        tokio::select! {
            () = &mut interrupted => return Ok(()),
            () = tokio::time::sleep(Duration::from_millis(500)) => stage.still_runs()?,
        }
    }
}

/// Ends at Ctrl-C or SIGTERM. Where signals cannot be had, it never does, and they end the process as always.
async fn interrupted() {
    let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}

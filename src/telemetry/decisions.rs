//! Decisions on a stream of their own: a line of JSON for each, on standard output or in a file.
//!
//! It is for those who collect lines anyway; what counts is the ledger. A line holds words of the catalogue and no person,
//! not even under a pseudonym. It is written by a thread of its own, whole or not at all: what comes faster than it is
//! taken is lost and counted, and no request waits.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use opentelemetry::TraceId;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;
use serde::Serialize;
use tracing_appender::non_blocking::{NonBlocking, NonBlockingBuilder, WorkerGuard};

use super::logs::Lost;
use crate::gate::Summary;
use crate::terms::Reason;
use crate::verdict::Verdict;

/// Where they are told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decisions {
    /// Standard output.
    Stdout,
    /// A file, which is appended to.
    File(PathBuf),
}

/// The stream, if there is one.
#[derive(Clone, Default)]
pub struct DecisionLog {
    writer: Option<NonBlocking>,
    told: Counter,
}

/// One decision, as it is told.
#[derive(Debug, Serialize)]
pub struct Decision<'a> {
    time: String,
    receipt: &'a str,
    verdict: &'static str,
    reason: &'static str,
    mode: &'static str,
    action: &'a str,
    tier: &'static str,
    bundle: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_id: Option<String>,
    micros: u128,
}

/// Lines that may wait. At 400 bytes each this is at most 7 MiB.
const MAX_QUEUED: usize = 16_384;

impl Decisions {
    /// Begins to tell. What still waits is written when the guard is dropped.
    pub fn start(&self) -> io::Result<(DecisionLog, WorkerGuard)> {
        let builder = NonBlockingBuilder::default().buffered_lines_limit(MAX_QUEUED).lossy(true);
        let (writer, guard) = match self {
            Self::Stdout => builder.finish(io::stdout()),
            Self::File(path) => builder.finish(OpenOptions::new().create(true).append(true).open(path)?),
        };
        Ok((DecisionLog { writer: Some(writer), told: Counter::default() }, guard))
    }
}

impl<'a> Decision<'a> {
    /// What was decided, and answered with this reason.
    pub fn new(
        summary: &'a Summary<'a>,
        answered: Reason,
        began: SystemTime,
        trace: Option<TraceId>,
        took: Duration,
    ) -> Self {
        Self {
            time: humantime::format_rfc3339_micros(began).to_string(),
            receipt: summary.receipt.as_str(),
            verdict: Verdict::from(answered).as_str(),
            reason: answered.code(),
            mode: summary.mode.as_str(),
            action: summary.action,
            tier: summary.tier,
            bundle: summary.bundle,
            trace_id: trace.map(|id| id.to_string()),
            micros: took.as_micros(),
        }
    }
}

impl DecisionLog {
    /// Whether anybody is told.
    pub const fn is_on(&self) -> bool {
        self.writer.is_some()
    }

    /// Tells one.
    pub fn tell(&self, decision: &Decision<'_>) {
        let Some(mut writer) = self.writer.clone() else { return };
        // Numbers and texts can always be written, and a queue that is full counts for itself.
        if let Ok(mut line) = serde_json::to_vec(decision) {
            line.push(b'\n');
            let _ = writer.write_all(&line);
            self.told.inc();
        }
    }

    /// Puts the counts under the names that dashboards know.
    pub fn register(&self, registry: &mut Registry) {
        let help = "Decisions that were told, those that were then lost among them";
        registry.register("decision_log_lines", help, self.told.clone());
        let lost = self.writer.as_ref().map(NonBlocking::error_counter);
        let help = "Decisions that were told, and that nobody took fast enough";
        registry.register_collector(Box::new(Lost { name: "decision_log_lost_lines", help, counter: lost }));
    }
}

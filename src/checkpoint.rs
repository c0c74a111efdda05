//! One check, from facts to settled answer: the gate's plan, the record, the gate's answer, in this order.
//!
//! This is where the gate's plan meets the disk. It adds no rule of its own: it fetches the time and an id, waits for the
//! record as surely as the plan demands it, and measures.

mod metrics;

use std::sync::Arc;
use std::time::Instant;

pub use metrics::Metrics;
use uuid::Uuid;

use crate::bundle::Bundle;
use crate::clock::Clock;
use crate::facts::Facts;
use crate::gate::{self, Context, Recorded, Settled, Summary};
use crate::ledger::{Durability as Wait, Ledger};
use crate::receipt::{self, Pseudonyms};
use crate::sources::Bundles;
use crate::terms::Durability;

/// What a check needs.
#[derive(Clone)]
pub struct Checkpoint {
    bundles: Bundles,
    ledger: Ledger,
    pseudonyms: Arc<Pseudonyms>,
    clock: Arc<dyn Clock>,
    metrics: Metrics,
}

/// A check that is over.
#[derive(Debug)]
pub struct Checked {
    /// What was decided.
    pub summary: Summary,
    /// The answer.
    pub settled: Settled,
    /// When the rules had been asked.
    pub judged: Instant,
    /// When the record was where it must be.
    pub recorded: Instant,
}

impl Checkpoint {
    /// A checkpoint that judges by the bundle in force and records in this ledger.
    pub fn new(bundles: Bundles, ledger: Ledger, pseudonyms: Pseudonyms, clock: Arc<dyn Clock>) -> Self {
        Self { bundles, ledger, pseudonyms: Arc::new(pseudonyms), clock, metrics: Metrics::default() }
    }

    /// The bundle in force. A check holds on to one from its beginning to its end.
    pub fn bundle(&self) -> Option<Arc<Bundle>> {
        self.bundles.current()
    }

    /// What is counted here.
    pub const fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Checks one call. May be dropped while it waits for the record; the record may then be written all the same.
    pub async fn check(&self, bundle: &Bundle, facts: &Facts<'_>, trace_id: Option<[u8; 16]>) -> Checked {
        let now = self.clock.now();
        let receipt = Uuid::now_v7().to_string();
        let plan = gate::plan(bundle, facts, &Context { now, receipt, trace_id, pseudonyms: &self.pseudonyms });
        let judged = Instant::now();
        let wait = match plan.durability {
            Durability::Async => Wait::Async,
            Durability::Durable | Durability::WriteAhead => Wait::BeforeAnswer,
        };
        // The ledger counts and logs what it could not write.
        let written = self.ledger.append(receipt::encode(&plan.record), wait).await;
        let recorded = if written.is_ok() { Recorded::Yes } else { Recorded::No };
        let summary = plan.summary.clone();
        let settled = gate::settle(plan, recorded);
        self.metrics.count(&summary, &settled);
        Checked { summary, settled, judged, recorded: Instant::now() }
    }
}

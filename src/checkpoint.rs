//! One check, from facts to settled answer: the gate's plan, the record, the gate's answer, in this order.
//!
//! This is where the gate's plan meets the disk. It adds no rule of its own: it fetches the time and an id, waits for the
//! record as surely as the plan demands it, and measures.

mod metrics;

use std::sync::Arc;
use std::time::{Duration, Instant};

pub use metrics::Metrics;
use uuid::Uuid;

use crate::bundle::Bundle;
use crate::clock::Clock;
use crate::facts::Facts;
use crate::flows::Unmapped;
use crate::gate::{self, Context, Recorded, Settled, Summary};
use crate::ledger::{Durability as Wait, Ledger};
use crate::receipt::{self, Pseudonyms};
use crate::sources::Bundles;
use crate::terms::{Durability, Reason};

/// What a check needs.
#[derive(Clone)]
pub struct Checkpoint {
    bundles: Bundles,
    ledger: Ledger,
    pseudonyms: Arc<Pseudonyms>,
    clock: Arc<dyn Clock>,
    unmapped: Unmapped,
    metrics: Metrics,
}

/// A check that is over.
#[derive(Debug)]
pub struct Checked<'b> {
    /// What was decided.
    pub summary: Summary<'b>,
    /// The answer.
    pub settled: Settled<'b>,
    /// When the rules had been asked.
    pub judged: Instant,
    /// When the record was where it must be.
    pub recorded: Instant,
}

impl Checkpoint {
    /// A checkpoint that judges by the bundle in force and records in this ledger.
    pub fn new(bundles: Bundles, ledger: Ledger, pseudonyms: Pseudonyms, clock: Arc<dyn Clock>) -> Self {
        Self {
            bundles,
            ledger,
            pseudonyms: Arc::new(pseudonyms),
            clock,
            unmapped: Unmapped::default(),
            metrics: Metrics::default(),
        }
    }

    /// The bundle in force. A check holds on to one from its beginning to its end.
    pub fn bundle(&self) -> Option<Arc<Bundle>> {
        self.bundles.current()
    }

    /// What is counted here.
    pub const fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// What was asked for and is not in the catalogue.
    pub const fn unmapped(&self) -> &Unmapped {
        &self.unmapped
    }

    /// Checks one call, and answers before `max_time` is over: a record that is not where it must be by then is late.
    pub async fn check<'b>(
        &self,
        bundle: &'b Bundle,
        facts: &Facts<'_>,
        trace_id: Option<[u8; 16]>,
        max_time: Duration,
    ) -> Checked<'b> {
        let began = Instant::now();
        let now = self.clock.now();
        let receipt = Uuid::now_v7().into();
        let context = Context { now, receipt, trace_id, pseudonyms: &self.pseudonyms };
        let mut plan = gate::plan(bundle, facts, &context);
        let judged = Instant::now();
        if let (true, Ok(target)) = (plan.unmapped, &facts.target) {
            self.unmapped.count(&bundle.catalog, target);
        }
        let record = std::mem::take(&mut plan.record);
        // An answer that waits for its record may become another one.
        let kept = (plan.durability > Durability::Async).then(|| record.clone());
        let left = max_time.saturating_sub(judged.saturating_duration_since(began));
        let recorded = self.record(record, plan.durability, left).await;
        let summary = plan.summary;
        let settled = gate::settle(plan, recorded);
        if let Settled::Refuse(refusal) = &settled
            && refusal.reason != summary.reason
            && let Some(record) = kept
        {
            self.correct(&record, refusal.reason).await;
        }
        self.metrics.count(&summary, &settled);
        Checked { summary, settled, judged, recorded: Instant::now() }
    }

    /// The ledger counts and logs what it could not write. What is late may be written all the same.
    async fn record(&self, bytes: Vec<u8>, durability: Durability, left: Duration) -> Recorded {
        let written = match durability {
            Durability::Async => Ok(self.ledger.append(bytes, Wait::Async).await),
            Durability::Durable | Durability::WriteAhead => {
                tokio::time::timeout(left, self.ledger.append(bytes, Wait::BeforeAnswer)).await
            }
        };
        match written {
            Ok(Ok(())) => Recorded::Yes,
            Ok(Err(_)) => Recorded::No,
            Err(_) => Recorded::Late,
        }
    }

    /// A record may stand there that says allow, of a call that was answered with an error: another one under the same id says so.
    async fn correct(&self, record: &[u8], reason: Reason) {
        // What was just encoded can be decoded.
        if let Ok(corrected) = receipt::corrected(record, reason) {
            self.record(corrected, Durability::Async, Duration::ZERO).await;
        }
    }
}

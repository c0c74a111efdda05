//! What the ledger counts.
//!
//! All series exist from the start, at zero, so that an alert on a loss has something to compare with.

use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

use super::{Durability, NotWritten};

/// The label `durability`.
type ByDurability = [(&'static str, &'static str); 1];

/// The labels `durability` and `reason`.
type ByReason = [(&'static str, &'static str); 2];

/// The ledger's metrics. Clones count together.
#[derive(Debug, Clone)]
pub struct Metrics {
    /// Records written: synced if a caller waited for that, else handed to the kernel.
    records: Family<ByDurability, Counter>,
    /// Records that are not in the ledger.
    lost: Family<ByReason, Counter>,
    /// Bytes written, frames and headers included.
    pub(super) bytes: Counter,
    /// Segments removed to make room.
    pub(super) removed: Counter,
    syncs: Counter,
    sync_duration: Histogram,
    /// 1 while the disk refuses.
    pub(super) failing: Gauge,
}

impl Metrics {
    pub(super) fn new() -> Self {
        let metrics = Self {
            records: Family::default(),
            lost: Family::default(),
            bytes: Counter::default(),
            removed: Counter::default(),
            syncs: Counter::default(),
            // 50 µs to 1.6 s: from a disk with a safe write cache to one that makes callers miss their deadlines.
            sync_duration: Histogram::new(exponential_buckets(50e-6, 2.0, 16)),
            failing: Gauge::default(),
        };
        for durability in [Durability::Async, Durability::BeforeAnswer] {
            metrics.write(durability, 0);
            for reason in NotWritten::ALL {
                metrics.lose(durability, reason, 0);
            }
        }
        metrics
    }

    /// Adds them to a registry, under names that begin with `ledger_`.
    pub fn register(&self, registry: &mut Registry) {
        let registry = registry.sub_registry_with_prefix("ledger");
        registry.register("records", "Records written, by what their callers waited for", self.records.clone());
        registry.register("lost_records", "Records that are not in the ledger, by reason", self.lost.clone());
        registry.register_with_unit("written", "Bytes written", Unit::Bytes, self.bytes.clone());
        registry.register("removed_files", "Files removed to make room for new records", self.removed.clone());
        registry.register("syncs", "Syncs, each for all records written before it", self.syncs.clone());
        let duration = self.sync_duration.clone();
        registry.register_with_unit("sync_duration", "How long a sync took", Unit::Seconds, duration);
        registry.register("failing", "1 while the disk refuses to take records, else 0", self.failing.clone());
    }

    /// How many records were written.
    pub fn written(&self, durability: Durability) -> u64 {
        self.records.get_or_create(&[("durability", durability.label())]).get()
    }

    /// How many records are not in the ledger for this reason.
    pub fn lost(&self, durability: Durability, reason: NotWritten) -> u64 {
        self.lost.get_or_create(&by_reason(durability, reason)).get()
    }

    /// How many segments were removed to make room.
    pub fn removed(&self) -> u64 {
        self.removed.get()
    }

    /// How many syncs there were, failed ones included.
    pub fn syncs(&self) -> u64 {
        self.syncs.get()
    }

    /// Whether the disk refuses at the moment.
    pub fn is_failing(&self) -> bool {
        self.failing.get() != 0
    }

    pub(super) fn write(&self, durability: Durability, records: u64) {
        self.records.get_or_create(&[("durability", durability.label())]).inc_by(records);
    }

    pub(super) fn lose(&self, durability: Durability, reason: NotWritten, records: u64) {
        self.lost.get_or_create(&by_reason(durability, reason)).inc_by(records);
    }

    pub(super) fn sync(&self, took: Duration) {
        self.syncs.inc();
        self.sync_duration.observe(took.as_secs_f64());
    }
}

const fn by_reason(durability: Durability, reason: NotWritten) -> ByReason {
    [("durability", durability.label()), ("reason", reason.label())]
}

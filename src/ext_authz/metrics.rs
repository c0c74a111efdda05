//! How many checks there are, what became of them, and how long they took.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::gate::{Settled, Summary};
use crate::telemetry::LATENCY_BUCKETS;
use crate::verdict::Verdict;

/// Counts and times of checks.
#[derive(Debug, Clone)]
pub struct Metrics {
    requests: Family<Request, Counter>,
    duration: Histogram,
    panics: Counter,
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Request {
    protocol: &'static str,
    verdict: &'static str,
    mode: &'static str,
}

impl Default for Metrics {
    fn default() -> Self {
        Self { requests: Family::default(), duration: Histogram::new(LATENCY_BUCKETS), panics: Counter::default() }
    }
}

impl Metrics {
    /// Puts them under the names that dashboards know.
    pub fn register(&self, registry: &mut Registry) {
        registry.register("requests", "Checks, by what was answered", self.requests.clone());
        let help = "Time from the first byte read of a check to its answer";
        registry.register("request_duration_seconds", help, self.duration.clone());
        registry.register("panics", "Checks that panicked; each was answered with an error", self.panics.clone());
    }

    pub(super) fn count(&self, summary: Option<&Summary<'_>>, settled: &Settled<'_>, took: Duration) {
        let verdict = match settled {
            Settled::Pass(_) => Verdict::Allow,
            Settled::Refuse(refusal) => refusal.reason.into(),
        };
        let mode = summary.map_or("", |summary| summary.mode.as_str());
        self.requests.get_or_create(&Request { protocol: "ext_authz", verdict: verdict.as_str(), mode }).inc();
        self.duration.observe(took.as_secs_f64());
    }

    pub(super) fn count_panic(&self) {
        self.panics.inc();
    }
}

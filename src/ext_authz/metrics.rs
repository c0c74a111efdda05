//! How many checks there are, what became of them, and how long they took.

use std::time::Duration;

use opentelemetry::TraceId;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::exemplar::HistogramWithExemplars;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use crate::gate::{Settled, Summary};
use crate::telemetry::LATENCY_BUCKETS;
use crate::terms::{Kind, Reason};
use crate::transport::Shed;
use crate::verdict::Verdict;

/// Counts and times of checks.
#[derive(Debug, Clone)]
pub struct Metrics {
    requests: Family<Request, Counter>,
    /// An exemplar is the trace of one check among those that took as long.
    duration: HistogramWithExemplars<TraceLabel>,
    panics: Counter,
    shed: Family<Why, Counter>,
    errors: Family<Why, Counter>,
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct TraceLabel {
    trace_id: String,
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Why {
    reason: &'static str,
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Request {
    protocol: &'static str,
    verdict: &'static str,
    mode: &'static str,
}

impl Default for Metrics {
    fn default() -> Self {
        let (requests, panics, shed, errors) = Default::default();
        Self { requests, duration: HistogramWithExemplars::new(LATENCY_BUCKETS.into_iter()), panics, shed, errors }
    }
}

impl Metrics {
    /// Puts them under the names that dashboards know.
    pub fn register(&self, registry: &mut Registry) {
        registry.register("requests", "Checks, by what was answered", self.requests.clone());
        let help = "Time from the first byte read of a check to its answer";
        registry.register("request_duration_seconds", help, self.duration.clone());
        for why in Shed::ALL {
            let _ = self.shed.get_or_create(&Why { reason: why.as_str() });
        }
        let help = "Checks that were answered with an error unseen, since too much was asked at once";
        registry.register("shed_checks", help, self.shed.clone());
        for reason in Reason::ALL.iter().filter(|reason| reason.kind() == Kind::Error) {
            let _ = self.errors.get_or_create(&Why { reason: reason.code() });
        }
        registry.register("errors", "Checks that were answered with an error, by reason", self.errors.clone());
        registry.register("panics", "Checks that panicked; each was answered with an error", self.panics.clone());
    }

    /// `trace` is the trace that the check's span was sent in.
    pub(super) fn count(
        &self,
        summary: Option<&Summary<'_>>,
        settled: &Settled<'_>,
        took: Duration,
        trace: Option<TraceId>,
    ) {
        let verdict = match settled {
            Settled::Pass(_) => Verdict::Allow,
            Settled::Refuse(refusal) => refusal.reason.into(),
        };
        let mode = summary.map_or("", |summary| summary.mode.as_str());
        self.requests.get_or_create(&Request { protocol: "ext_authz", verdict: verdict.as_str(), mode }).inc();
        if let Settled::Refuse(refusal) = settled
            && verdict == Verdict::Error
        {
            self.errors.get_or_create(&Why { reason: refusal.reason.code() }).inc();
        }
        let trace = trace.map(|id| TraceLabel { trace_id: id.to_string() });
        self.duration.observe(took.as_secs_f64(), trace, None);
    }

    /// It is an answer, too; how long it took says nothing.
    pub(super) fn count_shed(&self, why: Shed, reason: Reason) {
        self.shed.get_or_create(&Why { reason: why.as_str() }).inc();
        self.errors.get_or_create(&Why { reason: reason.code() }).inc();
        let verdict = Verdict::Error.as_str();
        self.requests.get_or_create(&Request { protocol: "ext_authz", verdict, mode: "" }).inc();
    }

    pub(super) fn count_panic(&self) {
        self.panics.inc();
    }
}

//! What was decided, counted by words of the policies' grammar: never by path, user or value.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use crate::gate::{Settled, Summary};

/// Counts of decisions.
#[derive(Debug, Clone, Default)]
pub struct Metrics {
    decisions: Family<Decision, Counter>,
    refused: Counter,
}

/// The reasons, tiers, verdicts and modes are closed lists, so the series are bounded whatever comes in.
#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Decision {
    verdict: &'static str,
    reason: &'static str,
    tier: &'static str,
    mode: &'static str,
}

impl Metrics {
    /// Puts them under the names that dashboards know.
    pub fn register(&self, registry: &mut Registry) {
        let help = "Decisions, by what the rules say and whether it was carried out";
        registry.register("decisions", help, self.decisions.clone());
        registry.register("refused_checks", "Decisions after which a call was not let through", self.refused.clone());
    }

    pub(super) fn count(&self, summary: &Summary<'_>, settled: &Settled<'_>) {
        let reason = match settled {
            Settled::Pass(_) => summary.reason,
            Settled::Refuse(refusal) => refusal.reason,
        };
        let verdict = crate::verdict::Verdict::from(reason).as_str();
        let decision = Decision { verdict, reason: reason.code(), tier: summary.tier, mode: summary.mode.as_str() };
        self.decisions.get_or_create(&decision).inc();
        if matches!(settled, Settled::Refuse(_)) {
            self.refused.inc();
        }
    }
}

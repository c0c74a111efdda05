//! What is known of the bundle in force, for those who watch over many replicas.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// Metrics of the policies.
#[derive(Debug, Clone, Default)]
pub struct Metrics {
    info: Family<Digest, Gauge>,
    actions: Gauge,
    contracts: Gauge,
    last_reload_successful: Gauge,
    last_success: Gauge,
    reloads: Family<Reload, Counter>,
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Digest {
    digest: String,
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Reload {
    outcome: &'static str,
}

impl Metrics {
    /// Puts them under the names that dashboards know.
    pub fn register(&self, registry: &mut Registry) {
        registry.register("policy_info", "The bundle in force, by its digest", self.info.clone());
        registry.register("policy_actions", "Actions of the bundle in force", self.actions.clone());
        registry.register("policy_contracts", "Contracts of the bundle in force", self.contracts.clone());
        let successful = self.last_reload_successful.clone();
        registry.register("policy_last_reload_successful", "Whether what stands in the folder is in force", successful);
        let help = "When a bundle came into force, in seconds since the Unix epoch";
        registry.register("policy_last_reload_success_timestamp_seconds", help, self.last_success.clone());
        for outcome in ["accepted", "refused"] {
            let _ = self.reloads.get_or_create(&Reload { outcome });
        }
        registry.register("policy_reloads", "Contents of the folder that were looked at", self.reloads.clone());
    }

    pub(super) fn accepted(&self, digest: &str, actions: usize, contracts: usize, now: jiff::Timestamp) {
        self.info.clear();
        self.info.get_or_create(&Digest { digest: digest.to_owned() }).set(1);
        self.actions.set(i64::try_from(actions).unwrap_or(i64::MAX));
        self.contracts.set(i64::try_from(contracts).unwrap_or(i64::MAX));
        self.last_reload_successful.set(1);
        self.last_success.set(now.as_second());
        self.reloads.get_or_create(&Reload { outcome: "accepted" }).inc();
    }

    pub(super) fn refused(&self) {
        self.last_reload_successful.set(0);
        self.reloads.get_or_create(&Reload { outcome: "refused" }).inc();
    }

    /// Whether what stands in the folder is in force.
    pub fn is_last_reload_successful(&self) -> bool {
        self.last_reload_successful.get() == 1
    }

    /// How often something was refused.
    pub fn refusals(&self) -> u64 {
        self.reloads.get_or_create(&Reload { outcome: "refused" }).get()
    }
}

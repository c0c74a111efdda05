//! What is known of the certificates in force.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// Metrics of the certificates.
#[derive(Debug, Clone, Default)]
pub struct Metrics {
    expiry: Family<Certificate, Gauge>,
    last_reload_successful: Gauge,
    reloads: Family<Reload, Counter>,
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Certificate {
    certificate: &'static str,
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Reload {
    outcome: &'static str,
}

impl Metrics {
    /// Puts them under the names that dashboards know.
    pub fn register(&self, registry: &mut Registry) {
        let help = "When the first certificate of its sort that is in force ends, in seconds since the Unix epoch";
        registry.register("tls_certificate_expiry_timestamp_seconds", help, self.expiry.clone());
        let successful = self.last_reload_successful.clone();
        registry.register(
            "tls_last_reload_successful",
            "Whether the certificates in the files are in force",
            successful,
        );
        for outcome in ["accepted", "refused"] {
            let _ = self.reloads.get_or_create(&Reload { outcome });
        }
        registry.register("tls_reloads", "Contents of the certificate files that were looked at", self.reloads.clone());
    }

    pub(super) fn accepted(&self, expiries: &[(&'static str, i64)]) {
        for (certificate, end) in expiries {
            self.expiry.get_or_create(&Certificate { certificate }).set(*end);
        }
        self.last_reload_successful.set(1);
        self.reloads.get_or_create(&Reload { outcome: "accepted" }).inc();
    }

    pub(super) fn refused(&self) {
        self.last_reload_successful.set(0);
        self.reloads.get_or_create(&Reload { outcome: "refused" }).inc();
    }

    /// Whether what stands in the files is in force.
    pub fn is_last_reload_successful(&self) -> bool {
        self.last_reload_successful.get() == 1
    }
}

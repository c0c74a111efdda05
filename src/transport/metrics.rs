//! How many connections there are, and what was turned away.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::tls::Refused;

/// Metrics of the ports.
#[derive(Debug, Clone, Default)]
pub struct Metrics {
    connections: Gauge,
    refused: Counter,
    handshakes: Family<Handshake, Counter>,
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Handshake {
    reason: &'static str,
}

/// Counts a connection for as long as it lives.
pub(super) struct Open(Gauge);

impl Metrics {
    /// Puts them under the names that dashboards know.
    pub fn register(&self, registry: &mut Registry) {
        registry.register("connections", "Connections that are open", self.connections.clone());
        let help = "Connections that were closed at once, because there were as many as there may be";
        registry.register("refused_connections", help, self.refused.clone());
        for refused in Refused::ALL {
            let _ = self.handshakes.get_or_create(&Handshake { reason: refused.as_str() });
        }
        registry.register("tls_failed_handshakes", "TLS handshakes that failed", self.handshakes.clone());
    }

    pub(super) fn open(&self) -> Open {
        self.connections.inc();
        Open(self.connections.clone())
    }

    pub(super) fn count_refused(&self) {
        self.refused.inc();
    }

    pub(super) fn count_handshake(&self, refused: Refused) {
        self.handshakes.get_or_create(&Handshake { reason: refused.as_str() }).inc();
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.dec();
    }
}

//! How many connections there are, and what was turned away: on the ports of checks, and on those that few connect to.

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

/// Metrics of the ports that few connect to: health, pages, reviews.
#[derive(Debug, Clone, Default)]
pub struct SmallPorts {
    refused: Family<Named, Counter>,
    replaced: Family<Named, Counter>,
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Named {
    port: &'static str,
}

/// What one of them turned away.
#[derive(Debug, Clone, Default)]
pub struct TurnedAway {
    refused: Counter,
    replaced: Counter,
}

impl SmallPorts {
    /// Puts them under the names that dashboards know.
    pub fn register(&self, registry: &mut Registry) {
        let help =
            "Connections to another port than that of checks that were closed at once, because all places were taken";
        registry.register("port_refused_connections", help, self.refused.clone());
        let help =
            "Connections to another port than that of checks that had waited longest, and were closed for another one";
        registry.register("port_replaced_connections", help, self.replaced.clone());
    }

    /// Those of one port.
    pub fn of(&self, port: &'static str) -> TurnedAway {
        let [refused, replaced] =
            [&self.refused, &self.replaced].map(|family| family.get_or_create_owned(&Named { port }));
        TurnedAway { refused, replaced }
    }
}

impl TurnedAway {
    pub(super) fn count_refused(&self) {
        self.refused.inc();
    }

    pub(super) fn count_replaced(&self) {
        self.replaced.inc();
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.dec();
    }
}

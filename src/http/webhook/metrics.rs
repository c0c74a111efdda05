//! What is counted of reviews.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use super::review::Verdict;

/// Metrics of the webhook.
#[derive(Debug, Clone, Default)]
pub struct Metrics {
    reviews: Family<Review, Counter>,
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Review {
    verdict: &'static str,
}

/// The word for a review that has no answer.
pub(super) const ERROR: &str = "error";

impl Metrics {
    /// Puts them under the names that dashboards know.
    pub fn register(&self, registry: &mut Registry) {
        for verdict in Verdict::ALL.map(Verdict::as_str).into_iter().chain([ERROR]) {
            let _ = self.reviews.get_or_create(&Review { verdict });
        }
        registry.register("webhook_reviews", "Reviews that the API server asked for", self.reviews.clone());
    }

    pub(super) fn count(&self, verdict: &'static str) {
        self.reviews.get_or_create(&Review { verdict }).inc();
    }
}

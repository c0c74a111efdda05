//! What passes by and nobody described.
//!
//! An operation that is asked for often and stands in no catalogue is a shadow API. Which ones there are is counted here, in
//! bounded memory whatever comes in, and without anything personal: a path is counted by its shape.

mod shape;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use datasketches::frequencies::{ErrorType, FrequentItemsSketch};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;
pub use shape::Shape;

use crate::catalog::Catalog;
use crate::facts::Target;

/// What is not in the catalogue, by shape, and how often it was asked for.
#[derive(Clone)]
pub struct Unmapped {
    seen: Arc<Mutex<FrequentItemsSketch<Shape>>>,
}

/// Shapes that are kept: a power of two, of which three quarters are used. A shape has at most some hundred bytes.
const MAX_SHAPES: usize = 512;
/// Shapes that are shown, the most frequent first.
const MAX_SHOWN: usize = 50;

impl Default for Unmapped {
    #[expect(clippy::expect_used, reason = "fails only where the size is no power of two from 8 on")]
    fn default() -> Self {
        let sketch = FrequentItemsSketch::new(MAX_SHAPES).expect("a power of two");
        Self { seen: Arc::new(Mutex::new(sketch)) }
    }
}

impl Unmapped {
    /// Counts a call that no action describes.
    pub fn count(&self, catalog: &Catalog, target: &Target<'_>) {
        let shape = Shape::of(catalog, target);
        // Counts are worth having even of a thread that panicked.
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).update(shape);
    }

    /// The most frequent shapes. A count is never too low; it is too high by at most the second number.
    pub fn most_frequent(&self) -> (Vec<(Shape, u64)>, u64) {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let rows = seen.frequent_items(ErrorType::NoFalseNegatives);
        (rows.iter().take(MAX_SHOWN).map(|row| (row.item().clone(), row.estimate())).collect(), seen.maximum_error())
    }

    /// Puts the counts under the names that dashboards know. They are read when they are asked for.
    pub fn register(&self, registry: &mut Registry) {
        registry.register_collector(Box::new(self.clone()));
    }
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Labels {
    host: String,
    method: &'static str,
    route: String,
}

impl Collector for Unmapped {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let (shapes, error) = self.most_frequent();
        let help = "Calls that no action describes, by the shape of their path, of the most frequent shapes.";
        let mut family = encoder.encode_descriptor("unmapped_calls", help, None, MetricType::Gauge)?;
        for (shape, count) in shapes {
            let labels = Labels { host: shape.host, method: shape.method, route: shape.path };
            ConstGauge::new(i64::try_from(count).unwrap_or(i64::MAX)).encode(family.encode_family(&labels)?)?;
        }
        let help = "By how much tollgate_unmapped_calls may be too high, since memory is bounded.";
        let error = ConstGauge::new(i64::try_from(error).unwrap_or(i64::MAX));
        error.encode(encoder.encode_descriptor("unmapped_calls_error", help, None, MetricType::Gauge)?)
    }
}

impl fmt::Debug for Unmapped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unmapped").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;

//! What operators see of us: log lines, decisions, traces, the registry of metrics.
//!
//! Nothing personal goes in: what is logged, labelled or traced is made of the catalogue's words and reason codes. Neither a
//! slow reader of our lines nor a collector that is gone is ever felt by a request: all are queues that lose and count.

mod decisions;
mod logs;
mod traces;

pub use decisions::{Decision, DecisionLog, Decisions};
pub use logs::{Level, LogGuard, Logs, check_filter};
pub use traces::{Span, TraceParent, Traces};

/// The prefix of every metric.
pub const METRIC_PREFIX: &str = "tollgate";

/// Buckets for what should take microseconds and must not take seconds: from 50 µs, about three for each factor of ten.
pub const LATENCY_BUCKETS: [f64; 13] =
    [0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0];

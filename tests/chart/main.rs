//! The Helm chart, rendered by the real Helm and held against what those who read it would say to it.

#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    missing_docs,
    reason = "a test that cannot go on says so, and starts what it needs"
)]

mod dashboard;
#[allow(dead_code, reason = "tests of the whole chart use more of it")]
mod helm;
mod metrics;
mod monitoring;
#[allow(dead_code, reason = "tests of the whole chart use more of it")]
mod object;
mod promtool;
mod runbooks;

//! The Helm chart, rendered by the real Helm and held against what Kubernetes, the restricted Pod Security Standard and the
//! program itself would say to it.
//!
//! Each file in the chart's `ci` is rendered once; its render is kept in `golden`, so that a change of the chart shows as what it
//! does. `UPDATE_GOLDEN=1 cargo test --test chart` writes these anew, and the table of values in the chart's README.

#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    missing_docs,
    reason = "a test that cannot go on says so, and starts what it needs"
)]

mod about;
mod dashboard;
mod doctor;
mod golden;
mod helm;
mod kind;
mod metrics;
mod monitoring;
mod notes;
mod nulls;
mod object;
mod pods;
mod policies;
mod promtool;
mod refusals;
mod releases;
mod runbooks;
mod runs;
mod schema;
mod settings;
mod umbrella;
mod values;
mod webhook;
mod workload;

//! The service as others meet it: over its ports, as a process, on its disk, on its command line.
//!
//! One binary for all of it, so that it is linked once.

#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::needless_for_each,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    missing_docs,
    reason = "a test that cannot go on says so, and starts what it needs"
)]

mod answers;
mod attach;
#[allow(dead_code, reason = "benchmarks name more of it")]
#[path = "../../benches/check/bundle.rs"]
mod bench_bundle;
mod commands;
mod corpus;
#[allow(dead_code, reason = "each test looks at columns of its own")]
#[path = "../corpus/corpus.rs"]
mod corpus_cases;
mod docs;
mod doctor;
mod doctor_work;
mod faults;
mod health;
mod hostile;
mod image;
mod kubelet;
mod ledger;
mod overload;
mod pages;
mod policies;
mod process;
mod settings;
mod support;
mod tidy;
mod tls;
mod traces;
mod transport;
mod typos;
mod webhook;
mod work;
mod workflows;

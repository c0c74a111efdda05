//! Tests against the real Envoy, the pinned one (`make envoy`). Without it they fail, and never skip: what is claimed
//! here holds only on the real proxy.
//!
//! Each test starts its own Envoy on free loopback ports, so that all can run at once.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that cannot go on fails there and then, and names its Envoy by a variable"
)]

mod answers;
mod attached;
mod attributes;
mod bootstrap;
mod corpus;
#[allow(dead_code, reason = "each test looks at columns of its own")]
#[path = "../corpus/corpus.rs"]
mod corpus_cases;
mod demo;
mod doctor;
mod fail_closed;
mod forms;
mod kill;
mod kind;
mod lab;
mod mutations;
mod receipts;
mod rolling;
mod shipped_config;
mod stand_in;
mod statistics;
mod transport;

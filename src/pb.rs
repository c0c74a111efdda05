//! Code generated from `proto/`: the decision record as it goes to disk.
//!
//! Nothing is written here by hand. Envoy's own messages come from `envoy-types` and stay in the adapters.
#![allow(clippy::all, clippy::pedantic, clippy::nursery, missing_docs, reason = "generated code")]

include!(concat!(env!("OUT_DIR"), "/tollgate.v1.rs"));

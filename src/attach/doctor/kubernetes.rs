//! Kubernetes: how Tollgate runs, and how its policies reach it.

pub(super) mod asked;
pub(super) mod policies;
pub(super) mod service;
pub(super) mod socket;
pub(super) mod workload;

//! Tollgate: the checkpoint for customer data in motion.

pub mod app;
pub mod bundle;
pub mod catalog;
pub mod checkpoint;
pub mod cli;
pub mod clock;
pub mod config;
pub mod contract;
#[cfg(feature = "demo")]
pub mod demo;
pub mod ext_authz;
pub mod facts;
pub mod flows;
pub mod gate;
pub mod http;
pub mod identity;
pub mod ledger;
pub mod pb;
pub mod receipt;
pub mod secret;
pub mod sources;
pub mod telemetry;
pub mod terms;
pub mod transport;
pub mod verdict;
pub mod wire;

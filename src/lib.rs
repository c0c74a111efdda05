//! Tollgate: the checkpoint for customer data in motion.

pub mod bundle;
pub mod catalog;
pub mod clock;
pub mod contract;
#[cfg(feature = "demo")]
pub mod demo;
pub mod facts;
pub mod gate;
pub mod identity;
pub mod ledger;
pub mod pb;
pub mod receipt;
pub mod secret;
pub mod sources;
pub mod terms;
pub mod verdict;

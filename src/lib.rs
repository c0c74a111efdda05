//! Tollgate: the checkpoint for customer data in motion.

pub mod ledger;
pub mod pb;

//! Tollgate: the checkpoint for customer data in motion.

#[cfg(feature = "demo")]
pub mod demo;
pub mod pb;

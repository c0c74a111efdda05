//! Tollgate: the checkpoint for customer data in motion.

pub mod pb;

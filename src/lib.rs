//! Tollgate: the checkpoint for customer data in motion.

pub mod clock;
pub mod facts;
pub mod pb;
pub mod secret;
pub mod terms;

//! The service as others meet it: over its ports, as a process, on its disk, on its command line.
//!
//! One binary for all of it, so that it is linked once.

#![expect(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on says so")]

mod answers;
mod commands;
mod faults;
mod ledger;
mod policies;
mod process;
mod support;
mod tidy;
mod traces;

//! Time as an argument.
//!
//! What judges or compiles is given a time and asks no clock, so the same call with the same time has the same answer, in
//! a test, in `tollgate explain` and in production. [`System`] is the only place in the crate that reads the wall clock.

use jiff::Timestamp;

/// Where the time comes from.
pub trait Clock: Send + Sync {
    /// The time now.
    fn now(&self) -> Timestamp;
}

/// The machine's wall clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct System;

impl Clock for System {
    #[expect(clippy::disallowed_methods, reason = "this is the clock that all others ask")]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// A time that stands still: for policy cases and tests.
#[derive(Debug, Clone, Copy)]
pub struct Fixed(pub Timestamp);

impl Clock for Fixed {
    fn now(&self) -> Timestamp {
        self.0
    }
}

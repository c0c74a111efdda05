//! The log: JSON lines on stderr, written by a thread of its own.
//!
//! A request never waits for a line to be written. Where lines come faster than they are read, they are lost and counted.

use std::io;

use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;

/// The log that was set up.
pub struct Logs {
    lost: ErrorCounter,
}

/// Writes what is still queued when it is dropped.
pub struct LogGuard {
    _worker: WorkerGuard,
}

/// Lines that may wait. At 300 bytes each this is at most 2.5 MiB.
const MAX_QUEUED: usize = 8192;

impl Logs {
    /// Sends log lines of a level, or of a filter such as `info,tollgate=debug`, to stderr, from here on and everywhere.
    pub fn to_stderr(filter: &str) -> Result<(Self, LogGuard), ParseError> {
        let filter = EnvFilter::builder().parse(filter)?;
        let (writer, worker) =
            NonBlockingBuilder::default().buffered_lines_limit(MAX_QUEUED).lossy(true).finish(io::stderr());
        let lost = writer.error_counter();
        let subscriber =
            tracing_subscriber::fmt().json().flatten_event(true).with_env_filter(filter).with_writer(writer).finish();
        // Where a log is set up already (a test, a host program), it stays.
        let _ = tracing::subscriber::set_global_default(subscriber);
        Ok((Self { lost }, LogGuard { _worker: worker }))
    }

    /// How many lines were lost.
    pub fn lost(&self) -> usize {
        self.lost.dropped_lines()
    }
}

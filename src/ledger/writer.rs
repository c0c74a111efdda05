//! The one thread that writes: group commit.
//!
//! It takes all that is queued, writes it at once, syncs once if anybody in the batch waits for that, and answers all of
//! them. What nobody waits for gathers for a moment. While the disk is busy with a sync, the next batch gathers: the slower the disk, the larger the batches.

use std::fs::File;
use std::time::Duration;

use super::batch::Batch;
use super::queue::{Next, Queue};
use super::tail::Tail;
use super::{Metrics, Recovery};

/// How long records that nobody waits for gather. A wake-up and a write cost more than judging does, so at a thousand checks a
/// second this is what they cost each; what a kill of the process may take of them is as much, and what they take of the queue at
/// a hundred thousand a second is a quarter.
const GATHER: Duration = Duration::from_millis(20);

/// The writing end of the ledger. It holds the folder's lock.
#[derive(Debug)]
pub struct Writer {
    pub(super) queue: Queue,
    pub(super) tail: Tail,
    pub(super) metrics: Metrics,
    pub(super) recovery: Recovery,
    pub(super) _lock: File,
}

impl Writer {
    /// What was found when the ledger was opened.
    pub const fn recovery(&self) -> Recovery {
        self.recovery
    }

    /// Writes what is appended; blocks. Returns when all [`super::Ledger`] handles are dropped and everything is on disk.
    pub fn run(mut self) {
        let mut batch = Batch::default();
        loop {
            match self.queue.wait(self.tail.due()) {
                Next::Entry(entry) => {
                    batch.add(entry);
                    batch.gather(&mut self.queue);
                    if !batch.is_waited_for() {
                        self.queue.linger(GATHER);
                        batch.gather(&mut self.queue);
                    }
                    let outcome = self.tail.append(&batch);
                    batch.answer(&outcome, &self.metrics);
                }
                Next::Due => self.tail.tend(),
                Next::Closed => return self.tail.close(),
            }
        }
    }
}

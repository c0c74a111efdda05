//! The one thread that writes: group commit.
//!
//! It takes all that is queued, writes it at once, syncs once if anybody in the batch waits for that, and answers all of
//! them. While the disk is busy with a sync, the next batch gathers: the slower the disk, the larger the batches.

use std::fs::File;

use super::batch::Batch;
use super::queue::{Next, Queue};
use super::tail::Tail;
use super::{Metrics, Recovery};

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
                    batch.gather(entry, &mut self.queue);
                    let outcome = self.tail.append(&batch);
                    batch.answer(&outcome, &self.metrics);
                }
                Next::Due => self.tail.tend(),
                Next::Closed => return self.tail.close(),
            }
        }
    }
}

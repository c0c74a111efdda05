//! The one thread that writes: group commit.
//!
//! It takes all that is queued, writes it at once, syncs once if anybody in the batch waits for that, and answers all of
//! them. While the disk is busy with a sync, the next batch gathers: the slower the disk, the larger the batches.

use std::fs::File;
use std::io;

use tokio::sync::oneshot;

use super::queue::{Entry, Next, Queue};
use super::tail::Tail;
use super::{Durability, Metrics, NotWritten, Recovery};

/// A batch takes no more entries once it has this many bytes: some thousand records, which a disk takes about as long to
/// write as to sync.
const BATCH_BYTES: usize = 1024 * 1024;

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

/// What is written at once. The same buffers are used for every batch.
#[derive(Debug, Default)]
pub struct Batch {
    frames: Vec<u8>,
    waiting: Vec<oneshot::Sender<Result<(), NotWritten>>>,
    unawaited: u64,
}

impl Batch {
    /// The bytes to write.
    pub fn frames(&self) -> &[u8] {
        &self.frames
    }

    /// Whether somebody waits until it is safe.
    pub const fn is_waited_for(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// How many of its records nobody waits for.
    pub const fn unawaited(&self) -> u64 {
        self.unawaited
    }

    fn gather(&mut self, first: Entry, queue: &mut Queue) {
        self.add(first);
        while self.frames.len() < BATCH_BYTES
            && let Some(entry) = queue.take()
        {
            self.add(entry);
        }
    }

    pub(super) fn add(&mut self, entry: Entry) {
        entry.frame.write_to(&mut self.frames);
        match entry.waiting {
            Some(caller) => self.waiting.push(caller),
            None => self.unawaited += 1,
        }
    }

    /// Counts and tells what came of it, and is empty again.
    fn answer(&mut self, outcome: &io::Result<()>, metrics: &Metrics) {
        for (durability, records) in
            [(Durability::Async, self.unawaited), (Durability::BeforeAnswer, self.waiting.len() as u64)]
        {
            match outcome {
                Ok(()) => metrics.write(durability, records),
                Err(_) => metrics.lose(durability, NotWritten::Disk, records),
            }
        }
        for caller in self.waiting.drain(..) {
            // A caller whose deadline has passed has gone.
            _ = caller.send(outcome.as_ref().map_err(|_| NotWritten::Disk).copied());
        }
        self.frames.clear();
        self.unawaited = 0;
    }
}

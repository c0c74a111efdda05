//! What is written at once: the records, and those who wait for them.

use std::io;

use tokio::sync::oneshot;

use super::queue::{Entry, Queue};
use super::{Durability, Metrics, NotWritten};

/// A batch takes no more entries once it has this many bytes: some thousand records, which a disk takes about as long to
/// write as to sync.
const BATCH_BYTES: usize = 1024 * 1024;

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

    /// Adds all entries that are queued, up to the bound.
    pub fn gather(&mut self, queue: &mut Queue) {
        while self.frames.len() < BATCH_BYTES
            && let Some(entry) = queue.take()
        {
            self.add(entry);
        }
    }

    /// Adds one entry.
    pub fn add(&mut self, entry: Entry) {
        entry.frame.write_to(&mut self.frames);
        match entry.waiting {
            Some(caller) => self.waiting.push(caller),
            None => self.unawaited += 1,
        }
    }

    /// Counts and tells what came of it, and is empty again.
    pub fn answer(&mut self, outcome: &io::Result<()>, metrics: &Metrics) {
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

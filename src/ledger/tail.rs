//! The end of the ledger: which segment is written, when a new one is begun, what follows a failure.
//!
//! What always holds: a segment is begun only when the one before has been ended with its last good frame and synced. So
//! only the newest can be torn, and whatever the disk did, all that was acknowledged can be read.
//!
//! After a failure nothing is written before the spoilt segment could be ended. That is tried at once, with every batch
//! that comes, and once in a while when none comes: the ledger recovers by itself when the disk does.

use std::io;
use std::time::{Duration, Instant};

use super::batch::Batch;
use super::segment::Segment;
use super::{Config, Metrics, room};

/// How long a record that nobody waits for may lie unsynced: what a power failure may take of them.
const SYNC_EVERY: Duration = Duration::from_secs(1);

/// How long a failing disk is left alone when no caller waits for it.
const RETRY_EVERY: Duration = Duration::from_secs(1);

/// Where the next batch goes.
#[derive(Debug)]
pub struct Tail {
    config: Config,
    next_sequence: u64,
    /// While `failed_at` is set, a segment that must be ended before anything else is written.
    pub(super) current: Option<Segment>,
    failed_at: Option<Instant>,
    metrics: Metrics,
}

impl Tail {
    /// Begins behind all segments that there are; the file is created when there is something to write.
    pub fn new(config: &Config, next_sequence: u64, metrics: Metrics) -> Self {
        Self { config: config.clone(), next_sequence, current: None, failed_at: None, metrics }
    }

    /// Writes a batch, and syncs if one of its callers waits for that. After an error none of its records is there.
    pub fn append(&mut self, batch: &Batch) -> io::Result<()> {
        let outcome = self.try_append(batch);
        self.note(outcome)
    }

    fn try_append(&mut self, batch: &Batch) -> io::Result<()> {
        let frames = batch.frames();
        if self.current.as_ref().is_some_and(|segment| segment.would_outgrow(self.config.segment_bytes, frames.len())) {
            self.end_current()?;
        }
        let segment = self.writable()?;
        segment.write(frames)?;
        let overdue = segment.dirty_since().is_some_and(|since| since.elapsed() >= SYNC_EVERY);
        if batch.is_waited_for() || overdue {
            return segment.sync();
        }
        segment.promise(batch.unawaited());
        Ok(())
    }

    /// When [`Tail::tend`] should be called, if nothing is appended until then.
    pub fn due(&self) -> Option<Instant> {
        match self.failed_at {
            Some(failed_at) => Some(failed_at + RETRY_EVERY),
            None => self.current.as_ref()?.dirty_since().map(|since| since + SYNC_EVERY),
        }
    }

    /// Syncs what nobody waits for, or looks whether a failing disk has recovered.
    pub fn tend(&mut self) {
        let outcome = match (&mut self.current, self.failed_at) {
            (Some(segment), None) => segment.sync(),
            _ => self.writable().map(drop),
        };
        // Whatever came of it is counted and logged; there is nobody to tell.
        _ = self.note(outcome);
    }

    /// Leaves everything on disk.
    pub fn close(mut self) {
        let outcome = self.end_current();
        if outcome.is_err() {
            _ = self.note(outcome);
        }
    }

    fn writable(&mut self) -> io::Result<&mut Segment> {
        if self.failed_at.is_some() {
            self.end_current()?;
        }
        match self.current {
            Some(ref mut segment) => Ok(segment),
            None => {
                let Config { dir, segment_bytes, most_bytes, .. } = &self.config;
                if let Some(most) = most_bytes {
                    room::make(dir, *most, *segment_bytes, &self.metrics)?;
                }
                let segment = Segment::create(dir, self.next_sequence, self.metrics.clone())?;
                let segment = self.current.insert(segment);
                segment.begin(dir)?;
                Ok(segment)
            }
        }
    }

    fn end_current(&mut self) -> io::Result<()> {
        if let Some(segment) = &mut self.current {
            segment.end()?;
            // The number of a segment that held no record is free again, so numbers have no gaps.
            self.next_sequence = segment.sequence + u64::from(!segment.is_empty());
            self.current = None;
        }
        Ok(())
    }

    fn note(&mut self, outcome: io::Result<()>) -> io::Result<()> {
        match &outcome {
            Ok(()) if self.failed_at.take().is_some() => tracing::info!("the ledger can be written again"),
            Ok(()) => {}
            Err(error) => {
                if self.failed_at.replace(Instant::now()).is_none() {
                    tracing::error!(dir = %self.config.dir.display(), %error, "the ledger cannot be written");
                }
                // Where that fails too, nothing is written until it succeeds.
                _ = self.end_current();
            }
        }
        self.metrics.failing.set(i64::from(outcome.is_err()));
        outcome
    }
}

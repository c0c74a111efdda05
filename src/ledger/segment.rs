//! One file of the ledger: `magic | version | sequence`, then frames.
//!
//! A segment is written by one process and only at its end. Bytes that were once good never change; bytes that were not
//! written well, or whose sync failed, are cut off and the segment is ended, so nothing is ever written in their place.
//! (After a failed sync the kernel may have dropped the pages and call the next sync a success: what was not synced
//! before is gone. See <https://wiki.postgresql.org/wiki/Fsync_Errors>.)
//!
//! It does not decide when to sync or to end: that is [`super::tail`].

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Take, Write};
use std::ops::RangeInclusive;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::scan::Scan;
use super::{Durability, Metrics, NotWritten};

const MAGIC: [u8; 8] = *b"tollgate";
const VERSION: u32 = 1;
const HEADER_BYTES: usize = 8 + 4 + 8;

/// Where the first frame begins.
pub const BODY: u64 = HEADER_BYTES as u64;

/// The file of a segment. Names sort as the sequence does.
pub fn path(dir: &Path, sequence: u64) -> PathBuf {
    dir.join(format!("{sequence:016}.ledger"))
}

/// The lowest to the highest sequence number in a folder. Other files are none of our business.
pub fn sequences(dir: &Path) -> io::Result<Option<RangeInclusive<u64>>> {
    let mut found: Option<RangeInclusive<u64>> = None;
    for entry in fs::read_dir(dir)? {
        let Some(sequence) = sequence_of(Path::new(&entry?.file_name())) else { continue };
        found =
            Some(found.map_or(sequence..=sequence, |range| sequence.min(*range.start())..=sequence.max(*range.end())));
    }
    Ok(found)
}

#[expect(clippy::disallowed_methods, reason = "a name that is no number is no segment's")]
fn sequence_of(name: &Path) -> Option<u64> {
    let sequence = name.file_stem()?.to_str()?.parse().ok()?;
    (path(Path::new(""), sequence) == name).then_some(sequence)
}

fn header(sequence: u64) -> Vec<u8> {
    [&MAGIC[..], &VERSION.to_le_bytes(), &sequence.to_le_bytes()].concat()
}

/// A segment that is opened to be read, as long as it is at that moment.
#[derive(Debug)]
pub enum Opened {
    /// There is nothing behind the header, if there is one: a crash came while the segment was begun.
    Empty,
    /// It does not begin as this version begins a segment with this number.
    Foreign,
    /// What is in it.
    Body(Scan<Take<File>>),
}

/// Opens a segment to be read.
pub fn open(dir: &Path, sequence: u64) -> io::Result<Opened> {
    let mut file = File::open(path(dir, sequence))?;
    let Some(body) = file.metadata()?.len().checked_sub(BODY).filter(|body| *body > 0) else {
        return Ok(Opened::Empty);
    };
    let mut found = [0; HEADER_BYTES];
    file.read_exact(&mut found)?;
    Ok(if header(sequence) == found { Opened::Body(Scan::new(file.take(body), BODY)) } else { Opened::Foreign })
}

/// Makes changes of a folder's entries survive a power failure.
pub fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// The segment that is being written.
#[derive(Debug)]
pub struct Segment {
    pub(super) file: File,
    path: PathBuf,
    pub(super) sequence: u64,
    /// Where the good bytes end.
    good: u64,
    /// Where the bytes end that a sync has made safe.
    synced: u64,
    /// Records behind `synced` whose callers were told that all is well.
    promised: u64,
    dirty_since: Option<Instant>,
    metrics: Metrics,
}

impl Segment {
    /// Creates the file, which must not exist.
    pub fn create(dir: &Path, sequence: u64, metrics: Metrics) -> io::Result<Self> {
        let path = path(dir, sequence);
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        Ok(Self { file, path, sequence, good: 0, synced: 0, promised: 0, dirty_since: None, metrics })
    }

    /// Writes the header, and syncs it and the folder: a record must not be safer than the file that it is in.
    pub fn begin(&mut self, dir: &Path) -> io::Result<()> {
        self.write(&header(self.sequence))?;
        self.sync()?;
        sync_dir(dir)
    }

    /// Appends frames. After an error there may be some of their bytes at the end: the segment must be ended.
    pub fn write(&mut self, frames: &[u8]) -> io::Result<()> {
        self.file.write_all(frames)?;
        self.good += frames.len() as u64;
        self.metrics.bytes.inc_by(frames.len() as u64);
        self.dirty_since.get_or_insert_with(Instant::now);
        Ok(())
    }

    /// Notes that records were accepted which no sync has made safe yet.
    pub const fn promise(&mut self, records: u64) {
        self.promised += records;
    }

    /// Makes all that was written survive a power failure. After an error it is given up, and the segment must be ended.
    pub fn sync(&mut self) -> io::Result<()> {
        let begun = Instant::now();
        let outcome = self.file.sync_data();
        self.metrics.sync(begun.elapsed());
        self.dirty_since = None;
        let promised = std::mem::take(&mut self.promised);
        match &outcome {
            Ok(()) => self.synced = self.good,
            Err(_) => {
                self.good = self.synced;
                self.metrics.lose(Durability::Async, NotWritten::Disk, promised);
            }
        }
        outcome
    }

    /// Leaves exactly the good bytes, safe, or no file if there is no record. May be tried again after an error.
    pub fn end(&mut self) -> io::Result<()> {
        if self.is_empty() {
            return match fs::remove_file(&self.path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                _ => Ok(()),
            };
        }
        self.file.set_len(self.good)?;
        self.sync()
    }

    /// Whether it has no record.
    pub const fn is_empty(&self) -> bool {
        self.good <= BODY
    }

    /// Whether it would have more than `limit` bytes with `more` bytes.
    pub const fn would_outgrow(&self, limit: u64, more: usize) -> bool {
        !self.is_empty() && self.good + more as u64 > limit
    }

    /// Since when something has been waiting for a sync.
    pub const fn dirty_since(&self) -> Option<Instant> {
        self.dirty_since
    }
}

//! All records of a ledger, in the order in which they were written.
//!
//! It needs no lock and takes no notice of a writer: it reads what was there when it came to a segment. The torn tail
//! that a crash leaves in the newest segment ends it quietly, as does a batch that is being written at that moment.
//! Whatever else is no sound record is reported, with its file and offset, and reading goes on behind it: an error in
//! the middle does not hide what follows.

use std::fs::File;
use std::io::{self, Take};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::scan::{Piece, Scan};
use super::segment::{self, Opened};

/// Why a part of the ledger could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The system refused.
    #[error("cannot read `{}`: {source}", path.display())]
    Io {
        /// The folder or the segment.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A segment's header is damaged, was written by another version, or bears another number than the file's name.
    #[error("`{}` does not begin as a segment of this version and number", .0.display())]
    Foreign(PathBuf),
    /// Some bytes are no sound record.
    #[error("`{}` is damaged: {bytes} bytes at offset {offset} are no sound record", file.display())]
    Damaged {
        /// The segment.
        file: PathBuf,
        /// Where in the file the first of them is.
        offset: u64,
        /// How many there are, up to the next sound record or the end.
        bytes: u64,
    },
    /// A segment is gone while older and newer ones are there.
    #[error("`{}` is missing", .0.display())]
    Missing(PathBuf),
}

/// Reads all records of the ledger in a folder, up to those that are there now.
pub fn read(dir: &Path) -> Result<impl Iterator<Item = Result<Bytes, ReadError>> + use<>, ReadError> {
    let range = segment::sequences(dir).map_err(|source| ReadError::Io { path: dir.to_owned(), source })?;
    let newest = range.as_ref().map(|range| *range.end());
    Ok(Reader { dir: dir.to_owned(), newest, ahead: range, current: None })
}

#[derive(Debug)]
struct Reader {
    dir: PathBuf,
    newest: Option<u64>,
    ahead: Option<RangeInclusive<u64>>,
    current: Option<(u64, Scan<Take<File>>)>,
}

impl Iterator for Reader {
    type Item = Result<Bytes, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let outcome = match self.current.take() {
                Some((sequence, scan)) => self.next_record(sequence, scan),
                None => {
                    let sequence = self.ahead.as_mut()?.next()?;
                    self.open(sequence).map(|()| None)
                }
            };
            if let Some(item) = outcome.transpose() {
                return Some(item);
            }
        }
    }
}

impl Reader {
    /// The next record of a segment, which stays the current one until it has no more.
    fn next_record(&mut self, sequence: u64, mut scan: Scan<Take<File>>) -> Result<Option<Bytes>, ReadError> {
        let file = || segment::path(&self.dir, sequence);
        let piece = scan.next_piece().map_err(|source| ReadError::Io { path: file(), source })?;
        let outcome = match piece {
            None => return Ok(None),
            Some(Piece::Torn { .. }) if self.newest == Some(sequence) => return Ok(None),
            Some(Piece::Record(record)) => Ok(Some(record)),
            Some(Piece::Damage { offset, bytes } | Piece::Torn { offset, bytes }) => {
                Err(ReadError::Damaged { file: file(), offset, bytes })
            }
        };
        self.current = Some((sequence, scan));
        outcome
    }

    /// Makes a segment the current one, unless it is the newest and nothing is in it yet.
    fn open(&mut self, sequence: u64) -> Result<(), ReadError> {
        let file = segment::path(&self.dir, sequence);
        let newest = self.newest == Some(sequence);
        match segment::open(&self.dir, sequence) {
            Ok(Opened::Body(scan)) => self.current = Some((sequence, scan)),
            Ok(Opened::Empty) if newest => {}
            Ok(Opened::Empty | Opened::Foreign) => return Err(ReadError::Foreign(file)),
            // A segment that held no record may be taken away again.
            Err(error) if error.kind() == io::ErrorKind::NotFound && newest => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(ReadError::Missing(file)),
            Err(source) => return Err(ReadError::Io { path: file, source }),
        }
        Ok(())
    }
}

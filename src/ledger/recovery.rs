//! What is done to the newest segment when the ledger is opened.
//!
//! A torn tail is cut off: it was never acknowledged. Nothing else is changed: damage stays where it is, for `read` to
//! report, and a segment that this version does not understand is left alone. Writing goes on in a new segment, always.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::Path;

use super::scan::{Piece, Scan};
use super::segment::{self, BODY, Opened};

/// What was found in the newest segment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Recovery {
    /// How many bytes of a torn tail were cut off.
    pub torn_bytes: u64,
    /// How many places are damaged. They are still there; [`super::read`] says where.
    pub damages: u64,
}

/// Repairs the newest segment and makes it safe. Also says which number the next segment has.
pub fn recover(dir: &Path) -> io::Result<(u64, Recovery)> {
    let Some(newest) = segment::sequences(dir)?.map(|range| *range.end()) else {
        return Ok((0, Recovery::default()));
    };
    let path = segment::path(dir, newest);
    let (end, recovery) = match segment::open(dir, newest)? {
        Opened::Empty => (BODY, Recovery::default()),
        Opened::Foreign => {
            tracing::warn!(file = %path.display(), "not a segment that this version can read: left as it is");
            return Ok((newest + 1, Recovery { torn_bytes: 0, damages: 1 }));
        }
        Opened::Body(scan) => survey(scan)?,
    };
    if recovery != Recovery::default() {
        let Recovery { torn_bytes, damages } = recovery;
        tracing::warn!(file = %path.display(), torn_bytes, damages, "the newest segment was not sound");
    }
    if end == BODY {
        fs::remove_file(path)?;
        return Ok((newest, recovery));
    }
    let file = OpenOptions::new().write(true).open(path)?;
    file.set_len(end)?;
    // What the process before us had left to the kernel must be safe before a newer segment follows it.
    file.sync_all()?;
    Ok((newest + 1, recovery))
}

/// Where the good bytes end, and what is not good.
fn survey(mut scan: Scan<io::Take<File>>) -> io::Result<(u64, Recovery)> {
    let mut recovery = Recovery::default();
    while let Some(piece) = scan.next_piece()? {
        match piece {
            Piece::Record(_) => {}
            Piece::Damage { .. } => recovery.damages += 1,
            Piece::Torn { bytes, .. } => recovery.torn_bytes = bytes,
        }
    }
    Ok((scan.offset() - recovery.torn_bytes, recovery))
}

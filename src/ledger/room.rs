//! Room on disk: where the ledger is bounded, the oldest segments go before a new one is begun.
//!
//! The newest segment always stays, since the next number follows from it; so do files that are none of ours.

use std::fs;
use std::io;
use std::path::Path;

use super::Metrics;
use super::segment;

/// Removes the oldest segments until those that are left, and as many bytes besides, are within the bound.
pub fn make(dir: &Path, most: u64, besides: u64, metrics: &Metrics) -> io::Result<()> {
    let Some(range) = segment::sequences(dir)? else { return Ok(()) };
    let newest = *range.end();
    let mut sizes = Vec::new();
    for sequence in range {
        match fs::metadata(segment::path(dir, sequence)) {
            Ok(metadata) => sizes.push((sequence, metadata.len())),
            // Removed by somebody else.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    let mut total = sizes.iter().map(|(_, size)| size).sum::<u64>().saturating_add(besides);
    for (sequence, size) in sizes {
        if total <= most || sequence == newest {
            break;
        }
        let path = segment::path(dir, sequence);
        fs::remove_file(&path)?;
        total = total.saturating_sub(size);
        metrics.removed.inc();
        tracing::info!(file = %path.display(), bytes = size, "the oldest records were removed to make room");
    }
    Ok(())
}

//! One record as it lies in a segment: `length | checksum | record`.
//!
//! The length and the CRC-32 are `u32`, little endian; the checksum covers the length and the record. A frame is judged
//! by its bytes alone, wherever it lies. Zeros are no frame: the checksum of length zero is not zero.
//!
//! A checksum finds accidents. It does not stop somebody who can write to the file.

use crc32fast::Hasher;

/// The bytes before the record.
pub const HEADER_BYTES: usize = 8;

/// The largest record. A decision record takes about 1 KiB; the bound keeps a damaged length from looking plausible, and
/// a full queue from taking more than itself times this.
pub const MAX_RECORD_BYTES: usize = 64 * 1024;

/// The largest frame.
pub const MAX_BYTES: usize = HEADER_BYTES + MAX_RECORD_BYTES;

/// The record has more than [`MAX_RECORD_BYTES`].
#[derive(Debug, thiserror::Error)]
#[error("the record is larger than {MAX_RECORD_BYTES} bytes")]
pub struct TooLarge;

/// A record with its length and checksum. They are worked out by whoever appends, not by the one thread that writes.
#[derive(Debug)]
pub struct Frame {
    /// Length and checksum.
    header: [[u8; 4]; 2],
    record: Vec<u8>,
}

impl Frame {
    /// Frames a record, unless it is too large.
    pub fn try_new(record: Vec<u8>) -> Result<Self, TooLarge> {
        if record.len() > MAX_RECORD_BYTES {
            return Err(TooLarge);
        }
        let length = u32::try_from(record.len()).map_err(|_| TooLarge)?.to_le_bytes();
        Ok(Self { header: [length, checksum(length, &record).to_le_bytes()], record })
    }

    /// Adds the frame's bytes to a buffer.
    pub fn write_to(&self, buffer: &mut Vec<u8>) {
        buffer.extend_from_slice(self.header.as_flattened());
        buffer.extend_from_slice(&self.record);
    }
}

/// The length of the record whose frame these bytes begin with; none if they begin with no whole and sound frame.
pub fn sound_at_start(bytes: &[u8]) -> Option<usize> {
    let (length, bytes) = bytes.split_first_chunk::<4>()?;
    let (sum, bytes) = bytes.split_first_chunk::<4>()?;
    let record_bytes = u32::from_le_bytes(*length) as usize;
    let record = bytes.get(..record_bytes).filter(|_| record_bytes <= MAX_RECORD_BYTES)?;
    (checksum(*length, record) == u32::from_le_bytes(*sum)).then_some(record_bytes)
}

fn checksum(length: [u8; 4], record: &[u8]) -> u32 {
    let mut hasher = Hasher::new();
    hasher.update(&length);
    hasher.update(record);
    hasher.finalize()
}

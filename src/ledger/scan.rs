//! What lies in a segment, piece by piece: records, damage, and the torn tail that a crash leaves.
//!
//! A crash can only spoil the end: bytes below a sync stay. So where no sound frame begins, the scan looks for the next
//! one. If there is one, what lies between is [`Piece::Damage`] and the scan goes on behind it; if there is none, the rest
//! is [`Piece::Torn`]. A flipped bit in the middle is thus never taken for the end, and no sound record is ever cut off.
//! (It could be taken for the end in the very last frame, which cannot be told from one that was half written.)
//!
//! The memory taken is a few frames, whatever the segment's size.

use std::io::{self, Read};

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::frame;

/// What is read at once. It holds any frame, so one chunk more is always enough.
const CHUNK_BYTES: u64 = 4 * frame::MAX_BYTES as u64;

/// One stretch of a segment. Offsets are into the file.
#[derive(Debug, PartialEq, Eq)]
pub enum Piece {
    /// A sound record.
    Record(Bytes),
    /// Bytes that are no frame, with a sound frame behind them.
    Damage { offset: u64, bytes: u64 },
    /// Bytes that are no frame, up to the end.
    Torn { offset: u64, bytes: u64 },
}

/// Reads a segment from behind its header.
#[derive(Debug)]
pub struct Scan<R> {
    input: R,
    window: BytesMut,
    offset: u64,
    ended: bool,
}

impl<R: Read> Scan<R> {
    /// Begins at `offset`, where the input stands.
    pub fn new(input: R, offset: u64) -> Self {
        Self { input, window: BytesMut::new(), offset, ended: false }
    }

    /// The next piece; none at the end.
    pub fn next_piece(&mut self) -> io::Result<Option<Piece>> {
        if let Some(record) = self.take_record()? {
            return Ok(Some(Piece::Record(record)));
        }
        let offset = self.offset;
        while !self.window.is_empty() {
            self.skip(1);
            self.fill()?;
            if frame::sound_at_start(&self.window).is_some() {
                return Ok(Some(Piece::Damage { offset, bytes: self.offset - offset }));
            }
        }
        let bytes = self.offset - offset;
        Ok((bytes > 0).then_some(Piece::Torn { offset, bytes }))
    }

    /// Where in the file the next piece begins.
    pub const fn offset(&self) -> u64 {
        self.offset
    }

    fn take_record(&mut self) -> io::Result<Option<Bytes>> {
        self.fill()?;
        let Some(record_bytes) = frame::sound_at_start(&self.window) else { return Ok(None) };
        self.skip(frame::HEADER_BYTES);
        self.offset += record_bytes as u64;
        Ok(Some(self.window.split_to(record_bytes).freeze()))
    }

    fn skip(&mut self, bytes: usize) {
        self.window.advance(bytes);
        self.offset += bytes as u64;
    }

    /// Sees to it that the largest frame would be in the window, unless the input ends before.
    fn fill(&mut self) -> io::Result<()> {
        if self.window.len() < frame::MAX_BYTES && !self.ended {
            let mut chunk = self.input.by_ref().take(CHUNK_BYTES);
            self.ended = io::copy(&mut chunk, &mut (&mut self.window).writer())? < CHUNK_BYTES;
        }
        Ok(())
    }
}

//! Bytes on their way out: those of a message with its length before them, or any others.

use std::io::IoSlice;

use bytes::{Buf, Bytes};

/// gRPC puts five bytes before a message: whether it is compressed, and its length (gRPC over HTTP/2, "Length-Prefixed-Message").
pub(super) const PREFIX: usize = 5;

/// The data of one or more DATA frames.
#[derive(Debug, Clone)]
pub(super) struct Frame {
    prefix: [u8; PREFIX],
    /// How much of the prefix was sent already; all of it where there is none.
    sent: usize,
    rest: Bytes,
}

impl Frame {
    /// A message of gRPC, not compressed; nothing where it is longer than one can be.
    pub(super) fn message(message: Bytes) -> Option<Self> {
        let Ok(length) = u32::try_from(message.len()) else { return None };
        let [a, b, c, d] = length.to_be_bytes();
        Some(Self { prefix: [0, a, b, c, d], sent: 0, rest: message })
    }

    /// Bytes as they are.
    pub(super) const fn plain(bytes: Bytes) -> Self {
        Self { prefix: [0; PREFIX], sent: PREFIX, rest: bytes }
    }

    fn left_of_prefix(&self) -> &[u8] {
        self.prefix.get(self.sent..).unwrap_or_default()
    }
}

impl Buf for Frame {
    fn remaining(&self) -> usize {
        self.left_of_prefix().len() + self.rest.len()
    }

    fn chunk(&self) -> &[u8] {
        match self.left_of_prefix() {
            [] => &self.rest,
            left => left,
        }
    }

    fn chunks_vectored<'a>(&'a self, to: &mut [IoSlice<'a>]) -> usize {
        let parts = [self.left_of_prefix(), &self.rest];
        let parts = parts.into_iter().filter(|part| !part.is_empty());
        to.iter_mut().zip(parts).map(|(slice, part)| *slice = IoSlice::new(part)).count()
    }

    fn advance(&mut self, count: usize) {
        let of_prefix = count.min(self.left_of_prefix().len());
        self.sent += of_prefix;
        self.rest.advance(count - of_prefix);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_has_its_length_before_it_however_it_is_taken() {
        let whole = [&[0, 0, 0, 0, 3][..], b"abc"].concat();
        for step in 1..=whole.len() {
            let mut frame = Frame::message(Bytes::from_static(b"abc")).unwrap();
            let mut taken = Vec::new();
            while frame.has_remaining() {
                let mut slices = [IoSlice::new(&[]); 2];
                let count = frame.chunks_vectored(&mut slices);
                let all: Vec<u8> = slices[..count].iter().flat_map(|slice| slice.iter().copied()).collect();
                assert_eq!(all, whole[taken.len()..]);
                let some = step.min(frame.chunk().len());
                taken.extend_from_slice(&frame.chunk()[..some]);
                frame.advance(some);
            }
            assert_eq!(taken, whole, "{step} at a time");
        }
    }

    #[test]
    fn bytes_as_they_are_have_nothing_before_them() {
        let mut frame = Frame::plain(Bytes::from_static(b"abc"));
        assert_eq!(frame.copy_to_bytes(frame.remaining()), "abc");
    }
}

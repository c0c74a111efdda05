//! Protobuf's wire format, strictly read and directly written: no types in between, nothing copied that need not be.
//!
//! Generated code decodes a whole message into owned fields, most of which nobody looks at; that alone costs more than a
//! decision. What is here walks over the fields of a message and borrows, or writes fields in their order.
//! (<https://protobuf.dev/programming-guides/encoding>)

pub use prost::encoding::WireType;
use prost::encoding::{decode_key, decode_varint, encode_varint, encoded_len_varint};

/// Bytes that are no message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a protobuf message")]
pub struct Malformed;

/// The bytes of one field, as its wire type frames them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Piece<'b> {
    /// A number, a truth value or a member of an enumeration.
    Varint(u64),
    /// A fixed number of four bytes.
    Four([u8; 4]),
    /// A fixed number of eight bytes.
    Eight([u8; 8]),
    /// A text, bytes, a message, a packed list.
    Bytes(&'b [u8]),
}

/// The fields of a message, by number, in the order in which they come.
///
/// Groups are refused: they were given up twenty years ago, and readers skip them in several ways.
#[derive(Debug, Clone)]
pub struct Fields<'b>(&'b [u8]);

impl<'b> Fields<'b> {
    /// The fields of a message of these bytes.
    pub const fn of(bytes: &'b [u8]) -> Self {
        Self(bytes)
    }

    fn take(&mut self) -> Result<(u32, Piece<'b>), Malformed> {
        let (number, wire) = decode_key(&mut self.0).map_err(|_| Malformed)?;
        Ok((number, Piece::take(wire, &mut self.0)?))
    }
}

impl<'b> Iterator for Fields<'b> {
    type Item = Result<(u32, Piece<'b>), Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.take();
        if field.is_err() {
            self.0 = &[];
        }
        Some(field)
    }
}

impl<'b> Piece<'b> {
    /// Takes one of these off the beginning.
    pub fn take(wire: WireType, bytes: &mut &'b [u8]) -> Result<Self, Malformed> {
        Ok(match wire {
            WireType::Varint => Self::Varint(decode_varint(bytes).map_err(|_| Malformed)?),
            WireType::ThirtyTwoBit => Self::Four(take_array(bytes)?),
            WireType::SixtyFourBit => Self::Eight(take_array(bytes)?),
            WireType::LengthDelimited => {
                let length = decode_varint(bytes).map_err(|_| Malformed)?;
                let length = usize::try_from(length).map_err(|_| Malformed)?;
                let (piece, rest) = bytes.split_at_checked(length).ok_or(Malformed)?;
                *bytes = rest;
                Self::Bytes(piece)
            }
            WireType::StartGroup | WireType::EndGroup => return Err(Malformed),
        })
    }

    /// A number.
    pub const fn varint(self) -> Result<u64, Malformed> {
        if let Self::Varint(value) = self { Ok(value) } else { Err(Malformed) }
    }

    /// Bytes, or a message within.
    pub const fn bytes(self) -> Result<&'b [u8], Malformed> {
        if let Self::Bytes(bytes) = self { Ok(bytes) } else { Err(Malformed) }
    }

    /// Text, which is UTF-8.
    pub fn text(self) -> Result<&'b str, Malformed> {
        std::str::from_utf8(self.bytes()?).map_err(|_| Malformed)
    }

    /// A `double`.
    pub const fn double(self) -> Result<f64, Malformed> {
        if let Self::Eight(bytes) = self { Ok(f64::from_le_bytes(bytes)) } else { Err(Malformed) }
    }
}

fn take_array<const N: usize>(bytes: &mut &[u8]) -> Result<[u8; N], Malformed> {
    let (first, rest) = bytes.split_first_chunk().ok_or(Malformed)?;
    *bytes = rest;
    Ok(*first)
}

/// Writes the fields of a message. Whoever writes them in the order of their numbers, and leaves out what is a default,
/// writes what `prost` would.
#[derive(Debug, Default)]
pub struct Writer(Vec<u8>);

impl Writer {
    /// A writer with room for this many bytes.
    pub fn with_capacity(bytes: usize) -> Self {
        Self(Vec::with_capacity(bytes))
    }

    /// What was written.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    /// Bytes that are written already.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// A number, unless it is zero.
    pub fn varint(&mut self, number: u32, value: u64) {
        if value != 0 {
            self.key(number, WireType::Varint);
            self.number(value);
        }
    }

    /// A text, unless it is empty.
    pub fn text(&mut self, number: u32, value: &str) {
        self.bytes(number, value.as_bytes());
    }

    /// Bytes, unless there are none.
    pub fn bytes(&mut self, number: u32, value: &[u8]) {
        if !value.is_empty() {
            self.element(number, value);
        }
    }

    /// An element of a list of texts or bytes, or a member of a `oneof`: also where it is empty.
    pub fn element(&mut self, number: u32, value: &[u8]) {
        self.key(number, WireType::LengthDelimited);
        self.number(value.len() as u64);
        self.0.extend_from_slice(value);
    }

    /// A message within, also where it is empty.
    pub fn message(&mut self, number: u32, write: impl FnOnce(&mut Self)) {
        self.key(number, WireType::LengthDelimited);
        let start = self.0.len();
        self.0.push(0);
        write(self);
        let length = self.0.len() - start - 1;
        // Most messages are shorter than 128 bytes, whose length is one byte.
        if let (Ok(byte @ ..0x80), Some(place)) = (u8::try_from(length), self.0.get_mut(start)) {
            *place = byte;
            return;
        }
        let wider = encoded_len_varint(length as u64) - 1;
        self.0.extend_from_slice([0; 9].get(..wider).unwrap_or_default());
        let written = self.0.get_mut(start..).unwrap_or_default();
        written.copy_within(1..=length, 1 + wider);
        let mut place = written;
        encode_varint(length as u64, &mut place);
    }

    fn key(&mut self, number: u32, wire: WireType) {
        self.number(u64::from(number) << 3 | wire as u64);
    }

    /// Keys and lengths, which are one byte mostly.
    fn number(&mut self, value: u64) {
        match u8::try_from(value) {
            Ok(byte @ ..0x80) => self.0.push(byte),
            _ => encode_varint(value, &mut self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use prost::Message as _;

    use super::*;
    use crate::pb;

    fn write(decision: &pb::Decision) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.text(1, &decision.id);
        writer.varint(2, decision.time_unix_nano);
        if let Some(caller) = &decision.caller {
            writer.message(11, |inner| inner.text(1, &caller.workload));
        }
        for contract in &decision.contracts {
            writer.element(13, contract.as_bytes());
        }
        writer.into_bytes()
    }

    proptest! {
        #[test]
        fn what_is_written_is_what_the_library_writes(
            id in ".{0,300}", time_unix_nano: u64, workload in proptest::option::of(".{0,20000}"),
            contracts in proptest::collection::vec(".{0,200}", 0..4),
        ) {
            let caller = workload.map(|workload| pb::Caller { workload, ..pb::Caller::default() });
            let decision = pb::Decision { id, time_unix_nano, caller, contracts, ..pb::Decision::default() };
            prop_assert_eq!(write(&decision), decision.encode_to_vec());
        }

        #[test]
        fn what_is_read_is_read_whole_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let fields: Result<Vec<_>, _> = Fields::of(&bytes).collect();
            // A library skips what it does not know; it may refuse only what is refused here, or knows a field of that number.
            if fields.is_ok_and(|fields| fields.iter().all(|(number, _)| *number > 100)) {
                prop_assert!(pb::Decision::decode(&bytes[..]).is_ok());
            }
        }
    }

    #[test]
    fn lengths_at_the_end_of_a_byte_are_what_the_library_writes() {
        for length in
            [0, 1, 120, 121, 122, 123, 124, 125, 126, 127, 128, 129, 16_380, 16_381, 16_382, 16_383, 16_384, 16_385]
        {
            let text = "a".repeat(length);
            let caller = Some(pb::Caller { workload: text.clone(), ..pb::Caller::default() });
            let decision = pb::Decision { caller, contracts: vec![text], ..pb::Decision::default() };
            assert_eq!(write(&decision), decision.encode_to_vec(), "{length}");
        }
    }

    #[test]
    fn what_is_cut_off_or_a_group_is_refused() {
        for bad in [&[0x0a][..], &[0x0a, 5, b'a'], &[0x0b], &[0x0c], &[0x09, 1], &[0x0d, 1], &[0x08], &[0x00, 0]] {
            assert!(Fields::of(bad).any(|field| field == Err(Malformed)), "{bad:?}");
        }
    }
}

//! Messages of gRPC, read by the descriptors that the operator gives.
//!
//! A message becomes the JSON of its fields, by their names in the `.proto` file, so that inputs and `sends` point into it as
//! into any other body. It is read strictly: a field that is there twice, two members of one `oneof`, a field of another
//! wire type than its own mean one thing to one reader and another to the next, and refuse it. A field that the
//! descriptors do not know stays, as `#` and its number: `sends` must not overlook it. Defaults are not filled in: what is
//! not there is absent.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use prost::Message as _;
use prost_reflect::{Cardinality, DynamicMessage, FieldDescriptor, Kind, MessageDescriptor};

use crate::facts::Json;
use crate::terms::{Pointer, Reason};
use crate::wire::{Fields, Piece, WireType};

/// The message that a method takes.
#[derive(Debug, Clone)]
pub struct Message {
    descriptor: MessageDescriptor,
}

/// As deep as JSON may be.
const MAX_DEPTH: usize = 64;
/// As many values as JSON may have.
const MAX_VALUES: usize = 10_000;

/// What stands at a place of a message, in the words of inputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldType {
    /// `string`, or the name of an `enum`'s value.
    Text,
    /// A whole number.
    Integer,
    /// `float`, `double`.
    Float,
    /// `bool`.
    Boolean,
    /// Bytes, a message, a list, a map.
    Other,
}

impl Message {
    /// The message of this type.
    pub const fn new(descriptor: MessageDescriptor) -> Self {
        Self { descriptor }
    }

    /// Its type's name.
    pub fn name(&self) -> &str {
        self.descriptor.full_name()
    }

    /// What stands at a place; where there is nothing, the message that lacks it and its fields.
    pub fn field_type(&self, pointer: &Pointer) -> Result<FieldType, MessageDescriptor> {
        let mut message = self.descriptor.clone();
        let mut keys = pointer.keys().peekable();
        while let Some(key) = keys.next() {
            let Some(field) = message.get_field_by_name(&key) else { return Err(message) };
            if field.cardinality() == Cardinality::Repeated {
                return Ok(FieldType::Other);
            }
            match (field.kind(), keys.peek()) {
                (Kind::Message(inner), Some(_)) => message = inner,
                (_, Some(_)) => return Err(message),
                (kind, None) => return Ok(FieldType::of(&kind)),
            }
        }
        Ok(FieldType::Other)
    }

    /// A message as a client would send it, framed, from its JSON (ProtoJSON): for cases, which people write. `None` where
    /// that describes no such message.
    pub fn encode(&self, json: &str) -> Option<Vec<u8>> {
        let mut deserializer = serde_json::Deserializer::from_str(json);
        let message = DynamicMessage::deserialize(self.descriptor.clone(), &mut deserializer);
        let Ok(message) = message.map(|message| message.encode_to_vec()) else { return None };
        let Ok(length) = u32::try_from(message.len()) else { return None };
        Some([&[0], &length.to_be_bytes()[..], &message].concat())
    }

    /// Reads a message. It fills the bytes.
    pub fn read(&self, bytes: &[u8]) -> Result<Json<'static>, Reason> {
        let mut values = 0;
        read(&self.descriptor, bytes, 0, &mut values)
    }
}

impl FieldType {
    const fn of(kind: &Kind) -> Self {
        match kind {
            Kind::String | Kind::Enum(_) => Self::Text,
            Kind::Bool => Self::Boolean,
            Kind::Float | Kind::Double => Self::Float,
            Kind::Bytes | Kind::Message(_) => Self::Other,
            _ => Self::Integer,
        }
    }
}

fn read(of: &MessageDescriptor, bytes: &[u8], depth: usize, values: &mut usize) -> Result<Json<'static>, Reason> {
    if depth > MAX_DEPTH {
        return Err(Reason::JsonTooComplex);
    }
    let mut entries: Vec<(Cow<'static, str>, Json<'static>)> = Vec::new();
    let mut places: HashMap<u32, usize> = HashMap::new();
    let mut keys: HashSet<(u32, Cow<'static, str>)> = HashSet::new();
    for field in Fields::of(bytes) {
        let (number, piece) = field.map_err(|_| Reason::GrpcMalformed)?;
        *values += 1;
        if *values > MAX_VALUES {
            return Err(Reason::JsonTooComplex);
        }
        let seen = places.get(&number).copied();
        if seen.is_none() {
            places.insert(number, entries.len());
        }
        let Some(field) = of.get_field(number) else {
            if seen.is_none() {
                entries.push((format!("#{number}").into(), Json::Null));
            }
            continue;
        };
        let is_list = field.cardinality() == Cardinality::Repeated;
        if !is_list && (seen.is_some() || has_rival(&field, &places)) {
            return Err(Reason::GrpcAmbiguous);
        }
        let value = value(&field, piece, depth, values)?;
        if let (true, Json::Object(one)) = (field.is_map(), &value)
            && one.iter().any(|(key, _)| !keys.insert((number, key.clone())))
        {
            return Err(Reason::GrpcAmbiguous);
        }
        match seen.and_then(|at| entries.get_mut(at)).map(|(_, value)| value) {
            None => entries.push((field.name().to_owned().into(), value)),
            Some(Json::List(all)) => match value {
                Json::List(more) => all.extend(more),
                one => all.push(one),
            },
            Some(Json::Object(all)) if field.is_map() => {
                let Json::Object(more) = value else { return Err(Reason::GrpcMalformed) };
                all.extend(more);
            }
            Some(_) => return Err(Reason::GrpcAmbiguous),
        }
    }
    Ok(Json::Object(entries))
}

/// Whether another member of the same `oneof` is there: the last one wins, if the reader knows them all.
fn has_rival(field: &FieldDescriptor, places: &HashMap<u32, usize>) -> bool {
    let is_rival = |one: &FieldDescriptor| one.number() != field.number() && places.contains_key(&one.number());
    field.containing_oneof().is_some_and(|oneof| oneof.fields().any(|one| is_rival(&one)))
}

fn value(field: &FieldDescriptor, piece: Piece<'_>, depth: usize, values: &mut usize) -> Result<Json<'static>, Reason> {
    let is_list = field.cardinality() == Cardinality::Repeated;
    match (field.kind(), piece) {
        (Kind::Message(entry), Piece::Bytes(bytes)) if field.is_map() => {
            let Json::Object(parts) = read(&entry, bytes, depth + 1, values)? else {
                return Err(Reason::GrpcMalformed);
            };
            let part = |wanted: &str| parts.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.clone());
            let key = match part("key") {
                Some(Json::Text(text) | Json::Number(text)) => text,
                Some(Json::Boolean(is)) => is.to_string().into(),
                _ => Cow::Borrowed(""),
            };
            Ok(Json::Object(vec![(key, part("value").unwrap_or(Json::Null))]))
        }
        (Kind::Message(inner), Piece::Bytes(bytes)) => {
            let message = read(&inner, bytes, depth + 1, values)?;
            Ok(if is_list { Json::List(vec![message]) } else { message })
        }
        (Kind::String, Piece::Bytes(bytes)) => {
            let text = std::str::from_utf8(bytes).map_err(|_| Reason::GrpcMalformed)?;
            let text = Json::Text(text.to_owned().into());
            Ok(if is_list { Json::List(vec![text]) } else { text })
        }
        // No rule reads bytes; that there are some is all that is said.
        (Kind::Bytes, Piece::Bytes(_)) => Ok(if is_list { Json::List(vec![Json::Null]) } else { Json::Null }),
        (kind, Piece::Bytes(mut packed)) if is_list => {
            let mut list = Vec::new();
            while !packed.is_empty() {
                *values += 1;
                if *values > MAX_VALUES {
                    return Err(Reason::JsonTooComplex);
                }
                let piece = Piece::take(wire_of(&kind), &mut packed).map_err(|_| Reason::GrpcMalformed)?;
                list.push(scalar(&kind, &piece)?);
            }
            Ok(Json::List(list))
        }
        (kind, piece) => scalar(&kind, &piece).map(|one| if is_list { Json::List(vec![one]) } else { one }),
    }
}

/// How a scalar is framed (Protocol Buffers, "Encoding").
const fn wire_of(kind: &Kind) -> WireType {
    match kind {
        Kind::Double | Kind::Fixed64 | Kind::Sfixed64 => WireType::SixtyFourBit,
        Kind::Float | Kind::Fixed32 | Kind::Sfixed32 => WireType::ThirtyTwoBit,
        _ => WireType::Varint,
    }
}

#[expect(clippy::cast_possible_wrap, reason = "as protobuf defines its numbers")]
fn scalar(kind: &Kind, piece: &Piece<'_>) -> Result<Json<'static>, Reason> {
    let number = |text: String| Json::Number(text.into());
    // What does not fit its type is cut off by some readers, and by others not.
    let fits = |fits: bool, value: Json<'static>| if fits { Ok(value) } else { Err(Reason::GrpcAmbiguous) };
    match (kind, piece) {
        (Kind::Int32, Piece::Varint(raw)) => {
            fits(i32::try_from(*raw as i64).is_ok(), number((*raw as i64).to_string()))
        }
        (Kind::Int64, Piece::Varint(raw)) => Ok(number((*raw as i64).to_string())),
        (Kind::Uint32, Piece::Varint(raw)) => fits(u32::try_from(*raw).is_ok(), number(raw.to_string())),
        (Kind::Uint64, Piece::Varint(raw)) => Ok(number(raw.to_string())),
        (Kind::Sint32, Piece::Varint(raw)) => fits(u32::try_from(*raw).is_ok(), number(zigzag(*raw).to_string())),
        (Kind::Sint64, Piece::Varint(raw)) => Ok(number(zigzag(*raw).to_string())),
        (Kind::Bool, Piece::Varint(raw)) => fits(*raw <= 1, Json::Boolean(*raw == 1)),
        (Kind::Enum(of), Piece::Varint(raw)) => {
            let Ok(raw) = i32::try_from(*raw as i64) else { return Err(Reason::GrpcAmbiguous) };
            let known = of.get_value(raw).map(|one| Json::Text(one.name().to_owned().into()));
            Ok(known.unwrap_or_else(|| number(raw.to_string())))
        }
        (Kind::Fixed32, Piece::Four(raw)) => Ok(number(u32::from_le_bytes(*raw).to_string())),
        (Kind::Sfixed32, Piece::Four(raw)) => Ok(number(i32::from_le_bytes(*raw).to_string())),
        (Kind::Fixed64, Piece::Eight(raw)) => Ok(number(u64::from_le_bytes(*raw).to_string())),
        (Kind::Sfixed64, Piece::Eight(raw)) => Ok(number(i64::from_le_bytes(*raw).to_string())),
        // No rule reads them: what they are exactly is a matter of rounding.
        (Kind::Float, Piece::Four(_)) | (Kind::Double, Piece::Eight(_)) => Ok(Json::Null),
        // Readers take a field of another wire type for one that they do not know.
        _ => Err(Reason::GrpcAmbiguous),
    }
}

#[expect(clippy::cast_possible_wrap, reason = "as protobuf defines it")]
const fn zigzag(raw: u64) -> i64 {
    (raw >> 1) as i64 ^ -((raw & 1) as i64)
}

#[cfg(test)]
mod tests;

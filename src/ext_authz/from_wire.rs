//! From Envoy's `CheckRequest` to what was told: read from its bytes, which it borrows.
//!
//! Nothing of the request is checked here, and nothing is repaired; that is what facts are for. Only the fields that
//! matter are looked at. What is there twice is refused, although protobuf says that the last one counts: Envoy writes
//! each field once. Headers come in one of two forms, which never come together; metadata comes as protobuf structs,
//! whose numbers are all doubles.

use crate::facts::{Given, Metadata, Told};
use crate::terms::Reason;
use crate::wire::{Fields, Malformed, Piece};

/// Metadata nests as deep as a token does; a filter that nests deeper is cut off there.
const MAX_DEPTH: usize = 32;

/// What Envoy says about one call; an error where it describes none.
pub fn told(check: &[u8]) -> Result<Told<'_>, Reason> {
    match read(check) {
        Ok(Some(told)) => Ok(told),
        Ok(None) => Err(Reason::RequestIncomplete),
        Err(Malformed) => Err(Reason::CheckMalformed),
    }
}

/// The field numbers are those of `envoy/service/auth/v3/external_auth.proto` and `attribute_context.proto`.
fn read(check: &[u8]) -> Result<Option<Told<'_>>, Malformed> {
    let [attributes] = pick(check, [1])?;
    let Some(attributes) = attributes else { return Ok(None) };
    let [source, request, metadata] = pick(attributes.bytes()?, [1, 4, 11])?;
    let Some(request) = request else { return Ok(None) };
    let [http] = pick(request.bytes()?, [2])?;
    let Some(http) = http else { return Ok(None) };
    let mut told = read_http(http.bytes()?)?;
    if let Some(source) = source {
        let [principal] = pick(source.bytes()?, [4])?;
        told.principal = principal.map_or(Ok(""), Piece::text)?;
    }
    if let Some(metadata) = metadata {
        // A `Struct` is a map of values, and so is what filters wrote by their namespaces: of structs.
        told.metadata = members(metadata.bytes()?, &|space| members(space, &|value| json(value, 1)))?;
    }
    Ok(Some(told))
}

fn read_http(http: &[u8]) -> Result<Told<'_>, Malformed> {
    let mut told = Told::default();
    // A request has some twenty headers.
    told.headers.reserve_exact(24);
    let (mut body, mut raw_body, mut seen) = ("", &[][..], 0_u32);
    for field in Fields::of(http) {
        let (number, piece) = field?;
        if number < u32::BITS && number != 3 {
            let bit = 1 << number;
            if seen & bit != 0 {
                return Err(Malformed);
            }
            seen |= bit;
        }
        match number {
            2 => told.method = piece.text()?,
            3 => told.headers.push(entry(piece.bytes()?)?),
            4 => told.path = piece.text()?,
            5 => told.host = piece.text()?,
            9 => told.size = size(piece.varint()?),
            11 => body = piece.text()?,
            12 => raw_body = piece.bytes()?,
            13 => read_header_map(piece.bytes()?, &mut told.headers)?,
            _ => {}
        }
    }
    if seen & (1 << 9) == 0 {
        told.size = Some(0);
    }
    told.body = given(body, raw_body);
    Ok(told)
}

/// The joined form: a name, and its values with commas between them.
fn entry(bytes: &[u8]) -> Result<(&str, &[u8]), Malformed> {
    let [name, value] = pick(bytes, [1, 2])?;
    Ok((name.map_or(Ok(""), Piece::text)?, value.map_or(Ok(""), Piece::text)?.as_bytes()))
}

fn read_header_map<'b>(bytes: &'b [u8], headers: &mut Vec<(&'b str, &'b [u8])>) -> Result<(), Malformed> {
    for field in Fields::of(bytes) {
        let (1, piece) = field? else { continue };
        let [key, value, raw] = pick(piece.bytes()?, [1, 2, 3])?;
        let value = value.map_or(Ok(""), Piece::text)?.as_bytes();
        // `raw_value` is what `encode_raw_headers` fills; `value` is its older form.
        let raw = raw.map_or(Ok(&[][..]), Piece::bytes)?;
        headers.push((key.map_or(Ok(""), Piece::text)?, if raw.is_empty() { value } else { raw }));
    }
    Ok(())
}

/// Envoy fills one of both, and neither where there is no body or it is not told to send it.
const fn given<'a>(text: &'a str, bytes: &'a [u8]) -> Given<'a> {
    match (text.is_empty(), bytes.is_empty()) {
        (true, true) => Given::Nothing,
        (true, false) => Given::Bytes(bytes),
        (false, true) => Given::Text(text),
        (false, false) => Given::Both,
    }
}

/// -1 where Envoy does not know it.
#[expect(clippy::cast_possible_wrap, reason = "as protobuf writes an `int64`")]
const fn size(raw: u64) -> Option<u64> {
    if (raw as i64) < 0 { None } else { Some(raw) }
}

/// The members of a map, each name once.
fn members<'b>(
    bytes: &'b [u8],
    read: &dyn Fn(&'b [u8]) -> Result<Metadata<'b>, Malformed>,
) -> Result<Metadata<'b>, Malformed> {
    let mut members = Vec::new();
    for field in Fields::of(bytes) {
        let (1, piece) = field? else { continue };
        let [name, value] = pick(piece.bytes()?, [1, 2])?;
        let value = value.map_or(Ok(&[][..]), Piece::bytes)?;
        members.push((name.map_or(Ok(""), Piece::text)?, read(value)?));
    }
    // In order of their names, two of one name stand side by side, however many there are.
    members.sort_unstable_by_key(|(name, _)| *name);
    let is_twice = members.windows(2).any(|pair| matches!(pair, [(one, _), (other, _)] if one == other));
    if is_twice { Err(Malformed) } else { Ok(Metadata::Object(members)) }
}

/// `google.protobuf.Value`: one of its six members.
fn json(bytes: &[u8], depth: usize) -> Result<Metadata<'_>, Malformed> {
    if depth > MAX_DEPTH {
        return Ok(Metadata::Null);
    }
    let mut found = None;
    for field in Fields::of(bytes) {
        let (number, piece) = field?;
        let value = match number {
            1 => Metadata::Null,
            // What is no number in JSON (NaN, infinity) is none here either.
            2 => Some(piece.double()?).filter(|number| number.is_finite()).map_or(Metadata::Null, Metadata::Number),
            3 => Metadata::Text(piece.text()?),
            4 => Metadata::Boolean(piece.varint()? != 0),
            5 => members(piece.bytes()?, &|value| json(value, depth + 1))?,
            6 => list(piece.bytes()?, depth)?,
            _ => continue,
        };
        if found.replace(value).is_some() {
            return Err(Malformed);
        }
    }
    Ok(found.unwrap_or_default())
}

fn list(bytes: &[u8], depth: usize) -> Result<Metadata<'_>, Malformed> {
    let values = Fields::of(bytes).filter_map(|field| match field {
        Ok((1, piece)) => Some(piece.bytes().and_then(|value| json(value, depth + 1))),
        Ok(_) => None,
        Err(malformed) => Some(Err(malformed)),
    });
    values.collect::<Result<_, _>>().map(Metadata::List)
}

/// These fields of a message, each at most once.
fn pick<const N: usize>(message: &[u8], numbers: [u32; N]) -> Result<[Option<Piece<'_>>; N], Malformed> {
    let mut found = [None; N];
    for field in Fields::of(message) {
        let (number, piece) = field?;
        let place = numbers.iter().zip(&mut found).find(|(wanted, _)| **wanted == number);
        if place.is_some_and(|(_, place)| place.replace(piece).is_some()) {
            return Err(Malformed);
        }
    }
    Ok(found)
}

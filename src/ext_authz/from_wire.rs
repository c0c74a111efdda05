//! From Envoy's `CheckRequest` to what was told.
//!
//! Nothing is checked here, and nothing is repaired; that is what facts are for. Headers come in one of two forms, which
//! never come together; metadata comes as protobuf structs, whose numbers are all doubles.

use std::collections::BTreeMap;

use envoy_types::ext_authz::v3::pb::CheckRequest;
use envoy_types::pb::envoy::config::core::v3::Metadata;
use envoy_types::pb::google::protobuf::value::Kind;
use envoy_types::pb::google::protobuf::{Struct, Value as WireValue};
use serde_json::{Number, Value};

use crate::facts::{Given, Told};
use crate::terms::Reason;

/// Metadata nests as deep as a token does; a filter that nests deeper is cut off there.
const MAX_DEPTH: usize = 32;

/// What Envoy says about one call; an error where it describes none.
pub(super) fn told(request: &CheckRequest) -> Result<Told<'_>, Reason> {
    let attributes = request.attributes.as_ref().ok_or(Reason::RequestIncomplete)?;
    let http =
        attributes.request.as_ref().and_then(|request| request.http.as_ref()).ok_or(Reason::RequestIncomplete)?;
    let joined = http.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    let listed = http.header_map.iter().flat_map(|map| &map.headers).map(|header| {
        // `raw_value` is what `encode_raw_headers` fills; `value` is its older form.
        let value = if header.raw_value.is_empty() { header.value.as_bytes() } else { &header.raw_value };
        (header.key.as_str(), value)
    });
    Ok(Told {
        method: &http.method,
        host: &http.host,
        path: &http.path,
        headers: joined.chain(listed).collect(),
        body: body(&http.body, &http.raw_body),
        size: size(http.size),
        principal: attributes.source.as_ref().map_or("", |source| source.principal.as_str()),
        metadata: attributes.metadata_context.as_ref().map(metadata).unwrap_or_default(),
    })
}

/// Envoy fills one of both, and neither where there is no body or it is not told to send it.
const fn body<'a>(text: &'a str, bytes: &'a [u8]) -> Given<'a> {
    match (text.is_empty(), bytes.is_empty()) {
        (true, true) => Given::Nothing,
        (true, false) => Given::Bytes(bytes),
        (false, true) => Given::Text(text),
        (false, false) => Given::Both,
    }
}

/// -1 where Envoy does not know it.
const fn size(told: i64) -> Option<u64> {
    if told < 0 { None } else { Some(told.unsigned_abs()) }
}

fn metadata(wire: &Metadata) -> BTreeMap<&str, Value> {
    wire.filter_metadata.iter().map(|(namespace, fields)| (namespace.as_str(), object(fields, 0))).collect()
}

fn object(wire: &Struct, depth: usize) -> Value {
    wire.fields.iter().map(|(name, value)| (name.clone(), json(value, depth + 1))).collect()
}

fn json(wire: &WireValue, depth: usize) -> Value {
    if depth > MAX_DEPTH {
        return Value::Null;
    }
    match &wire.kind {
        None | Some(Kind::NullValue(_)) => Value::Null,
        Some(Kind::BoolValue(value)) => Value::Bool(*value),
        // What is no number in JSON (NaN, infinity) is none here either.
        Some(Kind::NumberValue(value)) => Number::from_f64(*value).map_or(Value::Null, Value::Number),
        Some(Kind::StringValue(value)) => Value::String(value.clone()),
        Some(Kind::ListValue(list)) => list.values.iter().map(|value| json(value, depth + 1)).collect(),
        Some(Kind::StructValue(fields)) => object(fields, depth),
    }
}

//! The same reading by the stock types, which [`super::from_wire`] is held against.

use std::collections::BTreeMap;

use crate::facts::{Given, Metadata as Tree, Told};
use envoy_types::ext_authz::v3::pb::CheckRequest;
use envoy_types::pb::envoy::config::core::v3::Metadata;
use envoy_types::pb::google::protobuf::value::Kind;
use envoy_types::pb::google::protobuf::{Struct, Value as WireValue};

/// Metadata nests as deep as a token does; a filter that nests deeper is cut off there.
const MAX_DEPTH: usize = 32;

/// What Envoy says about one call; an error where it describes none.
pub fn told(request: &CheckRequest) -> Option<Told<'_>> {
    let attributes = request.attributes.as_ref()?;
    let http = attributes.request.as_ref().and_then(|request| request.http.as_ref())?;
    let joined = http.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    let listed = http.header_map.iter().flat_map(|map| &map.headers).map(|header| {
        // `raw_value` is what `encode_raw_headers` fills; `value` is its older form.
        let value = if header.raw_value.is_empty() { header.value.as_bytes() } else { &header.raw_value };
        (header.key.as_str(), value)
    });
    Some(Told {
        method: &http.method,
        host: &http.host,
        path: &http.path,
        headers: joined.chain(listed).collect(),
        hides_no_header: false,
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

fn metadata(wire: &Metadata) -> Tree<'_> {
    sorted(wire.filter_metadata.iter().map(|(namespace, fields)| (namespace.as_str(), object(fields, 0))))
}

fn object(wire: &Struct, depth: usize) -> Tree<'_> {
    sorted(wire.fields.iter().map(|(name, value)| (name.as_str(), json(value, depth + 1))))
}

fn sorted<'a>(members: impl Iterator<Item = (&'a str, Tree<'a>)>) -> Tree<'a> {
    Tree::Object(members.collect::<BTreeMap<_, _>>().into_iter().collect())
}

fn json(wire: &WireValue, depth: usize) -> Tree<'_> {
    if depth > MAX_DEPTH {
        return Tree::Null;
    }
    match &wire.kind {
        Some(Kind::BoolValue(value)) => Tree::Boolean(*value),
        Some(Kind::NumberValue(value)) if value.is_finite() => Tree::Number(*value),
        None | Some(Kind::NullValue(_) | Kind::NumberValue(_)) => Tree::Null,
        Some(Kind::StringValue(value)) => Tree::Text(value),
        Some(Kind::ListValue(list)) => Tree::List(list.values.iter().map(|value| json(value, depth + 1)).collect()),
        Some(Kind::StructValue(fields)) => object(fields, depth),
    }
}

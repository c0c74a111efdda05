//! What a verified token says, as Envoy's token filter hands it over. Both benches and the tests of the service share it.

use envoy_types::pb::envoy::config::core::v3::Metadata;
use envoy_types::pb::google::protobuf::value::Kind;
use envoy_types::pb::google::protobuf::{ListValue, Struct, Value};
use serde_json::Value as Json;

/// Where the claims of a token that Envoy verified stand, and where the policies read them.
pub(crate) const NAMESPACE: &str = "envoy.filters.http.jwt_authn";

/// The metadata with these claims; none without a token.
pub(crate) fn metadata(claims: &Json) -> Option<Metadata> {
    let payload = Struct { fields: [("claims".to_owned(), value(claims))].into() };
    let filter_metadata = [(NAMESPACE.to_owned(), payload)].into();
    (!claims.is_null()).then(|| Metadata { filter_metadata, ..Metadata::default() })
}

fn value(json: &Json) -> Value {
    let kind = match json {
        Json::Null => Kind::NullValue(0),
        Json::Bool(value) => Kind::BoolValue(*value),
        Json::Number(value) => Kind::NumberValue(value.as_f64().unwrap_or(f64::NAN)),
        Json::String(value) => Kind::StringValue(value.clone()),
        Json::Array(list) => Kind::ListValue(ListValue { values: list.iter().map(value).collect() }),
        Json::Object(map) => Kind::StructValue(Struct {
            fields: map.iter().map(|(name, member)| (name.clone(), value(member))).collect(),
        }),
    };
    Value { kind: Some(kind) }
}

//! What is used of Cerbos's `CheckResources`, as its public protobuf files number it: `cerbos.request.v1`,
//! `cerbos.response.v1`, `cerbos.engine.v1`, `cerbos.effect.v1`.

use std::collections::HashMap;

use envoy_types::pb::google::protobuf::Value;
use envoy_types::pb::google::protobuf::value::Kind;

/// `EFFECT_ALLOW`.
pub(super) const ALLOW: i32 = 1;
/// `EFFECT_DENY`.
pub(super) const DENY: i32 = 2;

/// `CheckResourcesRequest`.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Request {
    #[prost(string, tag = "1")]
    pub(super) id: String,
    #[prost(message, optional, tag = "3")]
    pub(super) principal: Option<Principal>,
    #[prost(message, repeated, tag = "4")]
    pub(super) resources: Vec<ResourceEntry>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Principal {
    #[prost(string, tag = "1")]
    pub(super) id: String,
    #[prost(string, repeated, tag = "3")]
    pub(super) roles: Vec<String>,
    #[prost(map = "string, message", tag = "4")]
    pub(super) attr: HashMap<String, Value>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct ResourceEntry {
    #[prost(string, repeated, tag = "1")]
    pub(super) actions: Vec<String>,
    #[prost(message, optional, tag = "2")]
    pub(super) resource: Option<Resource>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Resource {
    #[prost(string, tag = "1")]
    pub(super) kind: String,
    #[prost(string, tag = "3")]
    pub(super) id: String,
    #[prost(map = "string, message", tag = "4")]
    pub(super) attr: HashMap<String, Value>,
}

/// `CheckResourcesResponse`.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Response {
    #[prost(message, repeated, tag = "2")]
    pub(super) results: Vec<ResultEntry>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct ResultEntry {
    /// Actions and effects.
    #[prost(map = "string, int32", tag = "2")]
    pub(super) actions: HashMap<String, i32>,
}

pub(super) fn text(value: &str) -> Value {
    Value { kind: Some(Kind::StringValue(value.to_owned())) }
}

pub(super) fn number(value: f64) -> Value {
    Value { kind: Some(Kind::NumberValue(value)) }
}

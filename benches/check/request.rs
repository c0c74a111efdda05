//! What is asked: the support desk reads an order, which the shipped policies grant and record without waiting.
//!
//! Over plain gRPC it is a `CheckRequest` of the size and shape that Envoy 1.40 sends; through Envoy it is the request
//! that makes Envoy ask.

use std::net::SocketAddr;

use bytes::{BufMut as _, Bytes, BytesMut};
use envoy_types::ext_authz::v3::pb::{CheckRequest, HeaderValue};
use envoy_types::pb::envoy::config::core::v3::{Address, HeaderMap, Metadata, SocketAddress, address, socket_address};
use envoy_types::pb::envoy::service::auth::v3::AttributeContext;
use envoy_types::pb::envoy::service::auth::v3::attribute_context::{HttpRequest, Peer, Request, TlsSession};
use envoy_types::pb::google::protobuf::value::Kind;
use envoy_types::pb::google::protobuf::{ListValue, Struct, Timestamp, Value};
use prost::Message as _;
use serde_json::json;

use crate::args::Form;

pub(crate) const HOST: &str = "api.shop.example";
pub(crate) const DESK: &str = "spiffe://cluster.local/ns/support/sa/agent-desktop";
pub(crate) const ACTION: &str = "order.read";
pub(crate) const TIER: &str = "personal";
/// Where the claims of a token that Envoy verified stand, and where the shipped policies read them.
pub(crate) const NAMESPACE: &str = "envoy.filters.http.jwt_authn";

const PATH: &str = "/v1/orders/1042";
const CHECK: &str = "/envoy.service.auth.v3.Authorization/Check";
const REQUEST_ID: &str = "9f2c6a52-4d0e-4a37-9d7e-0c2f1f0d7a11";
/// A common size. Nobody looks into the token, since Envoy has verified it already.
const TOKEN_BYTES: usize = 800;

/// What the verified token says.
pub(crate) fn claims() -> serde_json::Value {
    json!({
        "iss": "https://id.shop.example", "aud": "shop", "sub": "agent-7", "roles": ["support-agent"], "acr": "pwd",
        "auth_time": 1_767_225_000, "iat": 1_767_225_000, "exp": 1_767_268_200,
    })
}

/// The request that clients send through Envoy.
pub(crate) fn through_envoy() -> http::Result<http::Request<()>> {
    let request = http::Request::get(format!("https://{HOST}{PATH}"));
    headers().into_iter().fold(request, |request, (name, value)| request.header(name, value)).body(())
}

/// The head of a check, as Envoy's own gRPC client writes it.
pub(crate) fn check_head(server: SocketAddr) -> http::Result<http::Request<()>> {
    http::Request::post(format!("http://{server}{CHECK}"))
        .header("te", "trailers")
        .header("content-type", "application/grpc")
        .header("grpc-timeout", "2000m")
        .header("user-agent", "envoy")
        .body(())
}

/// The check itself, with the five bytes that gRPC puts before a message: not compressed, and the length.
pub(crate) fn check_body(form: Form) -> Bytes {
    let message = check(form).encode_to_vec();
    let mut frame = BytesMut::with_capacity(5 + message.len());
    frame.put_u8(0);
    frame.put_u32(u32::try_from(message.len()).unwrap_or(u32::MAX));
    frame.extend_from_slice(&message);
    frame.freeze()
}

/// What an application sends.
fn headers() -> Vec<(&'static str, String)> {
    let letters = "eyJhbGciOiJFUzI1NiIsImtpZCI6ImsxIn0.".chars().chain("Tm9ib2R5".chars().cycle());
    let token = format!("Bearer {}", letters.take(TOKEN_BYTES).collect::<String>());
    [
        (
            "user-agent",
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0 Safari/537.36",
        ),
        ("accept", "application/json"),
        ("accept-encoding", "gzip, deflate, br"),
        ("accept-language", "en-GB,en;q=0.9,de;q=0.8"),
        ("authorization", &token),
        ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"),
        ("x-client-version", "2026.11.3"),
    ]
    .map(|(name, value)| (name, value.to_owned()))
    .into()
}

/// The same with what Envoy adds.
fn headers_in_check() -> Vec<(&'static str, String)> {
    let pseudo = [(":authority", HOST), (":path", PATH), (":method", "GET"), (":scheme", "https")];
    let added = [
        ("x-forwarded-for", "10.4.7.21"),
        ("x-forwarded-proto", "https"),
        ("x-envoy-internal", "true"),
        ("x-request-id", REQUEST_ID),
    ];
    let owned = |(name, value): (&'static str, &str)| (name, value.to_owned());
    pseudo.map(owned).into_iter().chain(headers()).chain(added.map(owned)).collect()
}

fn check(form: Form) -> CheckRequest {
    let mut http = HttpRequest {
        id: "1318297363209784021".to_owned(),
        method: "GET".to_owned(),
        path: PATH.to_owned(),
        host: HOST.to_owned(),
        scheme: "https".to_owned(),
        protocol: "HTTP/2".to_owned(),
        ..HttpRequest::default()
    };
    match form {
        Form::Raw => http.header_map = Some(HeaderMap { headers: headers_in_check().into_iter().map(raw).collect() }),
        Form::Map => http.headers = headers_in_check().into_iter().map(|(k, v)| (k.to_owned(), v)).collect(),
    }
    let time = Timestamp { seconds: 1_767_225_600, nanos: 123_456_789 };
    let claims = Struct { fields: [("claims".to_owned(), value(&claims()))].into() };
    CheckRequest {
        attributes: Some(AttributeContext {
            source: Some(peer("10.4.7.21", 41234, DESK)),
            destination: Some(peer("10.4.0.9", 8443, "spiffe://cluster.local/ns/edge/sa/envoy")),
            request: Some(Request { time: Some(time), http: Some(http) }),
            metadata_context: Some(Metadata {
                filter_metadata: [(NAMESPACE.to_owned(), claims)].into(),
                ..Metadata::default()
            }),
            tls_session: Some(TlsSession { sni: HOST.to_owned() }),
            ..AttributeContext::default()
        }),
    }
}

fn raw((name, value): (&str, String)) -> HeaderValue {
    HeaderValue { key: name.to_owned(), raw_value: value.into_bytes(), ..HeaderValue::default() }
}

fn peer(ip: &str, port: u32, principal: &str) -> Peer {
    let socket = SocketAddress {
        address: ip.to_owned(),
        port_specifier: Some(socket_address::PortSpecifier::PortValue(port)),
        ..SocketAddress::default()
    };
    let address = Address { address: Some(address::Address::SocketAddress(socket)) };
    Peer { address: Some(address), principal: principal.to_owned(), ..Peer::default() }
}

fn value(json: &serde_json::Value) -> Value {
    use serde_json::Value as Json;
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

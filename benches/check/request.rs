//! What is asked: the support desk wants to know what refund it may give, or gives one, which its contract grants.
//!
//! Without Envoy it is a `CheckRequest` of the size and shape that Envoy 1.40 sends; through Envoy it is the request
//! that makes Envoy ask. The amount stands in the query, or in a body of a kilobyte.

use bytes::Bytes;
use envoy_types::ext_authz::v3::pb::{CheckRequest, HeaderValue};
use envoy_types::pb::envoy::config::core::v3::{Address, HeaderMap, SocketAddress, address, socket_address};
use envoy_types::pb::envoy::service::auth::v3::AttributeContext;
use envoy_types::pb::envoy::service::auth::v3::attribute_context::{HttpRequest, Peer, Request, TlsSession};
use envoy_types::pb::google::protobuf::Timestamp;
use prost::Message as _;
use serde_json::json;

use crate::answer::Compare;
use crate::args::Form;
use crate::bundle::{DESK, HOST, MOST};
use crate::cell::Body;
use crate::claims;
use crate::parties::EDGE;
use crate::question::Question;

/// An amount within the limit, and one beyond.
pub(crate) const ALLOWED: u32 = MOST - 50;
pub(crate) const FORBIDDEN: u32 = MOST + 1;

const CHECK: &str = "/envoy.service.auth.v3.Authorization/Check";
const REQUEST_ID: &str = "9f2c6a52-4d0e-4a37-9d7e-0c2f1f0d7a11";
/// A common size. Nobody looks into the token, since Envoy has verified it already.
const TOKEN_BYTES: usize = 800;
const BODY_BYTES: usize = 1_024;

/// What the verified token says.
pub(crate) fn claims() -> serde_json::Value {
    json!({
        "iss": "https://id.shop.example", "aud": "shop", "sub": "agent-7", "roles": ["support-agent"], "tenant": "eu",
        "acr": "pwd", "auth_time": 1_767_225_000, "iat": 1_767_225_000, "exp": 1_767_268_200,
    })
}

/// The request that clients send through Envoy, and its body.
pub(crate) fn through_envoy(body: Body) -> http::Result<(http::Request<()>, Option<Bytes>)> {
    let line = line(body, ALLOWED);
    let request = http::Request::builder().method(line.method).uri(format!("https://{HOST}{}", line.path));
    let request = headers(&line).into_iter().fold(request, |request, (name, value)| request.header(name, value));
    Ok((request.body(())?, line.body.map(Bytes::from)))
}

/// The check itself.
pub(crate) fn check(form: Form, body: Body, amount: u32, expected: Compare) -> Question {
    Question::new(CHECK, &message(form, &line(body, amount)), expected)
}

/// How many bytes a check has.
pub(crate) fn sizes(form: Form) -> [(&'static str, usize); 2] {
    let size = |body| message(form, &line(body, ALLOWED)).encoded_len();
    [("without a body", size(Body::Bare)), ("with one", size(Body::Json))]
}

/// A request line, and what comes with it.
struct Line {
    method: &'static str,
    path: String,
    body: Option<Vec<u8>>,
}

fn line(body: Body, amount: u32) -> Line {
    match body {
        Body::Bare => Line {
            method: "GET",
            path: format!("/v1/orders/1042/refund-quote?amount={amount}.00&currency=EUR"),
            body: None,
        },
        Body::Json => {
            Line { method: "POST", path: "/v1/orders/1042/refunds".to_owned(), body: Some(json_body(amount)) }
        }
    }
}

/// What is judged stands behind the rest, as it may.
fn json_body(amount: u32) -> Vec<u8> {
    let items = (1..=9).map(|number| {
        json!({ "sku": format!("SKU-{number:05}"), "quantity": number, "price": "19.90", "reason": "arrived broken" })
    });
    let items = serde_json::Value::from(items.collect::<Vec<_>>());
    let frame = |note: &str| {
        format!(r#"{{"order":"1042","items":{items},"note":"{note}","amount":{amount}.00,"currency":"EUR"}}"#)
    };
    let missing = BODY_BYTES.saturating_sub(frame("").len());
    frame(&"the parcel was left in the rain; ".chars().cycle().take(missing).collect::<String>()).into_bytes()
}

/// What an application sends.
fn headers(line: &Line) -> Vec<(&'static str, String)> {
    let letters = "eyJhbGciOiJFUzI1NiIsImtpZCI6ImsxIn0.".chars().chain("Tm9ib2R5".chars().cycle());
    let token = format!("Bearer {}", letters.take(TOKEN_BYTES).collect::<String>());
    let mut all = vec![
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
    ];
    let length = line.body.as_ref().map(|body| body.len().to_string());
    if let Some(length) = &length {
        all.extend([("content-type", "application/json"), ("content-length", length)]);
    }
    all.into_iter().map(|(name, value)| (name, value.to_owned())).collect()
}

/// The same with what Envoy adds.
fn headers_in_check(line: &Line) -> Vec<(&'static str, String)> {
    let pseudo = [(":authority", HOST), (":path", &line.path), (":method", line.method), (":scheme", "https")];
    let added = [
        ("x-forwarded-for", "10.4.7.21"),
        ("x-forwarded-proto", "https"),
        ("x-envoy-internal", "true"),
        ("x-request-id", REQUEST_ID),
    ];
    let whole = line.body.is_some().then_some(("x-envoy-auth-partial-body", "false"));
    let owned = |(name, value): (&'static str, &str)| (name, value.to_owned());
    let added = added.into_iter().chain(whole).map(owned);
    pseudo.map(owned).into_iter().chain(headers(line)).chain(added).collect()
}

fn message(form: Form, line: &Line) -> CheckRequest {
    let mut http = HttpRequest {
        id: "1318297363209784021".to_owned(),
        method: line.method.to_owned(),
        path: line.path.clone(),
        host: HOST.to_owned(),
        scheme: "https".to_owned(),
        protocol: "HTTP/2".to_owned(),
        size: line.body.as_ref().map_or(-1, |body| i64::try_from(body.len()).unwrap_or(i64::MAX)),
        raw_body: line.body.clone().unwrap_or_default(),
        ..HttpRequest::default()
    };
    match form {
        Form::Raw => {
            http.header_map = Some(HeaderMap { headers: headers_in_check(line).into_iter().map(raw).collect() });
        }
        Form::Map => http.headers = headers_in_check(line).into_iter().map(|(k, v)| (k.to_owned(), v)).collect(),
    }
    let time = Timestamp { seconds: 1_767_225_600, nanos: 123_456_789 };
    CheckRequest {
        attributes: Some(AttributeContext {
            source: Some(peer("10.4.7.21", 41234, DESK)),
            destination: Some(peer("10.4.0.9", 8443, EDGE)),
            request: Some(Request { time: Some(time), http: Some(http) }),
            metadata_context: claims::metadata(&claims()),
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

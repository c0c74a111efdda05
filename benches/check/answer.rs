//! What must come back. Every answer is compared: a server that is quick and wrong is not quick.

use bytes::Bytes;
use envoy_types::ext_authz::v3::pb::{CheckResponse, HttpResponse, OkHttpResponse};
use http::{HeaderMap, StatusCode};
use prost::Message as _;

use crate::bundle::{ISSUE, QUOTE, TIER};

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) trailers: Option<HeaderMap>,
}

/// Says where an answer differs from what it must be.
pub(crate) type Compare = fn(&Answer) -> Result<(), String>;

/// An id as text: RFC 9562.
const RECEIPT_BYTES: usize = 36;
/// `google.rpc.Code`.
const PERMISSION_DENIED: i32 = 7;

/// gRPC: allowed, and nothing else is asked.
pub(crate) fn allowed(answer: &Answer) -> Result<(), String> {
    ok_response(answer).map(|_| ())
}

/// gRPC: allowed, for the right action, with a receipt, and without the caller's token.
pub(crate) fn quote_granted(answer: &Answer) -> Result<(), String> {
    granted(answer, QUOTE)
}

/// The same of the action with a body.
pub(crate) fn issue_granted(answer: &Answer) -> Result<(), String> {
    granted(answer, ISSUE)
}

/// gRPC: denied, by a rule.
pub(crate) fn denied(answer: &Answer) -> Result<(), String> {
    let response = check_response(answer)?;
    match (response.status.map_or(0, |status| status.code), response.http_response) {
        (PERMISSION_DENIED, Some(HttpResponse::DeniedResponse(_))) => Ok(()),
        (code, other) => Err(format!("not denied: {code}, {other:?}")),
    }
}

/// HTTP: 200, from Envoy, and no word of a receipt.
pub(crate) fn passed(answer: &Answer) -> Result<(), String> {
    is_good(answer)?;
    if answer.headers.contains_key("tollgate-receipt") { Err("a receipt came".to_owned()) } else { Ok(()) }
}

/// HTTP: 200 and a receipt.
pub(crate) fn passed_with_receipt(answer: &Answer) -> Result<(), String> {
    is_good(answer)?;
    match answer.headers.get("tollgate-receipt") {
        Some(receipt) if receipt.len() == RECEIPT_BYTES => Ok(()),
        other => Err(format!("the receipt is {other:?}")),
    }
}

/// The message of a gRPC answer that is good.
pub(crate) fn message(answer: &Answer) -> Result<&[u8], String> {
    is_good(answer)?;
    // An error without a message has its status in the headers.
    let grpc_status = answer.trailers.as_ref().unwrap_or(&answer.headers);
    if grpc_status.get("grpc-status").is_none_or(|status| status != "0") {
        return Err(format!("the gRPC status is {grpc_status:?}"));
    }
    answer.body.get(5..).ok_or_else(|| "the answer has no message".to_owned())
}

fn is_good(answer: &Answer) -> Result<(), String> {
    if answer.status == StatusCode::OK {
        return Ok(());
    }
    Err(format!("the status is {}: {}", answer.status, String::from_utf8_lossy(&answer.body)))
}

fn check_response(answer: &Answer) -> Result<CheckResponse, String> {
    CheckResponse::decode(message(answer)?).map_err(|error| format!("no CheckResponse: {error}"))
}

fn ok_response(answer: &Answer) -> Result<OkHttpResponse, String> {
    let response = check_response(answer)?;
    match (response.status.map_or(0, |status| status.code), response.http_response) {
        (0, Some(HttpResponse::OkResponse(ok))) => Ok(ok),
        (code, other) => Err(format!("not allowed: {code}, {other:?}")),
    }
}

fn granted(answer: &Answer, action: &str) -> Result<(), String> {
    let ok = ok_response(answer)?;
    let header = |name: &str| {
        let mut all = ok.headers.iter().filter_map(|option| option.header.as_ref());
        all.find(|header| header.key == name).map_or("", |header| header.value.as_str())
    };
    let found = (header("tollgate-action"), header("tollgate-tier"), header("tollgate-receipt").len());
    if found != (action, TIER, RECEIPT_BYTES) {
        return Err(format!("the headers are {:?}", ok.headers));
    }
    let is_removed = ok.headers_to_remove.iter().any(|name| name == "authorization");
    if is_removed { Ok(()) } else { Err(format!("the token stays; removed are {:?}", ok.headers_to_remove)) }
}

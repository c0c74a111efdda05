//! What must come back. Every answer is compared: a server that is quick and wrong is not quick.

use bytes::Bytes;
use envoy_types::ext_authz::v3::pb::{CheckResponse, HttpResponse, OkHttpResponse};
use http::{HeaderMap, StatusCode};
use prost::Message as _;

use crate::request::{ACTION, TIER};

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) trailers: Option<HeaderMap>,
}

/// What an answer must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expected {
    /// gRPC: allowed, and nothing else.
    Allowed,
    /// gRPC: allowed, for the right action, with a receipt.
    Judged,
    /// HTTP: 200, from Envoy, and no word of a receipt.
    Passed,
    /// HTTP: 200 and a receipt.
    PassedWithReceipt,
}

/// An id as text: RFC 9562.
const RECEIPT_BYTES: usize = 36;

impl Expected {
    /// Says where the answer differs.
    pub(crate) fn compare(self, answer: &Answer) -> Result<(), String> {
        if answer.status != StatusCode::OK {
            return Err(format!("the status is {}: {}", answer.status, String::from_utf8_lossy(&answer.body)));
        }
        match self {
            Self::Allowed => allowed(answer).map(|_| ()),
            Self::Judged => judged(&allowed(answer)?),
            Self::Passed if answer.headers.contains_key("tollgate-receipt") => Err("a receipt came".to_owned()),
            Self::Passed => Ok(()),
            Self::PassedWithReceipt => match answer.headers.get("tollgate-receipt") {
                Some(receipt) if receipt.len() == RECEIPT_BYTES => Ok(()),
                other => Err(format!("the receipt is {other:?}")),
            },
        }
    }
}

fn allowed(answer: &Answer) -> Result<OkHttpResponse, String> {
    // An error without a message has its status in the headers.
    let grpc_status = answer.trailers.as_ref().unwrap_or(&answer.headers);
    if grpc_status.get("grpc-status").is_none_or(|status| status != "0") {
        return Err(format!("the gRPC status is {:?}", grpc_status.get("grpc-status")));
    }
    let message = answer.body.get(5..).ok_or("the answer has no message")?;
    let response = CheckResponse::decode(message).map_err(|error| format!("no CheckResponse: {error}"))?;
    match (response.status.map_or(0, |status| status.code), response.http_response) {
        (0, Some(HttpResponse::OkResponse(ok))) => Ok(ok),
        (code, other) => Err(format!("not allowed: {code}, {other:?}")),
    }
}

fn judged(ok: &OkHttpResponse) -> Result<(), String> {
    let header = |name: &str| {
        let mut all = ok.headers.iter().filter_map(|option| option.header.as_ref());
        all.find(|header| header.key == name).map_or("", |header| header.value.as_str())
    };
    let found = (header("tollgate-action"), header("tollgate-tier"), header("tollgate-receipt").len());
    if found == (ACTION, TIER, RECEIPT_BYTES) { Ok(()) } else { Err(format!("the headers are {:?}", ok.headers)) }
}

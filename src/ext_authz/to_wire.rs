//! From a settled answer to Envoy's `CheckResponse`, or to a gRPC error.
//!
//! One table turns reasons into statuses. Each answer says what Envoy does with it. Clients are told in plain words what
//! happened and what to do next: nothing of the policies, and nothing that they sent.

use envoy_types::ext_authz::v3::pb::{
    CheckResponse, DeniedHttpResponse, HeaderAppendAction, HeaderValue, HeaderValueOption, HttpResponse, HttpStatus,
    OkHttpResponse, QueryParameter,
};
use envoy_types::pb::google::protobuf::value::Kind as WireKind;
use envoy_types::pb::google::protobuf::{BoolValue, Struct, Value};
use envoy_types::pb::google::rpc;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::json;
use tonic::{Code, Status};

use crate::catalog::Assurance;
use crate::gate::{Passage, Refusal, Settled, Summary};
use crate::terms::{Kind, spelled};

spelled! {
    /// What an error looks like to Envoy.
    ErrorAnswer, "a form of errors" {
        /// A gRPC status: every Envoy counts an error, and answers with its `status_on_error`.
        GrpcStatus = "grpc-status",
        /// `error_response` with 503 and a body: Envoy 1.37 and later count an error too, and send the body.
        ErrorResponse = "error-response",
    }
}

/// The answer table: the HTTP and the gRPC status of each kind of reason.
///
/// An error has its HTTP status only where [`ErrorAnswer::ErrorResponse`] is chosen; otherwise Envoy chooses it.
pub const fn statuses(kind: Kind) -> (u16, Code) {
    match kind {
        Kind::Granted => (200, Code::Ok),
        Kind::Malformed => (400, Code::InvalidArgument),
        Kind::TooLarge => (413, Code::InvalidArgument),
        Kind::Unsupported => (415, Code::InvalidArgument),
        Kind::CallerUnknown | Kind::Challenge => (401, Code::Unauthenticated),
        Kind::NotGranted => (403, Code::PermissionDenied),
        Kind::Error => (503, Code::Unavailable),
    }
}

/// How a kind of reason is answered.
struct Form {
    http: u16,
    grpc: Code,
    title: &'static str,
    next: &'static str,
}

const fn form(kind: Kind) -> Form {
    let (http, grpc) = statuses(kind);
    let (title, next) = match kind {
        Kind::Granted => ("Granted", ""),
        Kind::Malformed => ("Ambiguous or malformed request", "send the request in its plain form"),
        Kind::TooLarge => ("Content too large", "send less in one request"),
        Kind::Unsupported => {
            ("Unsupported media type", "send the body as plain JSON or as a plain form, without an encoding")
        }
        Kind::CallerUnknown => (
            "Caller unknown",
            "prove who you are: with a client certificate, and a valid token where a user is behind the call",
        ),
        Kind::NotGranted => ("Not granted", "ask those who run this service for a contract, and name the receipt"),
        Kind::Challenge => {
            ("Stronger sign-in required", "let the user sign in again as the challenge says, then repeat the request")
        }
        Kind::Error => ("No decision", "try again later"),
    };
    Form { http, grpc, title, next }
}

/// The answer for Envoy.
pub(super) fn answer(
    settled: &Settled,
    summary: Option<&Summary>,
    is_grpc: bool,
    errors: ErrorAnswer,
) -> Result<CheckResponse, Status> {
    let refusal = match settled {
        Settled::Pass(passage) => return Ok(allow(passage, summary)),
        Settled::Refuse(refusal) => refusal,
    };
    let form = form(refusal.reason.kind());
    if form.grpc == Code::Unavailable && errors == ErrorAnswer::GrpcStatus {
        // Envoy counts an error, not a denial, and heeds the operator's `failure_mode_allow` and `status_on_error`.
        return Err(Status::unavailable(refusal.reason.code()));
    }
    let denied = denied(refusal, &form, summary, is_grpc);
    let http_response = match form.grpc {
        // The same, for an Envoy that knows it; it sends the body too.
        Code::Unavailable => HttpResponse::ErrorResponse(denied),
        // Envoy sends this status, these headers and this body to the client, and the request nowhere.
        _ => HttpResponse::DeniedResponse(denied),
    };
    let status = rpc::Status { code: form.grpc.into(), message: refusal.reason.code().to_owned(), details: Vec::new() };
    Ok(CheckResponse {
        status: Some(status),
        dynamic_metadata: summary.map(metadata),
        http_response: Some(http_response),
    })
}

/// Envoy sets the headers, then removes those listed, then sets and removes query parameters, and sends the request on.
fn allow(passage: &Passage, summary: Option<&Summary>) -> CheckResponse {
    let obligations = passage.obligations();
    let set = |headers: &[(String, String)]| headers.iter().map(|(name, value)| overwrite(name, value)).collect();
    let parameter = |(key, value): &(String, String)| QueryParameter {
        // Envoy writes both as they are, so a `&` in the value would become a second parameter.
        key: key.clone(),
        value: utf8_percent_encode(value, &RESERVED).to_string(),
    };
    let ok = OkHttpResponse {
        headers: set(&obligations.set_headers),
        headers_to_remove: obligations.remove_headers.clone(),
        response_headers_to_add: set(&obligations.set_response_headers),
        query_parameters_to_set: obligations.set_query.iter().map(parameter).collect(),
        query_parameters_to_remove: obligations.remove_query.clone(),
        ..OkHttpResponse::default()
    };
    CheckResponse {
        status: Some(rpc::Status { code: Code::Ok.into(), ..rpc::Status::default() }),
        dynamic_metadata: summary.map(metadata),
        http_response: Some(HttpResponse::OkResponse(ok)),
    }
}

/// RFC 3986, section 2.3: all but the unreserved characters are encoded.
const RESERVED: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Replaces whatever is there. Both ways of saying so are given: an Envoy may heed either, and the zero value of one of them
/// means to append.
#[expect(deprecated, reason = "Envoy before 1.3x reads `append`; unset it has meant either thing")]
fn overwrite(name: &str, value: &str) -> HeaderValueOption {
    HeaderValueOption {
        header: Some(HeaderValue { key: name.to_owned(), value: value.to_owned(), ..HeaderValue::default() }),
        append: Some(BoolValue { value: false }),
        append_action: HeaderAppendAction::OverwriteIfExistsOrAdd.into(),
        ..HeaderValueOption::default()
    }
}

fn denied(refusal: &Refusal, form: &Form, summary: Option<&Summary>, is_grpc: bool) -> DeniedHttpResponse {
    let mut headers = Vec::new();
    let receipt = summary.map(|summary| summary.receipt.as_str());
    if let Some(receipt) = receipt {
        headers.push(overwrite("tollgate-receipt", receipt));
    }
    if let Some(challenge) = challenge(refusal, form) {
        headers.push(overwrite("www-authenticate", &challenge));
    }
    let detail = refusal.reason.detail();
    let body = if is_grpc {
        // Envoy makes a gRPC answer of it; its own mapping from HTTP would lose which status it is.
        headers.push(overwrite("grpc-status", &i32::from(form.grpc).to_string()));
        format!("{} ({})", detail, refusal.reason.code())
    } else {
        headers.push(overwrite("content-type", "application/problem+json"));
        problem(refusal, form, receipt)
    };
    DeniedHttpResponse { status: Some(HttpStatus { code: form.http.into() }), headers, body }
}

/// RFC 9457.
fn problem(refusal: &Refusal, form: &Form, receipt: Option<&str>) -> String {
    let problem = json!({
        "type": format!("urn:tollgate:reason:{}", refusal.reason.code()),
        "title": form.title,
        "status": form.http,
        "detail": refusal.reason.detail(),
        "reason": refusal.reason.code(),
        "next": form.next,
        "receipt": receipt,
    });
    problem.to_string()
}

/// RFC 9110, section 11.6.1, and for a stronger sign-in RFC 9470, section 3.
fn challenge(refusal: &Refusal, form: &Form) -> Option<String> {
    if form.http != 401 {
        return None;
    }
    let Some(Assurance { acr, max_age }) = &refusal.challenge else {
        return Some("Bearer realm=\"tollgate\"".to_owned());
    };
    let mut text = format!(
        "Bearer error=\"insufficient_user_authentication\", error_description=\"{}\", acr_values=\"{}\"",
        refusal.reason.detail(),
        acr.join(" ")
    );
    if let Some(max_age) = max_age {
        text.extend([", max_age=\"", &max_age.as_secs().to_string(), "\""]);
    }
    Some(text)
}

/// What access logs and later filters may read, under `envoy.filters.http.ext_authz`.
fn metadata(summary: &Summary) -> Struct {
    let text = |value: &str| Value { kind: Some(WireKind::StringValue(value.to_owned())) };
    let fields = [
        ("receipt", summary.receipt.as_str()),
        ("action", summary.action.as_str()),
        ("tier", summary.tier),
        ("verdict", summary.verdict.as_str()),
        ("reason", summary.reason.code()),
        ("mode", summary.mode.as_str()),
        ("bundle", summary.bundle.as_str()),
    ];
    Struct { fields: fields.into_iter().map(|(name, value)| (name.to_owned(), text(value))).collect() }
}

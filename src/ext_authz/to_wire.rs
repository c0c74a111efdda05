//! From a settled answer to Envoy's `CheckResponse`, or to a gRPC error.
//!
//! One table turns reasons into statuses. Each answer says what Envoy does with it. Clients are told in plain words what
//! happened and what to do next: nothing of the policies, and nothing that they sent.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::json;
use tonic::{Code, Status};

use super::Config;
use crate::catalog::Assurance;
use crate::gate::{Passage, Refusal, Settled, Summary};
use crate::terms::header::RECEIPT;
use crate::terms::{Kind, spelled};
use crate::wire::Writer;

spelled! {
    /// What an error looks like to Envoy.
    ErrorAnswer, "a form of errors" {
        /// A gRPC status: every Envoy counts an error, and answers with its `status_on_error`.
        GrpcStatus = "grpc-status",
        /// `error_response` with 503 and a body: Envoy 1.37 and later count an error too, and send the body.
        ErrorResponse = "error-response",
    }
}

spelled! {
    /// What stands in the dynamic metadata of an answer.
    AnswerMetadata, "an extent of metadata" {
        /// The receipt, and what was decided about which action.
        All = "all",
        /// The receipt, by which all else is found in the ledger.
        Receipt = "receipt",
        /// Nothing.
        None = "none",
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

/// The answer for Envoy: the bytes of a `CheckResponse`, whose field numbers are those of
/// `envoy/service/auth/v3/external_auth.proto`.
pub(super) fn answer(
    settled: &Settled<'_>,
    summary: Option<&Summary<'_>>,
    is_grpc: bool,
    config: &Config,
) -> Result<Vec<u8>, Status> {
    let refusal = match settled {
        Settled::Pass(passage) => return Ok(allow(passage, summary, config.metadata)),
        Settled::Refuse(refusal) => refusal,
    };
    let form = form(refusal.reason.kind());
    if form.grpc == Code::Unavailable && config.errors == ErrorAnswer::GrpcStatus {
        // Envoy counts an error, not a denial, and heeds the operator's `failure_mode_allow` and `status_on_error`.
        return Err(Status::unavailable(refusal.reason.code()));
    }
    let mut to = Writer::with_capacity(USUAL_BYTES);
    to.message(1, |to| {
        to.varint(1, u64::try_from(i32::from(form.grpc)).unwrap_or_default());
        to.text(2, refusal.reason.code());
    });
    let http_response = match form.grpc {
        // The same, for an Envoy that knows it; it sends the body too.
        Code::Unavailable => ERROR_RESPONSE,
        // Envoy sends this status, these headers and this body to the client, and the request nowhere.
        _ => DENIED_RESPONSE,
    };
    to.message(http_response, |to| denied(refusal, &form, summary, is_grpc, to));
    metadata(summary, config.metadata, &mut to);
    Ok(to.into_bytes())
}

const DENIED_RESPONSE: u32 = 2;
const OK_RESPONSE: u32 = 3;
const ERROR_RESPONSE: u32 = 5;
/// Most answers are shorter.
const USUAL_BYTES: usize = 2048;

/// Envoy sets the headers, then removes those listed, then sets and removes query parameters, and sends the request on.
fn allow(passage: &Passage<'_>, summary: Option<&Summary<'_>>, extent: AnswerMetadata) -> Vec<u8> {
    let obligations = passage.obligations();
    let mut to = Writer::with_capacity(USUAL_BYTES);
    // An empty status is OK.
    to.message(1, |_| {});
    to.message(OK_RESPONSE, |to| {
        overwrite(2, RECEIPT, passage.receipt().as_str(), to);
        obligations.set_headers.iter().for_each(|(name, value)| overwrite(2, name, value, to));
        obligations.remove_headers.iter().for_each(|name| to.element(5, name.as_bytes()));
        overwrite(6, RECEIPT, passage.receipt().as_str(), to);
        if obligations.no_store {
            overwrite(6, "cache-control", "no-store", to);
        }
        for (key, value) in &obligations.set_query {
            to.message(7, |to| {
                // Envoy writes both as they are, so a `&` in the value would become a second parameter.
                to.text(1, key);
                to.text(2, &utf8_percent_encode(value, &RESERVED).to_string());
            });
        }
        obligations.remove_query.iter().for_each(|name| to.element(8, name.as_bytes()));
    });
    metadata(summary, extent, &mut to);
    to.into_bytes()
}

/// RFC 3986, section 2.3: all but the unreserved characters are encoded.
const RESERVED: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A `HeaderValueOption` that replaces whatever is there. Both ways of saying so are given: an Envoy may heed either, and the
/// zero value of one of them means to append.
fn overwrite(number: u32, name: &str, value: &str, to: &mut Writer) {
    const OVERWRITE_IF_EXISTS_OR_ADD: u64 = 2;
    to.message(number, |to| {
        to.message(1, |to| {
            to.text(1, name);
            to.text(2, value);
        });
        // `append: false`, as a `BoolValue`.
        to.message(2, |_| {});
        to.varint(3, OVERWRITE_IF_EXISTS_OR_ADD);
    });
}

fn denied(refusal: &Refusal, form: &Form, summary: Option<&Summary<'_>>, is_grpc: bool, to: &mut Writer) {
    let receipt = summary.map(|summary| summary.receipt.as_str());
    let detail = refusal.reason.detail();
    to.message(1, |to| to.varint(1, form.http.into()));
    if let Some(receipt) = receipt {
        overwrite(2, RECEIPT, receipt, to);
    }
    if let Some(challenge) = challenge(refusal, form) {
        overwrite(2, "www-authenticate", &challenge, to);
    }
    if is_grpc {
        // Envoy makes a gRPC answer of it; its own mapping from HTTP would lose which status it is.
        overwrite(2, "grpc-status", &i32::from(form.grpc).to_string(), to);
        to.text(3, &format!("{} ({})", detail, refusal.reason.code()));
    } else {
        overwrite(2, "content-type", "application/problem+json", to);
        to.text(3, &problem(refusal, form, receipt));
    }
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

/// What access logs and later filters may read, under `envoy.filters.http.ext_authz`: a `Struct` of texts.
fn metadata(summary: Option<&Summary<'_>>, extent: AnswerMetadata, to: &mut Writer) {
    let Some(summary) = summary else { return };
    let fields = [
        ("receipt", summary.receipt.as_str()),
        ("action", summary.action),
        ("tier", summary.tier),
        ("verdict", summary.verdict.as_str()),
        ("reason", summary.reason.code()),
        ("mode", summary.mode.as_str()),
        ("bundle", summary.bundle),
    ];
    let told = match extent {
        AnswerMetadata::All => fields.as_slice(),
        // It is the first.
        AnswerMetadata::Receipt => &fields[..1],
        AnswerMetadata::None => return,
    };
    to.message(4, |to| {
        for (name, value) in told {
            to.message(1, |to| {
                to.text(1, name);
                to.message(2, |to| to.element(3, value.as_bytes()));
            });
        }
    });
}

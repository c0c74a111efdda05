//! What goes over the wire for each row of the answer table, and what is never sent.

mod by_library;
mod wire;

use std::collections::BTreeSet;

use envoy_types::ext_authz::v3::pb::{CheckResponse, HttpResponse};
use prost::Message as _;

use super::*;
use crate::catalog::Assurance;
use crate::gate::Summary;
use crate::receipt::Id;
use crate::terms::{Kind, Mode};

fn summary(reason: Reason) -> Summary<'static> {
    Summary {
        receipt: Id::default(),
        action: "order.read",
        tier: "personal",
        verdict: reason.into(),
        reason,
        mode: Mode::Enforce,
        bundle: "b",
    }
}

fn refuse(reason: Reason, is_grpc: bool, errors: ErrorAnswer) -> Result<CheckResponse, Status> {
    refuse_as(reason, is_grpc, &Config { errors, ..Config::new(Duration::from_secs(1)) })
}

fn refuse_as(reason: Reason, is_grpc: bool, config: &Config) -> Result<CheckResponse, Status> {
    let challenge = (reason.kind() == Kind::Challenge)
        .then(|| Assurance { acr: vec!["mfa".into(), "phr".into()], max_age: Some(Duration::from_mins(5)) });
    let settled = Settled::Refuse(Refusal { reason, challenge });
    let answer = to_wire::answer(&settled, Some(&summary(reason)), is_grpc, config);
    answer.map(|bytes| CheckResponse::decode(&bytes[..]).unwrap())
}

#[test]
fn every_reason_but_granted_is_a_refusal_that_envoy_cannot_take_for_an_allow() {
    for reason in Reason::ALL.iter().copied().filter(|reason| *reason != Reason::Granted) {
        for (is_grpc, errors) in
            [(false, ErrorAnswer::GrpcStatus), (true, ErrorAnswer::GrpcStatus), (false, ErrorAnswer::ErrorResponse)]
        {
            match refuse(reason, is_grpc, errors) {
                Ok(answer) => {
                    assert_ne!(answer.status.map(|status| status.code), Some(0), "{reason}");
                    assert!(
                        matches!(
                            answer.http_response,
                            Some(HttpResponse::DeniedResponse(_) | HttpResponse::ErrorResponse(_))
                        ),
                        "{reason}"
                    );
                }
                Err(status) => {
                    assert_eq!((status.code(), reason.kind()), (tonic::Code::Unavailable, Kind::Error), "{reason}");
                }
            }
        }
    }
}

#[test]
fn the_answer_table_is_the_documented_one() {
    let check = |reason, http: i32, grpc: &str| {
        let Some(HttpResponse::DeniedResponse(denied)) =
            refuse(reason, true, ErrorAnswer::GrpcStatus).unwrap().http_response
        else {
            panic!("{reason} is denied");
        };
        let header = |name: &str| {
            denied
                .headers
                .iter()
                .filter_map(|option| option.header.as_ref())
                .find(|header| header.key == name)
                .map(|header| header.value.clone())
        };
        assert_eq!(denied.status.map(|status| status.code), Some(http), "{reason}");
        assert_eq!(header("grpc-status").as_deref(), Some(grpc), "{reason}");
    };
    check(Reason::PathDotSegment, 400, "3");
    check(Reason::CallerUnknown, 401, "16");
    check(Reason::AssuranceRequired, 401, "16");
    check(Reason::ContractNone, 403, "7");
    check(Reason::LimitExceeded, 403, "7");
    check(Reason::Unmapped, 403, "7");
}

#[test]
fn without_metadata_an_answer_says_the_same() {
    let config = |metadata| Config { metadata, ..Config::new(Duration::from_secs(1)) };
    let answer = |metadata| refuse_as(Reason::ContractNone, false, &config(metadata)).unwrap();
    let names = |answer: &CheckResponse| {
        let metadata = answer.dynamic_metadata.as_ref();
        metadata.map(|metadata| metadata.fields.keys().cloned().collect::<BTreeSet<_>>())
    };
    let (all, none) = (answer(AnswerMetadata::All), answer(AnswerMetadata::None));
    assert_eq!(names(&all).map(|names| names.len()), Some(7));
    assert_eq!(names(&answer(AnswerMetadata::Receipt)), Some(["receipt".to_owned()].into()));
    assert_eq!(none, CheckResponse { dynamic_metadata: None, ..all });
}

#[test]
fn a_client_is_told_in_plain_words_and_given_the_receipt() {
    let Some(HttpResponse::DeniedResponse(denied)) =
        refuse(Reason::AssuranceRequired, false, ErrorAnswer::GrpcStatus).unwrap().http_response
    else {
        panic!("denied");
    };
    let problem: serde_json::Value = serde_json::from_str(&denied.body).unwrap();
    assert_eq!(problem["status"], 401);
    assert_eq!(problem["reason"], "assurance.required");
    assert_eq!(problem["receipt"], Id::default().as_str());
    let challenge = denied
        .headers
        .iter()
        .filter_map(|option| option.header.as_ref())
        .find(|header| header.key == "www-authenticate")
        .unwrap();
    assert_eq!(
        challenge.value,
        "Bearer error=\"insufficient_user_authentication\", error_description=\"the action needs a stronger or a more recent sign-in\", acr_values=\"mfa phr\", max_age=\"300\""
    );
}

#[test]
#[expect(deprecated, reason = "both ways of saying it are asserted")]
fn every_header_says_how_it_is_set() {
    let Some(HttpResponse::DeniedResponse(denied)) =
        refuse(Reason::ContractNone, false, ErrorAnswer::GrpcStatus).unwrap().http_response
    else {
        panic!("denied");
    };
    assert!(!denied.headers.is_empty());
    for option in denied.headers {
        // The zero value of the action means to append.
        assert_eq!((option.append_action, option.append.map(|append| append.value)), (2, Some(false)));
    }
}

#[test]
fn the_callers_deadline_is_read_in_every_unit() {
    let read = |text: &str| {
        let mut headers = HeaderMap::new();
        headers.insert("grpc-timeout", text.parse().unwrap());
        deadline(&headers)
    };
    assert_eq!(read("250m"), Some(Duration::from_millis(250)));
    assert_eq!(read("1S"), Some(Duration::from_secs(1)));
    assert_eq!(read("99999999H"), Some(Duration::from_hours(99_999_999)));
    assert_eq!(read("5u"), Some(Duration::from_micros(5)));
    for bad in ["", "m", "-1m", "+1m", "1", "123456789m", "1x", "1.5S"] {
        assert_eq!(read(bad), None, "{bad}");
    }
}

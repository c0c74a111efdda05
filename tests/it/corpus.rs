//! The corpus, judged in this process: each request as an Envoy that mends nothing would describe it, in both forms of
//! headers.

use std::collections::HashMap;

use envoy_types::ext_authz::v3::pb::{CheckRequest, HeaderValue};
use envoy_types::pb::envoy::config::core::v3::HeaderMap;
use envoy_types::pb::envoy::service::auth::v3::AttributeContext;
use envoy_types::pb::envoy::service::auth::v3::attribute_context::{HttpRequest, Peer, Request};

use crate::corpus_cases::{self as corpus, Case, Expected};
use crate::support::{Gate, Setup};

#[tokio::test]
async fn each_case_is_judged_alike_in_both_forms_of_headers() {
    let cases = corpus::read(corpus::folder());
    assert!(cases.len() >= 150, "{} cases", cases.len());
    let gate = Gate::start_with(Setup { policies: Some(corpus::folder().join("policies")), ..Setup::default() }).await;
    let mut client = gate.client().await;
    for case in &cases {
        for form in [Form::Apart, Form::Joined] {
            client.check(describe(case, form)).await.unwrap();
        }
    }
    let records = gate.end().await;
    let wrong: Vec<_> = cases
        .iter()
        .flat_map(|case| [(case, Form::Apart), (case, Form::Joined)])
        .zip(&records)
        .filter_map(|((case, form), record)| {
            let found = Expected::of_record(&record.reason, &record.action);
            (found != case.judged).then(|| format!("{} ({form:?}): {found}, not {}", case.name, case.judged))
        })
        .collect();
    assert_eq!(records.len(), 2 * cases.len(), "one record for each check");
    assert!(wrong.is_empty(), "{} are not as expected:\n{}", wrong.len(), wrong.join("\n"));
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// `header_map`: one entry for each header, bytes as sent.
    Apart,
    /// `headers`: values of one name joined, what is not UTF-8 replaced.
    Joined,
}

/// What Envoy would say of a request, if it looked at nothing.
fn describe(case: &Case, form: Form) -> CheckRequest {
    let request = &case.request;
    let text = |bytes: &[u8]| lossy(bytes);
    let pseudo = [(":method", &request.method), (":path", &request.target), (":authority", &request.host)];
    let headers: Vec<(String, Vec<u8>)> = pseudo
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.clone()))
        .chain(request.headers.iter().map(|(name, value)| (text(name).to_ascii_lowercase(), value.clone())))
        .collect();
    let mut http = HttpRequest {
        method: text(&request.method),
        host: text(&request.host),
        path: text(&request.target),
        raw_body: request.body.clone(),
        size: if request.body.is_empty() { -1 } else { i64::try_from(request.body.len()).unwrap() },
        ..HttpRequest::default()
    };
    match form {
        Form::Apart => {
            let entry = |(key, raw_value)| HeaderValue { key, raw_value, ..HeaderValue::default() };
            http.header_map = Some(HeaderMap { headers: headers.into_iter().map(entry).collect() });
        }
        Form::Joined => {
            let mut joined: HashMap<String, Vec<u8>> = HashMap::new();
            for (name, value) in headers {
                match joined.get_mut(&name) {
                    Some(all) => all.extend([b",", &value[..]].concat()),
                    None => drop(joined.insert(name, value)),
                }
            }
            http.headers = joined.into_iter().map(|(name, value)| (name, lossy(&value))).collect();
        }
    }
    let principal = case.caller.spiffe_id().unwrap_or_default().to_owned();
    CheckRequest {
        attributes: Some(AttributeContext {
            source: Some(Peer { principal, ..Peer::default() }),
            request: Some(Request { http: Some(http), ..Request::default() }),
            ..AttributeContext::default()
        }),
    }
}

/// As Envoy makes text of bytes: what is not UTF-8 becomes `!`.
fn lossy(bytes: &[u8]) -> String {
    bytes.utf8_chunks().map(|part| part.valid().to_owned() + &"!".repeat(part.invalid().len())).collect()
}

#[test]
fn the_cases_of_the_policies_hold() {
    let files = tollgate::sources::read(&corpus::folder().join("policies")).unwrap();
    let loaded = tollgate::bundle::load(&files).unwrap();
    assert!(!loaded.cases.is_empty());
    for case in &loaded.cases {
        let checked = tollgate::gate::cases::check(&loaded.bundle, case);
        assert!(checked.differences.is_empty(), "{}: {:?}", case.name, checked.differences);
    }
}

/// The corpus' policies hold what `protoc --include_imports --descriptor_set_out` makes of `proto/shop.proto`.
#[test]
fn the_descriptors_are_those_of_the_proto_file() {
    let files = protox::compile(["shop.proto"], [corpus::folder().join("proto")]).unwrap();
    let made = data_encoding::BASE64.encode(&prost::Message::encode_to_vec(&files));
    let policies = std::fs::read_to_string(corpus::folder().join("policies/corpus.yaml")).unwrap();
    let written: String = policies
        .lines()
        .skip_while(|line| !line.starts_with("descriptors:"))
        .skip(1)
        .take_while(|line| line.starts_with(' '))
        .map(str::trim)
        .collect();
    assert_eq!(written, made, "in tests/corpus/policies/corpus.yaml");
}

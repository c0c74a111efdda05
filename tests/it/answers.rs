//! What is answered, over TCP and over a Unix socket, and what is recorded of it.

use std::sync::{Arc, Mutex};

use envoy_types::ext_authz::v3::pb::{CheckRequest, CheckResponse, HttpResponse, OkHttpResponse};
use tollgate::ext_authz::{AnswerMetadata, HeaderRemoval};
use tollgate::transport::Listen;
use tonic::Code;

use crate::support::{Ask, Gate, Seen, Setup, denied, seen};

fn ok(answer: &CheckResponse) -> &OkHttpResponse {
    match &answer.http_response {
        Some(HttpResponse::OkResponse(ok)) => ok,
        other => panic!("allowed: {other:?}"),
    }
}

fn set(ok: &OkHttpResponse, name: &str) -> Option<String> {
    let mut headers = ok.headers.iter().chain(&ok.response_headers_to_add).filter_map(|option| option.header.as_ref());
    headers.find(|header| header.key == name).map(|header| header.value.clone())
}

#[tokio::test]
async fn a_granted_call_passes_with_its_receipt_and_is_recorded_under_the_same_id() {
    let gate = Gate::start().await;
    let answer = gate.check(&Ask::order()).await.unwrap();
    let receipt = set(ok(&answer), "tollgate-receipt").unwrap();
    assert_eq!(set(ok(&answer), "tollgate-action").as_deref(), Some("order.read"));
    assert_eq!(set(ok(&answer), "cache-control").as_deref(), Some("no-store"));
    assert!(ok(&answer).headers_to_remove.contains(&"authorization".to_owned()));
    let records = gate.end().await;
    assert_eq!(records.len(), 1);
    let record = &records[0];
    assert_eq!(
        (record.id.as_str(), record.action.as_str(), record.reason.as_str()),
        (receipt.as_str(), "order.read", "granted")
    );
    assert_eq!(record.contracts, ["support-desk"]);
    assert_eq!(record.retain_seconds, 30 * 24 * 3600);
    assert_eq!(record.bundle.len(), 64);
}

#[tokio::test]
async fn both_forms_of_headers_have_the_same_answer() {
    let gate = Gate::start().await;
    let stats = |headers: &[(&'static str, &'static str)], raw| Ask {
        path: "/v1/stats/orders".into(),
        workload: "spiffe://cluster.local/ns/partners/sa/analytics",
        claims: serde_json::Value::Null,
        headers: headers.to_vec(),
        raw,
        ..Ask::order()
    };
    for (headers, expected) in [
        (vec![("tollgate-purpose", "analytics.reporting")], Seen::Allowed),
        (
            vec![("tollgate-purpose", "analytics.reporting"), ("tollgate-purpose", "improve.system")],
            denied(403, "purpose.undeclared"),
        ),
        (vec![], denied(403, "purpose.undeclared")),
        (vec![("tollgate-purpose", "marketing")], denied(403, "contract.purpose")),
        (vec![("connection", "tollgate-tier")], denied(400, "header.hop_by_hop")),
        (vec![(":path", "/v1/orders/7")], denied(400, "request.ambiguous")),
    ] {
        for raw in [true, false] {
            assert_eq!(seen(&gate.check(&stats(&headers, raw)).await), expected, "{headers:?} raw: {raw}");
        }
    }
    gate.end().await;
}

#[tokio::test]
async fn each_row_of_the_answer_table_is_answered() {
    let gate = Gate::start().await;
    let order = |path: &str| Ask { path: path.into(), ..Ask::order() };
    for (ask, expected) in [
        (Ask::order(), Seen::Allowed),
        (order("/v1/orders//7"), denied(400, "path.empty_segment")),
        (order("/v1/customers/4/orders"), denied(400, "input.missing")),
        (Ask { workload: "", ..Ask::order() }, denied(401, "caller.unknown")),
        (order("/v1/nowhere"), denied(403, "unmapped")),
        (Ask { workload: "spiffe://cluster.local/ns/bots/sa/chat", ..Ask::reset(0) }, denied(403, "contract.none")),
        (order("/v1/customers/4/orders?limit=21"), denied(403, "limit.exceeded")),
        (Ask::reset(10), Seen::Allowed),
        (Ask::reset(301), denied(401, "assurance.required")),
    ] {
        assert_eq!(seen(&gate.check(&ask).await), expected, "{} {}", ask.method, ask.path);
    }
    let records = gate.end().await;
    assert_eq!(records.len(), 9);
    assert!(records.iter().all(|record| !record.id.is_empty() && record.caller.is_some()));
}

#[tokio::test]
async fn a_request_that_describes_nothing_is_an_error_and_never_an_allow() {
    let gate = Gate::start().await;
    let mut client = gate.client().await;
    let mut without_http = Ask::order().to_wire();
    without_http.attributes.as_mut().unwrap().request = None;
    for request in [CheckRequest::default(), without_http] {
        let answer = client.check(request).await.map(tonic::Response::into_inner);
        assert_eq!(seen(&answer), Seen::Status(Code::Unavailable, "request.incomplete".into()));
    }
    gate.end().await;
}

#[tokio::test]
async fn a_unix_socket_answers_too_and_its_file_goes_with_the_process() {
    let path = Arc::new(Mutex::new(None));
    let chosen = Arc::clone(&path);
    let change = Box::new(move |config: &mut tollgate::config::Config| {
        let socket = config.ledger.dir.with_file_name("t.sock");
        // What a killed process left behind.
        drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
        config.listen = vec![Listen::Unix(socket.clone())];
        *chosen.lock().unwrap() = Some(socket);
    });
    let gate = Gate::start_with(Setup { change, ..Setup::default() }).await;
    let path = path.lock().unwrap().clone().unwrap();
    assert_eq!(seen(&gate.check(&Ask::order()).await), Seen::Allowed);
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&path).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o660);
    gate.end().await;
    assert!(!path.exists());
}

#[tokio::test]
async fn many_calls_that_wait_for_the_disk_share_its_syncs() {
    let gate = Gate::start().await;
    let client = gate.client().await;
    let checks = (0..200).map(|_| {
        let mut client = client.clone();
        async move { client.check(Ask::reset(1).to_wire()).await.map(tonic::Response::into_inner) }
    });
    let answers = futures_util::future::join_all(checks).await;
    assert!(answers.iter().all(|answer| seen(answer) == Seen::Allowed));
    let metrics = gate.metrics().await;
    let syncs: u64 =
        metrics.lines().find_map(|line| line.strip_prefix("tollgate_ledger_syncs_total ")).unwrap().parse().unwrap();
    assert!(syncs < 200, "{syncs} syncs for 200 calls");
    assert_eq!(gate.end().await.len(), 200);
}

#[tokio::test]
async fn what_is_counted_names_words_and_never_values() {
    let gate = Gate::start().await;
    let _ = gate.check(&Ask { path: "/v1/orders/4711".into(), ..Ask::order() }).await;
    let _ = gate.check(&Ask { path: "/v1/private-4711".into(), ..Ask::order() }).await;
    // Of somebody who is not known no shape is kept: whoever scans would fill the memory with what is nowhere.
    let _ = gate.check(&Ask { path: "/v1/scan".into(), workload: "", ..Ask::order() }).await;
    let metrics = gate.metrics().await;
    assert!(
        metrics.contains(
            "tollgate_decisions_total{verdict=\"allow\",reason=\"granted\",tier=\"personal\",mode=\"enforce\"} 1"
        ),
        "{metrics}"
    );
    assert!(
        metrics.contains("tollgate_requests_total{protocol=\"ext_authz\",verdict=\"deny\",mode=\"enforce\"} 2"),
        "{metrics}"
    );
    assert!(metrics.contains("tollgate_request_duration_seconds_bucket{le=\"0.00005\"}"), "{metrics}");
    assert!(
        metrics.contains("tollgate_policy_info{digest=\"") && metrics.contains("tollgate_build_info{version=\""),
        "{metrics}"
    );
    let unmapped = "tollgate_unmapped_calls{host=\"api.shop.example\",method=\"GET\",route=\"/v1/{id}\"} 1";
    assert!(metrics.contains(unmapped), "{metrics}");
    assert!(!metrics.contains("4711") && !metrics.contains("agent-7"), "{metrics}");
    gate.end().await;
}

/// The settings say how much is asked of Envoy: as it comes, all that may be needed.
#[tokio::test]
async fn an_answer_asks_as_much_of_envoy_as_is_set() {
    let headers = vec![(":scheme", "https"), ("x-forwarded-proto", "https"), ("cookie", "a=b")];
    let ask = Ask { headers, ..Ask::order() };
    let answered = async |change: Box<dyn FnOnce(&mut tollgate::config::Config)>| {
        let gate = Gate::start_with(Setup { change, ..Setup::default() }).await;
        let answer = gate.check(&ask).await.unwrap();
        gate.end().await;
        (ok(&answer).headers_to_remove.clone(), answer.dynamic_metadata.map_or(0, |metadata| metadata.fields.len()))
    };
    let (removed, fields) = answered(Box::new(|_| {})).await;
    assert!(removed.len() > 15, "{removed:?}");
    assert_eq!(fields, 7);
    let short = |config: &mut tollgate::config::Config| {
        (config.check.removal, config.check.metadata) = (HeaderRemoval::Seen, AnswerMetadata::None);
    };
    assert_eq!(answered(Box::new(short)).await, (vec!["cookie".to_owned()], 0));
}

//! What the real Envoy does with the changes that an allow asks for. Its rules decide how ours must be written.

use envoy_types::ext_authz::v3::pb::{CheckResponse, HttpResponse, OkHttpResponse};
use envoy_types::pb::envoy::config::core::v3::header_value_option::HeaderAppendAction;
use envoy_types::pb::envoy::config::core::v3::{HeaderValue, HeaderValueOption, QueryParameter};
use envoy_types::pb::google::rpc::Status;
use tollgate::demo::client::{Client, Request};
use tollgate::demo::envoy::{ExtAuthz, Listener};

use crate::lab::{HOST, Lab};
use crate::stand_in::StandIn;

fn allow(ok: OkHttpResponse) -> CheckResponse {
    CheckResponse {
        status: Some(Status::default()),
        http_response: Some(HttpResponse::OkResponse(ok)),
        ..CheckResponse::default()
    }
}

fn setting_fields_to(value: &str) -> CheckResponse {
    let parameter = QueryParameter { key: "fields".to_owned(), value: value.to_owned() };
    allow(OkHttpResponse { query_parameters_to_set: vec![parameter], ..OkHttpResponse::default() })
}

/// Status, and what the service saw.
async fn target(answer: CheckResponse, validate_mutations: bool, sent: &str) -> (u16, String) {
    let (lab, stand_in) = (Lab::new().await, StandIn::answering(answer).await);
    let check = ExtAuthz { validate_mutations, ..ExtAuthz::default() };
    let listener = Listener { ext_authz: Some(check), ..Listener::new("plain") };
    let envoy = lab.envoy(stand_in.address.clone(), vec![listener]).await;
    let client = Client::plain(envoy.address("plain").unwrap());
    let response = client.send(&Request::get(HOST, sent)).await.unwrap();
    let seen = response.json()["received"]["target"].as_str().unwrap_or_default().to_owned();
    (response.status, seen)
}

const SENT: &str = "/v1/orders?z=1&limit=1%2c0&flag&fields=x&fields=y";

/// So the shipped configuration has it off, and Tollgate writes nothing that needs checking.
#[tokio::test]
async fn validate_mutations_refuses_every_query_value_that_needs_an_escape_escaped_or_not() {
    for value in ["id,status", "id%2Cstatus", "a~b", "a b"] {
        assert_eq!(target(setting_fields_to(value), true, SENT).await.0, 500, "{value}");
    }
    assert_eq!(target(setting_fields_to("id-status_eta.1*"), true, SENT).await.0, 200);
}

#[tokio::test]
async fn a_query_value_goes_upstream_as_we_wrote_it_so_we_escape_it() {
    let (_, seen) = target(setting_fields_to("id%2Cstatus"), false, SENT).await;
    // All of one name are replaced. Envoy writes the whole query anew: sorted, and with an `=` for each.
    assert_eq!(seen, "/v1/orders?fields=id%2Cstatus&flag=&limit=1%2c0&z=1");
    let (_, seen) = target(setting_fields_to("id&admin=1"), false, SENT).await;
    assert!(seen.contains("fields=id&admin=1"), "unescaped, a value is a second parameter: {seen}");
}

#[tokio::test]
async fn a_header_that_is_both_set_and_removed_is_removed() {
    let header = HeaderValue { key: "tollgate-tier".to_owned(), value: "open".to_owned(), ..HeaderValue::default() };
    let set = HeaderValueOption {
        header: Some(header),
        append_action: HeaderAppendAction::OverwriteIfExistsOrAdd.into(),
        ..HeaderValueOption::default()
    };
    let both = OkHttpResponse {
        headers: vec![set.clone()],
        headers_to_remove: vec!["tollgate-tier".to_owned()],
        ..OkHttpResponse::default()
    };
    let only = OkHttpResponse { headers: vec![set], ..OkHttpResponse::default() };
    for (ok, expected) in [(both, vec![]), (only, vec!["open".to_owned()])] {
        let (lab, stand_in) = (Lab::new().await, StandIn::answering(allow(ok)).await);
        let envoy = lab.envoy(stand_in.address.clone(), vec![Listener::new("plain")]).await;
        let client = Client::plain(envoy.address("plain").unwrap());
        let forged = Request::get(HOST, "/").header("tollgate-tier", "a").header("tollgate-tier", "b");
        client.send(&forged.header("x-demo-call", "1")).await.unwrap();
        let received = lab.upstream.find("x-demo-call", "1").unwrap();
        let seen: Vec<_> = received.headers.into_iter().filter(|(name, _)| name == "tollgate-tier").collect();
        assert_eq!(seen.into_iter().map(|(_, value)| value).collect::<Vec<_>>(), expected);
    }
}

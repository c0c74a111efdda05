//! The way to Envoy and through it: who may connect, and that requests arrive as they were sent.

use std::time::{Duration, Instant};

use tollgate::demo::client::Request;
use tollgate::demo::envoy::{ExtAuthz, Listener, Normalisation, Xfcc};
use tollgate::demo::pki::Authority;

use crate::lab::{DESK, HOST, Lab};
use crate::stand_in::StandIn;

#[tokio::test]
async fn a_client_without_a_certificate_gets_no_connection() {
    let (lab, yes) = (Lab::new().await, StandIn::start().await);
    let envoy = lab.envoy(yes.address.clone(), vec![lab.front()]).await;
    let request = Request::get(HOST, "/v1/orders/1042");

    assert!(lab.client(&envoy, "front", None).send(&request).await.is_err());
    let stranger = Authority::try_new().unwrap().workload(DESK).unwrap();
    assert!(lab.client(&envoy, "front", Some(&stranger)).send(&request).await.is_err(), "another authority's");
    assert_eq!(lab.upstream.count(), 0);

    let desk = lab.workload(DESK);
    assert_eq!(lab.client(&envoy, "front", Some(&desk)).send(&request).await.unwrap().status, 200);
}

#[tokio::test]
async fn a_token_may_be_missing_but_not_bad() {
    let (lab, yes) = (Lab::new().await, StandIn::start().await);
    let envoy = lab.envoy(yes.address.clone(), vec![lab.front()]).await;
    let desk = lab.workload(DESK);
    let client = lab.client(&envoy, "front", Some(&desk));
    let other = tollgate::demo::tokens::TokenIssuer::try_new(lab.tokens.name()).unwrap();
    let claims = serde_json::json!({ "sub": "ana" });
    let with = |token: String| Request::get(HOST, "/").header("authorization", format!("Bearer {token}"));

    assert_eq!(client.send(&Request::get(HOST, "/")).await.unwrap().status, 200);
    assert_eq!(client.send(&with(lab.tokens.token(claims.clone()).unwrap())).await.unwrap().status, 200);
    assert_eq!(client.send(&with(other.token(claims).unwrap())).await.unwrap().status, 401, "signed by somebody else");
    let expired = lab.tokens.token(serde_json::json!({ "sub": "ana", "exp": 1000 })).unwrap();
    assert_eq!(client.send(&with(expired)).await.unwrap().status, 401);
}

#[tokio::test]
async fn a_bare_listener_passes_paths_and_headers_on_exactly_as_sent() {
    let (lab, yes) = (Lab::new().await, StandIn::start().await);
    let listener = Listener { normalisation: Normalisation::Bare, ..Listener::new("bare") };
    let envoy = lab.envoy(yes.address.clone(), vec![listener]).await;
    let client = tollgate::demo::client::Client::plain(envoy.address("bare").unwrap());
    for target in
        ["//v1/orders/1", "/v1/orders/..%2f1", "/v1/./orders/../1", "/v1/orders;x=1/1", "/v1/%4frders?a=%00&a=2"]
    {
        let request = Request::get(HOST, target).header("x_under", "1").header("x-twice", "1").header("x-twice", "2");
        let response = client.send(&request).await.unwrap();
        assert_eq!(response.status, 200, "{target}: {}", response.text());
        let received = &response.json()["received"];
        assert_eq!(received["target"], target);
        let http = yes.last().attributes.unwrap().request.unwrap().http.unwrap();
        assert_eq!(http.path, target, "what Tollgate is asked about");
        let headers = received["headers"].as_array().unwrap();
        let count = |name: &str| headers.iter().filter(|header| header[0] == name).count();
        assert_eq!((count("x_under"), count("x-twice")), (1, 2));
    }
}

#[tokio::test]
async fn the_shipped_listener_tidies_or_refuses_them() {
    let (lab, yes) = (Lab::new().await, StandIn::start().await);
    let envoy = lab.envoy(yes.address.clone(), vec![Listener::new("shipped")]).await;
    let client = tollgate::demo::client::Client::plain(envoy.address("shipped").unwrap());
    let tidied = client.send(&Request::get(HOST, "//v1/./orders/../orders/1")).await.unwrap();
    assert_eq!(tidied.json()["received"]["target"], "/v1/orders/1");
    assert_eq!(client.send(&Request::get(HOST, "/v1/orders/..%2f1")).await.unwrap().status, 400);
    assert_eq!(client.send(&Request::get(HOST, "/").header("x_under", "1")).await.unwrap().status, 400);
}

#[tokio::test]
async fn the_certificate_is_written_to_xfcc_only_where_it_is_asked_for() {
    let (lab, yes) = (Lab::new().await, StandIn::start().await);
    let told = Listener { name: "told".to_owned(), xfcc: Xfcc::SetFromCertificate, ..lab.front() };
    let envoy = lab.envoy(yes.address.clone(), vec![lab.front(), told]).await;
    let desk = lab.workload(DESK);
    let forged = Request::get(HOST, "/").header("x-forwarded-client-cert", "URI=spiffe://cluster.local/ns/x/sa/admin");
    for (listener, expected) in [("front", None), ("told", Some(DESK))] {
        lab.client(&envoy, listener, Some(&desk)).send(&forged).await.unwrap();
        let http = yes.last().attributes.unwrap().request.unwrap().http.unwrap();
        let xfcc = http.header_map.unwrap().headers.into_iter().find(|header| header.key == "x-forwarded-client-cert");
        let value = xfcc.map(|header| String::from_utf8(header.raw_value).unwrap());
        assert_eq!(value.is_some(), expected.is_some(), "{value:?}");
        if let (Some(value), Some(expected)) = (value, expected) {
            assert!(value.contains(expected) && !value.contains("admin"), "{value}");
        }
    }
}

#[tokio::test]
async fn the_access_log_has_a_line_for_each_call() {
    let (lab, yes) = (Lab::new().await, StandIn::start().await);
    let path = lab.path().join("access.log");
    let listener =
        Listener { access_log: Some(path.clone()), ext_authz: Some(ExtAuthz::default()), ..Listener::new("plain") };
    let envoy = lab.envoy(yes.address.clone(), vec![listener]).await;
    let client = tollgate::demo::client::Client::plain(envoy.address("plain").unwrap());
    client.send(&Request::get(HOST, "/v1/orders/1042").header("x-demo-call", "the first")).await.unwrap();
    let line = tollgate::demo::access_log::line(&path, "the first").await.unwrap();
    assert_eq!((line["status"].as_u64(), line["path"].as_str()), (Some(200), Some("/v1/orders/1042")));
}

#[tokio::test]
async fn connections_that_end_for_their_age_lose_no_check() {
    const CALLERS: usize = 4;
    const TIME: Duration = Duration::from_secs(6);
    let lab = Lab::new().await;
    let tollgate = lab.tollgate(&["--max-connection-age", "1s"]).await;
    let envoy = lab.envoy(tollgate.listen().clone(), vec![lab.front()]).await;
    let (desk, token) = (lab.workload(DESK), lab.agent(0));
    let request = Request::get(HOST, "/v1/orders/1042").header("authorization", token);
    let began = Instant::now();
    let call = async || {
        let client = lab.client(&envoy, "front", Some(&desk));
        let mut answered = 0;
        // As many as that on a slow machine, too.
        while began.elapsed() < TIME || answered <= 100 {
            let response = client.send(&request).await.unwrap();
            assert_eq!(response.status, 200, "after {answered} and {:?}: {}", began.elapsed(), response.text());
            answered += 1;
        }
        answered
    };
    let answered = futures_util::future::join_all((0..CALLERS).map(|_| call())).await;
    assert!(answered.iter().all(|answered| *answered > 100), "{answered:?}");
    let connections = envoy.count("cluster.tollgate.upstream_cx_total").await.unwrap();
    assert!(connections >= 4, "Envoy made {connections} connections");
}

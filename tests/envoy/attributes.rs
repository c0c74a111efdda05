//! What the real Envoy tells us about a call, with each of the switches that change it.

use envoy_types::ext_authz::v3::pb::CheckRequest;
use envoy_types::pb::google::protobuf::value::Kind;
use tollgate::demo::client::Request;
use tollgate::demo::envoy::{BodyLimit, ExtAuthz, HeaderForm, Listener, Normalisation};

use crate::lab::{DESK, HOST, Lab};
use crate::stand_in::StandIn;

fn http(asked: &CheckRequest) -> &envoy_types::pb::envoy::service::auth::v3::attribute_context::HttpRequest {
    asked.attributes.as_ref().unwrap().request.as_ref().unwrap().http.as_ref().unwrap()
}

#[tokio::test]
async fn the_workload_and_the_verified_claims_arrive() {
    let (lab, yes) = (Lab::new().await, StandIn::start().await);
    let check =
        ExtAuthz { context_extensions: [("tollgate.api".into(), "orders".into())].into(), ..ExtAuthz::default() };
    let envoy = lab.envoy(yes.address.clone(), vec![Listener { ext_authz: Some(check), ..lab.front() }]).await;
    let desk = lab.workload(DESK);
    let token = lab.tokens.token(serde_json::json!({ "sub": "ana", "roles": ["support-agent"] })).unwrap();
    let request = Request::get(HOST, "/v1/orders/1042").header("authorization", format!("Bearer {token}"));
    lab.client(&envoy, "front", Some(&desk)).send(&request).await.unwrap();

    let attributes = yes.last().attributes.unwrap();
    let source = attributes.source.unwrap();
    assert_eq!(source.principal, DESK);
    assert!(source.certificate.starts_with("-----BEGIN%20CERTIFICATE"));
    assert_eq!(attributes.tls_session.unwrap().sni, HOST);
    assert_eq!(attributes.context_extensions["tollgate.api"], "orders");
    let metadata = attributes.metadata_context.unwrap().filter_metadata;
    let claims = metadata["envoy.filters.http.jwt_authn"].fields["claims"].kind.clone().unwrap();
    let Kind::StructValue(claims) = claims else { panic!("{claims:?}") };
    assert_eq!(claims.fields["sub"].kind, Some(Kind::StringValue("ana".to_owned())));
}

#[tokio::test]
async fn headers_come_raw_or_as_a_map_and_never_both() {
    let (lab, yes) = (Lab::new().await, StandIn::start().await);
    let map = ExtAuthz { headers: HeaderForm::Map, ..ExtAuthz::default() };
    let listeners = vec![Listener::new("raw"), Listener { ext_authz: Some(map), ..Listener::new("map") }];
    let envoy = lab.envoy(yes.address.clone(), listeners).await;
    let twice = Request::get(HOST, "/").header("x-twice", "1").header("x-twice", "2").header("x-bytes", b"a\xffb");
    let request = twice.header("cookie", "a=1; b=2").header("cookie", "a=3");

    let send = async |listener: &str| {
        let client = tollgate::demo::client::Client::plain(envoy.address(listener).unwrap());
        client.send(&request).await.unwrap();
        http(&yes.last()).clone()
    };
    let raw = send("raw").await;
    let entries = raw.header_map.unwrap().headers;
    let values = |name: &str| entries.iter().filter(|h| h.key == name).map(|h| h.raw_value.clone()).collect::<Vec<_>>();
    assert!(raw.headers.is_empty());
    assert_eq!(values("x-twice"), [b"1".to_vec(), b"2".to_vec()]);
    assert_eq!(values("x-bytes"), [b"a\xffb".to_vec()]);

    let map = send("map").await;
    assert!(map.header_map.is_none());
    assert_eq!((map.headers["x-twice"].as_str(), map.headers["x-bytes"].as_str()), ("1,2", "a!b"));
    // Not by `; `, as HTTP/2 joins what it had split (RFC 9113, section 8.2.3).
    assert_eq!(map.headers["cookie"], "a=1; b=2,a=3");
}

#[tokio::test]
async fn a_hidden_header_still_goes_upstream() {
    let (lab, yes) = (Lab::new().await, StandIn::start().await);
    let hidden = ExtAuthz { disallowed_headers: vec!["cookie".to_owned()], ..ExtAuthz::default() };
    let only = ExtAuthz { allowed_headers: vec!["x-channel".to_owned()], ..ExtAuthz::default() };
    let listeners = vec![
        Listener { ext_authz: Some(hidden), ..Listener::new("hidden") },
        Listener { ext_authz: Some(only), ..Listener::new("only") },
    ];
    let envoy = lab.envoy(yes.address.clone(), listeners).await;
    for listener in ["hidden", "only"] {
        let client = tollgate::demo::client::Client::plain(envoy.address(listener).unwrap());
        let response = client.send(&Request::get(HOST, "/").header("cookie", "a=b")).await.unwrap();
        let asked = yes.last();
        let names: Vec<_> = http(&asked).header_map.as_ref().unwrap().headers.iter().map(|h| &h.key).collect();
        assert!(!names.iter().any(|name| *name == "cookie"), "{listener}: {names:?}");
        assert!(response.text().contains("a=b"), "{listener}");
    }
}

/// By these Tollgate sees that a list hides headers from it.
#[tokio::test]
async fn an_envoy_that_hides_nothing_always_shows_scheme_and_protocol() {
    let (lab, yes) = (Lab::new().await, StandIn::start().await);
    let with_tls = Listener { ext_authz: Some(ExtAuthz::default()), ..lab.front() };
    let bare = Listener { normalisation: Normalisation::Bare, ..Listener::new("bare") };
    let envoy = lab.envoy(yes.address.clone(), vec![with_tls, bare]).await;
    let desk = lab.workload(DESK);
    let token = lab.tokens.token(serde_json::json!({ "sub": "ana" })).unwrap();
    let request = Request::get(HOST, "/").header("authorization", format!("Bearer {token}"));
    let plain = tollgate::demo::client::Client::plain(envoy.address("bare").unwrap());
    for client in [lab.client(&envoy, "front", Some(&desk)), plain] {
        client.send(&request).await.unwrap();
        let asked = yes.last();
        let names: Vec<_> = http(&asked).header_map.as_ref().unwrap().headers.iter().map(|h| h.key.as_str()).collect();
        assert!(names.contains(&":scheme") && names.contains(&"x-forwarded-proto"), "{names:?}");
    }
}

#[tokio::test]
async fn a_body_comes_only_where_it_is_asked_for() {
    let (lab, yes) = (Lab::new().await, StandIn::start().await);
    let body = Some(BodyLimit { max_bytes: 16, allow_partial: true, pack_as_bytes: true });
    let listeners = vec![
        Listener { ext_authz: Some(ExtAuthz { body: None, ..ExtAuthz::default() }), ..Listener::new("without") },
        Listener { ext_authz: Some(ExtAuthz { body, ..ExtAuthz::default() }), ..Listener::new("with") },
    ];
    let envoy = lab.envoy(yes.address.clone(), listeners).await;
    for (listener, expected, size) in [("without", 0, 0), ("with", 16, 40)] {
        let client = tollgate::demo::client::Client::plain(envoy.address(listener).unwrap());
        let request = Request::new("POST", HOST, "/v1/orders/1042/refunds").body("x".repeat(40));
        assert_eq!(client.send(&request).await.unwrap().status, 200);
        let asked = yes.last();
        assert_eq!(http(&asked).raw_body.len(), expected, "{listener}");
        // Envoy fills `size` with the bytes received until it asks, not with the content length.
        assert_eq!(http(&asked).size, size, "{listener}");
    }
}

#[tokio::test]
async fn envoy_says_how_long_it_will_wait_and_names_the_workload_without_the_certificate() {
    let (lab, yes) = (Lab::new().await, StandIn::start().await);
    let timeout = std::time::Duration::from_millis(1500);
    let check = ExtAuthz { timeout, include_peer_certificate: false, ..ExtAuthz::default() };
    let envoy = lab.envoy(yes.address.clone(), vec![Listener { ext_authz: Some(check), ..lab.front() }]).await;
    let desk = lab.workload(DESK);
    lab.client(&envoy, "front", Some(&desk)).send(&Request::get(HOST, "/")).await.unwrap();
    assert_eq!(yes.last_timeout().as_deref(), Some("1500m"));
    let source = yes.last().attributes.unwrap().source.unwrap();
    assert_eq!((source.principal.as_str(), source.certificate.as_str()), (DESK, ""));
}

//! The same request has the same answer in whichever form Envoy tells of it, and by whichever proof it names the caller.

use tollgate::demo::client::Request;
use tollgate::demo::envoy::{ExtAuthz, HeaderForm, Listener, Normalisation, Xfcc};

use crate::lab::{DESK, HOST, Lab};

#[tokio::test]
async fn raw_headers_and_joined_ones_have_the_same_answer() {
    let lab = Lab::new().await;
    let _tollgate = lab.tollgate(&[]).await;
    let map = ExtAuthz { headers: HeaderForm::Map, ..ExtAuthz::default() };
    let listeners = vec![
        Listener { normalisation: Normalisation::Bare, ..lab.front() },
        Listener { normalisation: Normalisation::Bare, name: "map".into(), ext_authz: Some(map), ..lab.front() },
    ];
    let envoy = lab.envoy(lab.socket(), listeners).await;
    let partner = lab.workload("spiffe://cluster.local/ns/partners/sa/analytics");
    let stats = || Request::get(HOST, "/v1/stats/orders");
    let twice =
        |a: &'static [u8], b: &'static [u8]| stats().header("tollgate-purpose", a).header("tollgate-purpose", b);
    // Envoy heeds `connection` itself, before it asks: our headers are set after that, and stay.
    for (request, status, reason) in [
        (stats().header("tollgate-purpose", "improve.system"), 200, None),
        (stats(), 403, Some("purpose.undeclared")),
        (twice(b"improve.system", b"analytics.reporting"), 403, Some("purpose.undeclared")),
        (twice(b"improve.system", b"improve.system"), 403, Some("purpose.undeclared")),
        (stats().header("tollgate-purpose", b"improve.system\xff"), 403, Some("purpose.undeclared")),
        (stats().header("tollgate-purpose", "improve.system").header("connection", "tollgate-receipt"), 200, None),
        (stats().header("tollgate-purpose", "improve.system").header("x-other", b"\xff\xfe"), 200, None),
    ] {
        for listener in ["front", "map"] {
            let response = lab.client(&envoy, listener, Some(&partner)).send(&request).await.unwrap();
            let problem = response.json();
            let found = (response.status, problem["reason"].as_str());
            assert_eq!(found, (status, reason), "{listener}: {:?}", request.headers);
        }
    }
}

#[tokio::test]
async fn a_workload_is_known_by_the_header_that_envoy_writes_only_where_the_policies_say_so() {
    let lab = Lab::new().await;
    let policies = lab.path().join("policies");
    std::fs::create_dir(&policies).unwrap();
    let shipped = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("policies");
    for file in std::fs::read_dir(shipped).unwrap() {
        let file = file.unwrap().path();
        let text = std::fs::read_to_string(&file).unwrap().replace("from: [mtls]", "from: [xfcc]");
        std::fs::write(policies.join(file.file_name().unwrap()), text).unwrap();
    }
    let _tollgate = lab.tollgate_with(policies, &[]).await;
    let listeners = vec![
        Listener { xfcc: Xfcc::SetFromCertificate, ..lab.front() },
        Listener { name: "sanitised".into(), xfcc: Xfcc::Sanitise, ..lab.front() },
    ];
    let envoy = lab.envoy(lab.socket(), listeners).await;
    let bot = lab.workload("spiffe://cluster.local/ns/bots/sa/chat");
    let forged = Request::get(HOST, "/v1/tickets/3").header("x-forwarded-client-cert", format!("URI={DESK}"));
    let response = lab.client(&envoy, "front", Some(&bot)).send(&forged).await.unwrap();
    assert_eq!(response.status, 200, "the bot is the bot, whatever it writes: {}", response.text());
    let reset = Request::new("POST", "id.shop.example", "/v1/accounts/4/credentials/reset");
    let reset = reset.header("x-forwarded-client-cert", format!("URI={DESK}")).header("authorization", lab.agent(1));
    let response = lab.client(&envoy, "front", Some(&bot)).send(&reset).await.unwrap();
    assert_eq!(response.json()["reason"], "contract.none");
    let response = lab.client(&envoy, "sanitised", Some(&bot)).send(&forged).await.unwrap();
    assert_eq!(response.json()["reason"], "caller.unknown", "there the header is taken away");
}

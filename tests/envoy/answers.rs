//! Each row of the answer table, as a client of the real Envoy sees it, decided by the real Tollgate.

use tollgate::demo::client::{Client, Request, Response};
use tollgate::demo::envoy::{Envoy, ExtAuthz, Listener, Normalisation, PeerCertificate, Tls};
use tollgate::demo::service::Tollgate;

use crate::lab::{DESK, HOST, Lab};

/// An Envoy in front of a Tollgate, and somebody of the support desk who asks.
struct Scene {
    lab: Lab,
    envoy: Envoy,
    _tollgate: Tollgate,
}

impl Scene {
    async fn new(arguments: &[&str], check: ExtAuthz) -> Self {
        let lab = Lab::new().await;
        let tollgate = lab.tollgate(arguments).await;
        // A client may show no certificate, and Envoy mends no path: what is asked is what Tollgate gets.
        let tls = Tls { client_certificate: PeerCertificate::Optional, ..lab.tls() };
        let front =
            Listener { tls: Some(tls), normalisation: Normalisation::Bare, ext_authz: Some(check), ..lab.front() };
        let envoy = lab.envoy(lab.socket(), vec![front]).await;
        Self { lab, envoy, _tollgate: tollgate }
    }

    fn client(&self, workload: Option<&str>) -> Client {
        let credentials = workload.map(|id| self.lab.workload(id));
        self.lab.client(&self.envoy, "front", credentials.as_ref())
    }

    async fn send(&self, request: Request) -> Response {
        let request = request.header("authorization", self.lab.agent(10));
        self.client(Some(DESK)).send(&request).await.unwrap()
    }

    /// Sends what must not reach the service, and checks what the client is told.
    fn refused(&self, response: &Response, status: u16, reason: &str) {
        let problem = response.json();
        assert_eq!((response.status, problem["reason"].as_str()), (status, Some(reason)), "{}", response.text());
        assert_eq!(response.header("content-type"), Some("application/problem+json"), "{reason}");
        assert_eq!(response.header("tollgate-receipt"), problem["receipt"].as_str(), "{reason}");
        assert_eq!(self.lab.upstream.count(), 0, "{reason}: nothing reached the service");
    }
}

fn reset() -> Request {
    Request::new("POST", "id.shop.example", "/v1/accounts/4/credentials/reset")
}

#[tokio::test]
async fn what_is_granted_reaches_the_service_with_our_headers_and_without_others() {
    let scene = Scene::new(&[], ExtAuthz::default()).await;
    let forged = Request::get(HOST, "/v1/orders/7")
        .header("tollgate-tier", "open")
        .header("tollgate_action", "x")
        .header("tollgate-made-up", "x")
        .header("x-envoy-auth-failure-mode-allowed", "true")
        .header("x-channel", "voice")
        .header("cookie", "session=1");
    let response = scene.send(forged).await;
    assert_eq!((response.status, response.header("cache-control")), (200, Some("no-store")));
    let receipt = response.header("tollgate-receipt").unwrap();
    let received = scene.lab.upstream.find("tollgate-receipt", receipt).unwrap();
    assert_eq!(received.header("tollgate-tier"), Some("personal"));
    assert_eq!(received.header("tollgate-action"), Some("order.read"));
    assert_eq!(received.header("tollgate-purpose"), Some("essential.service.operations.support"));
    for name in [
        "tollgate_action",
        "tollgate-made-up",
        "x-envoy-auth-failure-mode-allowed",
        "x-channel",
        "authorization",
        "cookie",
    ] {
        assert_eq!(received.header(name), None, "{name}");
    }
    assert_eq!(
        received.headers.iter().filter(|(name, _)| name == "tollgate-tier").count(),
        1,
        "replaced, not appended"
    );
}

/// Less is asked of Envoy, and the service gets the same.
#[tokio::test]
async fn a_short_answer_takes_out_what_came() {
    let shorter = &["--header-removal", "seen", "--answer-metadata", "none"];
    let hides_nothing = ExtAuthz::default();
    // Documented as unsafe: since `:scheme` is hidden too, Tollgate notices.
    let shown = [":method", ":path", ":authority", "host", "connection", "content-type"];
    let hides_some = ExtAuthz { allowed_headers: shown.map(str::to_owned).to_vec(), ..ExtAuthz::default() };
    for check in [hides_nothing, hides_some] {
        let scene = Scene::new(shorter, check).await;
        let forged = [("tollgate_action", "x"), ("tollgate-view", "x"), ("x-channel", "voice"), ("x_channel", "voice")];
        let request = forged.iter().fold(Request::get(HOST, "/v1/orders/7"), |request, (name, value)| {
            request.header("tollgate-tier", "open").header(name, *value)
        });
        let response = scene.send(request.header("cookie", "session=1").header("accept", "*/*")).await;
        assert_eq!(response.status, 200);
        let receipt = response.header("tollgate-receipt").unwrap();
        let received = scene.lab.upstream.find("tollgate-receipt", receipt).unwrap();
        assert_eq!((received.header("tollgate-tier"), received.header("accept")), (Some("personal"), Some("*/*")));
        for name in forged.map(|(name, _)| name).into_iter().chain(["authorization", "cookie"]) {
            assert_eq!(received.header(name), None, "{name}");
        }
    }
}

#[tokio::test]
async fn query_parameters_are_set_and_taken_out() {
    let scene = Scene::new(&[], ExtAuthz::default()).await;
    let response = scene.send(Request::get(HOST, "/v1/customers/4/orders?limit=5&fields=everything")).await;
    let received = scene.lab.upstream.find("tollgate-receipt", response.header("tollgate-receipt").unwrap()).unwrap();
    assert_eq!(received.target, "/v1/customers/4/orders?fields=id%2Cstatus%2Ceta&limit=5");
    let partner = scene.client(Some("spiffe://cluster.local/ns/partners/sa/analytics"));
    let stats =
        Request::get(HOST, "/v1/stats/orders?day=1&debug=1&raw=1").header("tollgate-purpose", "analytics.reporting");
    let response = partner.send(&stats).await.unwrap();
    let received = scene.lab.upstream.find("tollgate-receipt", response.header("tollgate-receipt").unwrap()).unwrap();
    assert_eq!(received.target, "/v1/stats/orders?day=1");
}

#[tokio::test]
async fn what_is_ambiguous_is_refused_with_400() {
    let scene = Scene::new(&[], ExtAuthz::default()).await;
    for (target, reason) in [
        ("//v1/orders/7", "path.empty_segment"),
        ("/v1/orders/../orders/7", "path.dot_segment"),
        ("/v1/orders/7%2f..", "path.encoded_separator"),
        ("/v1/orders/7;x=y", "path.matrix"),
        ("/v1/orders\\7", "path.backslash"),
        ("/v1/%6frders/7", "path.encoded_plain"),
        ("/v1/customers/4/orders?limit=1&limit=2", "query.ambiguous"),
    ] {
        let response = scene.send(Request::get(HOST, target)).await;
        scene.refused(&response, 400, reason);
    }
    let override_ = scene.send(Request::get(HOST, "/v1/orders/7").header("x-http-method-override", "DELETE")).await;
    scene.refused(&override_, 400, "method.override");
}

#[tokio::test]
async fn an_unknown_caller_is_answered_401_and_told_how_to_prove_itself() {
    let scene = Scene::new(&[], ExtAuthz::default()).await;
    let response = scene.client(None).send(&Request::get(HOST, "/v1/orders/7")).await.unwrap();
    assert_eq!(response.header("www-authenticate"), Some("Bearer realm=\"tollgate\""));
    scene.refused(&response, 401, "caller.unknown");
}

#[tokio::test]
async fn a_weak_or_old_sign_in_is_challenged_with_401() {
    let scene = Scene::new(&[], ExtAuthz::default()).await;
    let request = reset().header("authorization", scene.lab.agent(3600));
    let response = scene.client(Some(DESK)).send(&request).await.unwrap();
    let challenge = response.header("www-authenticate").unwrap().to_owned();
    assert!(
        challenge.contains("error=\"insufficient_user_authentication\"")
            && challenge.ends_with("acr_values=\"mfa phr\", max_age=\"300\""),
        "{challenge}"
    );
    scene.refused(&response, 401, "assurance.required");
}

fn refund(body: &str) -> Request {
    Request::new("POST", "billing.shop.example", "/v1/orders/7/refunds")
        .header("content-type", "application/json")
        .body(body)
}

#[tokio::test]
async fn what_is_not_granted_is_answered_403() {
    let scene = Scene::new(&[], ExtAuthz::default()).await;
    for (request, reason) in [
        (Request::new("POST", HOST, "/v1/orders/export"), "unmapped"),
        (Request::get(HOST, "/v1/customers/4/orders?limit=21"), "limit.exceeded"),
        (Request::get(HOST, "/v1/orders/7").header("tollgate-purpose", "marketing"), "contract.purpose"),
        (Request::get(HOST, "/v1/stats/orders"), "contract.none"),
        (Request::new("POST", "billing.shop.example", "/v1/orders/7/refunds"), "body.unavailable"),
        (refund(r#"{"amount":201.00,"currency":"EUR"}"#), "limit.exceeded"),
        (refund(r#"{"amount":1.00,"currency":"EUR","card":"4111"}"#), "sends.refused"),
        (refund(r#"[{"amount":1.00,"currency":"EUR"}]"#), "body.batch"),
    ] {
        let response = scene.send(request).await;
        scene.refused(&response, 403, reason);
    }
    let phone = scene.client(Some("spiffe://cluster.local/ns/cc/sa/ivr"));
    let response = phone.send(&reset().header("x-channel", "voice")).await.unwrap();
    scene.refused(&response, 403, "channel.ceiling");
}

#[tokio::test]
async fn a_grpc_caller_gets_the_status_that_was_decided() {
    let scene = Scene::new(&[], ExtAuthz::default()).await;
    let grpc = |path: &str| Request::new("POST", HOST, path).header("content-type", "application/grpc");
    for (path, status) in [("/v1/orders/export", "7"), ("//v1", "3")] {
        let response = scene.send(grpc(path)).await;
        assert_eq!((response.status, response.header("grpc-status")), (200, Some(status)), "{response:?}");
        assert_eq!(response.headers.iter().filter(|(name, _)| name == "grpc-status").count(), 1);
    }
    let nobody = scene.client(None).send(&grpc("/v1/orders/export")).await.unwrap();
    assert_eq!(nobody.header("grpc-status"), Some("16"), "{nobody:?}");
    assert_eq!(scene.lab.upstream.count(), 0);
}

#[tokio::test]
async fn what_is_observed_passes_and_is_marked_in_the_metadata() {
    let scene = Scene::new(&[], ExtAuthz::default()).await;
    let response =
        scene.send(Request::get("offers.shop.example", "/v1/customers/4/offers").header("tollgate-tier", "x")).await;
    assert_eq!(response.status, 200);
    let received = scene.lab.upstream.find("tollgate-receipt", response.header("tollgate-receipt").unwrap()).unwrap();
    assert_eq!(received.header("tollgate-tier"), Some("personal"), "headers are made right even then");
}

/// Takes the ledger's disk away: what must be recorded cannot be.
fn lose_the_disk(scene: &Scene) {
    let ledger = scene.lab.path().join("ledger");
    std::fs::remove_dir_all(&ledger).unwrap();
    std::fs::write(&ledger, "in the way").unwrap();
}

#[tokio::test]
async fn an_error_is_envoys_error_and_its_operators_status() {
    let scene = Scene::new(&[], ExtAuthz::default()).await;
    lose_the_disk(&scene);
    let response = scene.send(reset()).await;
    assert_eq!((response.status, response.text().as_str(), scene.lab.upstream.count()), (503, "", 0));
    assert_eq!(scene.envoy.count("^http.*ext_authz.*error$").await.unwrap(), 1, "an error, not a denial");
    assert_eq!(scene.envoy.count("^http.*ext_authz.*denied$").await.unwrap(), 0);
    assert_eq!(scene.send(Request::get(HOST, "/v1/orders/7")).await.status, 200, "what need not be recorded goes on");
}

#[tokio::test]
async fn an_error_response_has_a_body_and_is_an_error_to_envoy_too() {
    let scene = Scene::new(&["--error-answer", "error-response"], ExtAuthz::default()).await;
    lose_the_disk(&scene);
    let response = scene.send(reset()).await;
    scene.refused(&response, 503, "receipt.unavailable");
    assert_eq!(scene.envoy.count("^http.*ext_authz.*error$").await.unwrap(), 1, "an error, not a denial");
}

#[tokio::test]
async fn a_body_as_large_as_envoy_sends_is_taken() {
    let body = tollgate::demo::envoy::BodyLimit { max_bytes: 1 << 20, allow_partial: true, pack_as_bytes: true };
    let scene = Scene::new(&[], ExtAuthz { body: Some(body), ..ExtAuthz::default() }).await;
    let request = Request::new("POST", HOST, "/v1/tickets/3/replies").body(vec![b'x'; 900_000]);
    assert_eq!(scene.send(request).await.status, 200);
}

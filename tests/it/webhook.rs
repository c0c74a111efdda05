//! `tollgate webhook` as the API server meets it: a process, over TLS, with certificates that are exchanged.

use std::process::Command;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tollgate::demo::pki::Authority;

use crate::process::Process;
use crate::support::{NOT_SERVING, SERVING, get, until};
use crate::tls::{Files, NAME};

const GOOD: &str = "apiVersion: tollgate.dev/v1alpha1\nkind: Defaults\nmetadata: { name: d }\n";
const PART: &str = "apiVersion: tollgate.dev/v1alpha1\nkind: Contract\nmetadata: { name: c }\nwho: anyone\n\
    purposes: [essential]\nactions:\n  hunter.two:\n";

/// A running webhook.
struct Webhook {
    process: Process,
    files: Files,
    address: String,
}

impl Webhook {
    fn start(drain_delay: &str) -> Self {
        let files = Files::new();
        let mut command = Command::new(env!("CARGO_BIN_EXE_tollgate"));
        command.args(["webhook", "--listen", "127.0.0.1:0", "--health", "127.0.0.1:0", "--metrics", "127.0.0.1:0"]);
        command.args(["--tls-poll", "30ms", "--drain-delay", drain_delay, "--tls"]).arg(files.path());
        let mut process = Process::start(&mut command);
        let address = process.address("webhook");
        Self { process, files, address }
    }

    async fn connect(&self, trusts: &Authority, offers: &[u8]) -> std::io::Result<TlsStream<TcpStream>> {
        connect(&self.address, trusts, offers).await
    }

    /// Status and body of the answer to a request, over a connection of its own.
    async fn send(&self, head: &str, body: &[u8]) -> (u16, String) {
        let mut stream = self.connect(&self.files.authority, b"http/1.1").await.unwrap();
        stream.write_all(format!("{head}\r\nhost: x\r\nconnection: close\r\n\r\n").as_bytes()).await.unwrap();
        // Who is refused for its head may be gone before all of the body is sent.
        let _ = stream.write_all(body).await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        let answer = String::from_utf8(answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {answer:?}"));
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    }

    async fn post(&self, content_type: &str, body: &[u8]) -> (u16, String) {
        let length = body.len();
        let head =
            format!("POST /validate?timeout=5s HTTP/1.1\r\ncontent-type: {content_type}\r\ncontent-length: {length}");
        self.send(&head, body).await
    }

    /// The `response` of the review of a ConfigMap.
    async fn review(&self, data: Value, annotations: Value) -> Value {
        let object = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "annotations": annotations }, "data": data });
        let review = json!({
            "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
            "request": {
                "uid": "u-1", "kind": { "group": "", "version": "v1", "kind": "ConfigMap" }, "operation": "UPDATE",
                "namespace": "shop", "name": "policies", "object": object, "oldObject": object,
            },
        });
        let (status, body) = self.post("application/json", review.to_string().as_bytes()).await;
        assert_eq!(status, 200, "{body}");
        let answer: Value = serde_json::from_str(&body).unwrap();
        assert_eq!((&answer["kind"], &answer["response"]["uid"]), (&json!("AdmissionReview"), &json!("u-1")));
        answer["response"].clone()
    }

    async fn metrics(&mut self) -> String {
        get(self.process.address("metrics").parse().unwrap(), "/metrics").await
    }
}

pub async fn connect(address: &str, trusts: &Authority, offers: &[u8]) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(trusts.certificate().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let mut config = config.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![offers.to_vec()];
    let stream = TcpStream::connect(address).await?;
    TlsConnector::from(Arc::new(config)).connect(ServerName::try_from(NAME).unwrap(), stream).await
}

async fn health(address: &str, name: &str) -> i32 {
    let endpoint = tonic::transport::Endpoint::from_shared(format!("http://{address}")).unwrap();
    let mut client = tonic_health::pb::health_client::HealthClient::new(endpoint.connect().await.unwrap());
    let request = tonic_health::pb::HealthCheckRequest { service: name.to_owned() };
    client.check(request).await.unwrap().into_inner().status
}

#[tokio::test]
async fn what_may_be_stored_is_and_what_is_wrong_is_denied_with_its_place() {
    let mut webhook = Webhook::start("0s");
    let good = webhook.review(json!({ "a.yaml": GOOD }), json!({})).await;
    assert_eq!(good, json!({ "uid": "u-1", "allowed": true }));

    let bad = webhook.review(json!({ "a.yaml": GOOD.replace("metadata", "metdata") }), json!({})).await;
    assert_eq!((&bad["allowed"], &bad["status"]["code"]), (&json!(false), &json!(422)));
    let message = bad["status"]["message"].as_str().unwrap();
    assert!(
        message.contains("a.yaml:3:1: the key `metdata` is not known here; help: did you mean `metadata`?"),
        "{message}"
    );

    let part = webhook.review(json!({ "a.yaml": PART }), json!({})).await;
    assert!(part["allowed"] == true && part["warnings"][1].as_str().unwrap().contains("hunter.two"), "{part}");
    let whole = webhook.review(json!({ "a.yaml": PART }), json!({ "tollgate.dev/bundle": "whole" })).await;
    assert!(whole["status"]["message"].as_str().unwrap().contains("a.yaml:7:3"), "{whole}");

    let metrics = webhook.metrics().await;
    for (verdict, count) in [("allowed", 1), ("warned", 1), ("denied", 2), ("error", 0)] {
        let line = format!("tollgate_webhook_reviews_total{{verdict=\"{verdict}\"}} {count}");
        assert!(metrics.contains(&line), "{line} in {metrics}");
    }
    webhook.process.terminate();
    let (status, log) = webhook.process.ended();
    assert_eq!(status, Some(0));
    let text = json!(log).to_string();
    assert!(!text.contains("hunter") && !text.contains("metdata"), "no word of the policies: {text}");
    let denied = log.iter().find(|line| line["verdict"] == "denied").unwrap();
    assert_eq!((&denied["object"], &denied["problems"]), (&json!("shop/policies"), &json!(1)));
}

#[tokio::test]
async fn what_is_no_review_is_an_error_and_never_an_allow() {
    let mut webhook = Webhook::start("0s");
    let review = br#"{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview"}"#;
    assert_eq!(webhook.post("application/json; charset=utf-8", review).await.0, 400);
    assert_eq!(webhook.post("application/json", b"{").await.0, 400);
    for other in ["text/plain", "application/vnd.kubernetes.protobuf", "application/jsonp"] {
        assert_eq!(webhook.post(other, review).await.0, 415, "{other}");
    }
    // What is too large without saying so is tried beside the code.
    let length = 8 * 1024 * 1024 + 1;
    let head = format!("POST /validate HTTP/1.1\r\ncontent-type: application/json\r\ncontent-length: {length}");
    assert_eq!(webhook.send(&head, b"").await.0, 413);
    assert_eq!(webhook.send("GET /validate HTTP/1.1", b"").await.0, 405);
    assert_eq!(webhook.send("GET / HTTP/1.1", b"").await.0, 404);
    let metrics = webhook.metrics().await;
    assert!(metrics.contains("tollgate_webhook_reviews_total{verdict=\"error\"} 6"), "{metrics}");
    assert_eq!(webhook.review(json!({ "a.yaml": GOOD }), json!({})).await["allowed"], true);
}

/// The API server offers HTTP/1.1 alone to webhooks; what speaks HTTP/2 only is turned away in the handshake.
#[tokio::test]
async fn it_speaks_what_the_api_server_offers_and_waits_for_nobody() {
    let webhook = Webhook::start("0s");
    // Some connect and say nothing, in plain and behind a handshake.
    let mut silent = Vec::new();
    for _ in 0..20 {
        silent.push(TcpStream::connect(&webhook.address).await.unwrap());
    }
    let quiet = webhook.connect(&webhook.files.authority, b"http/1.1").await.unwrap();
    assert!(webhook.connect(&webhook.files.authority, b"h2").await.is_err());
    assert_eq!(webhook.review(json!({ "a.yaml": GOOD }), json!({})).await["allowed"], true);
    assert!(
        webhook.connect(&Authority::try_new().unwrap(), b"http/1.1").await.is_err(),
        "not the authority that it has"
    );
    drop((silent, quiet));
}

/// What each of them meets in the end is tried with shorter bounds, beside the server's own tests.
#[tokio::test]
async fn as_many_as_may_connect_and_ask_nothing_keep_out_nobody() {
    let mut webhook = Webhook::start("0s");
    let mut held = Vec::new();
    for _ in 0..tollgate::http::webhook::BOUNDS.connections {
        held.push(TcpStream::connect(&webhook.address).await.unwrap());
    }
    for _ in 0..3 {
        let connects = async || webhook.connect(&webhook.files.authority, b"http/1.1").await.is_ok();
        until("there is a place", connects).await;
        assert_eq!(webhook.review(json!({ "a.yaml": GOOD }), json!({})).await["allowed"], true);
    }
    // The first one of them had to give way.
    let mut said = Vec::new();
    let _ = held[0].read_to_end(&mut said).await;
    let metrics = webhook.metrics().await;
    let series = "tollgate_port_replaced_connections_total{port=\"webhook\"} ";
    let replaced: usize = metrics.lines().find_map(|line| line.strip_prefix(series)).unwrap().parse().unwrap();
    assert!(replaced > 0);
    drop(held);
    assert_eq!(webhook.review(json!({ "a.yaml": GOOD }), json!({})).await["allowed"], true);
}

#[tokio::test]
async fn an_exchanged_certificate_is_shown_and_a_broken_one_is_not() {
    let mut webhook = Webhook::start("0s");
    webhook.files.authority = Authority::try_new().unwrap();
    webhook.files.put_pair(&webhook.files.authority);
    until("the new certificate is shown", || async {
        webhook.connect(&webhook.files.authority, b"http/1.1").await.is_ok()
    })
    .await;
    std::fs::write(webhook.files.path().join("tls.key"), "gone").unwrap();
    let metrics = webhook.process.address("metrics").parse().unwrap();
    let refused = "tollgate_tls_last_reload_successful 0";
    until(refused, || async { get(metrics, "/metrics").await.contains(refused) }).await;
    assert_eq!(webhook.review(json!({ "a.yaml": GOOD }), json!({})).await["allowed"], true);
}

#[tokio::test]
async fn told_to_end_it_says_so_serves_on_and_ends_well() {
    let mut webhook = Webhook::start("2s");
    let asked = webhook.process.address("health");
    assert_eq!(health(&asked, "readiness").await, SERVING);
    webhook.process.terminate();
    webhook.process.line("draining", |line| line["message"] == "draining");
    until("health says so", || async { health(&asked, "readiness").await == NOT_SERVING }).await;
    assert_eq!(health(&asked, "liveness").await, SERVING, "nobody is to kill it now");
    assert_eq!(webhook.review(json!({ "a.yaml": GOOD }), json!({})).await["allowed"], true);
    assert_eq!(webhook.process.ended().0, Some(0));
}

#[test]
fn without_a_certificate_it_does_not_start() {
    let tollgate = || Command::new(env!("CARGO_BIN_EXE_tollgate"));
    let ports = ["--listen", "127.0.0.1:0", "--health", "127.0.0.1:0", "--metrics", "127.0.0.1:0"];
    let output = tollgate().args(["webhook"]).args(ports).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8(output.stderr).unwrap().contains("--tls"));
    let output = tollgate().args(["webhook", "--tls", "/nowhere"]).args(ports).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stderr).unwrap().contains("cannot read `/nowhere/tls.crt`"));
    for wrong in [["--tls-poll", "0s"], ["--drain-delay", "soon"], ["--log-level", "a=b=c"]] {
        let output = tollgate().args(["webhook", "--tls", "/nowhere"]).args(wrong).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{wrong:?}");
    }
}

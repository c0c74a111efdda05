//! The configuration that operators copy from `deploy/envoy`, on the real Envoy: it is taken, it asks, it fails closed.
//!
//! Only what a machine must have is put in its place: certificates, addresses, ports.

use std::path::{Path, PathBuf};
use std::process::Command;

use tollgate::demo::client::Request;
use tollgate::demo::envoy::Envoy;
use tollgate::demo::service::Address;

use crate::lab::{DESK, HOST, Lab, binary};

fn shipped() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/envoy")
}

/// Replaces what must be there, so that a change of the file never leaves a test without effect.
#[track_caller]
pub(crate) fn replaced(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "`{from}` is not in the shipped configuration");
    text.replace(from, to)
}

/// A shipped file with the laboratory's certificates in it.
fn with_certificates(lab: &Lab, text: &str) -> String {
    let tls = lab.tls();
    let files = [
        ("/etc/envoy/tls/tls.crt", &tls.certificate),
        ("/etc/envoy/tls/tls.key", &tls.key),
        ("/etc/envoy/tls/ca.crt", &tls.client_authority),
        ("/etc/ssl/certs/ca-certificates.crt", &tls.client_authority),
        ("/etc/envoy/tollgate/ca.crt", &tls.client_authority),
    ];
    let own = lab.workload(GATEWAY).write(lab.path(), "gateway").unwrap();
    let own = [("/etc/envoy/tollgate/tls.crt", &own.certificate), ("/etc/envoy/tollgate/tls.key", &own.key)];
    files.iter().chain(&own).fold(text.to_owned(), |text, (from, to)| text.replace(from, &to.display().to_string()))
}

/// Fails with what Envoy says where it does not take a configuration, or takes it with a complaint.
#[track_caller]
pub(crate) fn accepted(lab: &Lab, name: &str, text: &str) {
    let config = lab.path().join("checked.yaml");
    std::fs::write(&config, with_certificates(lab, text)).unwrap();
    let arguments = ["--mode", "validate", "--log-level", "warning", "--config-path"];
    let output = Command::new(binary()).args(arguments).arg(&config).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name}: {said}");
    assert!(!said.to_lowercase().contains("deprecat"), "{name}: {said}");
}

#[tokio::test]
async fn envoy_accepts_every_configuration_that_is_shipped() {
    let lab = Lab::new().await;
    let mut count = 0;
    for file in std::fs::read_dir(shipped()).unwrap() {
        let file = file.unwrap().path();
        accepted(&lab, &file.display().to_string(), &std::fs::read_to_string(&file).unwrap());
        count += 1;
    }
    assert_eq!(count, 3);
}

/// What Envoy is called where it shows a certificate.
pub(crate) const GATEWAY: &str = "spiffe://cluster.local/ns/gateway/sa/envoy";

/// The shipped listener with another cluster for Tollgate.
fn with_cluster(text: &str, other: &str) -> String {
    let (_, cluster) = other.split_once("  clusters:\n").unwrap();
    let (before, rest) = text.split_once("    - name: tollgate\n").unwrap();
    let (_, after) = rest.split_once("    - name: app\n").unwrap();
    format!("{before}{cluster}    - name: app\n{after}")
}

/// The shipped listener on a free port, with its cluster for Tollgate or the one of this file.
async fn front(lab: &Lab, tollgate: &Address, cluster: Option<&str>) -> Envoy {
    // A machine that stops for a moment must not fail a test.
    let mut text = replaced(
        &front_text(lab, tollgate, cluster),
        "cluster_name: tollgate }\n                        timeout: 0.25s",
        "cluster_name: tollgate }\n                        timeout: 5s",
    );
    text = replaced(&text, "max_interval: 0.25s", "max_interval: 5s");
    start(lab, &text).await
}

/// An Envoy with this configuration.
pub(crate) async fn start(lab: &Lab, text: &str) -> Envoy {
    let config = lab.path().join("shipped.yaml");
    std::fs::write(&config, text).unwrap();
    Envoy::start_with(&binary(), &config, 1, lab.path()).await.unwrap()
}

/// The configuration of the shipped listener.
pub(crate) fn front_text(lab: &Lab, tollgate: &Address, cluster: Option<&str>) -> String {
    let read = |name: &str| std::fs::read_to_string(shipped().join(name)).unwrap();
    let text = read("plain.yaml");
    placed(lab, tollgate, &cluster.map_or_else(|| text.clone(), |cluster| with_cluster(&text, &read(cluster))))
}

/// A configuration as shipped, with certificates, ports and addresses of this machine, and otherwise as it is.
pub(crate) fn placed(lab: &Lab, tollgate: &Address, text: &str) -> String {
    let mut text = with_certificates(lab, text);
    text = replaced(&text, "{ address: 0.0.0.0, port_value: 8443 }", "{ address: 127.0.0.1, port_value: 0 }");
    text = replaced(&text, "port_value: 9901", "port_value: 0");
    let service = lab.upstream.address();
    let here = |address: std::net::SocketAddr| format!("127.0.0.1, port_value: {}", address.port());
    text = replaced(&text, "app.internal, port_value: 8080", &here(service));
    // Tokens are not looked at here: their keys are nowhere to be had.
    text = replaced(&text, "id.shop.example, port_value: 443", "127.0.0.1, port_value: 1");
    match tollgate {
        Address::Tcp(address) => replaced(&text, "tollgate.internal, port_value: 9000", &here(*address)),
        Address::Unix(path) => replaced(&text, "/run/tollgate/tollgate.sock", &path.display().to_string()),
    }
}

#[tokio::test]
async fn the_shipped_configuration_asks_about_every_request() {
    let lab = Lab::new().await;
    let tollgate = lab.tollgate(&["--max-check-time", "4s"]).await;
    let envoy = front(&lab, tollgate.listen(), Some("unix-socket.yaml")).await;
    let bot = lab.workload("spiffe://cluster.local/ns/bots/sa/chat");
    let client = lab.client(&envoy, "front", Some(&bot));
    let granted = client.send(&Request::get(HOST, "/v1/orders/7")).await.unwrap();
    assert_eq!((granted.status, granted.header("tollgate-receipt").is_some()), (200, true), "{}", granted.text());
    let tidied = client.send(&Request::get(HOST, "//v1/./orders/7")).await.unwrap();
    assert_eq!(tidied.status, 200, "{}", tidied.text());
    let unmapped = client.send(&Request::get(HOST, "/v1/nowhere")).await.unwrap();
    assert_eq!((unmapped.status, unmapped.json()["reason"].as_str()), (403, Some("unmapped")));
    assert_eq!(client.send(&Request::get(HOST, "/v1/orders/7%2f8")).await.unwrap().status, 400);
    assert_eq!(lab.upstream.count(), 2);
}

/// Tollgate's own certificate, in a folder as Kubernetes mounts it.
pub(crate) fn certificates_of_tollgate(lab: &Lab) -> PathBuf {
    let pair = lab.authority.server(&["tollgate.internal"]).unwrap().write(lab.path(), "tollgate").unwrap();
    let tls = lab.path().join("tls");
    std::fs::create_dir(&tls).unwrap();
    std::fs::rename(pair.certificate, tls.join("tls.crt")).unwrap();
    std::fs::rename(pair.key, tls.join("tls.key")).unwrap();
    tls
}

#[tokio::test]
async fn over_mutual_tls_only_the_envoy_that_is_named_is_answered() {
    let lab = Lab::new().await;
    let tls = certificates_of_tollgate(&lab);
    let (folder, ca) = (tls.display().to_string(), lab.tls().client_authority.display().to_string());
    for (allowed, status) in [(GATEWAY, 200), ("spiffe://cluster.local/ns/gateway/sa/other", 503)] {
        let arguments =
            ["--max-check-time", "4s", "--tls", &folder, "--tls-client-ca", &ca, "--tls-client-san", allowed];
        let tollgate = lab.tollgate_at(Address::Tcp(([127, 0, 0, 1], 0).into()), &arguments).await;
        let envoy = front(&lab, tollgate.listen(), Some("mtls.yaml")).await;
        let bot = lab.workload("spiffe://cluster.local/ns/bots/sa/chat");
        let client = lab.client(&envoy, "front", Some(&bot));
        let response = client.send(&Request::get(HOST, "/v1/orders/7")).await.unwrap();
        assert_eq!(response.status, status, "{allowed}: {}", response.text());
    }
    assert_eq!(lab.upstream.count(), 1);
}

#[tokio::test]
async fn the_shipped_configuration_fails_closed() {
    let lab = Lab::new().await;
    let nobody = Address::Tcp(std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap());
    let envoy = front(&lab, &nobody, None).await;
    let desk = lab.workload(DESK);
    let client = lab.client(&envoy, "front", Some(&desk));
    let response = client.send(&Request::get(HOST, "/v1/orders/7")).await.unwrap();
    assert_eq!((response.status, lab.upstream.count()), (503, 0), "{}", response.text());
}

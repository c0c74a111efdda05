//! What `tollgate attach` prints, on the real Envoy: it is taken, it carries traffic, it fails closed.
//!
//! Only certificates, addresses, ports and paths are put in their place. What Istio makes of an `EnvoyFilter` and of a
//! `ServiceEntry` is made here by hand: the filter before the router, and a cluster of the name that Istio gives it.

use std::path::Path;
use std::process::Command;

use tollgate::demo::client::Request;
use tollgate::demo::envoy::Envoy;
use tollgate::demo::service::{Address, Tollgate};

use crate::lab::{DESK, HOST, Lab};
use crate::shipped_config::{GATEWAY, accepted, certificates_of_tollgate, placed, replaced, start};

/// Longer than a machine stands still.
const TIMEOUT: &str = "--timeout 5s";

fn attach(line: &str) -> String {
    let line = format!("attach {line} {TIMEOUT}");
    let output = Command::new(env!("CARGO_BIN_EXE_tollgate")).args(line.split(' ')).output().unwrap();
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The lines of a text that are indented by as much as the first one behind this mark, without that.
pub(crate) fn block(text: &str, mark: &str) -> String {
    let (_, text) = text.split_once(mark).unwrap_or_else(|| panic!("`{mark}` is not in {text}"));
    let depth = text.len() - text.trim_start_matches(' ').len();
    let pad = " ".repeat(depth);
    let lines = text.lines().map_while(|line| line.strip_prefix(&pad));
    lines.map(|line| format!("{line}\n")).collect()
}

/// The bootstrap that the command prints, with filters that an `EnvoyFilter` puts before the router instead of its own, and with
/// the clusters that Istio has for their services.
fn as_istio_would(bootstrap: &str, manifests: &str) -> String {
    const ROUTER: &str = "                  - name: envoy.filters.http.router\n";
    let (mut filters, mut names) = (String::new(), Vec::new());
    for patch in manifests.split("operation: INSERT_BEFORE\n").skip(1) {
        let filter = block(patch, "        value:\n");
        filters.extend(["                  -\n", &indented(&filter, 20)]);
        let (_, name) = filter.split_once("cluster_name: ").unwrap();
        names.push(name.split([' ', ',']).next().unwrap().to_owned());
    }
    let (before, rest) = bootstrap.split_once("                  - name: envoy.filters.http.ext_authz\n").unwrap();
    let (_, rest) = rest.split_once(ROUTER).unwrap();
    let (between, rest) = rest.split_once("    - name: tollgate\n").unwrap();
    let (cluster, after) = rest.split_once("    - name: app\n").unwrap();
    // Istio's clusters have no health check, which would ask under the name of the cluster.
    let check = indented(&block(cluster, "      health_checks:\n"), 8);
    let cluster = replaced(cluster, &format!("      health_checks:\n{check}"), "");
    let named = |name: &String| {
        format!(
            "    - name: {name}\n{}",
            cluster.replace("cluster_name: tollgate\n", &format!("cluster_name: {name}\n"))
        )
    };
    let clusters: String = names.iter().map(named).collect();
    format!("{before}{filters}{ROUTER}{between}{clusters}    - name: app\n{after}")
}

fn indented(text: &str, by: usize) -> String {
    text.lines().map(|line| format!("{}{line}\n", " ".repeat(by))).collect()
}

/// An allowed request arrives, another one does not, and none once Tollgate is gone.
async fn carries_traffic(lab: &Lab, envoy: &Envoy, mut tollgate: Tollgate) {
    let bot = lab.workload("spiffe://cluster.local/ns/bots/sa/chat");
    let client = lab.client(envoy, "front", Some(&bot));
    let granted = client.send(&Request::get(HOST, "//v1/./orders/7")).await.unwrap();
    assert_eq!((granted.status, granted.header("tollgate-receipt").is_some()), (200, true), "{}", granted.text());
    let denied = client.send(&Request::get(HOST, "/v1/nowhere")).await.unwrap();
    assert_eq!((denied.status, denied.json()["reason"].as_str()), (403, Some("unmapped")), "{}", denied.text());
    tollgate.kill().unwrap();
    let error = client.send(&Request::get(HOST, "/v1/orders/7")).await.unwrap();
    assert_eq!((error.status, lab.upstream.count()), (503, 1), "{}", error.text());
}

const SOCKET: &str = "envoy --socket /run/tollgate/tollgate.sock";
const MUTUAL: &str = "envoy --host tollgate.internal --tls both";
const ADDRESS: &str = "envoy --host tollgate.internal --tls both --san 127.0.0.1";

#[tokio::test]
async fn envoy_accepts_every_form_of_a_whole_configuration() {
    let lab = Lab::new().await;
    for form in [
        SOCKET,
        MUTUAL,
        ADDRESS,
        "envoy --host fd00::7 --tls server",
        "envoy",
        "envoy --tls server --san tollgate.internal --max-request-bytes 0",
    ] {
        accepted(&lab, form, &attach(form));
        accepted(&lab, form, &attach(&format!("{form} --only cluster")));
    }
    for form in ["envoy --ext-proc", "envoy --ext-proc --socket /run/tollgate/tollgate.sock"] {
        accepted(&lab, form, &attach(form));
    }
}

#[tokio::test]
async fn envoy_accepts_the_filters_for_istio() {
    let lab = Lab::new().await;
    let bootstrap = attach("envoy");
    for form in [
        "istio -n shop --mode envoy-filter --selector app=orders",
        "istio -n shop --mode envoy-filter --waypoint waypoint --ext-proc",
        "istio -n edge --mode envoy-filter --gateway public --max-request-bytes 0",
        "istio -n shop --selector app=orders --ext-proc",
    ] {
        let manifests = attach(form);
        accepted(&lab, form, &as_istio_would(&bootstrap, &manifests));
        // What Istio merges into the connection manager is what stands in there, and so was accepted.
        if let Some((_, patch)) = manifests.split_once("v3.HttpConnectionManager\n") {
            let lines = patch.lines().take_while(|line| line.starts_with("            "));
            let lines: Vec<_> = lines.map(str::trim).collect();
            assert_eq!(lines.len(), 3, "{lines:?}");
            assert!(lines.iter().all(|line| bootstrap.contains(&format!(" {line}\n"))), "{lines:?}");
        }
    }
}

#[tokio::test]
async fn a_socket_carries_traffic() {
    let lab = Lab::new().await;
    let tollgate = lab.tollgate(&["--max-check-time", "4s"]).await;
    let envoy = start(&lab, &placed(&lab, tollgate.listen(), &attach(SOCKET))).await;
    carries_traffic(&lab, &envoy, tollgate).await;
}

#[tokio::test]
async fn the_filter_for_istio_carries_traffic_over_a_socket() {
    let lab = Lab::new().await;
    let tollgate = lab.tollgate(&["--max-check-time", "4s"]).await;
    let filter = attach("istio -n shop --mode envoy-filter --selector app=orders --sidecar");
    assert!(filter.contains("address: unix:///run/tollgate/tollgate.sock\n"), "{filter}");
    let envoy = start(&lab, &placed(&lab, tollgate.listen(), &as_istio_would(&attach(SOCKET), &filter))).await;
    carries_traffic(&lab, &envoy, tollgate).await;
}

#[tokio::test]
async fn mutual_tls_carries_traffic() {
    let lab = Lab::new().await;
    let folder = certificates_of_tollgate(&lab).display().to_string();
    let ca = lab.tls().client_authority.display().to_string();
    let arguments = ["--max-check-time", "4s", "--tls", &folder, "--tls-client-ca", &ca, "--tls-client-san", GATEWAY];
    let tollgate = lab.tollgate_at(Address::Tcp(([127, 0, 0, 1], 0).into()), &arguments).await;
    let envoy = start(&lab, &placed(&lab, tollgate.listen(), &attach(MUTUAL))).await;
    carries_traffic(&lab, &envoy, tollgate).await;
}

#[tokio::test]
async fn an_address_is_proven_by_a_certificate_that_has_it() {
    let lab = Lab::new().await;
    let folder = certificates_of_tollgate(&lab).display().to_string();
    let ca = lab.tls().client_authority.display().to_string();
    let arguments = ["--max-check-time", "4s", "--tls", &folder, "--tls-client-ca", &ca, "--tls-client-san", GATEWAY];
    let tollgate = lab.tollgate_at(Address::Tcp(([127, 0, 0, 1], 0).into()), &arguments).await;
    let other = placed(&lab, tollgate.listen(), &attach(&ADDRESS.replace("127.0.0.1", "127.0.0.2")));
    let client = lab.workload("spiffe://cluster.local/ns/bots/sa/chat");
    let envoy = start(&lab, &other).await;
    let refused = lab.client(&envoy, "front", Some(&client)).send(&Request::get(HOST, "/v1/orders/7")).await.unwrap();
    assert_eq!(refused.status, 503, "{}", refused.text());
    let envoy = start(&lab, &placed(&lab, tollgate.listen(), &attach(ADDRESS))).await;
    carries_traffic(&lab, &envoy, tollgate).await;
}

/// Istio verifies tokens with the same filter of Envoy, before this one, and calls the payload `payload`.
#[tokio::test]
async fn what_was_verified_of_a_token_arrives_through_the_filter_for_istio() {
    let lab = Lab::new().await;
    let policies = lab.path().join("policies");
    std::fs::create_dir(&policies).unwrap();
    for file in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("policies")).unwrap() {
        let file = file.unwrap();
        let text = std::fs::read_to_string(file.path()).unwrap();
        std::fs::write(policies.join(file.file_name()), text.replace("jwt_authn/claims", "jwt_authn/payload")).unwrap();
    }
    let tollgate = lab.tollgate_with(policies, &["--max-check-time", "4s"]).await;
    let filter = attach("istio -n shop --mode envoy-filter --selector app=orders --sidecar");
    let mut text = as_istio_would(&attach(SOCKET), &filter);
    text = replaced(&text, "payload_in_metadata: claims", "payload_in_metadata: payload");
    text = replaced(&text, "audiences: [shop]", "");
    let keys = block(&text, "                          remote_jwks:\n");
    let keys = format!("                          remote_jwks:\n{}", indented(&keys, 28));
    let own = serde_json::Value::from(lab.tokens.jwks());
    text = replaced(&text, &keys, &format!("                          local_jwks: {{ inline_string: {own} }}\n"));
    let envoy = start(&lab, &placed(&lab, tollgate.listen(), &text)).await;
    let client = lab.client(&envoy, "front", Some(&lab.workload(DESK)));
    let order = Request::get(HOST, "/v1/orders/7");
    let known = client.send(&order.clone().header("authorization", lab.agent(0))).await.unwrap();
    let unknown = client.send(&order).await.unwrap();
    assert_eq!((known.status, unknown.status), (200, 403), "{} {}", known.text(), unknown.text());
}

//! What docs/kind.md applies to a cluster, on the real Envoy: it asks as the shipped configuration does, and answers as the page says.
//!
//! Only addresses, ports and the time that Envoy waits are put in their place.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;

use tollgate::demo::client::{Client, Request};
use tollgate::demo::service::Address;

use crate::attached::block;
use crate::lab::{HOST, Lab};
use crate::shipped_config::{replaced, start};

fn read(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(name)).unwrap()
}

/// A port that nobody has.
fn free() -> SocketAddr {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap()
}

#[test]
fn the_envoy_of_the_page_asks_as_the_shipped_one_does() {
    let (shipped, text) = (read("envoy/plain.yaml"), block(&read("kind/envoy.yaml"), "  envoy.yaml: |\n"));
    let text = replaced(&text, "tollgate-headless.tollgate-system.svc.cluster.local", "tollgate.internal");
    for mark in ["- name: envoy.filters.http.ext_authz\n", "- name: tollgate\n"] {
        assert_eq!(block(&text, mark), block(&shipped, mark));
    }
}

#[tokio::test]
async fn requests_are_answered_as_the_page_says() {
    let lab = Lab::new().await;
    let policies = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/kind/policies");
    let tollgate = lab.tollgate_with(policies, &["--max-check-time", "4s"]).await;
    let Address::Unix(socket) = tollgate.listen() else { panic!("it listens on a socket") };
    let mut text = block(&read("kind/envoy.yaml"), "  envoy.yaml: |\n");
    for (from, to) in [
        ("0.0.0.0, port_value: 8080", "127.0.0.1, port_value: 0".to_owned()),
        ("port_value: 9901", "port_value: 0".to_owned()),
        ("port_value: 8081", format!("port_value: {}", free().port())),
        (
            "socket_address: { address: tollgate-headless.tollgate-system.svc.cluster.local, port_value: 9000 }",
            format!("pipe: {{ path: {} }}", socket.display()),
        ),
        ("      type: STRICT_DNS          # every address behind the name gets its own connections\n", String::new()),
        ("timeout: 0.25s\n                        retry", "timeout: 5s\n                        retry".to_owned()),
        ("max_interval: 0.25s", "max_interval: 5s".to_owned()),
    ] {
        text = replaced(&text, from, &to);
    }
    let envoy = start(&lab, &text).await;
    let client = Client::plain(envoy.address("front").unwrap());
    let passes = client.send(&Request::get(HOST, "/status")).await.unwrap();
    assert_eq!((passes.status, passes.header("tollgate-receipt").is_some()), (200, true), "{}", passes.text());
    assert!(passes.text().starts_with("orders: asked for status.read, receipt "), "{}", passes.text());
    for path in ["/orders/7", "/elsewhere"] {
        let refused = client.send(&Request::get(HOST, path)).await.unwrap();
        assert_eq!((refused.status, refused.json()["reason"].as_str()), (401, Some("caller.unknown")), "{path}");
    }
}

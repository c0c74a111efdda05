//! `tollgate health`, which asks a running Tollgate as the kubelet does.

use std::net::{SocketAddr, TcpListener};
use std::process::Command;
use std::time::Duration;

use crate::support::{Gate, SERVING, Setup};

/// Runs the command beside what it asks, and returns its exit status and what it prints.
async fn health(arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tollgate"));
    command.arg("health").args(arguments);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    (output.status.code(), String::from_utf8(output.stdout).unwrap())
}

/// Whether a probe of liveness, which has a second as the kubelet gives it, hears that it is well.
pub async fn is_alive(address: SocketAddr) -> bool {
    let probe = async {
        let endpoint = tonic::transport::Endpoint::from_shared(format!("http://{address}")).unwrap();
        let mut client = tonic_health::pb::health_client::HealthClient::new(endpoint.connect().await?);
        let request = tonic_health::pb::HealthCheckRequest { service: "liveness".to_owned() };
        anyhow::Ok(client.check(request).await?.into_inner().status == SERVING)
    };
    matches!(tokio::time::timeout(Duration::from_secs(1), probe).await, Ok(Ok(true)))
}

#[tokio::test]
async fn who_is_ready_says_so() {
    let gate = Gate::start().await;
    let address = gate.health.to_string();
    let serving = (Some(0), "serving\n".to_owned());
    assert_eq!(health(&[&address]).await, serving);
    assert_eq!(health(&[&address, "--service", "liveness"]).await, serving);
    assert_eq!(health(&[&address, "--service", "envoy.service.auth.v3.Authorization"]).await, serving);
    let checks = gate.listen[0].to_string();
    assert_eq!(health(&[&checks]).await, serving, "the port for checks answers it too");
}

#[tokio::test]
async fn who_has_no_policies_is_alive_and_not_ready() {
    let gate = Gate::start_with(Setup { policies: None, ..Setup::default() }).await;
    let address = gate.health.to_string();
    assert_eq!(health(&[&address]).await, (Some(1), "not serving\n".to_owned()));
    assert_eq!(health(&[&address, "--service", "liveness"]).await.0, Some(0));
}

#[tokio::test]
async fn a_unix_socket_is_asked_too() {
    let folder = tempfile::tempdir().unwrap();
    let socket = format!("unix:{}", folder.path().join("tollgate.sock").display());
    let listen = socket.parse().unwrap();
    let gate =
        Gate::start_with(Setup { change: Box::new(move |config| config.listen = vec![listen]), ..Setup::default() });
    let _gate = gate.await;
    assert_eq!(health(&[&socket]).await.0, Some(0));
}

#[tokio::test]
async fn who_cannot_be_asked_is_neither_good_nor_bad() {
    let gate = Gate::start().await;
    let address = gate.health.to_string();
    let (status, said) = health(&[&address, "--service", "readyness"]).await;
    assert_eq!(status, Some(3), "{said}");
    assert!(said.contains("knows no service `readyness`: `readiness` and `liveness` are known"), "{said}");

    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let hangs = silent.local_addr().unwrap().to_string();
    for (arguments, says) in [
        (vec![closed.as_str()], format!("cannot ask `{closed}`: ")),
        (vec![hangs.as_str(), "--timeout", "50ms"], format!("cannot ask `{hangs}`: no answer within 50ms")),
        (vec!["a b"], "neither `HOST:PORT` nor `unix:/path`".to_owned()),
        (vec!["unix:/nowhere/tollgate.sock"], "cannot ask `unix:/nowhere/tollgate.sock`".to_owned()),
    ] {
        let (status, said) = health(&arguments).await;
        assert_eq!(status, Some(3), "{said}");
        assert!(said.contains(&says), "{says} in {said}");
    }
}

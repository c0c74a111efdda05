//! Connections: how old they become, and what is asked on them that is no check.

use std::time::Duration;

use bytes::Bytes;
use h2::Error;
use h2::client::SendRequest;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tollgate::config::Config;
use tollgate::transport::Listen;

use crate::support::{Ask, Gate, Seen, Setup, seen};

/// A connection of our own making, and how it ends.
async fn connect(gate: &Gate) -> (SendRequest<Bytes>, JoinHandle<Result<(), Error>>) {
    let Listen::Tcp(address) = gate.listen[0] else { panic!("TCP") };
    let stream = TcpStream::connect(address).await.unwrap();
    let (sender, connection) = h2::client::handshake(stream).await.unwrap();
    (sender, tokio::spawn(connection))
}

fn head() -> http::Request<()> {
    let head = http::Request::post("http://tollgate/envoy.service.auth.v3.Authorization/Check");
    head.header("content-type", "application/grpc").header("te", "trailers").body(()).unwrap()
}

#[tokio::test]
async fn an_old_connection_is_asked_to_end_and_another_one_is_taken() {
    let change = Box::new(|config: &mut Config| config.transport.max_age = Duration::from_millis(300));
    let gate = Gate::start_with(Setup { change, ..Setup::default() }).await;
    let (sender, ended) = connect(&gate).await;
    let ended = tokio::time::timeout(Duration::from_secs(10), ended).await.expect("it is asked to end").unwrap();
    assert!(ended.is_ok(), "GOAWAY without an error, not {ended:?}");
    drop(sender);
    assert_eq!(seen(&gate.check(&Ask::order()).await), Seen::Allowed);
    gate.end().await;
}

#[tokio::test]
async fn what_is_no_check_has_a_status_that_says_so() {
    let gate = Gate::start().await;
    let (sender, ended) = connect(&gate).await;
    let status = async |request: http::Request<()>, body: &'static [u8]| {
        let (answer, mut stream) = sender.clone().ready().await.unwrap().send_request(request, false).unwrap();
        stream.send_data(Bytes::from_static(body), true).unwrap();
        let answer = answer.await.unwrap();
        answer.headers().get("grpc-status").map(|status| status.to_str().unwrap().to_owned())
    };
    let mut elsewhere = head();
    *elsewhere.uri_mut() = "http://tollgate/envoy.service.auth.v3.Authorization/Chekc".parse().unwrap();
    assert_eq!(status(elsewhere, b"").await.as_deref(), Some("12"));
    // A message that is cut off, one that is compressed, one that is no message.
    assert_eq!(status(head(), &[0, 0, 0, 0, 9, 1]).await.as_deref(), Some("13"));
    assert_eq!(status(head(), &[1, 0, 0, 0, 1, 1]).await.as_deref(), Some("13"));
    assert_eq!(status(head(), &[0, 0, 0, 0, 1, 0xff]).await.as_deref(), Some("14"));
    ended.abort();
    gate.end().await;
}

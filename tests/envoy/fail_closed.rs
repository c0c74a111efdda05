//! Nobody to ask: what Envoy does, as we configure it, when there is no Tollgate.

use tollgate::demo::client::Request;
use tollgate::demo::envoy::{ExtAuthz, Listener};
use tollgate::demo::service::Address;

use crate::lab::{HOST, Lab};

async fn refuses_while_nobody_answers(tollgate: Address, lab: &Lab) {
    let envoy = lab.envoy(tollgate, vec![Listener::new("plain")]).await;
    let client = tollgate::demo::client::Client::plain(envoy.address("plain").unwrap());
    for _ in 0..20 {
        let response = client.send(&Request::get(HOST, "/v1/orders/1042")).await.unwrap();
        assert_eq!(response.status, 503, "{}", response.text());
    }
    assert_eq!(lab.upstream.count(), 0, "a request went through unjudged");
    let errors = envoy.stats(r"^http\..*ext_authz\.tollgate\.error$").await.unwrap();
    assert_eq!(errors.values().sum::<u64>(), 20, "{errors:?}");
}

#[tokio::test]
async fn without_tollgate_envoy_answers_503_and_nothing_reaches_the_services() {
    let lab = Lab::new().await;
    refuses_while_nobody_answers(lab.socket(), &lab).await;
}

#[tokio::test]
async fn without_tollgate_on_its_port_envoy_answers_503_too() {
    let lab = Lab::new().await;
    // Bound and never accepted from would hang; a port that was just given back refuses.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    refuses_while_nobody_answers(Address::Tcp(free), &lab).await;
}

#[tokio::test]
async fn a_listener_without_the_filter_asks_nobody() {
    let lab = Lab::new().await;
    let listener = Listener { ext_authz: None, ..Listener::new("direct") };
    let envoy = lab.envoy(lab.socket(), vec![listener]).await;
    let client = tollgate::demo::client::Client::plain(envoy.address("direct").unwrap());
    let response = client.send(&Request::get(HOST, "/v1/orders/1042")).await.unwrap();
    assert_eq!((response.status, lab.upstream.count()), (200, 1));
}

#[tokio::test]
async fn failing_open_is_a_switch_that_somebody_has_to_turn() {
    let lab = Lab::new().await;
    assert!(!ExtAuthz::default().failure_mode_allow);
    let check = ExtAuthz { failure_mode_allow: true, ..ExtAuthz::default() };
    let envoy = lab.envoy(lab.socket(), vec![Listener { ext_authz: Some(check), ..Listener::new("open") }]).await;
    let client = tollgate::demo::client::Client::plain(envoy.address("open").unwrap());
    assert_eq!(client.send(&Request::get(HOST, "/")).await.unwrap().status, 200);
    assert_eq!(envoy.count(r"^http\..*ext_authz\.tollgate\.failure_mode_allowed$").await.unwrap(), 1);
}

//! Every switch of the laboratory yields a configuration that Envoy takes, without a warning about old fields.

use std::time::Duration;

use serde_json::json;
use tollgate::demo::envoy::{
    BodyLimit, ExtAuthz, HeaderForm, Listener, Normalisation, PeerCertificate, Tls, Xfcc, validate,
};
use tollgate::demo::service::Address;

use crate::lab::{Lab, binary};

async fn accepts(lab: &Lab, tollgate: Address, listener: Listener) {
    let options = lab.options(tollgate, vec![listener]);
    validate(&binary(), &options, lab.path()).await.unwrap();
    let log = std::fs::read_to_string(lab.path().join("envoy-validate.log")).unwrap();
    assert!(!log.to_lowercase().contains("deprecat"), "{log}");
}

#[tokio::test]
async fn envoy_accepts_the_configuration_that_operators_get() {
    let lab = Lab::new().await;
    let listener = Listener { access_log: Some(lab.path().join("access.log")), ..lab.front() };
    accepts(&lab, lab.socket(), listener).await;
}

#[tokio::test]
async fn envoy_accepts_every_switch_turned_the_other_way() {
    let lab = Lab::new().await;
    let check = ExtAuthz {
        headers: HeaderForm::Map,
        body: Some(BodyLimit { max_bytes: 8192, allow_partial: true, pack_as_bytes: true }),
        allowed_headers: vec!["authorization".to_owned(), "tollgate-purpose".to_owned()],
        disallowed_headers: vec!["cookie".to_owned()],
        timeout: Duration::from_millis(250),
        retries: 0,
        status_on_error: 500,
        failure_mode_allow: true,
        validate_mutations: true,
        include_peer_certificate: false,
        include_tls_session: false,
        metadata_namespaces: Vec::new(),
        context_extensions: [("tollgate.api".to_owned(), "orders".to_owned())].into(),
        others: json!({ "failure_mode_allow_header_add": true }).as_object().unwrap().clone(),
    };
    let tls = Tls { client_certificate: PeerCertificate::Optional, ..lab.tls() };
    let listener = Listener {
        tls: Some(tls),
        ext_authz: Some(check),
        normalisation: Normalisation::Bare,
        xfcc: Xfcc::SetFromCertificate,
        ..Listener::new("other")
    };
    accepts(&lab, Address::Tcp("127.0.0.1:9000".parse().unwrap()), listener).await;
}

#[tokio::test]
async fn a_configuration_that_envoy_refuses_is_reported_in_envoys_words() {
    let lab = Lab::new().await;
    let mut check = ExtAuthz::default();
    check.others.insert("no_such_field".to_owned(), true.into());
    let options = lab.options(lab.socket(), vec![Listener { ext_authz: Some(check), ..Listener::new("wrong") }]);
    let error = validate(&binary(), &options, lab.path()).await.unwrap_err().to_string();
    assert!(error.contains("no_such_field") && error.contains("envoy-validate.log"), "{error}");
}

#[test]
fn a_missing_envoy_is_an_error_that_says_how_to_get_one() {
    let error = tollgate::demo::envoy::locate("no/such/envoy".as_ref()).unwrap_err().to_string();
    assert!(error.contains("make envoy") && error.contains("TOLLGATE_ENVOY"), "{error}");
}

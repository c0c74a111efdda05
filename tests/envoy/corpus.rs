//! The corpus through the real Envoy: one that mends nothing, in both forms of headers, and one as we ship it.
//!
//! What Tollgate decided is read from its ledger, by the receipt in the answer. An answer without a receipt is Envoy's own,
//! and then Tollgate was not asked.

use std::collections::HashMap;

use tollgate::demo::client::Client;
use tollgate::demo::envoy::{Envoy, ExtAuthz, HeaderForm, Listener, Normalisation, PeerCertificate, Tls};
use tollgate::{ledger, receipt};

use crate::corpus_cases::{self as corpus, Caller, Case, Expected};
use crate::lab::Lab;

const LISTENERS: [&str; 3] = ["bare", "joined", "shipped"];

#[tokio::test]
async fn each_case_is_answered_as_it_says() {
    let cases = corpus::read(corpus::folder());
    let lab = Lab::new().await;
    let mut tollgate = lab.tollgate_with(corpus::folder().join("policies"), &[]).await;
    // Cases have callers without a certificate.
    let tls = || Some(Tls { client_certificate: PeerCertificate::Optional, ..lab.tls() });
    let joined = ExtAuthz { headers: HeaderForm::Map, ..ExtAuthz::default() };
    let bare = || Listener { tls: tls(), jwt: None, normalisation: Normalisation::Bare, ..lab.front() };
    let listeners = vec![
        Listener { name: "bare".into(), ..bare() },
        Listener { name: "joined".into(), ext_authz: Some(joined), ..bare() },
        Listener { name: "shipped".into(), tls: tls(), ..lab.front() },
    ];
    let envoy = lab.envoy(lab.socket(), listeners).await;
    let clients = Clients::new(&lab, &envoy);
    let mut answers = Vec::new();
    for case in &cases {
        for listener in LISTENERS {
            answers.push((case, listener, clients.send(case, listener).await));
        }
    }
    assert!(tollgate.terminate(std::time::Duration::from_secs(20)).await.unwrap().success());

    let records =
        ledger::read(&lab.path().join("ledger")).unwrap().map(|bytes| receipt::decode(&bytes.unwrap()).unwrap());
    let decided: HashMap<_, _> =
        records.map(|record| (record.id.clone(), Expected::of_record(&record.reason, &record.action))).collect();
    let asked = answers.iter().filter(|(_, _, answer)| answer.receipt.is_some()).count();
    assert_eq!(decided.len(), asked, "whatever was decided was answered, and the other way round");
    let mut wrong = Vec::new();
    for (case, listener, answer) in &answers {
        let found = answer.receipt.as_ref().map_or(Expected::Envoy(answer.status), |receipt| decided[receipt].clone());
        let expected = if *listener == "shipped" { &case.shipped } else { &case.bare };
        if found != *expected {
            wrong.push(format!("{} ({listener}): {found}, not {expected}", case.name));
        }
        let reached =
            answer.receipt.as_ref().is_some_and(|receipt| lab.upstream.find("tollgate-receipt", receipt).is_some());
        assert_eq!(reached, matches!(found, Expected::Granted(_)), "{}: the service gets what was granted", case.name);
    }
    assert!(wrong.is_empty(), "{} are not as expected:\n{}", wrong.len(), wrong.join("\n"));
    let granted = answers.iter().filter(|(case, listener, _)| {
        matches!(if *listener == "shipped" { &case.shipped } else { &case.bare }, Expected::Granted(_))
    });
    assert_eq!(lab.upstream.count(), granted.count() as u64, "nothing else reached the service");
}

/// A client for each caller and listener.
struct Clients(HashMap<(&'static str, &'static str), Client>);

struct Answer {
    status: u16,
    receipt: Option<String>,
}

impl Clients {
    fn new(lab: &Lab, envoy: &Envoy) -> Self {
        let mut clients = HashMap::new();
        for caller in [Caller::Desk, Caller::Other, Caller::Foreign, Caller::Nobody] {
            let credentials = caller.spiffe_id().map(|id| lab.workload(id));
            for listener in LISTENERS {
                let client = lab.client(envoy, listener, credentials.as_ref());
                clients.insert((caller.spiffe_id().unwrap_or_default(), listener), client);
            }
        }
        Self(clients)
    }

    async fn send(&self, case: &Case, listener: &'static str) -> Answer {
        let client = &self.0[&(case.caller.spiffe_id().unwrap_or_default(), listener)];
        let exchange = async {
            let to_head = case.request.method == b"HEAD";
            client.connect().await?.exchange(&case.request.to_wire(), to_head).await
        };
        let response = exchange.await.unwrap_or_else(|error| panic!("{} ({listener}): {error:#}", case.name));
        Answer { status: response.status, receipt: response.header("tollgate-receipt").map(str::to_owned) }
    }
}

//! `kill -9` of Tollgate, again and again, under load: nothing passes unjudged, and nothing that was promised is lost.
//!
//! It counts on all three sides: what clients were answered, what reached the services, what is in the ledger. Half of the
//! calls are of a tier whose record is on disk before the answer, so each of those that passed must be found there.
//! Calls that break off would be counted as `other`; behind an Envoy that stays up there is no reason for any.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;
use tollgate::demo::client::{Client, Request};
use tollgate::demo::envoy::Envoy;
use tollgate::demo::service::Tollgate;

use crate::lab::{DESK, HOST, Lab};
use crate::receipts::Receipts;

const KILLS: usize = 4;
const CALLERS: usize = 6;
/// Load on each side of a kill.
const EACH: Duration = Duration::from_millis(400);

/// Shared by those who call and the one who kills.
#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    passed: AtomicU64,
}

/// How the calls came out, as the clients saw them.
#[derive(Debug, Default)]
struct Tally {
    sent: usize,
    /// The receipts of those with 200, by whether their record had to be on disk first.
    sure: Vec<String>,
    fast: Vec<String>,
    unjudged: usize,
    refused: usize,
    other: Vec<String>,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_passes_unjudged_while_tollgate_is_killed_under_load() {
    let (lab, services) = (Lab::new().await, Receipts::start().await);
    let mut tollgate = lab.tollgate(&["--max-check-time", "1s"]).await;
    let mut options = lab.options(lab.socket(), vec![lab.front()]);
    options.upstream = services.address;
    let envoy = Envoy::start(&crate::lab::binary(), &options, lab.path()).await.unwrap();

    let shared = Arc::new(Shared::default());
    let mut load = JoinSet::new();
    for number in 0..CALLERS {
        let (client, token) = (lab.client(&envoy, "front", Some(&lab.workload(DESK))), lab.agent(10));
        load.spawn(keep_calling(client, token, number, Arc::clone(&shared)));
    }
    for _ in 0..KILLS {
        until_more_pass(&shared, &mut tollgate).await;
        tokio::time::sleep(EACH).await;
        tollgate.kill().unwrap();
        tokio::time::sleep(EACH).await;
        tollgate.restart().await.unwrap();
    }
    until_more_pass(&shared, &mut tollgate).await;
    shared.stop.store(true, Ordering::SeqCst);
    let tally = load.join_all().await.into_iter().fold(Tally::default(), Tally::and);
    tollgate.kill().unwrap();
    compare(&tally, &services.seen(), &recorded(&lab));
}

fn compare(tally: &Tally, reached: &[Option<String>], recorded: &BTreeSet<String>) {
    let answered: BTreeSet<_> = tally.sure.iter().chain(&tally.fast).cloned().collect();
    let passed = tally.sure.len() + tally.fast.len();
    println!(
        "killed {KILLS} times: {} sent, {passed} passed with a receipt, {} refused with 503, {} others, {} without a \
         receipt; {} reached the services; {} records",
        tally.sent,
        tally.refused,
        tally.other.len(),
        tally.unjudged,
        reached.len(),
        recorded.len()
    );
    assert!(tally.other.is_empty(), "{:?}", tally.other);
    assert_eq!(tally.unjudged, 0, "answered by a service, without a receipt");
    assert_eq!(tally.sent, passed + tally.refused);
    assert!(tally.refused > KILLS && passed > KILLS, "there was load on both sides of the kills");

    assert!(reached.iter().all(Option::is_some), "a request reached the services without a receipt");
    let reached_once: BTreeSet<_> = reached.iter().flatten().cloned().collect();
    assert_eq!(reached.len(), reached_once.len(), "no receipt was used twice");
    assert_eq!(reached_once, answered, "what reached the services is what was answered with a receipt");

    let lost: Vec<_> = tally.sure.iter().filter(|receipt| !recorded.contains(*receipt)).collect();
    assert!(!tally.sure.is_empty() && lost.is_empty(), "promised to be on disk, and not there: {lost:?}");
}

/// Waits until calls pass that were not yet sent when it began.
async fn until_more_pass(shared: &Shared, tollgate: &mut Tollgate) {
    let enough = shared.passed.load(Ordering::SeqCst) + 2 * CALLERS as u64;
    for _ in 0..500 {
        if shared.passed.load(Ordering::SeqCst) >= enough {
            return;
        }
        tollgate.still_runs().unwrap();
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("nothing passes ten seconds after Tollgate was ready");
}

async fn keep_calling(client: Client, token: String, number: usize, shared: Arc<Shared>) -> Tally {
    let read = Request::get(HOST, "/v1/orders/7").header("authorization", token.as_str());
    let cancel = Request::new("POST", HOST, "/v1/orders/7/cancel").header("authorization", token);
    let mut connection = client.connect().await.unwrap();
    let mut tally = Tally::default();
    while !shared.stop.load(Ordering::SeqCst) {
        let is_sure = (tally.sent + number).is_multiple_of(2);
        tally.sent += 1;
        let answer = match connection.send(if is_sure { &cancel } else { &read }).await {
            Ok(answer) => answer,
            Err(error) => {
                tally.other.push(format!("{error:#}"));
                connection = client.connect().await.unwrap();
                continue;
            }
        };
        match (answer.status, answer.header("tollgate-receipt")) {
            (200, Some(receipt)) => {
                if is_sure { &mut tally.sure } else { &mut tally.fast }.push(receipt.to_owned());
                shared.passed.fetch_add(1, Ordering::SeqCst);
            }
            (200, None) => tally.unjudged += 1,
            (503, _) => {
                tally.refused += 1;
                // A refusal costs Envoy nothing: without a pause they would be most of the load.
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            (status, _) => tally.other.push(format!("{status}: {}", answer.text())),
        }
    }
    tally
}

fn recorded(lab: &Lab) -> BTreeSet<String> {
    let records = tollgate::ledger::read(&lab.path().join("ledger")).unwrap();
    records.map(|record| tollgate::receipt::decode(&record.unwrap()).unwrap().id).collect()
}

impl Tally {
    fn and(mut self, other: Self) -> Self {
        self.sent += other.sent;
        self.sure.extend(other.sure);
        self.fast.extend(other.fast);
        self.unjudged += other.unjudged;
        self.refused += other.refused;
        self.other.extend(other.other);
        self
    }
}

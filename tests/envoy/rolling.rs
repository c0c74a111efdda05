//! Two replicas behind one Envoy, each with a ledger of its own: started again one after the other, and killed.
//!
//! A replica that is told to end costs no request: it says so first, and Envoy's health checks hear it in time. One that is
//! killed costs none either where Envoy may ask again. What is asked of a debug build is little; `make soak` asks for fifty
//! thousand requests the same way.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tollgate::demo::client::{Client, Request};
use tollgate::demo::envoy::{Envoy, ExtAuthz, Replicas};
use tollgate::demo::service::{self, Address, Tollgate};

use crate::lab::{DESK, HOST, Lab, binary};

const CALLERS: usize = 8;
/// As many as a debug build on a small machine bears beside everything else.
const AT_LEAST: u64 = 3_000;
const ROUNDS: usize = 2;
/// Two answers that say no, at this interval, come well within the delay of the drain.
const HEALTH_EVERY: Duration = Duration::from_millis(250);
const DRAIN_DELAY: &str = "1500ms";
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Default)]
struct Load {
    stop: AtomicBool,
    asked: AtomicU64,
}

/// Two of them, and an Envoy that asks both.
struct Pair {
    lab: Lab,
    replicas: [Tollgate; 2],
    envoy: Envoy,
}

const NAMES: [&str; 2] = ["one", "two"];

impl Pair {
    async fn start(check: ExtAuthz) -> Self {
        let lab = Lab::new().await;
        let replicas = [replica(&lab, NAMES[0]).await, replica(&lab, NAMES[1]).await];
        let addresses = replicas.iter().map(|replica| replica.listen().clone()).collect();
        let mut front = lab.front();
        front.ext_authz = Some(check);
        let mut options = lab.options(lab.socket(), vec![front]);
        options.tollgate = Replicas { addresses, tls: None, health_checks: Some(HEALTH_EVERY) };
        let envoy = Envoy::start(&binary(), &options, lab.path()).await.unwrap();
        let pair = Self { lab, replicas, envoy };
        pair.until_healthy(2).await;
        pair
    }

    /// Waits until Envoy finds so many of them well.
    async fn until_healthy(&self, count: u64) {
        let began = Instant::now();
        while self.envoy.count(r"cluster\.tollgate\.membership_healthy$").await.unwrap() != count {
            assert!(began.elapsed() < PATIENCE, "envoy does not find {count} replicas healthy");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    fn load(&self) -> (Arc<Load>, JoinSet<Vec<String>>) {
        let (load, mut callers) = (Arc::new(Load::default()), JoinSet::new());
        for _ in 0..CALLERS {
            let client = self.lab.client(&self.envoy, "front", Some(&self.lab.workload(DESK)));
            callers.spawn(keep_calling(client, self.lab.agent(0), Arc::clone(&load)));
        }
        (load, callers)
    }

    /// How many decisions are in each ledger, and all of their ids.
    fn recorded(&self) -> [Vec<String>; 2] {
        NAMES.map(|name| {
            let records = tollgate::ledger::read(&self.lab.path().join(name).join("ledger")).unwrap();
            records.map(|record| tollgate::receipt::decode(&record.unwrap()).unwrap().id).collect()
        })
    }
}

async fn replica(lab: &Lab, name: &str) -> Tollgate {
    let folder = lab.path().join(name);
    std::fs::create_dir(&folder).unwrap();
    let options = service::Options {
        binary: env!("CARGO_BIN_EXE_tollgate").into(),
        policies: Path::new(env!("CARGO_MANIFEST_DIR")).join("policies"),
        policies_poll: Duration::from_millis(200),
        listen: Address::Tcp(([127, 0, 0, 1], 0).into()),
        ledger: folder.join("ledger"),
        log: folder.join("tollgate.log"),
        arguments: ["--max-check-time", "5s", "--drain-delay", DRAIN_DELAY].map(String::from).to_vec(),
    };
    Tollgate::start(&options).await.unwrap()
}

/// Gives back what was not answered as it must be.
async fn keep_calling(client: Client, token: String, load: Arc<Load>) -> Vec<String> {
    let request = Request::get(HOST, "/v1/orders/7").header("authorization", token);
    let mut connection = client.connect().await.unwrap();
    let mut failed = Vec::new();
    while !load.stop.load(Ordering::SeqCst) {
        let answer = connection.send(&request).await;
        load.asked.fetch_add(1, Ordering::SeqCst);
        match answer {
            Ok(answer) if answer.status == 200 && answer.header("tollgate-receipt").is_some() => {}
            Ok(answer) => failed.push(format!("{}: {}", answer.status, answer.text())),
            Err(error) => {
                failed.push(format!("{error:#}"));
                connection = client.connect().await.unwrap();
            }
        }
    }
    failed
}

/// A machine that stands still for a moment must not fail a test.
fn patient() -> ExtAuthz {
    ExtAuthz { timeout: Duration::from_secs(10), ..ExtAuthz::default() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_that_are_started_again_one_after_the_other_cost_no_request() {
    let mut pair = Pair::start(patient()).await;
    let (load, callers) = pair.load();
    let mut rounds = 0;
    while rounds < ROUNDS || load.asked.load(Ordering::SeqCst) < AT_LEAST {
        for number in 0..2 {
            let status = pair.replicas[number].terminate(PATIENCE).await.unwrap();
            assert!(status.success(), "{status}");
            pair.replicas[number].restart().await.unwrap();
            pair.until_healthy(2).await;
        }
        rounds += 1;
    }
    load.stop.store(true, Ordering::SeqCst);
    let failed: Vec<_> = callers.join_all().await.into_iter().flatten().collect();
    for replica in &mut pair.replicas {
        assert!(replica.terminate(PATIENCE).await.unwrap().success());
    }
    let (asked, retries) =
        (load.asked.load(Ordering::SeqCst), pair.envoy.count(r"cluster\.tollgate\.upstream_rq_retry$").await.unwrap());
    let recorded = pair.recorded().map(|ids| ids.len() as u64);
    println!(
        "{} failed of {asked} in {rounds} rounds of two restarts; {retries} asked again; {recorded:?} recorded",
        failed.len()
    );
    assert!(failed.is_empty(), "{:?}", &failed[..failed.len().min(10)]);
    assert!(recorded.iter().all(|count| *count > 0), "both were asked");
    // Envoy told us of each request once, and each was decided once.
    assert_eq!((recorded.iter().sum::<u64>(), retries), (asked, 0));
    assert_eq!(pair.lab.upstream.count(), asked);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_is_killed_costs_no_request_where_envoy_may_ask_again() {
    let mut pair = Pair::start(patient()).await;
    let (load, callers) = pair.load();
    for number in [0, 1, 0] {
        tokio::time::sleep(Duration::from_millis(500)).await;
        pair.replicas[number].kill().unwrap();
        pair.until_healthy(1).await;
        pair.replicas[number].restart().await.unwrap();
        pair.until_healthy(2).await;
    }
    load.stop.store(true, Ordering::SeqCst);
    let failed: Vec<_> = callers.join_all().await.into_iter().flatten().collect();
    let retries = pair.envoy.count(r"cluster\.tollgate\.upstream_rq_retry$").await.unwrap();
    let asked = load.asked.load(Ordering::SeqCst);
    println!("{} failed of {asked} with three kills; {retries} asked again", failed.len());
    assert!(failed.is_empty(), "{:?}", &failed[..failed.len().min(10)]);
    assert!(retries > 0, "a kill under load was noticed");
    for replica in &mut pair.replicas {
        assert!(replica.terminate(PATIENCE).await.unwrap().success());
    }
    // What was judged and not answered was judged again: nothing passed that is not recorded.
    assert_eq!(pair.lab.upstream.count(), asked);
}

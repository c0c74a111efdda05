//! What goes wrong, and that it never becomes an allow.

use envoy_types::ext_authz::v3::pb::CheckResponse;
use prost::Message as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tollgate::clock::{Clock, System};
use tollgate::ext_authz::ErrorAnswer;
use tollgate::telemetry::{DecisionLog, Traces};
use tonic::Code;

use crate::support::{Ask, Gate, NOT_SERVING, SERVING, Seen, Setup, seen, until};

fn unavailable(reason: &str) -> Seen {
    Seen::Status(Code::Unavailable, reason.to_owned())
}

#[tokio::test]
async fn without_a_bundle_it_is_not_ready_and_every_check_is_an_error() {
    let gate = Gate::start_with(Setup { policies: None, ..Setup::default() }).await;
    for name in ["", "readiness", "envoy.service.auth.v3.Authorization"] {
        assert_eq!(gate.health(name).await, NOT_SERVING, "{name:?}");
    }
    assert_eq!(gate.health("liveness").await, SERVING);
    assert_eq!(seen(&gate.check(&Ask::order()).await), unavailable("bundle.none"));
    std::fs::copy(crate::support::shipped().join("00-ground.yaml"), gate.policies().join("a.yaml")).unwrap();
    gate.until_ready().await;
    assert_eq!(seen(&gate.check(&Ask::order()).await), crate::support::denied(403, "unmapped"));
    gate.end().await;
}

#[tokio::test]
async fn a_first_bundle_that_comes_while_it_drains_makes_nobody_ready() {
    let change = Box::new(|config: &mut tollgate::config::Config| config.drain.delay = Duration::from_secs(2));
    let mut gate = Gate::start_with(Setup { policies: None, change, ..Setup::default() }).await;
    gate.begin_end();
    std::fs::copy(crate::support::shipped().join("00-ground.yaml"), gate.policies().join("a.yaml")).unwrap();
    until("the bundle is in force", || async { gate.metrics().await.contains("tollgate_policy_info{") }).await;
    // It judges, for those who do not know yet that it ends, and says to all others that it does.
    assert_eq!(seen(&gate.check(&Ask::order()).await), crate::support::denied(403, "unmapped"));
    assert_eq!(gate.health("readiness").await, NOT_SERVING);
    gate.end().await;
}

/// A clock that panics while it is told to.
struct Broken(Arc<AtomicBool>);

impl Clock for Broken {
    fn now(&self) -> Timestamp {
        assert!(!self.0.load(Ordering::SeqCst), "the clock is broken");
        System.now()
    }
}

#[tokio::test]
async fn a_panic_is_that_requests_error_and_the_process_lives() {
    let broken = Arc::new(AtomicBool::new(false));
    let gate = Gate::start_with(Setup { clock: Arc::new(Broken(Arc::clone(&broken))), ..Setup::default() }).await;
    assert_eq!(seen(&gate.check(&Ask::order()).await), Seen::Allowed);
    broken.store(true, Ordering::SeqCst);
    assert_eq!(seen(&gate.check(&Ask::order()).await), unavailable("internal"));
    broken.store(false, Ordering::SeqCst);
    assert_eq!(seen(&gate.check(&Ask::order()).await), Seen::Allowed);
    assert!(gate.metrics().await.contains("tollgate_panics_total 1"));
    gate.end().await;
}

#[tokio::test]
async fn where_the_operator_says_that_envoy_knows_it_an_error_has_a_body() {
    let change = Box::new(|config: &mut tollgate::config::Config| config.check.errors = ErrorAnswer::ErrorResponse);
    let gate = Gate::start_with(Setup { policies: None, change, ..Setup::default() }).await;
    assert_eq!(seen(&gate.check(&Ask::order()).await), Seen::Failed(503));
    gate.end().await;
}

/// A service whose ledger nobody writes: a disk that never answers.
fn service_without_a_disk(folder: &tempfile::TempDir) -> (tollgate::ext_authz::Service, tollgate::ledger::Writer) {
    let (ledger, writer) = tollgate::ledger::open(&tollgate::ledger::Config::new(folder.path())).unwrap();
    let files = tollgate::sources::read(&crate::support::shipped()).unwrap();
    let bundle = tollgate::bundle::load(&files).unwrap().bundle;
    let pseudonyms = tollgate::receipt::Pseudonyms::try_new(&[7; 32]).unwrap();
    let bundles = tollgate::sources::Bundles::fixed(bundle);
    let checkpoint = tollgate::checkpoint::Checkpoint::new(bundles, ledger, pseudonyms, Arc::new(System));
    let config = tollgate::ext_authz::Config::new(Duration::from_millis(50));
    (tollgate::ext_authz::Service::new(checkpoint, config, Traces::default(), DecisionLog::default()), writer)
}

async fn answer(service: &tollgate::ext_authz::Service, ask: Ask, timeout: Option<&str>) -> Seen {
    let mut headers = http::HeaderMap::new();
    if let Some(timeout) = timeout {
        headers.insert("grpc-timeout", timeout.parse().unwrap());
    }
    let answer = service.check(&ask.to_wire().encode_to_vec(), &headers, Instant::now()).await;
    seen(&answer.map(|bytes| CheckResponse::decode(&bytes[..]).unwrap()))
}

#[tokio::test]
async fn a_deadline_is_met_with_an_error_before_it_ends() {
    let folder = tempfile::TempDir::new().unwrap();
    let (service, writer) = service_without_a_disk(&folder);
    // The configured maximum, and a caller's deadline below it and above it.
    for timeout in [None, Some("20m"), Some("10S")] {
        assert_eq!(answer(&service, Ask::reset(0), timeout).await, unavailable("deadline.exceeded"), "{timeout:?}");
    }
    // A deadline that is over already does not skip the rules.
    assert_ne!(answer(&service, Ask { path: "/v1/nowhere".into(), ..Ask::order() }, Some("1n")).await, Seen::Allowed);
    // What need not be on disk does not wait for it.
    assert_eq!(answer(&service, Ask::order(), None).await, Seen::Allowed);
    drop(writer);
    assert_eq!(answer(&service, Ask::reset(0), None).await, unavailable("receipt.unavailable"));
}

#[tokio::test]
async fn a_denial_stands_while_the_disk_does_not_answer() {
    let folder = tempfile::TempDir::new().unwrap();
    let (service, _writer) = service_without_a_disk(&folder);
    let bot = Ask { workload: "spiffe://cluster.local/ns/bots/sa/chat", ..Ask::reset(0) };
    assert_eq!(answer(&service, bot, None).await, crate::support::denied(403, "contract.none"));
}

#[tokio::test]
async fn a_record_that_came_too_late_is_corrected_under_the_same_id() {
    let folder = tempfile::TempDir::new().unwrap();
    let (service, writer) = service_without_a_disk(&folder);
    assert_eq!(answer(&service, Ask::reset(0), None).await, unavailable("deadline.exceeded"));
    drop(service);
    tokio::task::spawn_blocking(|| writer.run()).await.unwrap();
    let records = crate::support::records(folder.path());
    let said: Vec<_> = records.iter().map(|record| record.reason.as_str()).collect();
    assert_eq!(said, ["granted", "deadline.exceeded"]);
    assert_eq!(records[0].id, records[1].id);
}

#[tokio::test]
async fn a_message_as_large_as_envoys_largest_body_is_read_and_a_larger_one_is_an_error() {
    let gate = Gate::start().await;
    let mut client = gate.client().await;
    let ask = |bytes: usize| {
        let mut request = Ask::order().to_wire();
        let http = request.attributes.as_mut().unwrap().request.as_mut().unwrap().http.as_mut().unwrap();
        http.raw_body = vec![b'x'; bytes];
        request
    };
    let answer = client.check(ask(8 << 20)).await.map(tonic::Response::into_inner);
    assert_eq!(seen(&answer), Seen::Allowed);
    let answer = client.check(ask(17 << 20)).await.map(tonic::Response::into_inner);
    assert!(matches!(seen(&answer), Seen::Status(Code::OutOfRange, _)), "{answer:?}");
    gate.end().await;
}

#[tokio::test]
async fn a_disk_that_is_gone_stops_only_what_must_be_recorded() {
    let gate = Gate::start_with(Setup {
        change: Box::new(|config| {
            // The folder becomes a file as soon as the process has it open: nothing can be created in it any more.
            std::fs::create_dir_all(&config.ledger.dir).unwrap();
        }),
        ..Setup::default()
    })
    .await;
    let dir = gate.folder.path().join("ledger");
    std::fs::remove_dir_all(&dir).unwrap();
    std::fs::write(&dir, "in the way").unwrap();
    assert_eq!(seen(&gate.check(&Ask::reset(0)).await), unavailable("receipt.unavailable"));
    assert_eq!(seen(&gate.check(&Ask::order()).await), Seen::Allowed);
    until("the loss is counted", || async { gate.metrics().await.contains("tollgate_ledger_failing 1") }).await;
    std::fs::remove_file(&dir).unwrap();
    std::fs::create_dir(&dir).unwrap();
    until("it recovers", || async { seen(&gate.check(&Ask::reset(0)).await) == Seen::Allowed }).await;
    gate.end().await;
}

//! What goes wrong, and that it never becomes an allow.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use tollgate::clock::{Clock, System};
use tollgate::ext_authz::ErrorAnswer;
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

#[tokio::test]
async fn a_deadline_is_met_with_an_error_before_it_ends() {
    // A disk that never answers: the folder of the ledger is there, and nobody writes to it.
    let folder = tempfile::TempDir::new().unwrap();
    let (ledger, writer) = tollgate::ledger::open(&tollgate::ledger::Config::new(folder.path())).unwrap();
    let files = tollgate::sources::read(&crate::support::shipped()).unwrap();
    let bundle = tollgate::bundle::load(&files).unwrap().bundle;
    let pseudonyms = tollgate::receipt::Pseudonyms::try_new(vec![7; 32]).unwrap();
    let checkpoint = tollgate::checkpoint::Checkpoint::new(
        tollgate::sources::Bundles::fixed(bundle),
        ledger,
        pseudonyms,
        Arc::new(System),
    );
    let config = tollgate::ext_authz::Config {
        max_time: Duration::from_millis(50),
        max_bytes: 1 << 20,
        errors: ErrorAnswer::GrpcStatus,
    };
    let service = tollgate::ext_authz::Service::new(checkpoint, config, tollgate::telemetry::Traces::default());
    let check = |ask: Ask, timeout: Option<&str>| {
        let mut request = tonic::Request::new(ask.to_wire());
        if let Some(timeout) = timeout {
            request.metadata_mut().insert("grpc-timeout", timeout.parse().unwrap());
        }
        let service = service.clone();
        async move {
            let answer = envoy_types::ext_authz::v3::pb::Authorization::check(&service, request).await;
            seen(&answer.map(tonic::Response::into_inner))
        }
    };
    // The configured maximum, and a caller's deadline below it and above it.
    for timeout in [None, Some("20m"), Some("10S")] {
        assert_eq!(check(Ask::reset(0), timeout).await, unavailable("deadline.exceeded"), "{timeout:?}");
    }
    // A deadline that is over already does not skip the rules.
    assert_ne!(check(Ask { path: "/v1/nowhere".into(), ..Ask::order() }, Some("1n")).await, Seen::Allowed);
    // What need not be on disk does not wait for it.
    assert_eq!(check(Ask::order(), None).await, Seen::Allowed);
    drop(writer);
    assert_eq!(check(Ask::reset(0), None).await, unavailable("receipt.unavailable"));
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

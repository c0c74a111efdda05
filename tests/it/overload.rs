//! More than can be done: errors at once, never an allow, and everybody else is served.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use jiff::Timestamp;
use tollgate::clock::{Clock, System};
use tonic::Code;

use crate::support::{Ask, Gate, NOT_SERVING, SERVING, Seen, Setup, seen, until};

/// A clock that makes each decision slow.
struct Slow(Duration, Arc<AtomicUsize>);

impl Clock for Slow {
    fn now(&self) -> Timestamp {
        // Whoever looks at the policies asks the time, too.
        if std::thread::current().name().is_some_and(|name| name.starts_with("check-")) {
            self.1.fetch_add(1, Ordering::SeqCst);
            std::thread::sleep(self.0);
        }
        System.now()
    }
}

fn is_shed(seen: &Seen) -> bool {
    ["overloaded", "deadline.exceeded"].iter().any(|why| *seen == Seen::Status(Code::Unavailable, (*why).into()))
}

#[tokio::test]
async fn what_waited_too_long_is_an_error_and_is_not_judged() {
    const ASKED: usize = 300;
    let judged = Arc::new(AtomicUsize::new(0));
    let clock = Arc::new(Slow(Duration::from_millis(5), Arc::clone(&judged)));
    let change = Box::new(|config: &mut tollgate::config::Config| {
        config.check.max_time = Duration::from_millis(200);
        // A thread of its own says since when it is busy.
        config.workers = 1;
    });
    let gate = Gate::start_with(Setup { clock, change, ..Setup::default() }).await;
    let client = gate.client().await;
    let before = judged.load(Ordering::SeqCst);
    let asked = (0..ASKED).map(|_| {
        let mut client = client.clone();
        async move { seen(&client.check(Ask::order().to_wire()).await.map(tonic::Response::into_inner)) }
    });
    let answers = join_all(asked).await;
    let allowed = answers.iter().filter(|answer| **answer == Seen::Allowed).count();
    let shed = answers.iter().filter(|answer| is_shed(answer)).count();
    assert_eq!(allowed + shed, ASKED, "{answers:?}");
    assert!(allowed > 0 && shed > 0, "{allowed} allowed, {shed} shed");
    // What was shed cost no judging: that is what keeps the others in time.
    let judged = judged.load(Ordering::SeqCst) - before;
    assert_eq!(judged, allowed, "{judged} were judged");
    let metrics = gate.metrics().await;
    assert!(metrics.contains(&format!("tollgate_shed_checks_total{{reason=\"late\"}} {shed}")), "{metrics}");
    assert_eq!(gate.end().await.len(), allowed, "what was not judged has no record");
}

#[tokio::test]
async fn who_was_idle_while_the_thread_was_busy_is_not_taken_for_late() {
    let clock = Arc::new(Slow(Duration::from_millis(5), Arc::default()));
    let change = Box::new(|config: &mut tollgate::config::Config| {
        config.check.max_time = Duration::from_secs(1);
        config.workers = 1;
    });
    let gate = Gate::start_with(Setup { clock, change, ..Setup::default() }).await;
    let mut idle = gate.client().await;
    assert_eq!(seen(&idle.check(Ask::order().to_wire()).await.map(tonic::Response::into_inner)), Seen::Allowed);
    // While one connection is answered, the others ask again, so that the thread never sleeps.
    let busy = [gate.client().await, gate.client().await, gate.client().await];
    let stop = Arc::new(AtomicBool::new(false));
    let asking = (0..12).map(|number: usize| {
        let (mut client, stop) = (busy[number % 3].clone(), Arc::clone(&stop));
        async move {
            while !stop.load(Ordering::SeqCst) {
                let _ = client.check(Ask::order().to_wire()).await;
            }
        }
    });
    let asking = tokio::spawn(join_all(asking));
    tokio::time::sleep(Duration::from_millis(2500)).await;
    let answer = seen(&idle.check(Ask::order().to_wire()).await.map(tonic::Response::into_inner));
    stop.store(true, Ordering::SeqCst);
    asking.await.unwrap();
    assert_eq!(answer, Seen::Allowed);
    gate.end().await;
}

#[tokio::test]
async fn as_many_as_may_be_are_under_way_and_the_others_are_told_at_once() {
    let change = Box::new(|config: &mut tollgate::config::Config| config.transport.max_pending = 2);
    let gate = Gate::start_with(Setup { change, ..Setup::default() }).await;
    let tollgate::transport::Listen::Tcp(address) = gate.listen[0] else { panic!("TCP") };
    let stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let (sender, connection) = h2::client::handshake(stream).await.unwrap();
    let driving = tokio::spawn(connection);
    let mut sender = sender.ready().await.unwrap();
    let head = || {
        let head = http::Request::post("http://tollgate/envoy.service.auth.v3.Authorization/Check");
        head.header("content-type", "application/grpc").body(()).unwrap()
    };
    // Two that never send their message hold the places.
    let held: Vec<_> = (0..2).map(|_| sender.send_request(head(), false).unwrap()).collect();
    let told = "tollgate_shed_checks_total{reason=\"pending\"}";
    until("both are under way", || {
        let (answer, _body) = sender.send_request(head(), true).unwrap();
        async {
            let answer = answer.await.unwrap();
            answer.headers().get("grpc-message").is_some_and(|message| message == "overloaded")
        }
    })
    .await;
    assert!(gate.metrics().await.contains(told));
    assert_eq!(seen(&gate.check(&Ask::order()).await), Seen::Status(Code::Unavailable, "overloaded".into()));
    drop(held);
    until("the places are given back", || async { seen(&gate.check(&Ask::order()).await) == Seen::Allowed }).await;
    driving.abort();
    gate.end().await;
}

#[tokio::test]
async fn bytes_under_way_are_bounded_and_what_does_not_fit_is_an_error() {
    let change = Box::new(|config: &mut tollgate::config::Config| config.transport.max_pending_bytes = 1 << 20);
    let gate = Gate::start_with(Setup { change, ..Setup::default() }).await;
    let mut client = gate.client().await;
    let mut request = Ask::order().to_wire();
    let http = request.attributes.as_mut().unwrap().request.as_mut().unwrap().http.as_mut().unwrap();
    http.raw_body = vec![b'x'; 2 << 20];
    let answer = client.check(request).await.map(tonic::Response::into_inner);
    assert_eq!(seen(&answer), Seen::Status(Code::Unavailable, "overloaded".into()));
    let metrics = gate.metrics().await;
    for counted in ["tollgate_shed_checks_total{reason=\"bytes\"} 1", "tollgate_errors_total{reason=\"overloaded\"} 1"]
    {
        assert!(metrics.contains(counted), "{metrics}");
    }
    assert_eq!(seen(&gate.check(&Ask::order()).await), Seen::Allowed);
    gate.end().await;
}

/// A clock that stands still, and its thread with it, while it is told to.
struct Stuck(Arc<AtomicBool>);

impl Clock for Stuck {
    fn now(&self) -> Timestamp {
        while self.0.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(5));
        }
        System.now()
    }
}

#[tokio::test]
async fn a_thread_that_is_stuck_ends_liveness_until_it_turns_again() {
    let stuck = Arc::new(AtomicBool::new(false));
    let change = Box::new(|config: &mut tollgate::config::Config| {
        config.workers = 1;
        config.max_stall = Duration::from_secs(1);
    });
    let clock = Arc::new(Stuck(Arc::clone(&stuck)));
    let gate = Gate::start_with(Setup { clock, change, ..Setup::default() }).await;
    assert_eq!(gate.health("liveness").await, SERVING);
    assert_eq!(seen(&gate.check(&Ask::order()).await), Seen::Allowed);
    stuck.store(true, Ordering::SeqCst);
    let mut client = gate.client().await;
    let waiting =
        tokio::spawn(async move { client.check(Ask::order().to_wire()).await.map(tonic::Response::into_inner) });
    until("it is no longer alive", || async { gate.health("liveness").await == NOT_SERVING }).await;
    // Health is answered by another thread, and so are metrics, which say for how long.
    let text = gate.metrics().await;
    let stall = text.lines().find_map(|line| line.strip_prefix("tollgate_longest_stall_seconds ")).unwrap();
    assert!(stall.parse::<f64>().unwrap() > 1.0, "{stall}");
    stuck.store(false, Ordering::SeqCst);
    until("it is alive again", || async { gate.health("liveness").await == SERVING }).await;
    assert_eq!(seen(&waiting.await.unwrap()), Seen::Allowed);
    gate.end().await;
}

//! The server of pages and of the webhook, and clients that hold what they can: each meets a bound and gives back its place.
//!
//! All of it over plain sockets and over TLS, with bounds that are short where a test waits for one, and long where none may be met.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use prometheus_client::registry::Registry;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, split};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tollgate::clock::System;
use tollgate::http::{Bounds, Server};
use tollgate::sources::certificates::{self, Protocol};
use tollgate::transport::{SmallPorts, Tls};

use crate::support::until;
use crate::tls::Files;
use crate::webhook;

/// Short for a test, and long enough for a machine that does much else.
const SHORT: Duration = Duration::from_millis(400);
/// How long somebody may take to end.
const PATIENCE: Duration = Duration::from_mins(1);
/// One place, and no end of patience: who keeps it keeps out everybody. None is kept free of those who wait.
const ONE: Bounds = {
    let long = Duration::from_hours(1);
    Bounds { connections: 1, waiting: 1, handshake: long, head: long, farewell: long, age: long, grace: long }
};

/// A port on which `/now` is answered at once, `/late` when somebody says so, and `/large` with much.
struct Port {
    address: SocketAddr,
    files: Option<Files>,
    /// What is under way at `/late`, and what of it may be answered.
    begun: Arc<Semaphore>,
    late: Arc<Semaphore>,
    /// Whom it turned away.
    counted: Registry,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

impl Port {
    async fn plain(bounds: Bounds) -> Self {
        Self::start(bounds, None).await
    }

    /// One in plain, and one over TLS.
    async fn both(bounds: Bounds) -> [Self; 2] {
        [Self::plain(bounds.clone()).await, Self::start(bounds, Some(Files::new())).await]
    }

    async fn start(bounds: Bounds, files: Option<Files>) -> Self {
        let [begun, late] = [(); 2].map(|()| Arc::new(Semaphore::new(0)));
        let (begins, waits) = (Arc::clone(&begun), Arc::clone(&late));
        let answer_late = async move || {
            begins.add_permits(1);
            waits.acquire().await.map(|_| "late").unwrap()
        };
        let router = Router::new()
            .route("/now", get(async || "now"))
            .route("/large", get(async || "x".repeat(256 * 1024)))
            .route("/late", get(answer_late));
        let (mut counted, of_ports) = (Registry::default(), SmallPorts::default());
        of_ports.register(&mut counted);
        let mut server = Server::new(router).within(bounds).counting(of_ports.of("test"));
        if let Some(files) = &files {
            let config = certificates::Config { client_ca: None, ..files.config(&[]) };
            let (in_force, _) = certificates::watch(config, Protocol::Http1, Arc::new(System)).unwrap();
            server = server.over(Tls::new(in_force));
        }
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, stop) = (listener.local_addr().unwrap(), CancellationToken::new());
        let task = tokio::spawn(server.serve(listener, stop.clone()));
        Self { address, files, begun, late, counted, stop, task }
    }

    async fn connect(&self) -> std::io::Result<Box<dyn Stream>> {
        let address = self.address.to_string();
        Ok(match &self.files {
            None => Box::new(TcpStream::connect(address).await?),
            Some(files) => Box::new(webhook::connect(&address, &files.authority, b"http/1.1").await?),
        })
    }

    /// Whether somebody who behaves is answered, over a connection of his own.
    async fn serves(&self) -> bool {
        let Ok(mut stream) = self.connect().await else { return false };
        let asked = stream.write_all(b"GET /now HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
        asked.is_ok() && rest(&mut stream).await.ends_with("now")
    }

    /// The place is there again.
    async fn serves_again(&self) {
        until("there is a place", || self.serves()).await;
    }

    /// Connections that were refused, and those that gave way.
    fn turned_away(&self) -> [usize; 2] {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.counted).unwrap();
        ["refused", "replaced"].map(|what| {
            let series = format!("port_{what}_connections_total{{port=\"test\"}} ");
            text.lines().find_map(|line| line.strip_prefix(&series)).unwrap().parse().unwrap()
        })
    }

    /// Told to stop, it ends.
    async fn ends(self) {
        self.stop.cancel();
        tokio::time::timeout(PATIENCE, self.task).await.expect("it ends").unwrap();
    }
}

/// What comes until the other end closes, or breaks off.
async fn rest(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut said = Vec::new();
    let _ = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut said)).await.expect("it is closed");
    String::from_utf8(said).unwrap()
}

/// Asks, and keeps the connection.
async fn ask(stream: &mut Box<dyn Stream>) {
    stream.write_all(b"GET /now HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut said = Vec::new();
    while !said.ends_with(b"now") {
        assert!(stream.read_buf(&mut said).await.unwrap() > 0, "it is answered");
    }
}

const HALF: &[u8] = b"GET /now HTTP/1.1\r\nhost: x\r\nx-lo";

#[tokio::test]
async fn who_says_nothing_or_half_a_head_is_closed_and_gives_back_the_place() {
    for port in Port::both(Bounds { head: SHORT, ..ONE }).await {
        for begun in [&[][..], HALF] {
            let mut stream = port.connect().await.unwrap();
            stream.write_all(begun).await.unwrap();
            stream.flush().await.unwrap();
            assert_eq!(rest(&mut stream).await, "");
            port.serves_again().await;
        }
        port.ends().await;
    }
}

#[tokio::test]
async fn who_sends_a_head_byte_after_byte_is_closed_and_gives_back_the_place() {
    for port in Port::both(Bounds { head: SHORT, ..ONE }).await {
        let mut stream = port.connect().await.unwrap();
        // Not only the first one.
        ask(&mut stream).await;
        let (mut read, mut write) = split(stream);
        let drip = async {
            let _ = write.write_all(HALF).await;
            loop {
                let _ = write.write_all(b"a").await;
                let _ = write.flush().await;
                tokio::time::sleep(SHORT / 20).await;
            }
        };
        tokio::select! {
            said = rest(&mut read) => assert_eq!(said, ""),
            () = drip => {}
        }
        port.serves_again().await;
        port.ends().await;
    }
}

#[tokio::test]
async fn who_does_not_end_a_handshake_is_closed_and_gives_back_the_place() {
    let port = Port::start(Bounds { handshake: SHORT, ..ONE }, Some(Files::new())).await;
    // The beginning of a record that says it is longer (RFC 8446, section 5.1).
    for begun in [&[][..], &[0x16, 3, 1, 2, 0, 1, 0]] {
        let mut stream = TcpStream::connect(port.address).await.unwrap();
        stream.write_all(begun).await.unwrap();
        rest(&mut stream).await;
        port.serves_again().await;
    }
    port.ends().await;
}

#[tokio::test]
async fn who_takes_no_answer_loses_the_connection_when_it_is_old() {
    let port = Port::plain(Bounds { age: SHORT, grace: SHORT, ..ONE }).await;
    let mut stream = port.connect().await.unwrap();
    let asking = async { while stream.write_all(b"GET /large HTTP/1.1\r\nhost: x\r\n\r\n").await.is_ok() {} };
    tokio::time::timeout(PATIENCE, asking).await.expect("it is closed");
    port.serves_again().await;
    port.ends().await;
}

#[tokio::test]
async fn while_one_place_is_held_others_are_served_and_one_too_many_is_closed() {
    for port in Port::both(Bounds { connections: 2, waiting: 2, grace: SHORT, ..ONE }).await {
        let mut held = port.connect().await.unwrap();
        held.write_all(HALF).await.unwrap();
        held.flush().await.unwrap();
        for _ in 0..20 {
            port.serves_again().await;
        }
        let mut second = port.connect().await.unwrap();
        ask(&mut second).await;
        ask(&mut second).await;
        let [refused, _] = port.turned_away();
        let mut third = TcpStream::connect(port.address).await.unwrap();
        assert_eq!(rest(&mut third).await, "");
        assert_eq!(port.turned_away(), [refused + 1, 0]);
        drop(second);
        port.serves_again().await;
        port.ends().await;
    }
}

#[tokio::test]
async fn who_has_waited_longest_gives_way_and_what_is_under_way_does_not() {
    for port in Port::both(Bounds { connections: 8, waiting: 3, farewell: SHORT, ..ONE }).await {
        let mut asked = port.connect().await.unwrap();
        asked.write_all(b"GET /late HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        asked.flush().await.unwrap();
        until("it is under way", || async { port.begun.available_permits() == 1 }).await;
        // It says nothing, also where a handshake is expected.
        let mut silent = TcpStream::connect(port.address).await.unwrap();
        let mut half = port.connect().await.unwrap();
        half.write_all(HALF).await.unwrap();
        half.flush().await.unwrap();
        let mut idle = port.connect().await.unwrap();
        ask(&mut idle).await;
        assert_eq!(port.turned_away(), [0, 0]);
        // One more, and again.
        let mut next = port.connect().await.unwrap();
        assert_eq!(rest(&mut silent).await, "");
        ask(&mut next).await;
        let mut last = port.connect().await.unwrap();
        assert_eq!(rest(&mut half).await, "");
        // Who asks goes on, and waits anew behind all others.
        ask(&mut idle).await;
        let mut other = port.connect().await.unwrap();
        assert_eq!(rest(&mut next).await, "");
        for stream in [&mut last, &mut idle, &mut other] {
            ask(stream).await;
        }
        assert_eq!(port.turned_away(), [0, 3]);
        port.late.add_permits(1);
        let mut answer = Vec::new();
        while !answer.ends_with(b"late") {
            assert!(asked.read_buf(&mut answer).await.unwrap() > 0, "it is answered");
        }
        // With its answer it waits, and so the longest does no more.
        assert_eq!(rest(&mut last).await, "");
        assert_eq!(port.turned_away(), [0, 4]);
        drop((asked, idle, other));
        port.ends().await;
    }
}

#[tokio::test]
async fn a_request_that_comes_as_its_connection_gives_way_is_answered_and_then_it_ends() {
    let port = Port::plain(Bounds { connections: 8, waiting: 1, ..ONE }).await;
    let mut half = port.connect().await.unwrap();
    half.write_all(HALF).await.unwrap();
    let mut next = port.connect().await.unwrap();
    until("it is to give way", || async { port.turned_away() == [0, 1] }).await;
    half.write_all(b"ng: a\r\n\r\n").await.unwrap();
    let said = rest(&mut half).await;
    assert!(said.starts_with("HTTP/1.1 200 ") && said.ends_with("now"), "{said}");
    ask(&mut next).await;
    drop(next);
    port.ends().await;
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused() {
    let port = Port::plain(ONE).await;
    let mut stream = port.connect().await.unwrap();
    let head = format!("GET /now HTTP/1.1\r\nhost: x\r\nx-long: {}", "a".repeat(64 * 1024));
    // It may be gone before all of it is sent.
    let _ = stream.write_all(head.as_bytes()).await;
    let said = rest(&mut stream).await;
    assert!(said.is_empty() || said.starts_with("HTTP/1.1 431 "), "{said}");
    port.serves_again().await;
    port.ends().await;
}

#[tokio::test]
async fn what_is_under_way_is_answered_when_it_is_told_to_stop_and_nobody_holds_it_up() {
    for port in Port::both(Bounds { connections: 4, waiting: 4, grace: 5 * SHORT, ..ONE }).await {
        let mut idle = port.connect().await.unwrap();
        ask(&mut idle).await;
        let mut half = port.connect().await.unwrap();
        half.write_all(HALF).await.unwrap();
        half.flush().await.unwrap();
        let silent = TcpStream::connect(port.address).await.unwrap();
        let mut asked = port.connect().await.unwrap();
        asked.write_all(b"GET /late HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        asked.flush().await.unwrap();
        until("it is under way", || async { port.begun.available_permits() == 1 }).await;
        port.stop.cancel();
        assert_eq!(rest(&mut idle).await, "");
        until("nobody can connect", || async { TcpStream::connect(port.address).await.is_err() }).await;
        port.late.add_permits(1);
        let said = rest(&mut asked).await;
        assert!(said.starts_with("HTTP/1.1 200 ") && said.ends_with("late"), "{said}");
        port.ends().await;
        drop((half, silent));
    }
}

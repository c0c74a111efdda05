//! Clients that do what they can: each meets a bound of its own, and a client that behaves is served all the same. So is a kubelet.
//!
//! They speak to a Gate over plain sockets. `make soak` sends such clients over TLS, all of them together, for an hour.

#[allow(dead_code, reason = "the soak sends more of them")]
#[path = "../../benches/soak/hostile/wire.rs"]
mod wire;

use std::time::Duration;

use prost::Message as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tollgate::config::Config;
use tollgate::transport::Listen;

use self::wire::{
    DATA, END_HEADERS, END_STREAM, Frame, HEADERS, NO_WINDOW, PATIENCE, PING, PREFACE, RST_STREAM, SETTINGS,
    WINDOW_UPDATE, frame,
};
use crate::support::{Ask, Gate, SERVING, Seen, Setup, seen, until};

type Wire = wire::Wire<TcpStream>;

/// Short for a test, and long enough for a machine that does much else.
const SHORT: Duration = Duration::from_millis(400);
const FLOOD: u32 = 10_000;

async fn gate(change: impl FnOnce(&mut Config) + 'static) -> Gate {
    Gate::start_with(Setup { change: Box::new(change), ..Setup::default() }).await
}

async fn connect(gate: &Gate) -> TcpStream {
    let Listen::Tcp(address) = gate.listen[0] else { panic!("TCP") };
    TcpStream::connect(address).await.unwrap()
}

async fn greet(gate: &Gate, settings: &[u8]) -> Wire {
    Wire::greet(connect(gate).await, settings).await.unwrap()
}

fn granted() -> Vec<u8> {
    Ask::order().to_wire().encode_to_vec()
}

/// A client that behaves is answered; once bounds have let it in, if they had to.
async fn others_are_served(gate: &Gate) {
    until("others are served", || async { seen(&gate.check(&Ask::order()).await) == Seen::Allowed }).await;
}

/// Lets somebody else ask all the while, who must be answered each time.
async fn while_others_are_served<T>(gate: &Gate, hostile: impl Future<Output = T>) -> T {
    let mut hostile = std::pin::pin!(hostile);
    let mut client = gate.client().await;
    loop {
        tokio::select! {
            end = &mut hostile => return end,
            answer = client.check(Ask::order().to_wire()) => {
                assert_eq!(seen(&answer.map(tonic::Response::into_inner)), Seen::Allowed);
            }
        }
    }
}

/// Waits until the other end closes.
async fn is_closed(stream: &mut TcpStream) {
    let mut said = Vec::new();
    // Ended or broken: gone in both cases.
    let _ = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut said)).await.expect("it is closed");
}

/// How a connection ended, if it did.
#[derive(Debug, PartialEq, Eq)]
enum End {
    /// It still answers.
    Borne,
    /// Told to go, because it was too much.
    Calmed,
    /// Told to go for another reason, or closed.
    Gone,
}

/// What becomes of a connection over which this is sent.
async fn end(gate: &Gate, flood: &[u8]) -> End {
    let mut wire = greet(gate, &[]).await;
    // Where it still lives, it answers a ping.
    wire.send(&[flood, &frame(PING, 0, 0, b"the last")].concat()).await;
    let is_pong = |frame: &Frame| frame.kind == PING && frame.payload == b"the last";
    match wire.until(|frame| frame.is_goaway() || is_pong(frame)).await.unwrap() {
        Some(frame) if is_pong(&frame) => End::Borne,
        Some(frame) if frame.is_calm_down() => End::Calmed,
        _ => End::Gone,
    }
}

/// What a client sends that greets, and resets all that it asks.
pub fn greeting_and_resets() -> Vec<u8> {
    [PREFACE, &frame(SETTINGS, 0, 0, &[]), &wire::resets(FLOOD)].concat()
}

#[tokio::test]
async fn who_never_greets_is_closed_and_others_are_served() {
    let gate = gate(|config| config.transport.greeting = SHORT).await;
    for begun in [&[][..], &PREFACE[..10]] {
        let mut stream = connect(&gate).await;
        stream.write_all(begun).await.unwrap();
        while_others_are_served(&gate, is_closed(&mut stream)).await;
    }
    others_are_served(&gate).await;
    gate.end().await;
}

#[tokio::test]
async fn who_stops_in_the_middle_of_a_tls_handshake_is_closed_and_others_are_served() {
    let files = crate::tls::Files::new();
    let tls = files.config(&[]);
    let change = |config: &mut Config| (config.tls, config.transport.greeting) = (Some(tls), SHORT);
    let gate = gate(change).await;
    let mut stream = connect(&gate).await;
    // The beginning of a record that says it is longer (RFC 8446, section 5.1).
    stream.write_all(&[0x16, 3, 1, 2, 0, 1, 0]).await.unwrap();
    is_closed(&mut stream).await;
    let counted = "tollgate_tls_failed_handshakes_total{reason=\"timeout\"} 1";
    until(counted, || async { gate.metrics().await.contains(counted) }).await;
    until("others are served", || async { files.ask(&gate).await == Ok(Seen::Allowed) }).await;
    gate.end().await;
}

#[tokio::test]
async fn who_greets_and_answers_no_ping_is_closed_and_others_are_served() {
    let gate = gate(|config| config.transport.ping_every = SHORT).await;
    let mut wire = greet(&gate, &[]).await;
    while_others_are_served(&gate, is_closed(&mut wire.stream)).await;
    gate.end().await;
}

#[tokio::test]
async fn who_sends_half_a_message_is_reset_and_gives_back_its_place() {
    // One place: who keeps it keeps out everybody.
    let gate = gate(|config| (config.transport.max_pending, config.transport.max_time) = (1, SHORT)).await;
    let mut wire = greet(&gate, &[]).await;
    let message = wire::framed(&granted());
    let half = frame(DATA, 0, 1, &message[..message.len() / 2]);
    wire.send(&[frame(HEADERS, END_HEADERS, 1, &wire::head()), half].concat()).await;
    let reset = wire.until(|frame| frame.kind == RST_STREAM && frame.stream == 1).await.unwrap();
    assert!(reset.is_some(), "that request is reset, and not the connection");
    others_are_served(&gate).await;
    gate.end().await;
}

#[tokio::test]
async fn who_gives_no_window_is_reset_and_gives_back_its_place() {
    const ASKED: u32 = 5;
    let gate = gate(|config| (config.transport.max_pending, config.transport.max_time) = (5, SHORT)).await;
    let mut wire = greet(&gate, &NO_WINDOW).await;
    let checks: Vec<u8> = (0..ASKED).flat_map(|number| wire::check(2 * number + 1, &granted())).collect();
    wire.send(&checks).await;
    for _ in 0..ASKED {
        let is_about_one =
            |frame: &Frame| frame.kind == RST_STREAM || (frame.kind == DATA && !frame.payload.is_empty());
        let next = wire.until(is_about_one).await.unwrap().expect("the connection goes on");
        assert_eq!(next.kind, RST_STREAM, "nothing is sent without room for it");
    }
    others_are_served(&gate).await;
    gate.end().await;
}

#[tokio::test]
async fn who_never_reads_loses_its_connection() {
    let gate = gate(|config| config.transport.ping_every = 2 * SHORT).await;
    let Listen::Tcp(address) = gate.listen[0] else { panic!("TCP") };
    let socket = TcpSocket::new_v4().unwrap();
    // What its system takes for it is little.
    socket.set_recv_buffer_size(4096).unwrap();
    let mut wire = Wire::greet(socket.connect(address).await.unwrap(), &[]).await.unwrap();
    // By HTTP/2's own bounds it takes all.
    wire.send(&frame(WINDOW_UPDATE, 0, 0, &(1_u32 << 30).to_be_bytes())).await;
    let granted = granted();
    let asking = async {
        let mut asked = 0;
        while wire.stream.write_all(&wire::check(2 * asked + 1, &granted)).await.is_ok() {
            asked += 1;
        }
        asked
    };
    let asked = tokio::time::timeout(PATIENCE, asking).await.expect("it loses its connection");
    others_are_served(&gate).await;
    let judged = gate.end().await.len();
    assert!(judged < asked as usize, "{judged} of {asked} were judged");
}

#[tokio::test]
async fn who_floods_with_ping_or_settings_is_borne_or_ended_and_others_are_served() {
    let gate = Gate::start().await;
    let window = [0, 4, 0, 1, 0, 0];
    for (kind, payload) in [(PING, &b"12345678"[..]), (SETTINGS, &window), (WINDOW_UPDATE, &[0, 0, 0, 1])] {
        let flood: Vec<u8> = (0..FLOOD).flat_map(|_| frame(kind, 0, 0, payload)).collect();
        while_others_are_served(&gate, end(&gate, &flood)).await;
        others_are_served(&gate).await;
    }
    gate.end().await;
}

#[tokio::test]
async fn who_sends_headers_without_end_loses_its_connection_and_others_are_served() {
    // Not for a ping that it does not answer.
    let gate = gate(|config| config.transport.ping_every = Duration::from_hours(1)).await;
    let mut wire = greet(&gate, &[]).await;
    // No ping: in the middle of headers any other frame would end it.
    let sending = async {
        wire.send(&wire::endless_headers(1)).await;
        wire.until(Frame::is_goaway).await.expect("it is ended")
    };
    while_others_are_served(&gate, sending).await;
    others_are_served(&gate).await;
    gate.end().await;
}

#[tokio::test]
async fn who_sends_headers_that_are_too_large_is_refused_and_not_judged() {
    let gate = Gate::start().await;
    let mut wire = greet(&gate, &[]).await;
    wire.send(&[wire::large_headers(1), frame(DATA, END_STREAM, 1, &wire::framed(&granted()))].concat()).await;
    let refused = wire.until(|frame| frame.stream == 1 || frame.is_goaway()).await.unwrap();
    // HTTP's own refusal (431), a reset or the end of the connection; an answer of ours would have a message.
    let is_answered = wire.until(|frame| frame.kind == DATA || frame.kind == RST_STREAM || frame.is_goaway());
    assert!(refused.is_some() && is_answered.await.unwrap().is_none_or(|frame| frame.kind != DATA));
    others_are_served(&gate).await;
    assert_eq!(gate.end().await.len(), 1, "only the other one was judged");
}

#[tokio::test]
async fn who_resets_what_it_asks_loses_its_connection_and_nobody_else() {
    let gate = Gate::start().await;
    assert_eq!(while_others_are_served(&gate, end(&gate, &wire::resets(FLOOD))).await, End::Calmed);
    others_are_served(&gate).await;
    gate.end().await;
}

#[tokio::test]
async fn more_connections_than_may_be_are_closed_and_counted_until_one_ends() {
    let gate = gate(|config| config.transport.max_connections = 2).await;
    let is_greeted = |wire: Option<Frame>| wire.is_some_and(|frame| frame.kind == SETTINGS);
    let mut first = greet(&gate, &[]).await;
    let mut second = greet(&gate, &[]).await;
    assert!(is_greeted(first.next().await.unwrap()) && is_greeted(second.next().await.unwrap()));
    is_closed(&mut connect(&gate).await).await;
    let counted = "tollgate_refused_connections_total 1";
    assert!(gate.metrics().await.contains(counted), "{counted}");
    drop(first);
    until("there is room again", || async { gate.metrics().await.contains("tollgate_connections 1") }).await;
    others_are_served(&gate).await;
    drop(second);
    gate.end().await;
}

/// A connection to the port of health, on which this is asked.
async fn ask_of_health(gate: &Gate, asked: &[u8]) -> Wire {
    let mut wire = Wire::greet(TcpStream::connect(gate.health).await.unwrap(), &[]).await.unwrap();
    wire.send(asked).await;
    wire
}

/// The beginning of a question about health on a stream: its head, and that its message has this length.
fn half_a_question(stream: u32, length: u32) -> Vec<u8> {
    let head = frame(HEADERS, END_HEADERS, stream, &wire::head_of("/grpc.health.v1.Health/Check"));
    [head, frame(DATA, 0, stream, &wire::prefix(length))].concat()
}

#[tokio::test]
async fn whoever_holds_connections_to_the_port_of_health_gives_way_and_probes_are_answered() {
    // More than there are places.
    const HELD: usize = 300;
    let gate = Gate::start().await;
    let halves: Vec<u8> = (0..4).flat_map(|number| half_a_question(2 * number + 1, 100)).collect();
    let watch = frame(HEADERS, END_HEADERS, 1, &wire::head_of("/grpc.health.v1.Health/Watch"));
    let watch = [watch, frame(DATA, END_STREAM, 1, &wire::framed(&[]))].concat();
    let mut held = Vec::new();
    for number in 0..HELD {
        held.push(match number % 4 {
            0 => TcpStream::connect(gate.health).await.unwrap(),
            1 => ask_of_health(&gate, &[]).await.stream,
            2 => ask_of_health(&gate, &halves).await.stream,
            _ => ask_of_health(&gate, &watch).await.stream,
        });
        if number % 20 == 0 {
            assert_eq!(gate.health("liveness").await, SERVING, "{number}");
        }
    }
    assert_eq!(gate.health("readiness").await, SERVING);
    // There is an end to what they hold.
    for stream in &mut held[..HELD / 4] {
        is_closed(stream).await;
    }
    let counted = gate.metrics().await;
    let series = "tollgate_port_replaced_connections_total{port=\"health\"} ";
    let replaced: usize = counted.lines().find_map(|line| line.strip_prefix(series)).unwrap().parse().unwrap();
    assert!(replaced >= HELD - 256, "{replaced}");
    others_are_served(&gate).await;
    gate.end().await;
}

#[tokio::test]
async fn while_one_connection_after_the_other_comes_to_the_port_of_health_probes_are_answered() {
    let gate = Gate::start().await;
    let flood = async {
        let mut held = std::collections::VecDeque::new();
        loop {
            // The system may have no port left for one more, for a moment.
            held.extend(TcpStream::connect(gate.health).await);
            if held.len() > 300 {
                held.pop_front();
            }
        }
    };
    let probes = async {
        for _ in 0..20 {
            until("a probe is answered", || crate::health::is_alive(gate.health)).await;
        }
    };
    tokio::select! {
        () = probes => {}
        () = flood => {}
    }
    gate.end().await;
}

#[tokio::test]
async fn a_question_about_health_is_short_or_refused_before_it_is_there() {
    let gate = Gate::start().await;
    let mut wire = ask_of_health(&gate, &half_a_question(1, 1 << 20)).await;
    let answered = wire.until(|frame| frame.stream == 1 && frame.kind == HEADERS).await.unwrap();
    assert!(answered.is_some(), "nobody waits for the rest");
    gate.end().await;
}

//! Clients that do what they can. Each comes again and again; how each visit ended is counted.
//!
//! What must hold: who may not connect is not let in, nobody stays for ever, and nobody else feels any of it, which is what
//! the well-behaved notice.

mod flood;
mod stay;
mod stranger;
mod wire;

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::ask::Ask;
use crate::cases::{self, API, DESK};
use crate::certificates::{self, Connectors, Current};
use crate::tally::{Sort, Tally};

type Wire = wire::Wire<TlsStream<TcpStream>>;

/// How a visit ended.
enum End {
    /// As it should.
    As(&'static str),
    /// As it must not.
    Wrong(&'static str),
}

/// Where they go, and with what.
#[derive(Clone)]
struct Target {
    address: SocketAddr,
    connectors: Connectors,
}

type Visit = Pin<Box<dyn Future<Output = anyhow::Result<End>> + Send>>;

/// A client.
#[derive(Clone, Copy)]
struct Client {
    name: &'static str,
    /// How long it stays away.
    pause: Duration,
    visit: fn(Target) -> Visit,
}

/// More than any visit takes: connections that do not answer are given up after a minute.
const LONGEST: Duration = Duration::from_mins(3);

const CLIENTS: &[Client] = &[
    client("says nothing, not even TLS", 5, |to| Box::pin(stay::before_tls(to))),
    client("stops in the middle of the TLS handshake", 5, |to| Box::pin(stay::in_tls(to))),
    client("says nothing after the TLS handshake", 5, |to| Box::pin(stay::after_tls(to))),
    client("greets and says nothing more", 30, |to| Box::pin(stay::after_greeting(to))),
    client("sends half a message", 3, |to| Box::pin(stay::half_a_message(to))),
    client("gives no window for its answers", 3, |to| Box::pin(stay::no_window(to))),
    client("never reads from its socket", 5, |to| Box::pin(stay::never_reads(to))),
    client("opens many connections", 20, |to| Box::pin(stay::many(to))),
    client("resets what it asks", 7, |to| Box::pin(flood::resets(to))),
    client("floods with PING", 7, |to| Box::pin(flood::pings(to))),
    client("floods with SETTINGS", 7, |to| Box::pin(flood::settings(to))),
    client("floods with CONTINUATION", 7, |to| Box::pin(flood::continuations(to))),
    client("floods with empty DATA", 7, |to| Box::pin(flood::empty_data(to))),
    client("floods with WINDOW_UPDATE", 7, |to| Box::pin(flood::window_updates(to))),
    client("sends beyond its window", 7, |to| Box::pin(flood::beyond_window(to))),
    client("sends a message that is too large", 5, |to| Box::pin(flood::too_large(to))),
    client("sends headers that are too large", 5, |to| Box::pin(flood::large_headers(to))),
    client("sends garbage instead of TLS", 2, |to| Box::pin(stranger::garbage(to))),
    client("sends garbage over TLS", 2, |to| Box::pin(stranger::garbage_over_tls(to))),
    client("shows no certificate", 2, |to| Box::pin(stranger::without(to))),
    client("has a name that is not allowed", 2, |to| Box::pin(stranger::not_allowed(to))),
    client("has a certificate of an unknown authority", 2, |to| Box::pin(stranger::forged(to))),
    client("has a certificate of a dropped authority", 4, |to| Box::pin(stranger::dropped(to))),
];

const fn client(name: &'static str, seconds: u64, visit: fn(Target) -> Visit) -> Client {
    Client { name, pause: Duration::from_secs(seconds), visit }
}

/// Lets all of them come.
pub(crate) fn start(
    address: SocketAddr,
    current: &Current,
    tally: &Arc<Tally>,
    around: &mut JoinSet<anyhow::Result<()>>,
) {
    for client in CLIENTS {
        around.spawn(keep_coming(*client, address, Arc::clone(current), Arc::clone(tally)));
    }
}

async fn keep_coming(client: Client, address: SocketAddr, current: Current, tally: Arc<Tally>) -> anyhow::Result<()> {
    loop {
        tokio::time::sleep(client.pause).await;
        let target = Target { address, connectors: certificates::now(&current) };
        let name = client.name;
        match tokio::time::timeout(LONGEST, (client.visit)(target)).await {
            Ok(Ok(End::As(how))) => tally.count(Sort::Hostile, format!("{name}: {how}")),
            Ok(Ok(End::Wrong(how))) => tally.wrong(format!("a client that {name}: {how}")),
            // It did not get as far as it wanted.
            Ok(Err(error)) => tally.count(Sort::Hostile, format!("{name}: did not get so far: {error}")),
            Err(_) => tally.wrong(format!("a client that {name} was still there after {LONGEST:?}")),
        }
    }
}

impl Target {
    const fn good(&self) -> &TlsConnector {
        &self.connectors.good
    }

    /// A connection of somebody who may connect.
    async fn greet(&self, settings: &[u8]) -> anyhow::Result<Wire> {
        greet(self.good(), self.address, settings).await
    }
}

async fn greet(connector: &TlsConnector, to: SocketAddr, settings: &[u8]) -> anyhow::Result<Wire> {
    Ok(Wire::greet(certificates::connect(connector, to).await?, settings).await?)
}

/// A check that is granted.
fn granted() -> Vec<u8> {
    let (path, claims) = ("/v1/orders/7".to_owned(), cases::claims("pwd"));
    Ask { method: "GET", host: API, path, workload: DESK, claims, body: "" }.message()
}

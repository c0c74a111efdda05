//! One place for a connection: opened when it is needed, and again when it has ended. A request that was surely not looked
//! at is asked once more, as every gRPC client does it (the connection ended before it, or said so).

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex as Lock, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use h2::client::SendRequest;
use h2::{Error, Reason};
use tokio::net::UnixStream;
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use tollgate::demo::tokens::TokenIssuer;

use crate::ask::{self, Ask, Got};
use crate::cases::claims;
use crate::certificates::{self, Current};
use crate::grpc::shake_hands;
use crate::tally::{Sort, Tally};

/// Where to, and how it is asked there.
#[derive(Clone)]
pub(crate) enum Way {
    /// Over gRPC and mTLS, with the certificate of the moment.
    Direct(SocketAddr, Current),
    /// Over gRPC and a Unix socket.
    Socket(PathBuf),
    /// Through Envoy, as this workload.
    Envoy(SocketAddr, TlsConnector, Arc<Tokens>),
}

/// What proves to Envoy who the user is. Signing takes longer than a check does, so tokens are kept for a while.
pub(crate) struct Tokens {
    issuer: Arc<TokenIssuer>,
    kept: Lock<Vec<(String, String, std::time::Instant)>>,
}

/// The place.
pub(crate) struct Slot {
    way: Way,
    open: Mutex<Open>,
    tally: Arc<Tally>,
}

#[derive(Default)]
struct Open {
    sender: Option<SendRequest<Bytes>>,
    generation: u64,
    /// Those of earlier connections, too: what is under way on them finishes.
    drivers: JoinSet<()>,
}

/// A strong sign-in is good for five minutes where it must be newest.
const TOKEN_AGE: Duration = Duration::from_mins(4);
/// Longer than Tollgate and Envoy take before they give up.
const ANSWERS_WITHIN: Duration = Duration::from_secs(20);
const ATTEMPTS: usize = 4;

type Whole = (http::StatusCode, http::HeaderMap, Bytes, Option<http::HeaderMap>);

impl Slot {
    pub(crate) fn new(way: Way, tally: &Arc<Tally>) -> Self {
        Self { way, open: Mutex::default(), tally: Arc::clone(tally) }
    }

    /// Asks, and says what came back.
    pub(crate) async fn ask(&self, ask: &Ask) -> Got {
        let (head, body) = match self.to_wire(ask) {
            Ok(wire) => wire,
            Err(error) => return Got::Failed(format!("cannot be asked: {error}")),
        };
        match tokio::time::timeout(ANSWERS_WITHIN, self.exchange(&head, &body)).await {
            Ok(Ok((_, headers, body, trailers))) if self.is_grpc() => {
                Got::over_grpc(&headers, &body, trailers.as_ref())
            }
            Ok(Ok((status, headers, body, _))) => Got::over_http(status.as_u16(), &headers, &body),
            Ok(Err(error)) => Got::Failed(error),
            Err(_) => Got::Failed(format!("no answer within {ANSWERS_WITHIN:?}")),
        }
    }

    fn is_grpc(&self) -> bool {
        !matches!(self.way, Way::Envoy(..))
    }

    fn to_wire(&self, ask: &Ask) -> anyhow::Result<(http::Request<()>, Bytes)> {
        let Way::Envoy(_, _, tokens) = &self.way else { return Ok((ask::head()?, ask.to_wire())) };
        let mut head = http::Request::builder().method(ask.method).uri(format!("https://{}{}", ask.host, ask.path));
        if let Some(acr) = ask.claims.get("acr").and_then(|acr| acr.as_str()) {
            head = head.header("authorization", tokens.of(acr)?);
        }
        if !ask.body.is_empty() {
            head = head.header("content-type", "application/json").header("content-length", ask.body.len());
        }
        Ok((head.body(())?, Bytes::from_static(ask.body.as_bytes())))
    }

    async fn exchange(&self, head: &http::Request<()>, body: &Bytes) -> Result<Whole, String> {
        let mut last = String::new();
        for _ in 0..ATTEMPTS {
            let (sender, generation) = self.sender().await.map_err(|error| format!("no connection: {error:#}"))?;
            match whole(sender, head, body).await {
                Ok(whole) => return Ok(whole),
                Err((error, Sent::No)) => {
                    self.lose(generation).await;
                    self.tally.count(Sort::Noticed, format!("asked again, not sent before: {error}"));
                    last = error.to_string();
                }
                Err((error, Sent::Yes)) if is_surely_not_looked_at(&error) => {
                    self.lose(generation).await;
                    self.tally.count(Sort::Noticed, format!("asked again, not looked at: {error}"));
                    last = error.to_string();
                }
                Err((error, Sent::Yes)) => {
                    self.lose(generation).await;
                    return Err(error.to_string());
                }
            }
        }
        Err(format!("after {ATTEMPTS} attempts: {last}"))
    }

    async fn sender(&self) -> anyhow::Result<(SendRequest<Bytes>, u64)> {
        let mut open = self.open.lock().await;
        while open.drivers.try_join_next().is_some() {}
        if let Some(sender) = &open.sender {
            return Ok((sender.clone(), open.generation));
        }
        let sender = match &self.way {
            Way::Direct(to, current) => {
                let stream = certificates::connect(&certificates::now(current).good, *to).await?;
                shake_hands(stream, &mut open.drivers).await?
            }
            Way::Socket(path) => shake_hands(UnixStream::connect(path).await?, &mut open.drivers).await?,
            Way::Envoy(to, connector, _) => {
                shake_hands(certificates::connect(connector, *to).await?, &mut open.drivers).await?
            }
        };
        open.generation += 1;
        self.tally.count(Sort::Noticed, "connections opened");
        open.sender = Some(sender.clone());
        Ok((sender, open.generation))
    }

    /// The next request opens another one, unless somebody has noticed before.
    async fn lose(&self, generation: u64) {
        let mut open = self.open.lock().await;
        if open.generation == generation {
            open.sender = None;
        }
    }
}

enum Sent {
    Yes,
    No,
}

async fn whole(sender: SendRequest<Bytes>, head: &http::Request<()>, body: &Bytes) -> Result<Whole, (Error, Sent)> {
    let mut sender = sender.ready().await.map_err(|error| (error, Sent::No))?;
    let sent = sender.send_request(head.clone(), body.is_empty()).map_err(|error| (error, Sent::No));
    let (response, mut sending) = sent?;
    let failed = |error| (error, Sent::Yes);
    if !body.is_empty() {
        sending.send_data(body.clone(), true).map_err(failed)?;
    }
    let (head, mut receiving) = response.await.map_err(failed)?.into_parts();
    let mut body = BytesMut::new();
    while let Some(data) = receiving.data().await {
        let data = data.map_err(failed)?;
        receiving.flow_control().release_capacity(data.len()).map_err(failed)?;
        body.extend_from_slice(&data);
    }
    let trailers = receiving.trailers().await.map_err(failed)?;
    Ok((head.status, head.headers, body.freeze(), trailers))
}

/// RFC 9113, section 8.7: beyond the last stream of a GOAWAY, or refused.
fn is_surely_not_looked_at(error: &Error) -> bool {
    let is_calm_end = error.is_go_away() && error.reason() == Some(Reason::NO_ERROR);
    is_calm_end || error.reason() == Some(Reason::REFUSED_STREAM)
}

impl Tokens {
    pub(crate) fn new(issuer: &Arc<TokenIssuer>) -> Self {
        Self { issuer: Arc::clone(issuer), kept: Lock::default() }
    }

    fn of(&self, acr: &str) -> anyhow::Result<String> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|(_, _, signed)| signed.elapsed() < TOKEN_AGE);
        if let Some((_, token, _)) = kept.iter().find(|(found, _, _)| found == acr) {
            return Ok(token.clone());
        }
        let token = format!("Bearer {}", self.issuer.token(claims(acr))?);
        kept.push((acr.to_owned(), token.clone(), std::time::Instant::now()));
        Ok(token)
    }
}

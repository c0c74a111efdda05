//! One connection: HTTP/2, bounded, of limited age.
//!
//! One task drives it: it reads what is there, answers what can be answered at once, and sends all answers in one go. What
//! has to wait (for the disk, for the rest of a message, for a client that reads slowly) waits beside it.

use std::future::poll_fn;
use std::panic::AssertUnwindSafe;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use h2::server::{self, SendResponse};
use h2::{Ping, PingPong, RecvStream};
use http::Request;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Interval, MissedTickBehavior, Sleep, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tonic::Status;

use super::exchange::{self, Gone};
use super::frame::Frame;
use super::gather::{Gathering, Outgoing, gather};
use super::quiet::Quiet;
use super::{Answer, Asked, Port, turn};

/// The headers of one request: a check has ten short ones. It bounds what CONTINUATION frames may bring, too.
const MAX_HEADER_BYTES: u32 = 16 * 1024;
/// Requests that are reset before they were looked at (CVE-2023-44487): more of them end the connection.
const MAX_PENDING_RESETS: usize = 32;
/// Resets that the client's own mistakes caused.
const MAX_ERROR_RESETS: usize = 1024;
/// What a client may send before we have read it: on one request, and on the connection, which bounds what it holds here.
const STREAM_WINDOW: u32 = 64 * 1024;
const CONNECTION_WINDOW: u32 = 256 * 1024;
/// How long what is under way may take once a connection is old.
const GRACE: Duration = Duration::from_secs(30);
/// How long a client may take to take our last words.
const FAREWELL: Duration = Duration::from_secs(1);

/// Serves a connection until it ends, is old, or is told to stop; then what is under way finishes.
pub(super) async fn serve<S, A>(stream: S, port: Arc<Port<A>>, stop: CancellationToken)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    A: Answer,
{
    let (gathering, outgoing) = gather(stream);
    let ended = match timeout(port.config.greeting, greet(gathering, &outgoing, port.config.max_streams)).await {
        Ok(Ok(connection)) => Driver::new(connection, port, &stop).run(&outgoing).await,
        Ok(Err(error)) => Err(error),
        // Who says nothing is not told anything either.
        Err(_) => return,
    };
    if let Err(error) = ended {
        // A client that goes away or breaks the protocol is no news for operators.
        tracing::debug!(%error, "a connection ended");
    }
    // Last words, such as why it ended; the other end may be gone.
    let _ = timeout(FAREWELL, poll_fn(|context| outgoing.poll_shutdown(context))).await;
}

type Connection<S> = server::Connection<Gathering<S>, Frame>;

async fn greet<S>(stream: Gathering<S>, outgoing: &Outgoing<S>, max_streams: u32) -> Result<Connection<S>, h2::Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut builder = server::Builder::new();
    builder
        .max_concurrent_streams(max_streams)
        .max_header_list_size(MAX_HEADER_BYTES)
        .max_pending_accept_reset_streams(MAX_PENDING_RESETS)
        .max_local_error_reset_streams(Some(MAX_ERROR_RESETS))
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW);
    let mut handshake = pin!(builder.handshake(stream));
    poll_fn(|context| {
        let greeted = handshake.as_mut().poll(context);
        // Our own greeting does not wait for the client's. What cannot be sent is noticed when it is read from, too.
        let _ = outgoing.poll_send(context);
        greeted
    })
    .await
}

type Exchange = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Whether the other end is still there.
struct Alive {
    ping_pong: PingPong,
    pings: Interval,
    is_asked: bool,
}

struct Driver<S, A> {
    connection: Connection<S>,
    port: Arc<Port<A>>,
    /// What could not be answered at once.
    waiting: FuturesUnordered<Exchange>,
    /// Resolves when the connection is to end.
    end: Pin<Box<dyn Future<Output = ()> + Send>>,
    /// Once it is to end: when it must have.
    grace: Option<Pin<Box<Sleep>>>,
    alive: Option<Alive>,
    read_empty: Instant,
    quiet: Quiet,
}

impl<S, A> Driver<S, A>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    A: Answer,
{
    fn new(mut connection: Connection<S>, port: Arc<Port<A>>, stop: &CancellationToken) -> Self {
        let (stop, age) = (stop.clone().cancelled_owned(), sleep(jittered(port.config.max_age)));
        let end = Box::pin(async {
            tokio::select! {
                () = stop => {}
                () = age => {}
            }
        });
        let every = port.config.ping_every;
        let mut pings = tokio::time::interval_at(tokio::time::Instant::now() + every, every);
        // Nobody has less time to answer than this, however late we were.
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let alive = connection.ping_pong().map(|ping_pong| Alive { ping_pong, pings, is_asked: false });
        let read_empty = Instant::now();
        Self {
            connection,
            port,
            waiting: FuturesUnordered::new(),
            end,
            grace: None,
            alive,
            read_empty,
            quiet: Quiet::new(),
        }
    }

    async fn run(mut self, outgoing: &Outgoing<S>) -> Result<(), h2::Error> {
        poll_fn(|context| {
            let waker = self.quiet.waker(context);
            let context = &mut Context::from_waker(&waker);
            let mut polled = self.poll(context, outgoing);
            // After all that was done quietly: what happened meanwhile is seen here.
            let was_ending = self.grace.is_some();
            if self.is_over(context) {
                return Poll::Ready(Ok(()));
            }
            if self.grace.is_some() != was_ending && polled.is_pending() {
                // It says so to the client.
                polled = self.poll(context, outgoing);
            }
            match outgoing.poll_send(context) {
                Poll::Ready(Err(_)) => Poll::Ready(Ok(())),
                _ => polled,
            }
        })
        .await
    }

    /// Reads what is there and answers it, until nothing more can be done.
    fn poll(&mut self, context: &mut Context<'_>, outgoing: &Outgoing<S>) -> Poll<Result<(), h2::Error>> {
        let arrived = turn::earliest_arrival(self.read_empty, Instant::now());
        loop {
            // Who does not read gets no more answers, and so is asked for nothing either.
            if outgoing.is_full(context) {
                return Poll::Pending;
            }
            match self.connection.poll_accept(context) {
                Poll::Ready(Some(Ok((request, respond)))) => self.begin(context, request, respond, arrived),
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(error)),
                Poll::Ready(None) => return Poll::Ready(Ok(())),
                // What an exchange wrote is taken up when the connection is polled again.
                Poll::Pending => match self.waiting.poll_next_unpin(context) {
                    Poll::Ready(Some(())) => {}
                    Poll::Ready(None) | Poll::Pending => break,
                },
            }
        }
        self.read_empty = Instant::now();
        Poll::Pending
    }

    /// Answers a request at once, if that can be.
    fn begin(
        &mut self,
        context: &mut Context<'_>,
        request: Request<RecvStream>,
        respond: SendResponse<Frame>,
        arrived: Instant,
    ) {
        let (port, max_time) = (Arc::clone(&self.port), self.port.config.max_time);
        let is_unary = exchange::is_unary::<A>(&request);
        // Where too much is asked, health is still told: that a proxy gives up on us is no cure.
        let admission = if is_unary { &self.port.admission } else { &self.port.others };
        let place = match admission.admit() {
            Ok(place) => place,
            Err(why) => {
                let status =
                    if is_unary { self.port.answer.shed(why) } else { Status::unavailable("too many at once") };
                // The client may be gone: then nobody waits for it.
                let _ = self.quiet.during(|| exchange::send_status(respond, &status));
                return;
            }
        };
        let mut exchange = Box::pin(async move {
            let answering = AssertUnwindSafe(async {
                if is_unary {
                    let (head, message) = request.into_parts();
                    let asked = Asked { headers: head.headers, message, arrived };
                    exchange::unary(&port.answer, (asked, place), respond, port.config.max_message).await
                } else {
                    let _place = place;
                    exchange::other(&port.answer, request, respond).await
                }
            });
            match answering.catch_unwind().await {
                Ok(Ok(()) | Err(Gone)) => {}
                // The stream was reset when it was dropped, which is an error to Envoy.
                Err(_) => {
                    port.answer.panicked();
                    tracing::error!("an answer panicked: that request is an error, the connection goes on");
                }
            }
        });
        // The connection is polled again after this, and so is all that waits.
        if self.quiet.during(|| exchange.as_mut().poll(context)).is_ready() {
            return;
        }
        self.waiting.push(match is_unary {
            // Whoever is late is reset when its exchange is dropped.
            true => Box::pin(timeout(max_time, exchange).map(|_| ())),
            false => exchange,
        });
    }

    /// Looks at the clock: begins the end where it is time, and says whether it is over.
    fn is_over(&mut self, context: &mut Context<'_>) -> bool {
        if let Some(Alive { ping_pong, pings, is_asked }) = &mut self.alive {
            if *is_asked && ping_pong.poll_pong(context).is_ready() {
                *is_asked = false;
            }
            if pings.poll_tick(context).is_ready() {
                // Nothing since the ping before.
                if *is_asked {
                    return true;
                }
                // Where it fails the connection ends.
                *is_asked = ping_pong.send_ping(Ping::opaque()).is_ok();
                // Registers for the next one.
                let _ = pings.poll_tick(context);
            }
        }
        if self.grace.is_none() && self.end.as_mut().poll(context).is_ready() {
            // While the process drains, `app` says how long that may take; here it is only the age.
            self.grace = Some(Box::pin(sleep(GRACE)));
            self.connection.graceful_shutdown();
        }
        self.grace.as_mut().is_some_and(|grace| grace.as_mut().poll(context).is_ready())
    }
}

/// A tenth more or less, so that connections that began together do not end together.
fn jittered(age: Duration) -> Duration {
    let mut random = [0; 2];
    // Without random bytes there is no jitter.
    if getrandom::fill(&mut random).is_err() {
        return age;
    }
    age.mul_f64(0.9 + 0.2 * f64::from(u16::from_le_bytes(random)) / f64::from(u16::MAX))
}

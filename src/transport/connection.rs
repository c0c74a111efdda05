//! One connection: HTTP/2, bounded, of limited age.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;
use tonic::body::Body;

use super::gather::gather;

/// From a request to its answer.
pub trait Answer: Clone + Send + 'static {
    /// Answers.
    fn answer(&self, request: Request<Incoming>) -> impl Future<Output = Result<Response<Body>, Infallible>> + Send;
}

/// Requests under way on one connection. Envoy opens another one when they are not enough.
const MAX_STREAMS: u32 = 1024;
/// The headers of one request: a check has ten short ones. It bounds what CONTINUATION frames may bring, too.
const MAX_HEADER_BYTES: u32 = 16 * 1024;
/// Requests that are reset before they were looked at (CVE-2023-44487): more of them end the connection.
const MAX_PENDING_RESETS: usize = 32;
/// Resets that the client's own mistakes caused.
const MAX_ERROR_RESETS: usize = 1024;
/// A connection whose other end is gone without a word is noticed after both.
const PING_EVERY: Duration = Duration::from_secs(30);
const PING_WITHIN: Duration = Duration::from_secs(20);
/// How long what is under way may take once a connection is old.
const GRACE: Duration = Duration::from_secs(30);

/// Serves a connection until it ends, is old, or is told to stop; then what is under way finishes.
pub(super) async fn serve<S>(stream: S, answer: impl Answer, max_age: Duration, stop: CancellationToken)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (gathering, outgoing) = gather(stream);
    let service = service_fn(move |request| {
        let answer = answer.clone();
        async move { answer.answer(request).await }
    });
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(MAX_HEADER_BYTES)
        .max_pending_accept_reset_streams(MAX_PENDING_RESETS)
        .max_local_error_reset_streams(MAX_ERROR_RESETS)
        .keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PING_WITHIN);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(gathering), service));
    let mut is_ending = false;
    let mut end = pin!(async {
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(jittered(max_age)) => {}
        }
    });
    let mut grace = pin!(tokio::time::sleep(GRACE));
    let ended = poll_fn(|context| {
        if !is_ending && end.as_mut().poll(context).is_ready() {
            is_ending = true;
            // While the process drains, `app` says how long that may take; here it is only the age.
            grace.as_mut().reset(tokio::time::Instant::now() + GRACE);
            connection.as_mut().graceful_shutdown();
        }
        if is_ending && grace.as_mut().poll(context).is_ready() {
            return Poll::Ready(Ok(()));
        }
        let polled = connection.as_mut().poll(context);
        if let Poll::Ready(Err(_)) = outgoing.poll_send(context) {
            return Poll::Ready(Ok(()));
        }
        polled
    });
    if let Err(error) = ended.await {
        // A client that goes away or breaks the protocol is no news for operators.
        tracing::debug!(%error, "a connection ended");
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

//! Envoy's external authorization: `envoy.service.auth.v3.Authorization`.
//!
//! A thin loop: read what Envoy said, ask the checkpoint, write what Envoy understands. Every way out of it is an answer
//! that was decided, or a gRPC error. An empty `CheckResponse` would be an allow to Envoy, so none is ever made; a panic, a
//! deadline, a request that describes nothing are errors, which Envoy meets with its own `status_on_error`.

mod from_wire;
mod metrics;
mod to_wire;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

pub use from_wire::told;
use futures_util::FutureExt;
use http::HeaderMap;
pub use metrics::Metrics;
pub use to_wire::{AnswerMetadata, ErrorAnswer, statuses};
use tonic::Status;

use crate::bundle::Bundle;
use crate::checkpoint::{Checked, Checkpoint};
use crate::facts::{Facts, Told};
use crate::gate::{Refusal, Settled};
use crate::telemetry::{Decision, DecisionLog, Span, TraceParent, Traces};
use crate::terms::{Reason, spelled};
use crate::transport::Shed;

/// The service's name, as health checks ask for it.
pub const SERVICE: &str = "envoy.service.auth.v3.Authorization";

/// The path of the method.
pub const CHECK: &str = "/envoy.service.auth.v3.Authorization/Check";

/// How checks are answered.
#[derive(Debug, Clone)]
pub struct Config {
    /// The longest time a check may take. A shorter deadline of the caller's own wins.
    pub max_time: Duration,
    /// What an error looks like to Envoy.
    pub errors: ErrorAnswer,
    /// What access logs and later filters are told.
    pub metadata: AnswerMetadata,
    /// Which names Envoy is told to take out.
    pub removal: HeaderRemoval,
}

impl Config {
    /// As it comes, with this time.
    pub const fn new(max_time: Duration) -> Self {
        let (errors, metadata) = (ErrorAnswer::GrpcStatus, AnswerMetadata::All);
        Self { max_time, errors, metadata, removal: HeaderRemoval::Known }
    }
}

spelled! {
    /// Which headers Envoy is told to take out of a request, of those that are not a client's to send or not the service's to see.
    HeaderRemoval, "a form of removal" {
        /// All of them: Envoy may hide from us what a client sent.
        Known = "known",
        /// Those that came, which is less for Envoy to do, and right only where it hides none.
        Seen = "seen",
    }
}

/// The service.
#[derive(Clone)]
pub struct Service(Arc<Parts>);

struct Parts {
    checkpoint: Checkpoint,
    config: Config,
    traces: Traces,
    decisions: DecisionLog,
    metrics: Metrics,
}

/// Kept back from the caller's deadline, so that the answer is there before it. A blocking wake-up on a busy machine takes
/// tens of microseconds; this is a hundred times that.
const MARGIN: Duration = Duration::from_millis(5);

impl Service {
    /// A service that asks this checkpoint.
    pub fn new(checkpoint: Checkpoint, config: Config, traces: Traces, decisions: DecisionLog) -> Self {
        Self(Arc::new(Parts { checkpoint, config, traces, decisions, metrics: Metrics::default() }))
    }

    /// What is counted here.
    pub fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    /// Answers a `CheckRequest` with a `CheckResponse`, both as bytes. `arrived` is when it may have come, at the earliest:
    /// the time that it waited is a part of its own.
    pub async fn check(&self, asked: &[u8], headers: &HeaderMap, arrived: Instant) -> Result<Vec<u8>, Status> {
        self.0.check(asked, headers, arrived).await
    }

    /// Takes note of a panic outside of what judges.
    pub fn count_panic(&self) {
        self.0.metrics.count_panic();
    }

    /// What is said of a check that is not looked at, since too much is asked at once: an error, and never an allow.
    pub fn shed(&self, why: Shed) -> Status {
        self.0.shed(why)
    }
}

impl Parts {
    /// Judges what Envoy asks, or says why that was not possible.
    async fn judge<'b>(
        &self,
        bundle: Option<&'b Bundle>,
        facts: &Facts<'_>,
        parent: Option<TraceParent>,
        max_time: Duration,
    ) -> Result<Checked<'b>, Reason> {
        let bundle = bundle.ok_or(Reason::BundleNone)?;
        let check = self.checkpoint.check(bundle, facts, parent.map(|parent| parent.trace_id()), max_time);
        AssertUnwindSafe(check).catch_unwind().await.map_err(|_| {
            self.metrics.count_panic();
            tracing::error!("a check panicked: that request is an error, the process goes on");
            Reason::Internal
        })
    }

    /// A gRPC status, whatever form errors have otherwise: it costs least, and Envoy counts it as an error all the same.
    fn shed(&self, why: Shed) -> Status {
        let reason = match why {
            Shed::Pending | Shed::Bytes => Reason::Overloaded,
            Shed::Late => Reason::DeadlineExceeded,
        };
        self.metrics.count_shed(why, reason);
        Status::unavailable(reason.code())
    }

    #[expect(clippy::disallowed_methods, reason = "a span's beginning is the machine's own time")]
    async fn check(&self, asked: &[u8], headers: &HeaderMap, arrived: Instant) -> Result<Vec<u8>, Status> {
        let (began, began_at) = (Instant::now(), SystemTime::now());
        let max_time = deadline(headers)
            .map_or(self.config.max_time, |time| time.saturating_sub(MARGIN).min(self.config.max_time));
        let max_time = max_time.saturating_sub(began.saturating_duration_since(arrived));
        if max_time.is_zero() {
            // Nobody waits for it any more: judging it would only make others late.
            return Err(self.shed(Shed::Late));
        }
        // Reading is as untrusted as judging: it is contained in the same way.
        let hides_no_header = self.config.removal == HeaderRemoval::Seen;
        let facts = || told(asked).map(|told| Facts::read(Told { hides_no_header, ..told }));
        let facts = std::panic::catch_unwind(AssertUnwindSafe(facts));
        let facts = facts.unwrap_or_else(|_| {
            self.metrics.count_panic();
            Err(Reason::Internal)
        });
        let read = began.elapsed();
        let parent = match &facts {
            Ok(facts) => facts.headers.value("traceparent").and_then(TraceParent::read),
            Err(_) => None,
        };
        let bundle = self.checkpoint.bundle();
        let checked = match &facts {
            Ok(facts) => self.judge(bundle.as_deref(), facts, parent, max_time.saturating_sub(read)).await,
            Err(reason) => Err(*reason),
        };
        let is_grpc = facts.as_ref().is_ok_and(Facts::is_grpc);
        let (summary, settled, later) = match checked {
            Ok(Checked { summary, settled, judged, recorded }) => (Some(summary), settled, Some([judged, recorded])),
            Err(reason) => (None, Settled::Refuse(Refusal::of(reason)), None),
        };
        let [judged, recorded] = later.unwrap_or([began; 2]).map(|at| at.saturating_duration_since(began));
        let stages = [("read", read), ("judged", judged), ("recorded", recorded)];
        let stages = stages.get(..if later.is_some() { 3 } else { 1 }).unwrap_or_default();
        let answer = to_wire::answer(&settled, summary.as_ref(), is_grpc, &self.config);
        let error = answer.as_ref().err().map(|_| "unavailable");
        let trace = self.traces.record(&Span { summary: summary.as_ref(), parent, began: began_at, stages, error });
        let took = began.elapsed();
        self.metrics.count(summary.as_ref(), &settled, took, trace);
        if let Some(summary) = summary.filter(|_| self.decisions.is_on()) {
            let answered = match &settled {
                Settled::Pass(_) => summary.reason,
                Settled::Refuse(refusal) => refusal.reason,
            };
            self.decisions.tell(&Decision::new(&summary, answered, began_at, trace, took));
        }
        answer
    }
}

/// The caller's own deadline: `grpc-timeout`, at most eight digits and a unit (gRPC over HTTP/2, "Requests").
fn deadline(headers: &HeaderMap) -> Option<Duration> {
    let (unit, digits) = headers.get("grpc-timeout")?.as_bytes().split_last()?;
    if digits.is_empty() || digits.len() > 8 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let count = digits.iter().fold(0, |count: u64, digit| count * 10 + u64::from(digit - b'0'));
    match unit {
        b'H' => Some(Duration::from_secs(count * 3600)),
        b'M' => Some(Duration::from_secs(count * 60)),
        b'S' => Some(Duration::from_secs(count)),
        b'm' => Some(Duration::from_millis(count)),
        b'u' => Some(Duration::from_micros(count)),
        b'n' => Some(Duration::from_nanos(count)),
        _ => None,
    }
}

#[cfg(test)]
mod tests;

//! The log: JSON lines on stderr, written by a thread of its own, at a level that can be changed.
//!
//! A request never waits for a line to be written. Where lines come faster than they are read, they are lost and counted.
//! Nobody who may only connect can fill it.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::registry::Registry;
use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::{EnvFilter, fmt, reload};

/// The log that was set up.
pub struct Logs {
    lost: ErrorCounter,
    level: Level,
}

/// What is logged, and how to change it.
#[derive(Clone)]
pub struct Level {
    /// What was asked for last.
    filter: Arc<Mutex<String>>,
    change: Arc<dyn Fn(EnvFilter) + Send + Sync>,
}

/// Writes what is still queued when it is dropped.
pub struct LogGuard {
    _worker: WorkerGuard,
}

/// Lines that may wait. At 300 bytes each this is at most 2.5 MiB.
const MAX_QUEUED: usize = 8192;

/// What holds under whatever the operator sets, unless he names `h2` himself. That library warns of each client that resets
/// too much, so that a client could fill the log; what we do about such a client is counted, and is no news.
const UNDER_ALL: &str = "h2=error";

/// Whether a text is a level, or a filter such as `info,tollgate=debug`.
pub fn check_filter(filter: &str) -> Result<(), ParseError> {
    parse(filter).map(|_| ())
}

fn parse(filter: &str) -> Result<EnvFilter, ParseError> {
    let builder = EnvFilter::builder();
    match filter.is_empty() {
        // Errors of everything: with anything before it, it would be nothing of all else.
        true => builder.parse(filter),
        // Of two that name the same, the later one is heeded.
        false => builder.parse(format!("{UNDER_ALL},{filter}")),
    }
}

impl Logs {
    /// Sends log lines of a level, or of a filter such as `info,tollgate=debug`, to stderr, from here on and everywhere.
    pub fn to_stderr(filter: &str) -> Result<(Self, LogGuard), ParseError> {
        let (layer, handle) = reload::Layer::new(parse(filter)?);
        let (writer, worker) =
            NonBlockingBuilder::default().buffered_lines_limit(MAX_QUEUED).lossy(true).finish(io::stderr());
        let lost = writer.error_counter();
        let lines = fmt::layer().json().flatten_event(true).with_writer(writer);
        // Where a log is set up already (a test, a host program), it stays.
        let _ = tracing::subscriber::set_global_default(tracing_subscriber::registry().with(layer).with(lines));
        let change = Arc::new(move |filter| {
            // It fails only where the subscriber is gone, and then nothing is logged at all.
            let _ = handle.reload(filter);
        });
        let level = Level { filter: Arc::new(Mutex::new(filter.to_owned())), change };
        Ok((Self { lost, level }, LogGuard { _worker: worker }))
    }

    /// How many lines were lost.
    pub fn lost(&self) -> usize {
        self.lost.dropped_lines()
    }

    /// What is logged.
    pub fn level(&self) -> Level {
        self.level.clone()
    }

    /// Puts the count of lost lines under the name that dashboards know.
    pub fn register(&self, registry: &mut Registry) {
        let help = "Log lines that were lost, since nobody took them fast enough";
        registry.register_collector(Box::new(Lost { name: "log_lost_lines", help, counter: Some(self.lost.clone()) }));
    }
}

impl Level {
    /// What is logged now.
    pub fn get(&self) -> String {
        self.filter.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Logs something else from here on.
    pub fn set(&self, filter: &str) -> Result<(), ParseError> {
        let parsed = parse(filter)?;
        let mut current = self.filter.lock().unwrap_or_else(PoisonError::into_inner);
        (self.change)(parsed);
        filter.clone_into(&mut current);
        Ok(())
    }
}

/// How many lines a writer has lost, as a metric.
pub(super) struct Lost {
    pub(super) name: &'static str,
    pub(super) help: &'static str,
    pub(super) counter: Option<ErrorCounter>,
}

impl std::fmt::Debug for Lost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lost").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Collector for Lost {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let lost = ConstCounter::new(self.counter.as_ref().map_or(0, ErrorCounter::dropped_lines) as u64);
        lost.encode(encoder.encode_descriptor(self.name, self.help, None, MetricType::Counter)?)
    }
}

//! The threads that answer: each with a runtime of its own, and each connection on one of them for all of its life.
//!
//! Nothing moves between threads while it is answered, and nothing is woken on another one: that costs more than judging.
//! What is not answering (health, metrics, accepting) has a thread of its own, and so can say when one of these is stuck.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::Result;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::{Registry, Unit};
use tokio::runtime::Builder;
use tokio::sync::mpsc::{self, Receiver, Sender, UnboundedReceiver, UnboundedSender};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::services::Services;
use super::spawn;
use crate::transport::{self, Arrived, Port};

/// A connection, and what it asks.
type Handed = (Arc<Port<Services>>, Arrived);

/// All threads that answer.
#[derive(Clone)]
pub(super) struct Workers(Arc<Vec<Worker>>);

/// One of them, as others see it.
struct Worker {
    /// The bound on connections bounds this queue, too.
    connections: UnboundedSender<Handed>,
    open: Arc<AtomicUsize>,
    beat: Beat,
}

/// What runs on one of them.
pub(super) struct Work {
    connections: UnboundedReceiver<Handed>,
    open: Arc<AtomicUsize>,
    beat: Beat,
    end: End,
    /// Dropped when it has ended.
    _answering: Sender<()>,
}

/// How it is told to end: first by itself, then at once.
#[derive(Clone)]
pub(super) struct End {
    pub(super) stop: CancellationToken,
    pub(super) cut_off: CancellationToken,
}

/// Says again and again that its thread turns.
#[derive(Clone)]
struct Beat {
    since: Instant,
    millis: Arc<AtomicU64>,
}

/// How long a runtime may take to let go of what it still runs.
const SHUTDOWN: Duration = Duration::from_secs(2);

/// So many workers, what each of them is to run, and what is closed when all of them have ended.
pub(super) fn workers(count: usize, end: &End) -> (Workers, Vec<Work>, Receiver<()>) {
    let (answering, ended) = mpsc::channel(1);
    let pairs = (0..count.max(1)).map(|_| {
        let (sender, connections) = mpsc::unbounded_channel();
        let (open, beat) = (Arc::new(AtomicUsize::new(0)), Beat::new());
        let worker = Worker { connections: sender, open: Arc::clone(&open), beat: beat.clone() };
        let work = Work { connections, open, beat, end: end.clone(), _answering: answering.clone() };
        (worker, work)
    });
    let (workers, work) = pairs.unzip();
    (Workers(Arc::new(workers)), work, ended)
}

impl Workers {
    /// Gives a connection to the one that has the fewest.
    pub(super) fn hand_over(&self, port: &Arc<Port<Services>>, arrived: Arrived) {
        let Some(worker) = self.0.iter().min_by_key(|worker| worker.open.load(Ordering::Relaxed)) else { return };
        worker.open.fetch_add(1, Ordering::Relaxed);
        // Where the worker has ended, the process is ending: the connection is closed.
        let _ = worker.connections.send((Arc::clone(port), arrived));
    }

    /// The longest time for which one of them has not turned.
    pub(super) fn longest_stall(&self) -> Duration {
        self.0.iter().map(|worker| worker.beat.age()).max().unwrap_or_default()
    }

    /// Puts that under the name that dashboards know. It is looked at when it is asked for.
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register_collector(Box::new(self.clone()));
    }
}

impl Collector for Workers {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let help = "For how long the thread that has not turned for longest has not";
        let stall = ConstGauge::new(self.longest_stall().as_secs_f64());
        stall.encode(encoder.encode_descriptor("longest_stall", help, Some(&Unit::Seconds), MetricType::Gauge)?)
    }
}

impl fmt::Debug for Workers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Workers").finish_non_exhaustive()
    }
}

impl Work {
    /// Runs on a thread of its own until it is told to end.
    pub(super) fn on_a_thread(self, number: usize) -> Result<JoinHandle<()>> {
        let mut builder = Builder::new_current_thread();
        // So it is known how long it was busy, and what it reads may have waited.
        builder.enable_all().on_thread_park(transport::looks).on_thread_unpark(transport::has_looked);
        let runtime = builder.build()?;
        spawn(&format!("check-{number}"), move || {
            runtime.block_on(self.run());
            runtime.shutdown_timeout(SHUTDOWN);
        })
    }

    /// Serves connections until it is told to end, and until they have ended.
    pub(super) async fn run(mut self) {
        let cut_off = self.end.cut_off.clone();
        let (mut open, mut pulse) = (JoinSet::new(), JoinSet::new());
        pulse.spawn(self.beat.clone().keep());
        // Dropping the sets ends what is in them.
        cut_off.run_until_cancelled(self.serve(&mut open)).await;
    }

    async fn serve(&mut self, open: &mut JoinSet<()>) {
        let mut stopping = false;
        while !(stopping && open.is_empty()) {
            tokio::select! {
                handed = self.connections.recv(), if !stopping => match handed {
                    Some((port, arrived)) => {
                        open.spawn(port.serve(arrived, self.end.stop.clone()));
                    }
                    None => stopping = true,
                },
                Some(ended) = open.join_next() => {
                    self.open.fetch_sub(1, Ordering::Relaxed);
                    if ended.is_err_and(|error| error.is_panic()) {
                        tracing::error!("a connection panicked: it is closed, all others go on");
                    }
                }
                () = self.end.stop.cancelled(), if !stopping => stopping = true,
            }
        }
    }
}

impl Beat {
    fn new() -> Self {
        Self { since: Instant::now(), millis: Arc::default() }
    }

    /// Beats for ever, as a task among those whose waiting it measures.
    async fn keep(self) {
        loop {
            let millis = u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX);
            self.millis.store(millis, Ordering::Relaxed);
            tokio::time::sleep(transport::pulse()).await;
        }
    }

    fn age(&self) -> Duration {
        self.since.elapsed().saturating_sub(Duration::from_millis(self.millis.load(Ordering::Relaxed)))
    }
}

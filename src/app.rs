//! Wiring and drain: what runs, and how it ends.
//!
//! Every task and thread of the process is started here and joined here. Starting: the ledger, the policies, the ports; ready
//! with the first bundle. Ending: not ready, serve on for a while, accept nothing new, finish what is under way, flush
//! the records and the spans. What does not finish in time is cut off, which a caller sees as an error, never as an allow.

mod health;
mod services;
mod start;
mod webhook;
mod workers;

use std::net::SocketAddr;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};

use anyhow::{Context, Result};
pub use start::{start, start_with};
use tokio::sync::mpsc::Receiver;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;
use tracing_appender::non_blocking::WorkerGuard;
pub use webhook::{Config as WebhookConfig, start_webhook};

use crate::config::Drain;
use crate::ext_authz;
use crate::telemetry::Traces;
use crate::transport::Listen;

use health::report;
use workers::End;

/// What the health service answers for: the whole, the kubelet's two questions, and Envoy's.
pub const HEALTH_NAMES: [&str; 3] = ["", "readiness", ext_authz::SERVICE];
/// True as long as the process turns: it depends on no policy and no other service.
pub const LIVENESS: &str = "liveness";

/// A running Tollgate.
pub struct Running {
    /// Where checks are answered, as bound.
    pub listen: Vec<Listen>,
    /// Where health is answered.
    pub health: SocketAddr,
    /// Where metrics are served.
    pub metrics: SocketAddr,
    /// Where the state is shown.
    pub admin: Option<SocketAddr>,
    tasks: JoinSet<Result<()>>,
    /// Closed when all that answered have ended.
    answering: Receiver<()>,
    end: End,
    draining: CancellationToken,
    reporter: HealthReporter,
    /// What health is asked by.
    names: &'static [&'static str],
    drain: Drain,
    traces: Traces,
    threads: Threads,
}

/// The threads of a running Tollgate. They end when everything that uses them is gone.
#[derive(Default)]
pub struct Threads {
    stop: Vec<mpsc::Sender<()>>,
    handles: Vec<JoinHandle<()>>,
    /// Writes what is still to be told, once nobody tells any more.
    decisions: Option<WorkerGuard>,
}

impl Running {
    /// Runs until `end` resolves or a part fails, then drains. The threads are the caller's to join, once the runtime that all
    /// this ran on is gone.
    pub async fn until(mut self, end: impl Future<Output = &'static str>) -> (Threads, Result<()>) {
        let failed = tokio::select! {
            signal = end => {
                tracing::info!(signal, "draining");
                self.drain().await;
                Ok(())
            }
            ended = self.tasks.join_next() => match ended {
                Some(Ok(Err(error))) => Err(error),
                Some(Err(error)) => Err(error.into()),
                _ => Err(anyhow::anyhow!("a part of the service ended by itself")),
            },
        };
        self.end.stop.cancel();
        self.finish().await;
        let traces = self.traces.clone();
        // Blocks until the last spans are sent, or for a few seconds.
        let _ = tokio::task::spawn_blocking(move || traces.shutdown()).await;
        (self.threads, failed)
    }

    /// Says that it is not ready, and serves on until everyone knows.
    async fn drain(&self) {
        // A first bundle that comes now makes nobody ready any more.
        self.draining.cancel();
        report(&self.reporter, self.names, ServingStatus::NotServing).await;
        tokio::time::sleep(self.drain.delay).await;
    }

    /// Lets what is under way finish, as long as it may take.
    async fn finish(&mut self) {
        let all = async {
            while let Some(ended) = self.tasks.join_next().await {
                if let Ok(Err(error)) = ended {
                    tracing::warn!(%error, "a part of the service ended badly");
                }
            }
            // Nothing is ever sent: it ends with the last one who could.
            let _ = self.answering.recv().await;
        };
        if tokio::time::timeout(self.drain.timeout, all).await.is_err() {
            tracing::warn!(timeout = ?self.drain.timeout, "cut off what was still under way");
            self.tasks.abort_all();
        }
        self.end.cut_off.cancel();
    }
}

impl Threads {
    /// Starts a thread that looks at something until it is told to end.
    fn watch(&mut self, name: &str, run: impl FnOnce(&mpsc::Receiver<()>) + Send + 'static) -> Result<()> {
        let (stop, stopped) = mpsc::channel();
        self.handles.push(spawn(name, move || run(&stopped))?);
        self.stop.push(stop);
        Ok(())
    }

    /// Waits until the last record is on disk.
    pub fn join(mut self) {
        self.stop.clear();
        for handle in self.handles {
            if handle.join().is_err() {
                tracing::error!("a thread of the service panicked");
            }
        }
        drop(self.decisions);
    }
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>> {
    thread::Builder::new().name(name.to_owned()).spawn(work).with_context(|| format!("cannot start the {name} thread"))
}

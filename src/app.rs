//! Wiring and drain: what runs, and how it ends.
//!
//! Every task and thread of the process is started here and joined here. Starting: the ledger, the policies, the ports; ready
//! with the first bundle. Ending: not ready, serve on for a while, accept nothing new, finish what is under way, flush
//! the records and the spans. What does not finish in time is cut off, which a caller sees as an error, never as an allow.

mod health;
mod services;
mod workers;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};

use anyhow::{Context, Result};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tokio::sync::mpsc::Receiver;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic_health::ServingStatus;
use tonic_health::pb::health_server::HealthServer;
use tonic_health::server::{HealthReporter, HealthService};

use crate::checkpoint::Checkpoint;
use crate::clock::{Clock, System};
use crate::config::{Config, Drain};
use crate::receipt::Pseudonyms;
use crate::sources::certificates;
use crate::telemetry::{METRIC_PREFIX, Traces};
use crate::transport::{Admission, Bound, Connections, Listen, Port, Tls};
use crate::{ext_authz, http, ledger, sources, transport};

use health::{report, report_liveness, report_readiness};
use services::Services;
use workers::{End, workers};

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
    tasks: JoinSet<Result<()>>,
    /// Closed when all that answered have ended.
    answering: Receiver<()>,
    end: End,
    draining: CancellationToken,
    reporter: HealthReporter,
    drain: Drain,
    traces: Traces,
    threads: Threads,
}

/// The threads of a running Tollgate. They end when everything that uses them is gone.
#[derive(Default)]
pub struct Threads {
    stop: Vec<mpsc::Sender<()>>,
    handles: Vec<JoinHandle<()>>,
}

/// Starts everything. What cannot be opened or bound is an error, and then nothing runs on.
pub async fn start(config: Config) -> Result<Running> {
    start_with(config, Arc::new(System)).await
}

/// Starts everything with a clock of the caller's.
pub async fn start_with(config: Config, clock: Arc<dyn Clock>) -> Result<Running> {
    config.log();
    let pseudonyms = pseudonyms(&config)?;
    let mut sockets = Vec::new();
    for listen in &config.listen {
        let bound = Bound::to(listen, &config.socket_file).await;
        sockets.push(bound.with_context(|| format!("cannot listen on {listen}"))?);
    }
    let health = bind_tcp(config.health, "health").await?;
    let metrics = bind_tcp(config.metrics, "metrics").await?;
    let traces = config.traces.as_ref().map(|to| Traces::to_collector(&to.endpoint, to.ratio)).transpose();
    let traces = traces.context("cannot set up traces")?.unwrap_or_default();

    let mut threads = Threads::default();
    let mut registry = registry();
    let tls = match config.tls.clone() {
        Some(tls) => {
            let (in_force, watcher) = certificates::watch(tls)?;
            watcher.metrics().register(&mut registry);
            threads.watch("certificates", move |stop| watcher.run(stop))?;
            Some(Tls::new(in_force))
        }
        None => None,
    };
    let (ledger, writer) = ledger::open(&config.ledger)?;
    ledger.metrics().register(&mut registry);
    threads.handles.push(spawn("ledger", move || writer.run())?);
    let (bundles, watcher) = sources::watch(config.policies.clone(), Arc::clone(&clock));
    watcher.metrics().register(&mut registry);
    threads.watch("policies", move |stop| watcher.run(stop))?;
    let ready = bundles.clone();
    let checkpoint = Checkpoint::new(bundles, ledger, pseudonyms, clock);
    checkpoint.metrics().register(&mut registry);
    checkpoint.unmapped().register(&mut registry);
    let checks = ext_authz::Service::new(checkpoint, config.check.clone(), traces.clone());
    checks.metrics().register(&mut registry);
    let of_ports = transport::Metrics::default();
    of_ports.register(&mut registry);

    let reporter = HealthReporter::new();
    let health_service = HealthServer::new(HealthService::from_health_reporter(reporter.clone()));
    report(&reporter, ServingStatus::NotServing).await;
    let end = End { stop: CancellationToken::new(), cut_off: CancellationToken::new() };
    let stop = &end.stop;
    let mut tasks = JoinSet::new();
    let draining = stop.child_token();
    tasks.spawn(report_readiness(ready, reporter.clone(), draining.clone(), stop.clone()));
    let addresses = (health.local_addr()?, metrics.local_addr()?);
    let on_stop = stop.clone().cancelled_owned();
    let health_server = Server::builder().add_service(health_service.clone());
    tasks.spawn(
        async move { Ok(health_server.serve_with_incoming_shutdown(TcpIncoming::from(health), on_stop).await?) },
    );
    let on_stop = stop.clone().cancelled_owned();
    tasks.spawn(async move { Ok(axum::serve(metrics, http::router(registry)).with_graceful_shutdown(on_stop).await?) });

    let (workers, work, answering) = workers(config.workers, &end);
    for (number, work) in work.into_iter().enumerate() {
        match config.workers {
            0 => drop(tasks.spawn(async move {
                work.run().await;
                Ok(())
            })),
            _ => threads.handles.push(work.on_a_thread(number)?),
        }
    }
    tasks.spawn(report_liveness(workers.clone(), config.max_stall, reporter.clone(), stop.clone()));
    let port = Arc::new(Port {
        answer: Services { checks, health: health_service },
        config: config.transport.clone(),
        admission: Admission::new(config.transport.max_pending, config.transport.max_pending_bytes),
        metrics: of_ports.clone(),
        tls,
    });
    let connections = Connections::new(config.transport.max_connections, of_ports);
    let listen = sockets.iter().map(Bound::address).collect::<Result<Vec<_>>>()?;
    for socket in sockets {
        let (workers, port) = (workers.clone(), Arc::clone(&port));
        let accept = socket.accept(connections.clone(), move |arrived| workers.hand_over(&port, arrived), stop.clone());
        tasks.spawn(async move {
            accept.await;
            Ok(())
        });
    }
    for (port, address) in listen.iter().map(|listen| ("ext_authz", listen.to_string())) {
        tracing::info!(port, address, "listening");
    }
    tracing::info!(port = "health", address = %addresses.0, "listening");
    tracing::info!(port = "metrics", address = %addresses.1, "listening");
    let drain = config.drain.clone();
    Ok(Running {
        listen,
        health: addresses.0,
        metrics: addresses.1,
        tasks,
        answering,
        end,
        draining,
        reporter,
        drain,
        traces,
        threads,
    })
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
        report(&self.reporter, ServingStatus::NotServing).await;
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
    }
}

async fn bind_tcp(address: SocketAddr, what: &str) -> Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address} for {what}"))
}

fn registry() -> Registry {
    let mut registry = Registry::with_prefix(METRIC_PREFIX);
    registry.register("build", "The version that runs", Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]));
    registry
}

/// The key from its file, or one that dies with the process.
fn pseudonyms(config: &Config) -> Result<Pseudonyms> {
    let key = match &config.pseudonym_key {
        Some(path) => {
            std::fs::read(path).with_context(|| format!("cannot read the pseudonym key `{}`", path.display()))?
        }
        None => {
            tracing::warn!(
                "no pseudonym key is given: records of this process name people differently from all others"
            );
            let mut key = vec![0; 32];
            getrandom::fill(&mut key).context("the system gives no random bytes")?;
            key
        }
    };
    Pseudonyms::try_new(&key).with_context(|| match &config.pseudonym_key {
        Some(path) => format!("the pseudonym key `{}` cannot be used", path.display()),
        None => "the pseudonym key cannot be used".to_owned(),
    })
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>> {
    thread::Builder::new().name(name.to_owned()).spawn(work).with_context(|| format!("cannot start the {name} thread"))
}

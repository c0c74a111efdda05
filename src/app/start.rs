//! Starting: first everything that can fail, then what runs.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context, Result};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use super::health::{report, report_liveness, report_readiness, serve_health};
use super::services::{Health, Services};
use super::workers::{End, workers};
use super::{HEALTH_NAMES, Running, Threads, spawn};
use crate::checkpoint::Checkpoint;
use crate::clock::{Clock, System};
use crate::config::Config;
use crate::http::{self, admin};
use crate::receipt::Pseudonyms;
use crate::sources::certificates::{self, Protocol};
use crate::sources::{self, Bundles};
use crate::telemetry::{Decisions, Logs, METRIC_PREFIX, Traces};
use crate::transport::{self, Admission, Bound, Connections, Port, SmallPorts, Tls};
use crate::{ext_authz, ledger};

/// Starts everything. What cannot be opened or bound is an error, and then nothing runs on.
pub async fn start(config: Config, logs: &Logs) -> Result<Running> {
    start_with(config, Arc::new(System), logs).await
}

/// Starts everything with a clock of the caller's.
pub async fn start_with(config: Config, clock: Arc<dyn Clock>, logs: &Logs) -> Result<Running> {
    config.log();
    let sockets = Sockets::bind(&config).await?;
    let mut registry = registry();
    logs.register(&mut registry);
    let mut threads = Threads::default();
    let tls = config.tls.clone();
    let tls = tls.map(|tls| certificates(tls, Protocol::Http2, Arc::clone(&clock), &mut threads, &mut registry));
    let tls = tls.transpose()?;
    let traces = traces(&config)?;
    traces.register(&mut registry);
    let (checks, bundles) = checks(&config, clock, traces.clone(), &mut threads, &mut registry)?;
    let of_ports = transport::Metrics::default();
    of_ports.register(&mut registry);
    let of_small_ports = SmallPorts::default();
    of_small_ports.register(&mut registry);

    let reporter = HealthReporter::new();
    let health = Health::new(&reporter);
    report(&reporter, &HEALTH_NAMES, ServingStatus::NotServing).await;
    let end = End { stop: CancellationToken::new(), cut_off: CancellationToken::new() };
    let draining = end.stop.child_token();
    let mut tasks = JoinSet::new();
    tasks.spawn(report_readiness(bundles.clone(), reporter.clone(), draining.clone(), end.stop.clone()));
    let (workers, work, answering) = workers(config.workers, &end);
    workers.register(&mut registry);
    for (number, work) in work.into_iter().enumerate() {
        match config.workers {
            0 => drop(tasks.spawn(async move {
                work.run().await;
                Ok(())
            })),
            _ => threads.handles.push(work.on_a_thread(number)?),
        }
    }
    tasks.spawn(report_liveness(workers.clone(), config.max_stall, reporter.clone(), end.stop.clone()));

    let port = Arc::new(Port {
        answer: Services { checks, health: health.clone() },
        config: config.transport.clone(),
        admission: Admission::new(config.transport.max_pending, config.transport.max_pending_bytes),
        others: Admission::of_others(),
        metrics: of_ports.clone(),
        tls,
    });
    let connections = Connections::new(config.transport.max_connections, of_ports);
    let (listen, [health_address, metrics_address], admin) = sockets.addresses()?;
    for socket in sockets.checks {
        let (workers, port) = (workers.clone(), Arc::clone(&port));
        let hand_over = move |arrived| workers.hand_over(&port, arrived);
        let accept = socket.accept(connections.clone(), hand_over, end.stop.clone());
        tasks.spawn(async move {
            accept.await;
            Ok(())
        });
    }
    serve_health(sockets.health, health, of_small_ports.of("health"), &end, &mut tasks);
    let server = http::Server::new(http::router(registry)).counting(of_small_ports.of("metrics"));
    serve(sockets.metrics, server, &end, &mut tasks);
    if let Some(socket) = sockets.admin {
        let settings = serde_json::to_value(&config.effective)?;
        let pages = admin::router(admin::Admin { settings, bundles, level: logs.level() });
        serve(socket, http::Server::new(pages).counting(of_small_ports.of("admin")), &end, &mut tasks);
    }
    Ok(Running {
        listen,
        health: health_address,
        metrics: metrics_address,
        admin,
        tasks,
        answering,
        end,
        draining,
        reporter,
        names: &HEALTH_NAMES,
        drain: config.drain,
        traces,
        threads,
    })
}

/// Everything that is listened on, bound and not yet served.
struct Sockets {
    checks: Vec<Bound>,
    health: TcpListener,
    metrics: TcpListener,
    admin: Option<TcpListener>,
}

impl Sockets {
    async fn bind(config: &Config) -> Result<Self> {
        let mut checks = Vec::new();
        for listen in &config.listen {
            let bound = Bound::to(listen, &config.socket_file).await;
            checks.push(bound.with_context(|| format!("cannot listen on {listen}"))?);
        }
        let health = bind_tcp(config.health, "health").await?;
        let metrics = bind_tcp(config.metrics, "metrics").await?;
        let admin = match config.admin {
            Some(address) => Some(bind_tcp(address, "admin").await?),
            None => None,
        };
        Ok(Self { checks, health, metrics, admin })
    }

    /// The addresses as they are, each of them logged: of checks; of health and metrics; of admin.
    fn addresses(&self) -> Result<(Vec<transport::Listen>, [SocketAddr; 2], Option<SocketAddr>)> {
        let checks = self.checks.iter().map(Bound::address).collect::<Result<Vec<_>>>()?;
        let plain = [self.health.local_addr()?, self.metrics.local_addr()?];
        let admin = self.admin.as_ref().map(TcpListener::local_addr).transpose()?;
        for address in &checks {
            tracing::info!(port = "ext_authz", %address, "listening");
        }
        let others = [("health", Some(plain[0])), ("metrics", Some(plain[1])), ("admin", admin)];
        for (port, address) in others.into_iter().filter_map(|(port, address)| Some((port, address?))) {
            tracing::info!(port, %address, "listening");
        }
        Ok((checks, plain, admin))
    }
}

/// What decides and records, and the bundle that it decides by.
fn checks(
    config: &Config,
    clock: Arc<dyn Clock>,
    traces: Traces,
    threads: &mut Threads,
    registry: &mut Registry,
) -> Result<(ext_authz::Service, Bundles)> {
    let pseudonyms = pseudonyms(config)?;
    let decisions = config.decisions.as_ref().map(Decisions::start).transpose();
    let (decisions, guard) = decisions.context("cannot tell decisions")?.unzip();
    let decisions = decisions.unwrap_or_default();
    decisions.register(registry);
    threads.decisions = guard;
    let (ledger, writer) = ledger::open(&config.ledger)?;
    ledger.metrics().register(registry);
    threads.handles.push(spawn("ledger", move || writer.run())?);
    let (bundles, watcher) = sources::watch(config.policies.clone(), Arc::clone(&clock));
    watcher.metrics().register(registry);
    threads.watch("policies", move |stop| watcher.run(stop))?;
    let checkpoint = Checkpoint::new(bundles.clone(), ledger, pseudonyms, clock);
    checkpoint.metrics().register(registry);
    checkpoint.unmapped().register(registry);
    let checks = ext_authz::Service::new(checkpoint, config.check.clone(), traces, decisions);
    checks.metrics().register(registry);
    Ok((checks, bundles))
}

/// The certificates of a port, which are followed from here on.
pub(super) fn certificates(
    config: certificates::Config,
    protocol: Protocol,
    clock: Arc<dyn Clock>,
    threads: &mut Threads,
    registry: &mut Registry,
) -> Result<Tls> {
    let (in_force, watcher) = certificates::watch(config, protocol, clock)?;
    watcher.metrics().register(registry);
    threads.watch("certificates", move |stop| watcher.run(stop))?;
    Ok(Tls::new(in_force))
}

fn traces(config: &Config) -> Result<Traces> {
    let Some(to) = &config.traces else { return Ok(Traces::default()) };
    let authorities = to.authorities.as_deref().map(certificates::authorities).transpose()?;
    Traces::to_collector(&to.endpoint, authorities, &to.headers, to.ratio).context("cannot set up traces")
}

/// Serves pages until told to stop.
pub(super) fn serve(socket: TcpListener, pages: http::Server, end: &End, tasks: &mut JoinSet<Result<()>>) {
    let stop = end.stop.clone();
    tasks.spawn(async move {
        pages.serve(socket, stop).await;
        Ok(())
    });
}

pub(super) async fn bind_tcp(address: SocketAddr, what: &str) -> Result<TcpListener> {
    let help = "is somebody there? the settings have another address for each port, and `off` for admin";
    TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address} for {what} ({help})"))
}

pub(super) fn registry() -> Registry {
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

//! The life of `tollgate webhook`: as `serve` lives and ends, without policies, ledger or threads that answer.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Result;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use super::health::{report, serve_health};
use super::services::Health;
use super::start::{bind_tcp, certificates, registry, serve};
use super::workers::End;
use super::{LIVENESS, Running, Threads};
use crate::clock::System;
use crate::config::Drain;
use crate::http::{self, Server, webhook};
use crate::sources::certificates::{self as files, Protocol};
use crate::telemetry::{Logs, Traces};
use crate::transport::{Listen, SmallPorts};

/// What the operator said.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where the API server asks.
    pub listen: SocketAddr,
    /// The certificate that it trusts; it asks over TLS only.
    pub tls: files::Config,
    /// Where health is answered, in plain gRPC, for the kubelet.
    pub health: SocketAddr,
    /// Where metrics are served.
    pub metrics: SocketAddr,
    /// How the process ends.
    pub drain: Drain,
}

/// It depends on nothing, so it is ready when it listens. Alive it stays to its end.
const NAMES: &[&str] = &["", "readiness"];

/// Starts the webhook. What cannot be opened or bound is an error, and then nothing runs on.
pub async fn start_webhook(config: Config, logs: &Logs) -> Result<Running> {
    let port = bind_tcp(config.listen, "the webhook").await?;
    let health_port = bind_tcp(config.health, "health").await?;
    let metrics_port = bind_tcp(config.metrics, "metrics").await?;
    let (mut registry, mut threads) = (registry(), Threads::default());
    logs.register(&mut registry);
    let reviews = webhook::Metrics::default();
    reviews.register(&mut registry);
    let of_ports = SmallPorts::default();
    of_ports.register(&mut registry);
    let tls = certificates(config.tls, Protocol::Http1, Arc::new(System), &mut threads, &mut registry)?;

    let [listen, health, metrics] = [port.local_addr()?, health_port.local_addr()?, metrics_port.local_addr()?];
    for (port, address) in [("webhook", listen), ("health", health), ("metrics", metrics)] {
        tracing::info!(port, %address, "listening");
    }
    let reporter = HealthReporter::new();
    let service = Health::new(&reporter);
    report(&reporter, NAMES, ServingStatus::Serving).await;
    report(&reporter, &[LIVENESS], ServingStatus::Serving).await;
    let end = End { stop: CancellationToken::new(), cut_off: CancellationToken::new() };
    let mut tasks = JoinSet::new();
    let server = Server::new(webhook::router(reviews)).over(tls).within(webhook::BOUNDS);
    serve(port, server.counting(of_ports.of("webhook")), &end, &mut tasks);
    serve_health(health_port, service, of_ports.of("health"), &end, &mut tasks);
    let server = Server::new(http::router(registry)).counting(of_ports.of("metrics"));
    serve(metrics_port, server, &end, &mut tasks);
    tracing::info!("ready");
    // No thread answers: this ends at once.
    let (_, answering) = mpsc::channel(1);
    Ok(Running {
        listen: vec![Listen::Tcp(listen)],
        health,
        metrics,
        admin: None,
        tasks,
        answering,
        draining: end.stop.child_token(),
        end,
        reporter,
        names: NAMES,
        drain: config.drain,
        traces: Traces::default(),
        threads,
    })
}

//! `tollgate webhook`: what can be set, and the life of the process.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;

use super::{Outcome, serve};
use crate::app::{self, WebhookConfig};
use crate::config::Drain;
use crate::sources::certificates;
use crate::telemetry;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Folder with `tls.crt` and `tls.key`, which are followed: the API server asks over TLS only
    #[arg(long, env = "TOLLGATE_TLS", value_name = "FOLDER")]
    tls: PathBuf,
    /// How often the files with certificates are looked at
    #[arg(long, env = "TOLLGATE_TLS_POLL", value_name = "TIME", default_value = "10s", value_parser = above_zero)]
    tls_poll: Duration,
    /// Where the API server asks, at `/validate`
    #[arg(long, env = "TOLLGATE_LISTEN", value_name = "IP:PORT", default_value = "0.0.0.0:8443")]
    listen: SocketAddr,
    /// Where health is answered, in plain gRPC (grpc.health.v1)
    #[arg(long, env = "TOLLGATE_HEALTH", value_name = "IP:PORT", default_value = "0.0.0.0:9099")]
    health: SocketAddr,
    /// Where metrics are served, at `/metrics`
    #[arg(long, env = "TOLLGATE_METRICS", value_name = "IP:PORT", default_value = "0.0.0.0:9090")]
    metrics: SocketAddr,
    /// How long it serves on after it was told to end, until everybody knows
    #[arg(long, env = "TOLLGATE_DRAIN_DELAY", value_name = "TIME", default_value = "10s", value_parser = humantime::parse_duration)]
    drain_delay: Duration,
    /// How long what is under way may then take
    #[arg(long, env = "TOLLGATE_DRAIN_TIMEOUT", value_name = "TIME", default_value = "10s", value_parser = humantime::parse_duration)]
    drain_timeout: Duration,
    /// What is logged: a level (error, warn, info, debug, trace), or a filter such as `info,tollgate=debug`
    #[arg(long, env = "TOLLGATE_LOG_LEVEL", value_name = "FILTER", default_value = "info", value_parser = filter)]
    log_level: String,
}

pub(super) fn run(args: Args) -> Result<Outcome> {
    let tls = certificates::Config { folder: args.tls, client_ca: None, allowed: Vec::new(), poll: args.tls_poll };
    let config = WebhookConfig {
        listen: args.listen,
        tls,
        health: args.health,
        metrics: args.metrics,
        drain: Drain { delay: args.drain_delay, timeout: args.drain_timeout },
    };
    serve::until_a_signal(&args.log_level, async |logs| app::start_webhook(config, logs).await)
}

fn above_zero(text: &str) -> std::result::Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(Duration::ZERO) => Err("it is a time above zero".to_owned()),
        Ok(time) => Ok(time),
        Err(error) => Err(error.to_string()),
    }
}

fn filter(text: &str) -> std::result::Result<String, String> {
    telemetry::check_filter(text).map(|()| text.to_owned()).map_err(|error| error.to_string())
}

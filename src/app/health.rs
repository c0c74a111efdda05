//! What is said of our health: ready with the first bundle, alive as long as everything turns.
//!
//! A bad edit changes neither. Readiness ends with the drain, liveness where a thread that answers is stuck: then the process
//! is started again, since nothing else would help.

use std::time::Duration;

use anyhow::Result;
use tokio_util::sync::CancellationToken;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use super::workers::Workers;
use super::{HEALTH_NAMES, LIVENESS};
use crate::sources::Bundles;

/// How often the watchdog looks.
const LOOK: Duration = Duration::from_millis(500);

/// Ready with the first bundle, and from then on.
pub(super) async fn report_readiness(
    bundles: Bundles,
    reporter: HealthReporter,
    draining: CancellationToken,
    stop: CancellationToken,
) -> Result<()> {
    let mut ready = bundles.ready();
    let first = async move { ready.wait_for(|ready| *ready).await.map(|_| ()).is_ok() };
    if draining.run_until_cancelled(first).await == Some(true) && !draining.is_cancelled() {
        report(&reporter, &HEALTH_NAMES, ServingStatus::Serving).await;
        tracing::info!("ready");
    }
    stop.cancelled().await;
    Ok(())
}

/// Alive as long as no thread that answers is stuck for longer than this.
pub(super) async fn report_liveness(
    workers: Workers,
    max_stall: Duration,
    reporter: HealthReporter,
    stop: CancellationToken,
) -> Result<()> {
    let mut alive = true;
    reporter.set_service_status(LIVENESS, ServingStatus::Serving).await;
    while stop.run_until_cancelled(tokio::time::sleep(LOOK)).await.is_some() {
        let stall = workers.longest_stall();
        if alive == (stall <= max_stall) {
            continue;
        }
        alive = !alive;
        let status = if alive { ServingStatus::Serving } else { ServingStatus::NotServing };
        reporter.set_service_status(LIVENESS, status).await;
        match alive {
            true => tracing::warn!("all threads that answer turn again"),
            false => tracing::error!(?stall, "a thread that answers is stuck: no longer alive"),
        }
    }
    Ok(())
}

pub(super) async fn report(reporter: &HealthReporter, names: &[&str], status: ServingStatus) {
    for name in names {
        reporter.set_service_status(name, status).await;
    }
}

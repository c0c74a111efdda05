//! What is said of our health: ready with the first bundle, alive as long as everything turns.
//!
//! A bad edit changes neither. Readiness ends with the drain, liveness where a thread that answers is stuck: then the process
//! is started again, since nothing else would help.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use super::services::Health;
use super::workers::{End, Workers};
use super::{HEALTH_NAMES, LIVENESS};
use crate::sources::Bundles;
use crate::transport::{Admission, Config, Metrics, Places, Port, Seat, TurnedAway};

/// How often the watchdog looks.
const LOOK: Duration = Duration::from_millis(500);
/// Connections to the port of health. A kubelet has one for each probe, for a moment. There may be many, so that it is answered before
/// it has to give way, whoever else connects; and none of them may hold much.
const CONNECTIONS: usize = 256;
/// Those of them that are there in peace: of more, the oldest ends. That of a probe is the newest.
const IN_PEACE: usize = 192;
/// A probe asks once, and a watch takes one more.
const STREAMS: u32 = 4;
/// Whoever watches connects again after this time.
const MAX_AGE: Duration = Duration::from_mins(5);

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

/// Serves health, in plain gRPC, until told to stop: over connections as those for checks are, with fewer of them, and on this thread.
pub(super) fn serve_health(
    socket: TcpListener,
    health: Health,
    turned_away: TurnedAway,
    end: &End,
    tasks: &mut JoinSet<Result<()>>,
) {
    let config = Config {
        max_age: MAX_AGE,
        max_connections: CONNECTIONS,
        max_streams: STREAMS,
        // Nothing is asked that these are about.
        max_pending: 0,
        max_pending_bytes: 0,
        max_message: 0,
        max_time: Duration::ZERO,
        greeting: Config::GREETING,
        ping_every: Config::PING_EVERY,
    };
    let port = Arc::new(Port {
        answer: health,
        admission: Admission::new(config.max_pending, config.max_pending_bytes),
        config,
        // As many as all connections can have: nobody's are in the way of others.
        others: Admission::new(CONNECTIONS * STREAMS as usize, 0),
        metrics: Metrics::default(),
        tls: None,
    });
    let (places, stop) = (Places::new(CONNECTIONS, IN_PEACE, turned_away), end.stop.clone());
    tasks.spawn(async move {
        let told = stop.clone();
        let attend = move |stream, seat: Arc<Seat>| {
            let serving = Arc::clone(&port).serve_plain(stream, told.clone());
            async move {
                tokio::select! {
                    () = serving => {}
                    () = seat.gives_way() => {}
                }
            }
        };
        places.serve(socket, attend, stop).await;
        Ok(())
    });
}

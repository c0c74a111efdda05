//! A constant rate: requests are sent when it is their time, whether or not earlier ones were answered.
//!
//! Latency begins at the time at which a request *should* have been sent. A generator that waits for a slow answer before
//! it sends the next request would leave out just those requests that would have been slow (coordinated omission).
//!
//! The generator does not sleep between requests: a timer is coarser than what is measured, and being woken up takes as
//! long as a check. It spins, on a core of its own.

use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::{Connections, Sample, finish, nanos};

/// More than this without an answer, and requests are missed instead of sent: the server is lost already.
const MOST_UNDER_WAY: usize = 10_000;

/// Sends `rate` requests a second.
pub(crate) async fn pace(connections: &Connections, rate: u32, time: Duration) -> anyhow::Result<Sample> {
    let sample = Sample::shared()?;
    let (mut tasks, began) = (JoinSet::new(), Instant::now());
    let (end, interval) = (began + time, Duration::from_secs(1) / rate);
    let mut intended = began;
    for number in 0.. {
        if intended >= end {
            break;
        }
        loop {
            while tasks.try_join_next().is_some() {}
            // Also when late: answers that are there must be seen.
            tokio::task::yield_now().await;
            if Instant::now() >= intended {
                break;
            }
        }
        let mut shared = sample.lock().unwrap_or_else(PoisonError::into_inner);
        shared.lag.saturating_record(nanos(intended.elapsed()));
        match connections.sender(number) {
            Some(sender) if tasks.len() < MOST_UNDER_WAY => {
                let (target, sample) = (Arc::clone(&connections.target), Arc::clone(&sample));
                tasks.spawn(async move {
                    let answer = target.exchange(sender).await;
                    sample.lock().unwrap_or_else(PoisonError::into_inner).note(intended, target.expected, answer);
                });
            }
            _ => shared.missed += 1,
        }
        drop(shared);
        intended += interval;
    }
    finish(tasks, &sample, began, end).await
}

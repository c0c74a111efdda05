//! As many requests as the server can take: each answer is followed by the next request, so that a fixed number is always
//! under way. What counts here is how many, and what they cost. (Latency under such a load is only the length of the queue.)

use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::{Connections, Sample, finish};

/// Keeps `in_flight_each` requests under way on each connection.
pub(crate) async fn saturate(
    connections: &Connections,
    in_flight_each: usize,
    time: Duration,
) -> anyhow::Result<Sample> {
    let sample = Sample::shared()?;
    let (mut tasks, began) = (JoinSet::new(), Instant::now());
    let end = began + time;
    for sender in connections.senders.iter().flat_map(|sender| std::iter::repeat_n(sender, in_flight_each)) {
        let (sender, target, sample) = (sender.clone(), Arc::clone(&connections.target), Arc::clone(&sample));
        tasks.spawn(async move {
            loop {
                let sent = Instant::now();
                if sent >= end {
                    return;
                }
                let answer = target.exchange(sender.clone()).await;
                let is_broken = answer.is_err();
                sample.lock().unwrap_or_else(PoisonError::into_inner).note(sent, target.expected, answer);
                if is_broken {
                    return;
                }
            }
        });
    }
    finish(tasks, &sample, began, end).await
}

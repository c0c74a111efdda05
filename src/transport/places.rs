//! A port that few connect to, served on the thread that accepts: health, pages, reviews.
//!
//! There are so many places, and fewer of them are for connections that wait: for a handshake, for a request, for the next one. Where
//! one more would wait, the one that has waited longest gives way to it. So whoever connects and asks nothing, or keeps what is
//! not used, keeps out nobody, however many there are of them. What is under way never gives way: where it has all places, the next
//! connection is closed at once. Who is still taking an answer waits, too.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::metrics::TurnedAway;

/// The places of a port.
#[derive(Debug)]
pub struct Places {
    connections: usize,
    waiting: Arc<Waiting>,
    turned_away: TurnedAway,
}

/// The place of one connection, given back when it is dropped.
#[derive(Debug)]
pub struct Seat {
    waiting: Arc<Waiting>,
    /// Its number in the queue of those that wait, or [`BUSY`].
    number: AtomicU64,
    gives_way: CancellationToken,
}

/// A connection that does not wait, until this is [done](Self::done), or it ends.
#[derive(Debug)]
pub struct Busy(Arc<Seat>);

/// Those that wait, and how many may.
#[derive(Debug)]
struct Waiting {
    most: usize,
    queue: Mutex<Queue>,
    turned_away: TurnedAway,
}

#[derive(Debug, Default)]
struct Queue {
    last: u64,
    /// In the order in which they began to wait.
    waiting: BTreeMap<u64, CancellationToken>,
}

/// No number of the queue's.
const BUSY: u64 = 0;
/// How long accepting is left alone when the system has no room for another connection.
const PAUSE: Duration = Duration::from_millis(50);

impl Places {
    /// So many, and so many of them for those that wait.
    pub fn new(connections: usize, waiting: usize, turned_away: TurnedAway) -> Self {
        let waiting = Waiting { most: waiting, queue: Mutex::default(), turned_away: turned_away.clone() };
        Self { connections, waiting: Arc::new(waiting), turned_away }
    }

    /// Serves until told to stop, and until all connections have ended. Dropped, it ends them. A connection waits from its
    /// beginning on.
    pub async fn serve<F>(self, port: TcpListener, attend: impl Fn(TcpStream, Arc<Seat>) -> F, stop: CancellationToken)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let mut open = JoinSet::new();
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                // Its place is there for the next one.
                Some(ended) = open.join_next() => if ended.is_err() {
                    tracing::error!("a connection panicked: it is closed, all others go on");
                },
                accepted = port.accept() => match accepted {
                    Ok((stream, _)) if open.len() < self.connections => {
                        open.spawn(attend(stream, Seat::take(&self.waiting)));
                    }
                    // Closed at once, since it is dropped here.
                    Ok(_) => self.turned_away.count_refused(),
                    Err(error) => {
                        tracing::warn!(%error, "a connection could not be accepted");
                        sleep(PAUSE).await;
                    }
                },
            }
        }
        drop(port);
        while open.join_next().await.is_some() {}
    }
}

impl Seat {
    fn take(waiting: &Arc<Waiting>) -> Arc<Self> {
        let (waiting, number) = (Arc::clone(waiting), AtomicU64::new(BUSY));
        let place = Self { waiting, number, gives_way: CancellationToken::new() };
        place.wait();
        Arc::new(place)
    }

    /// Resolves when another connection is to have it.
    pub async fn gives_way(&self) {
        self.gives_way.cancelled().await;
    }

    /// Its connection has something to do, and does not wait meanwhile.
    pub fn busy(self: &Arc<Self>) -> Busy {
        self.leave();
        Busy(Arc::clone(self))
    }

    /// Whether its connection has something to do.
    pub fn is_busy(&self) -> bool {
        self.number.load(Ordering::Relaxed) == BUSY
    }

    fn wait(&self) {
        let mut queue = self.waiting.lock();
        queue.last += 1;
        self.number.store(queue.last, Ordering::Relaxed);
        if self.gives_way.is_cancelled() {
            return;
        }
        let number = queue.last;
        queue.waiting.insert(number, self.gives_way.clone());
        if queue.waiting.len() > self.waiting.most
            && let Some((_, longest)) = queue.waiting.pop_first()
        {
            longest.cancel();
            self.waiting.turned_away.count_replaced();
        }
    }

    fn leave(&self) {
        let mut queue = self.waiting.lock();
        queue.waiting.remove(&self.number.swap(BUSY, Ordering::Relaxed));
    }
}

impl Waiting {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Busy {
    /// It waits again. A connection that ends with something to do does not: somebody else would have to give way to it.
    pub fn done(self) {
        self.0.wait();
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.leave();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gone(place: &Seat) -> bool {
        place.gives_way.is_cancelled()
    }

    #[test]
    fn who_has_waited_longest_gives_way_and_who_is_busy_never_does() {
        let Places { waiting, .. } = Places::new(8, 2, TurnedAway::default());
        let [first, second] = [(); 2].map(|()| Seat::take(&waiting));
        let asked = first.busy();
        assert!(first.is_busy() && !second.is_busy());
        let third = Seat::take(&waiting);
        assert!([&first, &second, &third].iter().all(|place| !gone(place)), "two wait");
        // It is answered, and waits behind the others.
        asked.done();
        assert!(gone(&second) && !gone(&first) && !gone(&third) && !first.is_busy());
        drop(third);
        let fourth = Seat::take(&waiting);
        assert!(!gone(&first) && !gone(&fourth), "one that ended makes room");
        // Who was asked to end, and is asked something all the same, is not in the way of others.
        second.busy().done();
        assert_eq!(waiting.lock().waiting.len(), 2);
        // Nor does anybody give way to one that ends while it is busy.
        let fifth = Seat::take(&waiting);
        assert!(gone(&first) && !gone(&fourth) && !gone(&fifth));
        let sixth = Seat::take(&waiting);
        drop((fifth.busy(), fifth));
        assert!(!gone(&sixth) && waiting.lock().waiting.len() == 1);
        drop((first, second, fourth, sixth));
        assert!(waiting.lock().waiting.is_empty());
    }
}

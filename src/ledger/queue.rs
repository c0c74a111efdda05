//! The writer's end of the queue: it waits without a runtime, and no longer than until a given time.
//!
//! Tokio's queue is the right one for those who append, who await an answer; what it lacks is a blocking receive with a
//! time limit. A waker that unparks the thread is all that takes.

use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};

use super::NotWritten;
use super::frame::Frame;

/// What waits to be written, and who waits for that.
#[derive(Debug)]
pub struct Entry {
    pub frame: Frame,
    /// Gets the outcome, if somebody waits; may have given up.
    pub waiting: Option<oneshot::Sender<Result<(), NotWritten>>>,
}

/// What came of waiting.
#[derive(Debug)]
pub enum Next {
    /// Something to write.
    Entry(Entry),
    /// It is time.
    Due,
    /// Nothing is there, and nothing can come.
    Closed,
}

/// The receiving end.
#[derive(Debug)]
pub struct Queue {
    receiver: mpsc::Receiver<Entry>,
    hurry: Hurry,
}

/// Wakes the writer where it lingers.
#[derive(Debug, Clone, Default)]
pub struct Hurry(Arc<OnceLock<Thread>>);

impl Hurry {
    pub fn wake(&self) {
        if let Some(writer) = self.0.get() {
            writer.unpark();
        }
    }
}

impl Queue {
    pub const fn new(receiver: mpsc::Receiver<Entry>, hurry: Hurry) -> Self {
        Self { receiver, hurry }
    }

    /// Lets more come, so that they are written at once: returns after this time, or when somebody is in a hurry. Whoever
    /// appends meanwhile wakes nobody, which costs more than all else about appending.
    pub fn linger(&self, time: Duration) {
        debug_assert_eq!(self.hurry.0.get().map(Thread::id), Some(thread::current().id()), "the thread that is woken");
        thread::park_timeout(time);
    }

    /// Blocks until there is something, or until `due`.
    pub fn wait(&mut self, due: Option<Instant>) -> Next {
        self.hurry.0.get_or_init(thread::current);
        let waker = Waker::from(Arc::new(Unpark(thread::current())));
        let mut context = Context::from_waker(&waker);
        loop {
            match self.receiver.poll_recv(&mut context) {
                Poll::Ready(Some(entry)) => return Next::Entry(entry),
                Poll::Ready(None) => return Next::Closed,
                Poll::Pending => {}
            }
            match due.map(|due| due.saturating_duration_since(Instant::now())) {
                None => thread::park(),
                Some(left) if left.is_zero() => return Next::Due,
                Some(left) => thread::park_timeout(left),
            }
        }
    }

    /// What is there already, if anything.
    #[expect(clippy::disallowed_methods, reason = "both errors mean that nothing is there")]
    pub fn take(&mut self) -> Option<Entry> {
        // Empty and closed are one here: `wait` tells them apart.
        self.receiver.try_recv().ok()
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

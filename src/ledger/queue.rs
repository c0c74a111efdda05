//! The writer's end of the queue: it waits without a runtime, and no longer than until a given time.
//!
//! Tokio's queue is the right one for those who append, who await an answer; what it lacks is a blocking receive with a
//! time limit. A waker that unparks the thread is all that takes.

use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Instant;

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
pub struct Queue(mpsc::Receiver<Entry>);

impl Queue {
    pub const fn new(receiver: mpsc::Receiver<Entry>) -> Self {
        Self(receiver)
    }

    /// Blocks until there is something, or until `due`.
    pub fn wait(&mut self, due: Option<Instant>) -> Next {
        let waker = Waker::from(Arc::new(Unpark(thread::current())));
        let mut context = Context::from_waker(&waker);
        loop {
            match self.0.poll_recv(&mut context) {
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
        self.0.try_recv().ok()
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

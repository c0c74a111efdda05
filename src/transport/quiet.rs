//! A waker that keeps quiet about what its own task does.
//!
//! The HTTP/2 library wakes a connection's task for each answer that is handed to it. Where the task itself does that, it
//! looks at the connection again anyway, and being woken means one more turn with nothing to do: as much again as a check
//! takes where they come one by one. What is woken meanwhile by anybody else is seen by the same look.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Wake, Waker};

/// The waker of one task.
pub(super) struct Quiet(Arc<Inner>);

struct Inner {
    task: Mutex<Waker>,
    is_quiet: AtomicBool,
}

impl Wake for Inner {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.is_quiet.load(Ordering::Acquire) {
            self.task.lock().unwrap_or_else(PoisonError::into_inner).wake_by_ref();
        }
    }
}

impl Quiet {
    /// Of no task yet.
    pub(super) fn new() -> Self {
        Self(Arc::new(Inner { task: Mutex::new(Waker::noop().clone()), is_quiet: AtomicBool::new(false) }))
    }

    /// The waker, for the task that is polled now.
    pub(super) fn waker(&self, context: &Context<'_>) -> Waker {
        self.0.task.lock().unwrap_or_else(PoisonError::into_inner).clone_from(context.waker());
        Waker::from(Arc::clone(&self.0))
    }

    /// Wakes nobody while this runs. Whoever calls it must look at everything again that the task waits for.
    pub(super) fn during<T>(&self, work: impl FnOnce() -> T) -> T {
        self.0.is_quiet.store(true, Ordering::Release);
        let done = work();
        self.0.is_quiet.store(false, Ordering::Release);
        done
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn it_wakes_its_task_except_while_it_is_to_be_quiet() {
        let woken = Arc::new(Woken::default());
        let task = Waker::from(Arc::clone(&woken));
        let quiet = Quiet::new();
        let waker = quiet.waker(&Context::from_waker(&task));
        waker.wake_by_ref();
        assert_eq!(woken.0.load(Ordering::SeqCst), 1);
        quiet.during(|| waker.wake_by_ref());
        assert_eq!(woken.0.load(Ordering::SeqCst), 1);
        waker.wake();
        assert_eq!(woken.0.load(Ordering::SeqCst), 2);
    }
}

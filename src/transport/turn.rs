//! Since when a thread has been busy without a pause.
//!
//! What is read from a socket may have waited there for as long as the thread was busy with others, and no longer: before
//! that it looked, and nothing was there. So a request's age is known without the kernel's time stamps. A runtime tells when
//! its thread wakes up; where it does not, nothing is known, and a request is as old as its reading.

use std::cell::Cell;
use std::time::Instant;

thread_local! {
    static WOKE_UP: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// To be called by a runtime of one thread whenever it wakes up (`on_thread_unpark`).
pub fn woke_up() {
    WOKE_UP.set(Some(Instant::now()));
}

/// When what is read now may have arrived, at the earliest: after its connection was last read empty, and after the thread
/// last had nothing to do.
pub(super) fn earliest_arrival(read_empty: Instant, now: Instant) -> Instant {
    WOKE_UP.get().map_or(now, |woke_up| woke_up.max(read_empty))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_is_read_is_as_old_as_the_thread_is_busy() {
        let now = Instant::now();
        let before = now.checked_sub(Duration::from_millis(20)).unwrap();
        assert_eq!(earliest_arrival(before, now), now, "nothing is known");
        woke_up();
        let busy = WOKE_UP.get().unwrap();
        assert_eq!(earliest_arrival(before, Instant::now()), busy, "it slept since");
        let read_empty = busy + Duration::from_millis(5);
        assert_eq!(earliest_arrival(read_empty, read_empty), read_empty, "it was busy since");
    }
}

//! How long something may have waited before it was read.
//!
//! What is read from a socket may have waited there while the thread was busy with others. How long, nobody says; but it is known
//! from three sides since when it can have been there at the earliest. Since its connection was last read empty. Since the thread
//! looked at its sockets before it looked last, or since it woke up, where it slept because nothing was there. And, on a thread that
//! has always more to do before it looks, since the pulse before the last one.
//!
//! A pulse is a task like all others that the thread's own timer wakes. Sockets are looked at when timers are, and tasks run in
//! the order in which they were woken: whatever was there before a pulse was woken has run before the next pulse does.

use std::cell::Cell;
use std::time::{Duration, Instant};

/// What a thread knows of its own turns.
#[derive(Debug, Clone, Copy)]
struct Turns {
    /// When it began to look.
    looks: Option<Instant>,
    /// When it had looked last.
    looked: Option<Instant>,
    /// What it saw then cannot have been there before this.
    nothing_until: Option<Instant>,
    /// The last pulse, and the one before it.
    pulses: [Option<Instant>; 2],
}

thread_local! {
    static TURNS: Cell<Turns> =
        const { Cell::new(Turns { looks: None, looked: None, nothing_until: None, pulses: [None; 2] }) };
}

/// A look that finds something takes a few microseconds; one that takes longer found nothing, and slept.
const SLEPT: Duration = Duration::from_micros(20);
/// How often a thread has a pulse that looks at its sockets now and then: it need not be exact, and costs a wake-up.
const CALM: Duration = Duration::from_millis(50);
/// And one that does not: the runtime's timers are no finer than a millisecond.
const BUSY: Duration = Duration::from_millis(2);

/// To be called by a runtime of one thread when it has nothing to do and looks for more (`on_thread_park`).
pub fn looks() {
    TURNS.set(Turns { looks: Some(Instant::now()), ..TURNS.get() });
}

/// To be called when it has looked (`on_thread_unpark`).
pub fn has_looked() {
    let (turns, now) = (TURNS.get(), Instant::now());
    let slept = turns.looks.is_none_or(|looks| now.saturating_duration_since(looks) > SLEPT);
    let nothing_until = if slept { Some(now) } else { turns.looked };
    TURNS.set(Turns { looked: Some(now), nothing_until, ..turns });
}

/// To be called again and again by a task of its own on such a runtime; says after which time.
pub fn pulse() -> Duration {
    let turns = TURNS.get();
    let [last, _] = turns.pulses;
    TURNS.set(Turns { pulses: [Some(Instant::now()), last], ..turns });
    let looked = last.is_none_or(|last| turns.looked.is_some_and(|looked| looked > last));
    if looked { CALM } else { BUSY }
}

/// When what is read now may have arrived, at the earliest. On a thread that tells nothing it arrives as it is read.
pub(super) fn earliest_arrival(read_empty: Instant, now: Instant) -> Instant {
    let Turns { nothing_until, pulses: [_, before_last], .. } = TURNS.get();
    match (nothing_until, before_last) {
        (None, None) => now,
        (one, other) => one.into_iter().chain(other).fold(read_empty, Instant::max),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn looked() -> Instant {
        TURNS.get().looked.unwrap()
    }

    #[test]
    fn what_is_read_is_as_old_as_the_thread_is_busy_and_no_older() {
        let long_ago = Instant::now();
        let arrived = |read_empty| earliest_arrival(read_empty, Instant::now());
        assert!(arrived(long_ago) > long_ago, "nothing is known: it arrives as it is read");

        looks();
        std::thread::sleep(SLEPT * 10);
        has_looked();
        assert_eq!(arrived(long_ago), looked(), "it slept: nothing was there before");
        let first = looked();
        std::thread::sleep(SLEPT * 10);
        TURNS.set(Turns { looks: Some(Instant::now()), ..TURNS.get() });
        has_looked();
        // Unless the machine stood still just here.
        if TURNS.get().nothing_until != TURNS.get().looked {
            assert_eq!(arrived(long_ago), first, "it was busy since it looked before");
        }
        let read_empty = looked() + Duration::from_millis(5);
        assert_eq!(arrived(read_empty), read_empty, "the connection was read empty since");
    }

    #[test]
    fn on_a_thread_that_never_looks_nothing_is_older_than_the_pulse_before_the_last() {
        let long_ago = Instant::now();
        looks();
        has_looked();
        assert_eq!(pulse(), CALM, "the first one");
        assert_eq!(pulse(), BUSY, "it did not look between them");
        let [last, _] = TURNS.get().pulses;
        assert_eq!(pulse(), BUSY);
        assert_eq!(earliest_arrival(long_ago, Instant::now()), last.unwrap(), "a connection that was idle for long");
        looks();
        has_looked();
        assert_eq!(pulse(), CALM, "it looked");
    }
}

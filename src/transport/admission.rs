//! How much may be under way at once, over all connections of the process.
//!
//! What is above a bound is told so at once, which costs less than anything that could be done with it. Bounds are counted
//! exactly: whatever arrives, what it may hold in memory is known beforehand.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Why a request is not looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shed {
    /// As many as may be are under way already.
    Pending,
    /// As many bytes as may be are held by those that are under way.
    Bytes,
    /// It waited so long that there is no time left for it.
    Late,
}

impl Shed {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Pending, Self::Bytes, Self::Late];

    /// The word for it in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Bytes => "bytes",
            Self::Late => "late",
        }
    }
}

/// What is left of what may be under way.
#[derive(Debug, Clone)]
pub struct Admission(Arc<Counts>);

#[derive(Debug)]
struct Counts {
    pending: AtomicUsize,
    max_pending: usize,
    bytes: AtomicUsize,
    max_bytes: usize,
}

/// Requests beside the method that is asked often: health, which a proxy asks for now and then, and few others watch.
const MAX_OTHERS: usize = 1024;

/// The place of one request, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    counts: Arc<Counts>,
    bytes: usize,
}

impl Admission {
    /// With so many requests, and so many bytes of them, at once.
    pub fn new(max_pending: usize, max_bytes: usize) -> Self {
        let (pending, bytes) = Default::default();
        Self(Arc::new(Counts { pending, max_pending, bytes, max_bytes }))
    }

    /// For all that is not asked often.
    pub fn of_others() -> Self {
        Self::new(MAX_OTHERS, 0)
    }

    /// How many are under way.
    pub fn pending(&self) -> usize {
        self.0.pending.load(Ordering::Relaxed)
    }

    /// Takes a place.
    pub(super) fn admit(&self) -> Result<Place, Shed> {
        take(&self.0.pending, 1, self.0.max_pending).map_err(|Full| Shed::Pending)?;
        Ok(Place { counts: Arc::clone(&self.0), bytes: 0 })
    }
}

impl Place {
    /// Takes room for so many more bytes.
    pub(super) fn hold(&mut self, bytes: usize) -> Result<(), Shed> {
        take(&self.counts.bytes, bytes, self.counts.max_bytes).map_err(|Full| Shed::Bytes)?;
        self.bytes += bytes;
        Ok(())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.counts.pending.fetch_sub(1, Ordering::Relaxed);
        self.counts.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

struct Full;

/// Adds, unless that would be too much. The counts guard no other memory, so their order does not matter.
fn take(count: &AtomicUsize, more: usize, most: usize) -> Result<(), Full> {
    let before = count.fetch_add(more, Ordering::Relaxed);
    if before.saturating_add(more) > most {
        count.fetch_sub(more, Ordering::Relaxed);
        return Err(Full);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_is_bounded_and_given_back() {
        let admission = Admission::new(2, 100);
        let mut one = admission.admit().unwrap();
        let two = admission.admit().unwrap();
        assert_eq!(admission.admit().unwrap_err(), Shed::Pending);
        assert_eq!(one.hold(60), Ok(()));
        assert_eq!(one.hold(60), Err(Shed::Bytes));
        assert_eq!(one.hold(40), Ok(()));
        drop(one);
        assert_eq!(admission.pending(), 1);
        let mut one = admission.admit().unwrap();
        assert_eq!(one.hold(100), Ok(()));
        drop((one, two));
        assert_eq!((admission.pending(), admission.0.bytes.load(Ordering::Relaxed)), (0, 0));
    }
}

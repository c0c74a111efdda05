//! Room for large bodies: what they may hold together, while they come and while they wait to be judged.
//!
//! A body takes room for what has come of it, so whoever sends slowly, or stops, is in nobody's way. Where there is no room left it
//! waits for some, or for a place of its own, in which there is room for any body: so some body always comes to its end, and
//! however many there are of them, they do not wait for each other for ever.

use tokio::sync::{AcquireError, Semaphore, SemaphorePermit};

/// What is left of it.
pub(super) struct Room {
    /// In bytes.
    shared: Semaphore,
    places: Semaphore,
}

/// What one body holds of it, given back when it is dropped.
pub(super) struct Held<'a> {
    room: &'a Room,
    /// Of the shared room.
    bytes: Option<SemaphorePermit<'a>>,
    place: Option<SemaphorePermit<'a>>,
}

impl Room {
    /// So many bytes, and so many places beside them.
    pub(super) fn new(bytes: usize, places: usize) -> Self {
        Self { shared: Semaphore::new(bytes), places: Semaphore::new(places) }
    }

    /// Of a body that has not come yet.
    pub(super) const fn nothing(&self) -> Held<'_> {
        Held { room: self, bytes: None, place: None }
    }
}

impl<'a> Held<'a> {
    /// Whether there is room for so many bytes of this body, all in all. It is taken then.
    pub(super) fn holds(&mut self, bytes: usize) -> bool {
        if self.place.is_some() {
            return true;
        }
        let more = self.room.shared.try_acquire_many(self.more(bytes));
        more.map(|more| self.add(more)).is_ok()
    }

    /// Waits until there is, or a place of its own, in which there is room for all of it. What it held of the shared room is
    /// held until then.
    pub(super) async fn wait_for(&mut self, bytes: usize) -> Result<(), AcquireError> {
        let (room, more) = (self.room, self.more(bytes));
        tokio::select! {
            more = room.shared.acquire_many(more) => self.add(more?),
            place = room.places.acquire() => (self.place, self.bytes) = (Some(place?), None),
        }
        Ok(())
    }

    fn more(&self, bytes: usize) -> u32 {
        let before = self.bytes.as_ref().map_or(0, SemaphorePermit::num_permits);
        u32::try_from(bytes.saturating_sub(before)).unwrap_or(u32::MAX)
    }

    fn add(&mut self, more: SemaphorePermit<'a>) {
        match &mut self.bytes {
            Some(held) => held.merge(more),
            none => *none = Some(more),
        }
    }
}

#[cfg(test)]
impl Room {
    /// Bytes, and places.
    pub(super) fn left(&self) -> (usize, usize) {
        (self.shared.available_permits(), self.places.available_permits())
    }
}

//! Whether verdicts are carried out, and how surely they are recorded.

use super::spelled;

spelled! {
    /// Whether what the rules say is carried out.
    Mode, "a mode" {
        /// Nothing is denied; what would have been is recorded.
        Observe = "observe",
        /// Verdicts are carried out.
        Enforce = "enforce",
    }
}

spelled! {
    /// What must have happened to a decision's record before the decision is answered.
    Durability, "a receipt demand" {
        /// Queued: under overload it may be lost, and is counted.
        Async = "async",
        /// On disk, synced.
        Durable = "durable",
        /// On disk, synced, before the action may begin.
        WriteAhead = "write-ahead",
    }
}

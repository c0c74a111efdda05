//! What came of it, counted.
//!
//! Words are few and known beforehand, so this is as bounded as everything else. Of what is wrong, the first are kept whole.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use serde::Serialize;

/// What is counted, and under which heading it is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Sort {
    /// Right answers.
    Answer,
    /// What a well-behaved client got instead of an answer.
    Error,
    /// What it noticed, and what cost no answer.
    Noticed,
    /// Edits and what came of them.
    Policies,
    Certificates,
    Collector,
    /// Hostile clients, by what they did and how it ended.
    Hostile,
}

/// All counts.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    counts: Mutex<BTreeMap<(Sort, String), u64>>,
    wrong: AtomicU64,
    first_wrong: Mutex<Vec<String>>,
    under_way: AtomicI64,
    /// Requests that Envoy let pass.
    pub(crate) passed_by_envoy: AtomicU64,
}

/// So many are enough to see what is wrong.
const KEPT: usize = 20;

impl Tally {
    pub(crate) fn count(&self, sort: Sort, what: impl Into<String>) {
        *self.counts.lock().unwrap_or_else(PoisonError::into_inner).entry((sort, what.into())).or_default() += 1;
    }

    /// The most that was ever seen.
    pub(crate) fn most(&self, sort: Sort, what: &str, value: u64) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let most = counts.entry((sort, what.to_owned())).or_default();
        *most = value.max(*most);
    }

    /// Something is not as it must be: the soak fails.
    pub(crate) fn wrong(&self, what: String) {
        self.wrong.fetch_add(1, Ordering::Relaxed);
        let mut first = self.first_wrong.lock().unwrap_or_else(PoisonError::into_inner);
        if first.len() < KEPT {
            first.push(what);
        }
    }

    pub(crate) fn wrongs(&self) -> u64 {
        self.wrong.load(Ordering::Relaxed)
    }

    pub(crate) fn first_wrong(&self) -> Vec<String> {
        self.first_wrong.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn total(&self, sort: Sort) -> u64 {
        self.of(sort).values().sum()
    }

    pub(crate) fn of(&self, sort: Sort) -> BTreeMap<String, u64> {
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let of_sort = counts.iter().filter(|((found, _), _)| *found == sort);
        of_sort.map(|((_, what), count)| (what.clone(), *count)).collect()
    }

    pub(crate) fn begin(&self) {
        self.under_way.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn end(&self) {
        self.under_way.fetch_sub(1, Ordering::Relaxed);
    }

    pub(crate) fn under_way(&self) -> i64 {
        self.under_way.load(Ordering::Relaxed)
    }
}

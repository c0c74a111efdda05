//! The channel that a customer came over, and the tier that it cannot exceed.
//!
//! A channel is believed only from the workloads that know it. But a claim needs trust only to raise what one may do: a
//! channel with a ceiling lowers it whoever says so, and a trusted workload that names no single channel gets the lowest.

use std::collections::BTreeMap;

use crate::facts::Facts;
use crate::terms::{SpiffeId, SpiffePattern, Tier};

/// Which header names the channel, who may say so, and what each channel may reach.
#[derive(Debug, Clone)]
pub struct ChannelRule {
    /// The header's name, in lower case.
    pub header: String,
    /// The workloads that are believed.
    pub trusted_from: Vec<SpiffePattern>,
    /// The highest tier over each channel. A channel that is not here has no ceiling.
    pub ceilings: BTreeMap<String, Tier>,
}

/// A channel as far as it is known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Channel {
    /// Its name, where a trusted workload gave it.
    pub name: Option<String>,
    /// The highest tier that may be reached over it.
    pub ceiling: Option<Tier>,
}

impl ChannelRule {
    pub(super) fn read(&self, facts: &Facts<'_>, workload: Option<&SpiffeId>) -> Channel {
        let trusted = workload.is_some_and(|id| self.trusted_from.iter().any(|one| one.matches(id)));
        let lowest = self.ceilings.values().min().copied();
        match facts.headers.value(&self.header) {
            _ if facts.headers.has_twin(&self.header) => Channel { name: None, ceiling: lowest },
            Some(name) if !is_channel(name) => Channel { name: None, ceiling: lowest },
            Some(name) => Channel { name: trusted.then(|| name.to_owned()), ceiling: self.ceilings.get(name).copied() },
            None => Channel { name: None, ceiling: lowest.filter(|_| trusted) },
        }
    }
}

/// One lower-case word. Anything else may be two values, or a spelling that another reader folds into a known one.
pub fn is_channel(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 64
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_.".contains(&b))
}

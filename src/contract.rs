//! Contracts: what one consumer may do, for which purposes, within which limits.
//!
//! A contract says whom it is about and so whom it covers; it grants actions by name. Here it is asked two things: does it
//! match this caller, and does its grant hold for this call. Whether that is enough for everyone behind the call is the
//! gate's question.

mod condition;
mod guardrail;
mod sends;
mod slices;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

pub use condition::{
    Condition, Conditions, Fault, Name as ConditionName, Scope, Texts, Unknown, Value as ConditionValue, Values,
};
pub use guardrail::{Fires, Guardrail, Guardrails, Then};
use jiff::Timestamp;
pub use sends::{Others, Sends};

use crate::catalog::{ActionId, Catalog, Limit};
use crate::identity::{Caller, Proof};
use crate::terms::{ActionName, Mode, Name, Purpose, Role, SpiffePattern};

/// One consumer's contract.
#[derive(Debug)]
pub struct Contract {
    /// Its name.
    pub name: Name,
    /// Whom to ask about it.
    pub owner: Option<String>,
    /// Whom it is about.
    pub who: Who,
    /// What for. Each covers what is behind its dot.
    pub purposes: Vec<Purpose>,
    /// What it grants.
    pub grants: BTreeMap<ActionName, Grant>,
    /// What the consumer may keep.
    pub retain: Retain,
    /// Whether it is on trial.
    pub mode: Option<Mode>,
}

/// The grant of one action. There are as many as actions and contracts together make, and most say nothing more: what a
/// grant may have is boxed.
#[derive(Debug, Default)]
pub struct Grant {
    /// What one call may not exceed.
    pub limits: Box<[Limit]>,
    /// A condition that must hold.
    pub when: Option<Arc<Condition>>,
    /// What of a body it may pass on; all of it where this is not given.
    pub sends: Option<Box<Sends>>,
    /// An exception, until its end.
    pub exception: Option<Box<Override>>,
}

/// What holds for one grant until a day.
#[derive(Debug)]
pub struct Override {
    /// Its name.
    pub name: Name,
    /// Who answers for it.
    pub owner: String,
    /// Why it is there.
    pub reason: String,
    /// When it ends.
    pub expires_at: Timestamp,
    /// The limits that hold instead.
    pub limits: Option<Box<[Limit]>>,
    /// The condition that holds instead.
    pub when: Option<Arc<Condition>>,
    /// Whether the contract is on trial for this action.
    pub mode: Option<Mode>,
}

/// What a grant says at a time: by itself, or by an exception that has not ended.
#[derive(Debug, Clone, Copy)]
pub struct InForce<'g> {
    /// What one call may not exceed.
    pub limits: &'g [Limit],
    /// A condition that must hold.
    pub when: Option<&'g Condition>,
    /// What of a body it may pass on.
    pub sends: Option<&'g Sends>,
    /// The exception that says so.
    pub exception: Option<&'g Override>,
    /// Whether it is on trial.
    pub mode: Option<Mode>,
}

/// What a consumer may keep of what it gets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Retain {
    /// For how long.
    pub time: Option<Duration>,
    /// Whether caches on the way may keep nothing.
    pub no_store: bool,
}

/// Whom a contract is about.
#[derive(Debug, Clone)]
pub enum Who {
    /// Everyone, known or not. Only for actions of the open tier.
    Anyone,
    /// Those who meet each of these that is given; they are the parties that it covers.
    Parties {
        /// Any of these workloads.
        workload: Option<Vec<SpiffePattern>>,
        /// A user with any of these roles.
        user: Option<Vec<Role>>,
        /// Any of these agents.
        agent: Option<Vec<String>>,
    },
}

/// Those who stand behind a call, or those of them who are covered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Parties {
    /// The workload.
    pub workload: bool,
    /// The user.
    pub user: bool,
    /// The agents, by their place in the chain.
    pub agents: u32,
    /// Someone whose proof is absent or broken: only a contract for anyone covers them.
    pub unnamed: bool,
}

/// All contracts of a bundle, sliced by action.
#[derive(Debug, Default)]
pub struct Contracts {
    all: Box<[Contract]>,
    by_action: slices::Slices,
}

impl Parties {
    /// Those who stand behind a call. Never none.
    pub fn behind(caller: &Caller) -> Self {
        let workload = caller.workload.proven().is_some();
        let user = caller.user.proven();
        let broken = matches!(caller.workload, Proof::Broken(_)) || matches!(caller.user, Proof::Broken(_));
        let agents = user.map_or(0, |user| first(user.agents.len()));
        Self { workload, user: user.is_some(), agents, unnamed: broken || (!workload && user.is_none()) }
    }

    /// Those of `self` who are not in `covered`.
    pub const fn without(self, covered: Self) -> Self {
        Self {
            workload: self.workload && !covered.workload,
            user: self.user && !covered.user,
            agents: self.agents & !covered.agents,
            unnamed: self.unnamed && !covered.unnamed,
        }
    }

    /// Both together.
    pub const fn and(self, other: Self) -> Self {
        Self {
            workload: self.workload || other.workload,
            user: self.user || other.user,
            agents: self.agents | other.agents,
            unnamed: self.unnamed || other.unnamed,
        }
    }

    /// Whether there is nobody.
    pub fn is_empty(self) -> bool {
        self == Self::default()
    }

    /// Whether someone is in both.
    pub fn meets(self, other: Self) -> bool {
        self.without(other) != self
    }
}

impl std::fmt::Display for Parties {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names = [
            (self.workload, "workload"),
            (self.user, "user"),
            (self.agents != 0, "agent"),
            (self.unnamed, "someone unproven"),
        ];
        let names: Vec<_> = names.into_iter().filter_map(|(is, name)| is.then_some(name)).collect();
        f.write_str(if names.is_empty() { "nobody" } else { "" })?;
        f.write_str(&names.join(", "))
    }
}

/// The lowest `count` bits. A chain is far shorter than 32.
const fn first(count: usize) -> u32 {
    if count >= 32 { u32::MAX } else { (1 << count) - 1 }
}

impl Who {
    /// Each kind of party that it is about, in words.
    pub fn in_words(&self) -> Vec<String> {
        let Self::Parties { workload, user, agent } = self else { return vec!["anyone".to_owned()] };
        let any = |what: &str, list: Vec<&str>| format!("{what} {}", list.join(" or "));
        let workload = workload.as_ref().map(|list| any("workload", list.iter().map(SpiffePattern::as_str).collect()));
        let user = user.as_ref().map(|list| any("user with the role", list.iter().map(|one| one.0.as_str()).collect()));
        let agent = agent.as_ref().map(|list| any("agent", list.iter().map(String::as_str).collect()));
        [workload, user, agent].into_iter().flatten().collect()
    }

    /// Those of the call whom the contract covers; `None` where it is not about this caller.
    pub fn covers(&self, caller: &Caller) -> Option<Parties> {
        let Self::Parties { workload, user, agent } = self else {
            return Some(Parties { workload: true, user: true, agents: u32::MAX, unnamed: true });
        };
        let proven = caller.user.proven();
        let mut covered = Parties::default();
        if let Some(patterns) = workload {
            let id = caller.workload.proven()?;
            covered.workload = patterns.iter().any(|pattern| pattern.matches(id)).then_some(true)?;
        }
        if let Some(roles) = user {
            covered.user = proven?.roles.iter().any(|role| roles.contains(role)).then_some(true)?;
        }
        if let Some(names) = agent {
            let agents = proven?.agents.iter().enumerate();
            let known = agents.filter(|(_, agent)| names.contains(agent.expose()));
            covered.agents = known.fold(0, |bits, (place, _)| bits | first(place + 1) & !first(place));
            (covered.agents != 0).then_some(())?;
        }
        Some(covered)
    }
}

impl Contract {
    /// Whether the contract is for this purpose, or for any where none is declared.
    pub fn is_for(&self, purpose: Option<&Purpose>) -> bool {
        purpose.is_none_or(|purpose| self.purposes.iter().any(|one| one.covers(purpose)))
    }

    /// The contract's own purpose that covers this one.
    pub fn purpose_for(&self, purpose: Option<&Purpose>) -> Option<&Purpose> {
        purpose.and_then(|purpose| self.purposes.iter().find(|one| one.covers(purpose)))
    }

    /// The contract's only purpose.
    pub fn only_purpose(&self) -> Option<&Purpose> {
        match self.purposes.as_slice() {
            [only] => Some(only),
            _ => None,
        }
    }

    /// What its grant of an action says at a time.
    pub fn in_force(&self, action: &ActionName, now: Timestamp) -> Option<InForce<'_>> {
        let grant = self.grants.get(action)?;
        let exception = grant.exception.as_deref().filter(|exception| now < exception.expires_at);
        Some(InForce {
            limits: exception.and_then(|one| one.limits.as_deref()).unwrap_or(&grant.limits),
            when: exception.and_then(|one| one.when.as_deref()).or(grant.when.as_deref()),
            sends: grant.sends.as_deref(),
            exception,
            mode: exception.and_then(|one| one.mode).or(self.mode),
        })
    }
}

impl Retain {
    /// The stricter of both.
    pub fn and(self, other: Self) -> Self {
        let time = match (self.time, other.time) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (one, None) | (None, one) => one,
        };
        Self { time, no_store: self.no_store || other.no_store }
    }
}

impl Contracts {
    /// Slices contracts by the actions that they grant. What grants an action that is not in the catalogue is left out
    /// of the slices; the bundle refuses it before.
    pub fn new(all: Vec<Contract>, catalog: &Catalog) -> Self {
        let granted = all.iter().enumerate().flat_map(|(place, contract)| {
            let known = contract.grants.keys().filter_map(|name| catalog.action_id(name.as_str()));
            known.map(move |action| (action, place))
        });
        let by_action = slices::Slices::new(granted.collect());
        Self { all: all.into(), by_action }
    }

    /// The contracts that grant an action.
    pub fn granting(&self, action: ActionId) -> impl Iterator<Item = &Contract> {
        self.by_action.of(action).filter_map(|place| self.all.get(place))
    }

    /// A contract by its place.
    pub fn at(&self, place: usize) -> Option<&Contract> {
        self.all.get(place)
    }

    /// All contracts.
    pub fn iter(&self) -> impl Iterator<Item = &Contract> {
        self.all.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parties_are_set_and_compared_one_by_one() {
        assert_eq!((first(0), first(1), first(3), first(32)), (0, 1, 7, u32::MAX));
        let all = Parties { workload: true, user: true, agents: 0b11, unnamed: false };
        let some = Parties { workload: true, agents: 0b01, ..Parties::default() };
        assert_eq!(all.without(some), Parties { user: true, agents: 0b10, ..Parties::default() });
        assert!(all.meets(some) && !some.meets(Parties { user: true, ..Parties::default() }));
        assert!(all.without(all).is_empty());
        assert_eq!(some.to_string(), "workload, agent");
    }

    #[test]
    fn the_stricter_retention_wins() {
        let a = Retain { time: Some(Duration::from_secs(2)), no_store: false };
        let b = Retain { time: Some(Duration::from_secs(1)), no_store: true };
        assert_eq!(a.and(b), b);
        assert_eq!(a.and(Retain::default()), a);
    }
}

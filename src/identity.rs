//! Proofs to parties: who stands behind a call, for which purpose, over which channel.
//!
//! Only what the proxy verified counts: the peer's certificate, the header in which the proxy itself writes it (where the
//! operator says so), and the token payload that its JWT filter left in the metadata. A proof that is there and cannot
//! be read is [`Proof::Broken`], never taken as absent. Nothing here decides what a party may do.

mod chain;
mod channel;
mod credential;
mod user;
mod workload;

pub use channel::{Channel, ChannelRule, is_channel};
pub use credential::Credential;
pub use user::{User, UserRule};
pub use workload::{WorkloadRule, WorkloadSource};

use crate::facts::{Facts, Headers, Target};
use crate::terms::{Purpose, SpiffeId, SpiffePattern};

/// What a proof says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proof<T> {
    /// There is none.
    Absent,
    /// There is one, and it proves nothing. The text says why, in words for the operator.
    Broken(&'static str),
    /// It was verified and read.
    Proven(T),
}

impl<T> Proof<T> {
    /// What was proven, if it was.
    pub const fn proven(&self) -> Option<&T> {
        match self {
            Self::Proven(one) => Some(one),
            Self::Absent | Self::Broken(_) => None,
        }
    }
}

/// How proofs become parties: the compiled `Identity` document.
#[derive(Debug, Clone, Default)]
pub struct Identity {
    /// Where a workload's proof comes from. Without it there are no workloads, only users.
    pub workload: Option<WorkloadRule>,
    /// Where a user's claims come from.
    pub user: Option<UserRule>,
    /// The header in which a caller declares its purpose.
    pub purpose_header: Option<String>,
    /// The header in which a trusted workload names the channel.
    pub channel: Option<ChannelRule>,
    /// Workloads that act on their own.
    pub autonomous: Vec<SpiffePattern>,
    /// Where credentials may stand.
    pub credentials: Vec<Credential>,
}

/// Who is asking, as far as it is proven.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The process that calls.
    pub workload: Proof<SpiffeId>,
    /// The user on whose behalf it calls, with the agents between them.
    pub user: Proof<User>,
    /// The purpose that header and token declare.
    pub purpose: Declared,
    /// The channel that the customer came over.
    pub channel: Channel,
    /// Who or what is at the wheel.
    pub automation: Automation,
    /// Whether workloads are proven at all where this runs.
    expects_workload: bool,
}

/// A purpose as the call declares it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Declared {
    /// Not at all.
    Nothing,
    /// Once, or several times alike.
    One(Purpose),
    /// In two ways, or in words that are no purpose.
    Unclear,
}

/// Who or what is at the wheel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Automation {
    /// Not known: no user is proven.
    Unknown,
    /// A user, without an agent between.
    Human,
    /// An agent that acts for a user.
    Assisted,
    /// A workload that the operator named as acting on its own.
    Autonomous,
}

impl Identity {
    /// Reads who is asking.
    pub fn read(&self, facts: &Facts<'_>) -> Caller {
        let workload = self.workload.as_ref().map_or(Proof::Absent, |rule| rule.read(facts));
        let user = self.user.as_ref().map_or(Proof::Absent, |rule| rule.read(&facts.metadata));
        let claimed = user.proven().map_or(Declared::Nothing, |user| user.purpose.clone());
        let purpose = self.declared(facts).and(claimed);
        let channel = self.channel.as_ref().map(|rule| rule.read(facts, workload.proven())).unwrap_or_default();
        let automation = self.automation(workload.proven(), user.proven());
        Caller { workload, user, purpose, channel, automation, expects_workload: self.workload.is_some() }
    }

    /// Whether a request carries at most one credential.
    pub fn has_one_credential(&self, target: &Target<'_>, headers: &Headers<'_>) -> bool {
        self.credentials.iter().map(|one| one.count(target, headers)).sum::<usize>() <= 1
    }

    /// The headers that say who someone is. The proxy's own are not among them.
    pub fn headers(&self) -> impl Iterator<Item = &str> {
        self.purpose_header.as_deref().into_iter().chain(self.channel.as_ref().map(|rule| rule.header.as_str()))
    }

    fn declared(&self, facts: &Facts<'_>) -> Declared {
        let Some(name) = self.purpose_header.as_deref() else { return Declared::Nothing };
        match facts.headers.value(name) {
            _ if facts.headers.has_twin(name) => Declared::Unclear,
            Some(text) => Declared::from_text(text),
            None => Declared::Nothing,
        }
    }

    fn automation(&self, workload: Option<&SpiffeId>, user: Option<&User>) -> Automation {
        match user {
            _ if workload.is_some_and(|id| self.autonomous.iter().any(|one| one.matches(id))) => Automation::Autonomous,
            Some(user) if user.agents.is_empty() => Automation::Human,
            Some(_) => Automation::Assisted,
            None => Automation::Unknown,
        }
    }
}

impl Automation {
    /// The word that conditions and records use; unknown has none.
    pub const fn word(self) -> Option<&'static str> {
        match self {
            Self::Unknown => None,
            Self::Human => Some("human"),
            Self::Assisted => Some("assisted"),
            Self::Autonomous => Some("autonomous"),
        }
    }
}

impl Caller {
    /// Whether everyone who stands behind the call is proven: the workload, where workloads are; a user or a workload at
    /// least; and no proof that is there is broken. No proof at all is nobody, not everybody.
    pub fn is_known(&self) -> bool {
        let broken = matches!(self.workload, Proof::Broken(_)) || matches!(self.user, Proof::Broken(_));
        let anyone = self.workload.proven().is_some() || self.user.proven().is_some();
        !broken && anyone && (self.workload.proven().is_some() || !self.expects_workload)
    }
}

impl Declared {
    fn from_text(text: &str) -> Self {
        text.parse().map_or(Self::Unclear, Self::One)
    }

    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Nothing, one) | (one, Self::Nothing) => one,
            (Self::One(a), Self::One(b)) if a == b => Self::One(a),
            _ => Self::Unclear,
        }
    }
}

#[cfg(test)]
mod tests;

//! The gate: the one place that judges.
//!
//! [`plan`] looks at a call under one bundle and says what the rules say, what must be recorded, and how surely; [`settle`]
//! turns that into an answer once the record is written or lost. Neither does I/O. Only [`settle`] can make a [`Passage`],
//! and only a passage becomes an OK: whatever else happens, the call does not pass.

pub mod cases;
mod judge;
mod obligations;
mod trail;

use jiff::Timestamp;
pub use judge::Ruling;
pub use trail::{About, Look, Outcome, Trail};

use crate::bundle::Bundle;
use crate::catalog::Assurance;
use crate::facts::Facts;
use crate::identity::Automation;
use crate::pb;
use crate::receipt::Pseudonyms;
use crate::terms::{Durability, Mode, PartyKind, Reason, Tier};
use crate::verdict::{Obligations, Verdict};

/// What a decision needs besides the call and the bundle.
#[derive(Debug)]
pub struct Context<'a> {
    /// The time that it is.
    pub now: Timestamp,
    /// The receipt's id.
    pub receipt: String,
    /// The trace that the call belongs to.
    pub trace_id: Option<[u8; 16]>,
    /// Names people in the record.
    pub pseudonyms: &'a Pseudonyms,
}

/// A decision that is not answered yet.
#[derive(Debug)]
pub struct Plan {
    /// What is to be recorded.
    pub record: pb::Decision,
    /// What must have happened to the record before the answer.
    pub durability: Durability,
    /// What the decision is, for traces, metrics and access logs.
    pub summary: Summary,
    /// Whether a known caller asked for something that is not in the catalogue.
    pub unmapped: bool,
    passes: bool,
    must_be_recorded: bool,
    obligations: Obligations,
    challenge: Option<Assurance>,
}

/// What a decision is, in words that may be seen by operators: nothing personal.
#[derive(Debug, Clone)]
pub struct Summary {
    /// The receipt's id.
    pub receipt: String,
    /// The action's name; empty where the call is unmapped.
    pub action: String,
    /// The action's tier; empty where the call is unmapped.
    pub tier: &'static str,
    /// What the rules say.
    pub verdict: Verdict,
    /// Why.
    pub reason: Reason,
    /// Whether it was carried out.
    pub mode: Mode,
    /// The bundle's digest.
    pub bundle: String,
}

/// What became of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recorded {
    /// It is where its durability demands it.
    Yes,
    /// It is lost.
    No,
    /// The time was over before it was.
    Late,
}

/// The answer to one call.
#[derive(Debug)]
pub enum Settled {
    /// It may pass.
    Pass(Passage),
    /// It may not.
    Refuse(Refusal),
}

/// The right of one call to pass. Only the gate makes one.
#[derive(Debug)]
pub struct Passage {
    obligations: Obligations,
}

/// A call that may not pass.
#[derive(Debug)]
pub struct Refusal {
    /// Why.
    pub reason: Reason,
    /// What the user must prove, where that is the reason.
    pub challenge: Option<Assurance>,
}

impl Passage {
    /// What the proxy must change.
    pub const fn obligations(&self) -> &Obligations {
        &self.obligations
    }
}

impl Refusal {
    /// A refusal that nothing but its reason describes.
    pub const fn of(reason: Reason) -> Self {
        Self { reason, challenge: None }
    }
}

/// Judges one call.
pub fn plan(bundle: &Bundle, facts: &Facts<'_>, context: &Context<'_>) -> Plan {
    plan_with(bundle, facts, context, &mut trail::Nothing)
}

/// Judges one call, and says at each rule what came of it.
pub fn plan_with(bundle: &Bundle, facts: &Facts<'_>, context: &Context<'_>, trail: &mut impl Trail) -> Plan {
    let ruling = judge::judge(bundle, facts, context.now, trail);
    let summary = Summary {
        receipt: context.receipt.clone(),
        action: ruling.action.map(|action| action.name.to_string()).unwrap_or_default(),
        tier: ruling.action.map_or("", |action| action.tier.as_str()),
        verdict: ruling.reason.into(),
        reason: ruling.reason,
        mode: ruling.mode,
        bundle: bundle.digest.clone(),
    };
    let passes = summary.verdict == Verdict::Allow || ruling.mode == Mode::Observe;
    let demanded = demanded_durability(bundle, facts, &ruling);
    // Where the whole gate observes, nothing may stop a call, a disk that is full neither.
    let must_be_recorded = passes && demanded > Durability::Async && bundle.mode == Mode::Enforce;
    let obligations = if passes { obligations::of(bundle, facts, &ruling, &summary) } else { Obligations::default() };
    Plan {
        record: pb::Decision {
            forged_headers: obligations::forged(facts),
            ..record(&ruling, &summary, demanded, context)
        },
        durability: if bundle.mode == Mode::Enforce { demanded } else { Durability::Async },
        summary,
        unmapped: ruling.unmapped,
        passes,
        must_be_recorded,
        obligations,
        challenge: ruling.challenge.cloned(),
    }
}

/// The most that any of the actions demands. What is not in the catalogue and may pass is recorded as an impact is, where it
/// is more than a reading.
fn demanded_durability(bundle: &Bundle, facts: &Facts<'_>, ruling: &Ruling<'_>) -> Durability {
    let of_tier = |tier| bundle.catalog.tiers().demands(tier).durability();
    let of_actions = ruling.actions.iter().map(|action| of_tier(action.tier)).max();
    let reads = facts.target.as_ref().is_ok_and(|target| matches!(target.method, "GET" | "HEAD"));
    match of_actions {
        Some(durability) => durability,
        None if ruling.reason == Reason::Granted && !reads => of_tier(Tier::Impact),
        None => Durability::Async,
    }
}

/// Makes the answer, now that it is known what became of the record.
pub fn settle(plan: Plan, recorded: Recorded) -> Settled {
    // A denial stands without its record: as an error, whoever lets errors pass would let it pass.
    match recorded {
        Recorded::No if plan.must_be_recorded => return Settled::Refuse(Refusal::of(Reason::ReceiptUnavailable)),
        Recorded::Late if plan.must_be_recorded => return Settled::Refuse(Refusal::of(Reason::DeadlineExceeded)),
        Recorded::Yes | Recorded::No | Recorded::Late => {}
    }
    if plan.passes {
        return Settled::Pass(Passage { obligations: plan.obligations });
    }
    Settled::Refuse(Refusal { reason: plan.summary.reason, challenge: plan.challenge })
}

/// Names and rules of one sort in a record: with more of them it could outgrow what the ledger takes.
const MAX_LISTED: usize = 32;

fn record(ruling: &Ruling<'_>, summary: &Summary, durability: Durability, context: &Context<'_>) -> pb::Decision {
    let pseudonym = |kind, id| context.pseudonyms.of(kind, id);
    let user = ruling.caller.user.proven();
    let caller = pb::Caller {
        workload: ruling.caller.workload.proven().map(ToString::to_string).unwrap_or_default(),
        user: user.map(|user| pseudonym(PartyKind::User, &user.id)).unwrap_or_default(),
        agents: user
            .map(|user| user.agents.iter().map(|id| pseudonym(PartyKind::Agent, id)).collect())
            .unwrap_or_default(),
        automation: pb::Automation::from(ruling.caller.automation).into(),
        pseudonym_key: context.pseudonyms.key_id().to_owned(),
    };
    pb::Decision {
        id: summary.receipt.clone(),
        time_unix_nano: u64::try_from(context.now.as_nanosecond()).unwrap_or_default(),
        bundle: summary.bundle.clone(),
        verdict: pb::Verdict::from(summary.verdict).into(),
        reason: summary.reason.code().to_owned(),
        mode: pb::Mode::from(summary.mode).into(),
        service: ruling.service.map(|service| service.name.to_string()).unwrap_or_default(),
        action: summary.action.clone(),
        tier: ruling.action.map(|action| pb::Tier::from(action.tier).into()).unwrap_or_default(),
        route: ruling.route.map(ToString::to_string).unwrap_or_default(),
        caller: Some(caller),
        purpose: ruling.granted_for.map(ToString::to_string).unwrap_or_default(),
        contracts: ruling.contracts.iter().take(MAX_LISTED).map(ToString::to_string).collect(),
        durability: pb::Durability::from(durability).into(),
        trace_id: context.trace_id.map(Vec::from).unwrap_or_default(),
        forged_headers: Vec::new(),
        actions: match ruling.actions.as_slice() {
            [] | [_] => Vec::new(),
            several => several.iter().map(|action| action.name.to_string()).collect(),
        },
        overrides: ruling.overrides.iter().take(MAX_LISTED).map(ToString::to_string).collect(),
        unnamed_fields: ruling.unnamed_fields,
        against: ruling
            .against
            .iter()
            .take(MAX_LISTED)
            .map(|(rule, reason)| pb::Objection { rule: rule.clone(), reason: reason.code().to_owned() })
            .collect(),
        retain_seconds: ruling.retain.time.map(|time| time.as_secs()).unwrap_or_default(),
    }
}

impl From<Automation> for pb::Automation {
    fn from(automation: Automation) -> Self {
        match automation {
            Automation::Unknown => Self::Unspecified,
            Automation::Human => Self::Human,
            Automation::Assisted => Self::Assisted,
            Automation::Autonomous => Self::Autonomous,
        }
    }
}

#[cfg(test)]
mod tests;

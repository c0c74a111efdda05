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
use crate::catalog::{Assurance, Route};
use crate::facts::Facts;
use crate::identity::Automation;
use crate::pb;
use crate::receipt::{self, Id, OfCaller, Pseudonyms, Record};
use crate::terms::{Durability, Mode, PartyKind, Purpose, Reason, SpiffeId, Tier};
use crate::verdict::{Obligations, Verdict};

/// What a decision needs besides the call and the bundle.
#[derive(Debug)]
pub struct Context<'a> {
    /// The time that it is.
    pub now: Timestamp,
    /// The receipt's id.
    pub receipt: Id,
    /// The trace that the call belongs to.
    pub trace_id: Option<[u8; 16]>,
    /// Names people in the record.
    pub pseudonyms: &'a Pseudonyms,
}

/// A decision that is not answered yet.
#[derive(Debug)]
pub struct Plan<'b> {
    /// What is to be recorded: the bytes of a record.
    pub record: Vec<u8>,
    /// What must have happened to the record before the answer.
    pub durability: Durability,
    /// What the decision is, for traces, metrics and access logs.
    pub summary: Summary<'b>,
    /// Whether a known caller asked for something that is not in the catalogue.
    pub unmapped: bool,
    passes: bool,
    must_be_recorded: bool,
    obligations: Obligations<'b>,
    challenge: Option<Assurance>,
}

/// What a decision is, in words that may be seen by operators: nothing personal.
#[derive(Debug, Clone, Copy)]
pub struct Summary<'b> {
    /// The receipt's id.
    pub receipt: Id,
    /// The action's name; empty where the call is unmapped.
    pub action: &'b str,
    /// The action's tier; empty where the call is unmapped.
    pub tier: &'static str,
    /// What the rules say.
    pub verdict: Verdict,
    /// Why.
    pub reason: Reason,
    /// Whether it was carried out.
    pub mode: Mode,
    /// The bundle's digest.
    pub bundle: &'b str,
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
pub enum Settled<'b> {
    /// It may pass.
    Pass(Passage<'b>),
    /// It may not.
    Refuse(Refusal),
}

/// The right of one call to pass. Only the gate makes one.
#[derive(Debug)]
pub struct Passage<'b> {
    receipt: Id,
    obligations: Obligations<'b>,
}

/// A call that may not pass.
#[derive(Debug)]
pub struct Refusal {
    /// Why.
    pub reason: Reason,
    /// What the user must prove, where that is the reason.
    pub challenge: Option<Assurance>,
}

impl<'b> Passage<'b> {
    /// What the service and the client are told as the receipt.
    pub const fn receipt(&self) -> &Id {
        &self.receipt
    }

    /// What the proxy must change besides.
    pub const fn obligations(&self) -> &Obligations<'b> {
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
pub fn plan<'b>(bundle: &'b Bundle, facts: &Facts<'_>, context: &Context<'_>) -> Plan<'b> {
    plan_with(bundle, facts, context, &mut trail::Nothing)
}

/// Judges one call, and says at each rule what came of it.
pub fn plan_with<'b>(bundle: &'b Bundle, facts: &Facts<'_>, context: &Context<'_>, trail: &mut impl Trail) -> Plan<'b> {
    let ruling = judge::judge(bundle, facts, context.now, trail);
    let summary = Summary {
        receipt: context.receipt,
        action: ruling.action.map(|action| action.name.as_str()).unwrap_or_default(),
        tier: ruling.action.map_or("", |action| action.tier.as_str()),
        verdict: ruling.reason.into(),
        reason: ruling.reason,
        mode: ruling.mode,
        bundle: &bundle.digest,
    };
    let passes = summary.verdict == Verdict::Allow || ruling.mode == Mode::Observe;
    let demanded = demanded_durability(bundle, facts, &ruling);
    // Where the whole gate observes, nothing may stop a call, a disk that is full neither.
    let must_be_recorded = passes && demanded > Durability::Async && bundle.mode == Mode::Enforce;
    let obligations = if passes { obligations::of(bundle, facts, &ruling, &summary) } else { Obligations::default() };
    Plan {
        record: record(&ruling, &summary, &obligations::forged(facts), demanded, context),
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
pub fn settle(plan: Plan<'_>, recorded: Recorded) -> Settled<'_> {
    // A denial stands without its record: as an error, whoever lets errors pass would let it pass.
    match recorded {
        Recorded::No if plan.must_be_recorded => return Settled::Refuse(Refusal::of(Reason::ReceiptUnavailable)),
        Recorded::Late if plan.must_be_recorded => return Settled::Refuse(Refusal::of(Reason::DeadlineExceeded)),
        Recorded::Yes | Recorded::No | Recorded::Late => {}
    }
    if plan.passes {
        return Settled::Pass(Passage { receipt: plan.summary.receipt, obligations: plan.obligations });
    }
    Settled::Refuse(Refusal { reason: plan.summary.reason, challenge: plan.challenge })
}

impl Plan<'_> {
    /// What is to be recorded, as its readers see it.
    pub fn decision(&self) -> pb::Decision {
        // What was just encoded can be decoded.
        receipt::decode(&self.record).unwrap_or_default()
    }
}

fn record(
    ruling: &Ruling<'_>,
    summary: &Summary<'_>,
    forged_headers: &[String],
    durability: Durability,
    context: &Context<'_>,
) -> Vec<u8> {
    let pseudonym = |kind, id| context.pseudonyms.of(kind, id);
    let proven = ruling.caller.user.proven();
    let user = proven.map(|user| pseudonym(PartyKind::User, &user.id)).unwrap_or_default();
    let agents: Vec<_> =
        proven.iter().flat_map(|user| &user.agents).map(|id| pseudonym(PartyKind::Agent, id)).collect();
    let several: Vec<_> = match ruling.actions.as_slice() {
        [] | [_] => Vec::new(),
        several => several.iter().map(|action| &action.name).collect(),
    };
    let record = Record {
        id: summary.receipt,
        time: context.now,
        bundle: summary.bundle,
        verdict: summary.verdict,
        reason: summary.reason,
        mode: summary.mode,
        service: ruling.service.map_or("", |service| service.name.as_str()),
        action: summary.action,
        tier: ruling.action.map(|action| action.tier),
        route: ruling.route.map_or("", Route::as_str),
        caller: OfCaller {
            workload: ruling.caller.workload.proven().map_or("", SpiffeId::as_str),
            user: &user,
            agents: &agents,
            automation: ruling.caller.automation.into(),
            pseudonym_key: context.pseudonyms.key_id(),
        },
        purpose: ruling.granted_for.map_or("", Purpose::as_str),
        contracts: &ruling.contracts,
        durability,
        trace_id: context.trace_id,
        retain_seconds: ruling.retain.time.map(|time| time.as_secs()).unwrap_or_default(),
        forged_headers,
        actions: &several,
        overrides: &ruling.overrides,
        unnamed_fields: ruling.unnamed_fields,
        against: &ruling.against,
    };
    record.encode()
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

//! What the rules say about one call.
//!
//! Every rule that could be against the call is asked; each that is leaves an [`Objection`]. The one that counts is the first
//! in the order of [`Reason`] among those that the mode does not relax. So the order in which rules are asked changes
//! nothing, an error is never skipped over, and an observed call shows what it would have been denied for.

mod call;
mod contracts;
mod demands;
mod guardrails;
mod operations;
mod values;

use std::fmt::Display;

use jiff::Timestamp;
use operations::Judging;

use super::trail::{Look, Outcome, Trail};
use crate::bundle::Bundle;
use crate::catalog::{Action, Assurance, Found, Route, Service};
use crate::contract::Retain;
use crate::facts::{Facts, Target};
use crate::identity::{Caller, Proof};
use crate::terms::{Kind, Mode, Name, Purpose, Reason};

/// What the rules say, and about what. Where a request carries several operations, they are judged together: the first
/// objection to any of them counts.
#[derive(Debug)]
pub struct Ruling<'b> {
    /// Why; [`Reason::Granted`] where nothing is against it.
    pub reason: Reason,
    /// Whether the verdict is carried out. An objection that is relaxed makes it `observe`.
    pub mode: Mode,
    /// Who is asking.
    pub caller: Caller,
    /// The action, if the call is one; of several the one of the highest tier.
    pub action: Option<&'b Action>,
    /// All actions, in the order of the operations, each once.
    pub actions: Vec<&'b Action>,
    /// Where.
    pub service: Option<&'b Service>,
    /// By which route.
    pub route: Option<&'b Route>,
    /// The purpose that was understood.
    pub purpose: Option<Purpose>,
    /// The purpose of a contract that covers it and holds. The caller's own words do not go further than here.
    pub granted_for: Option<&'b Purpose>,
    /// The contracts that cover the parties, sorted, each once.
    pub contracts: Vec<&'b Name>,
    /// What may be kept.
    pub retain: Retain,
    /// What the user must prove, where that is the reason.
    pub challenge: Option<&'b Assurance>,
    /// The exceptions that hold for this call, sorted, each once.
    pub overrides: Vec<&'b Name>,
    /// Fields of the body that pass without being named.
    pub unnamed_fields: u32,
    /// The rules that are against the call.
    pub against: Vec<(String, Reason)>,
    /// Whether a known caller asked for something that is not in the catalogue.
    pub unmapped: bool,
}

/// A rule that is against the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Objection {
    reason: Reason,
    /// Whether the rule is on trial.
    relaxed: bool,
}

pub(super) fn judge<'b>(bundle: &'b Bundle, facts: &Facts<'_>, now: Timestamp, trail: &mut impl Trail) -> Ruling<'b> {
    let caller = bundle.identity.read(facts);
    note_caller(&caller, trail);
    let mut ruling = Ruling {
        reason: Reason::Granted,
        mode: bundle.mode,
        caller,
        action: None,
        actions: Vec::new(),
        service: None,
        route: None,
        purpose: None,
        granted_for: None,
        contracts: Vec::new(),
        retain: Retain::default(),
        challenge: None,
        overrides: Vec::new(),
        unnamed_fields: 0,
        against: Vec::new(),
        unmapped: false,
    };
    let objections = match &facts.target {
        Ok(target) => object(bundle, facts, target, &mut ruling, now, trail),
        Err(reason) => {
            trail.note(|| Look::new("canonical request", Outcome::Fails, reason.detail()));
            ruling.against.push(("canonical request".to_owned(), *reason));
            vec![Objection { reason: *reason, relaxed: false }]
        }
    };
    let relaxed = |objection: &Objection| bundle.mode == Mode::Observe || objection.relaxed;
    let stopping = objections.iter().filter(|one| !relaxed(one)).min_by_key(|one| one.reason);
    if let Some(objection) = stopping.or_else(|| objections.iter().min_by_key(|one| one.reason)) {
        ruling.reason = objection.reason;
        ruling.mode = if stopping.is_none() { Mode::Observe } else { ruling.mode };
    }
    if ruling.reason.kind() != Kind::Challenge {
        ruling.challenge = None;
    }
    ruling
}

/// Finds the operations that a request carries, and judges each.
fn object<'b>(
    bundle: &'b Bundle,
    facts: &Facts<'_>,
    target: &Target<'_>,
    ruling: &mut Ruling<'b>,
    now: Timestamp,
    trail: &mut impl Trail,
) -> Vec<Objection> {
    if !bundle.identity.has_one_credential(target, &facts.headers) {
        let reason = Reason::CredentialsAmbiguous;
        trail.note(|| Look::new("one credential", Outcome::Fails, reason.detail()));
        ruling.against.push(("one credential".to_owned(), reason));
        return vec![Objection { reason, relaxed: false }];
    }
    let mut judging = Judging { bundle, facts, target, now, ruling, trail };
    match bundle.catalog.find(target) {
        Found::Mapped(found) => judging.route(&found),
        Found::Endpoint(endpoint) => judging.endpoint(endpoint),
        Found::Unmapped { .. } => judging.unmapped(),
    }
}

/// Adds a name to those that are sorted and stand there once.
fn add_name<'b>(names: &mut Vec<&'b Name>, name: &'b Name) {
    if let Err(place) = names.binary_search(&name) {
        names.insert(place, name);
    }
}

fn is_on_trial(service: &Service) -> bool {
    service.mode == Some(Mode::Observe)
}

/// Objections to one operation.
#[derive(Debug, Default)]
struct Objections {
    list: Vec<Objection>,
    on_trial: bool,
    against: Vec<(String, Reason)>,
}

impl Objections {
    /// Notes what came of a rule, and keeps the objection if there is one. What is malformed is never on trial.
    /// The rule's text is made only where somebody wants it.
    fn add(
        &mut self,
        reason: Option<Reason>,
        rule: &dyn Display,
        trail: &mut impl Trail,
        looked_at: impl FnOnce() -> String,
    ) {
        trail.note(|| match reason {
            Some(reason) => {
                Look::new(rule.to_string(), Outcome::Fails, format!("{}: {}", reason.code(), reason.detail()))
            }
            None => Look::new(rule.to_string(), Outcome::Holds, looked_at()),
        });
        self.against.extend(reason.map(|reason| (rule.to_string(), reason)));
        self.list.extend(reason.map(|reason| Objection { reason, relaxed: self.on_trial && !reason.is_malformed() }));
    }

    /// The same for a rule that is never on trial.
    fn add_firm(
        &mut self,
        reason: Option<Reason>,
        rule: &dyn Display,
        trail: &mut impl Trail,
        looked_at: impl FnOnce() -> String,
    ) {
        let on_trial = std::mem::replace(&mut self.on_trial, false);
        self.add(reason, rule, trail, looked_at);
        self.on_trial = on_trial;
    }
}

fn note_caller(caller: &Caller, trail: &mut impl Trail) {
    fn of<T>(proof: &Proof<T>, proven: impl FnOnce(&T) -> String) -> (Outcome, String) {
        match proof {
            Proof::Absent => (Outcome::Passes, "there is none".to_owned()),
            Proof::Broken(why) => (Outcome::Fails, (*why).to_owned()),
            Proof::Proven(one) => (Outcome::Holds, proven(one)),
        }
    }
    trail.note(|| {
        let (outcome, detail) = of(&caller.workload, ToString::to_string);
        Look::new("workload", outcome, detail)
    });
    trail.note(|| {
        let (outcome, detail) = of(&caller.user, |user| {
            let roles: Vec<_> = user.roles.iter().map(|role| role.0.as_str()).collect();
            format!("roles: {}; agents between: {}", roles.join(", "), user.agents.len())
        });
        Look::new("user", outcome, detail)
    });
}

fn join<T: ToString>(list: &[T]) -> String {
    list.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

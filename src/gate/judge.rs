//! What the rules say about one call.
//!
//! Every rule that could be against the call is asked; each that is leaves an [`Objection`]. The one that counts is the first
//! in the order of [`Reason`] among those that the mode does not relax. So the order in which rules are asked changes
//! nothing, an error is never skipped over, and an observed call shows what it would have been denied for.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::trail::{Look, Outcome, Trail};
use crate::bundle::Bundle;
use crate::catalog::{Action, ActionId, Assurance, Demands, Found, Inputs, Route, Service};
use crate::contract::{Contract, Parties, Retain, Who};
use crate::facts::{Facts, Target};
use crate::identity::{Caller, Declared, Proof, User};
use crate::terms::{Kind, Mode, Name, Purpose, Reason};

/// What the rules say, and about what.
#[derive(Debug)]
pub struct Ruling<'b> {
    /// Why; [`Reason::Granted`] where nothing is against it.
    pub reason: Reason,
    /// Whether the verdict is carried out. An objection that is relaxed makes it `observe`.
    pub mode: Mode,
    /// Who is asking.
    pub caller: Caller,
    /// The action, if the call is one.
    pub action: Option<&'b Action>,
    /// Where.
    pub service: Option<&'b Service>,
    /// By which route.
    pub route: Option<&'b Route>,
    /// The purpose that was understood.
    pub purpose: Option<Purpose>,
    /// The purpose of a contract that covers it and holds. The caller's own words do not go further than here.
    pub granted_for: Option<&'b Purpose>,
    /// The contracts that cover the parties, by name.
    pub contracts: BTreeSet<&'b Name>,
    /// What may be kept.
    pub retain: Retain,
    /// What the user must prove, where that is the reason.
    pub challenge: Option<&'b Assurance>,
}

/// A rule that is against the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Objection {
    reason: Reason,
    /// Whether the rule is on trial.
    relaxed: bool,
}

/// A clock may run a little behind the one that signed. The same minute that JWT libraries allow.
const SKEW_SECONDS: i64 = 60;

pub(super) fn judge<'b>(bundle: &'b Bundle, facts: &Facts<'_>, now: Timestamp, trail: &mut impl Trail) -> Ruling<'b> {
    let caller = bundle.identity.read(facts);
    note_caller(&caller, trail);
    let mut ruling = Ruling {
        reason: Reason::Granted,
        mode: bundle.mode,
        caller,
        action: None,
        service: None,
        route: None,
        purpose: None,
        granted_for: None,
        contracts: BTreeSet::new(),
        retain: Retain::default(),
        challenge: None,
    };
    let objections = match &facts.target {
        Ok(target) => object(bundle, facts, target, &mut ruling, now, trail),
        Err(reason) => {
            trail.note(|| Look::new("canonical request", Outcome::Fails, reason.detail()));
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

fn object<'b>(
    bundle: &'b Bundle,
    facts: &Facts<'_>,
    target: &Target<'_>,
    ruling: &mut Ruling<'b>,
    now: Timestamp,
    trail: &mut impl Trail,
) -> Vec<Objection> {
    let (id, action, route, params) = match bundle.catalog.find(target) {
        Found::Mapped { id, action, route, params } => (id, action, route, params),
        Found::Unmapped { services } => {
            let mut found = services.iter().filter_map(|id| bundle.catalog.service(*id));
            let on_trial = !services.is_empty() && found.all(is_on_trial);
            trail.note(|| Look::new("catalogue", Outcome::Fails, "no route matches host, method and path"));
            return object_to_unmapped(&ruling.caller, on_trial);
        }
    };
    ruling.action = Some(action);
    ruling.route = Some(route);
    ruling.service = bundle.catalog.service(action.service);
    trail.note(|| {
        Look::new("catalogue", Outcome::Holds, format!("`{route}` is `{}`, tier `{}`", action.name, action.tier))
    });
    let demands = bundle.catalog.tiers().demands(action.tier);
    let on_trial = ruling.service.is_some_and(is_on_trial);
    let mut objections = Objections { list: Vec::new(), on_trial };
    let for_anyone = || bundle.contracts.granting(id).any(|contract| matches!(contract.who, Who::Anyone));
    if !ruling.caller.is_known() && (demands.known_caller || !for_anyone()) {
        // Whoever is nobody learns nothing of what is in the catalogue: this is what is said of an unmapped path, too.
        objections.add(Some(Reason::CallerUnknown), "a known caller", trail, String::new);
        if !on_trial {
            return objections.list;
        }
        // Where that is relaxed, what is malformed still is not: the rest is asked, too.
    }

    let inputs = read_inputs(action, route, target, facts, &params);
    objections.add(inputs.as_ref().err().copied(), "inputs", trail, || format!("{} declared", route.inputs.len()));
    // Where the inputs cannot be read there is an objection already; what limits would say of nothing is no news.
    #[expect(clippy::disallowed_methods, reason = "the error became an objection above")]
    let inputs = inputs.as_ref().ok();
    if let Some(inputs) = inputs {
        let limits = action.limits.iter().try_for_each(|limit| limit.check(inputs));
        objections.add(limits.err(), "limits of the action", trail, || join(&action.limits));
    }

    resolve_purpose(bundle, id, ruling);
    weigh_contracts(bundle, (id, action, inputs), ruling, &mut objections, trail);
    weigh_demands(action, demands, ruling, now, &mut objections, trail);
    objections.list
}

/// An unknown caller learns nothing of what is in the catalogue.
fn object_to_unmapped(caller: &Caller, on_trial: bool) -> Vec<Objection> {
    let reason = if caller.is_known() { Reason::Unmapped } else { Reason::CallerUnknown };
    vec![Objection { reason, relaxed: on_trial }]
}

fn is_on_trial(service: &Service) -> bool {
    service.mode == Some(Mode::Observe)
}

/// Also looks at the parameters that the action sets or removes: Envoy would leave another spelling of them in.
fn read_inputs(
    action: &Action,
    route: &Route,
    target: &Target<'_>,
    facts: &Facts<'_>,
    params: &[String],
) -> Result<Inputs, Reason> {
    let set = action.mutations.set_query.iter().map(|(name, _)| name);
    action.mutations.remove_query.iter().chain(set).try_for_each(|name| target.query.value(name).map(|_| ()))?;
    Inputs::read(&route.inputs, target, &facts.headers, params)
}

/// A call's purpose is the one that it declares, or else the only one of all contracts that are about its caller.
fn resolve_purpose<'b>(bundle: &'b Bundle, id: ActionId, ruling: &mut Ruling<'b>) {
    ruling.purpose = match &ruling.caller.purpose {
        Declared::One(purpose) => Some(purpose.clone()),
        Declared::Unclear => None,
        Declared::Nothing => {
            let about = bundle.contracts.granting(id).filter(|contract| contract.who.covers(&ruling.caller).is_some());
            let only: Option<BTreeSet<_>> = about.map(Contract::only_purpose).collect();
            only.filter(|only| only.len() == 1).and_then(|only| only.first().map(|purpose| (*purpose).clone()))
        }
    };
}

/// Everyone behind the call must be covered by a contract whose grant holds.
fn weigh_contracts<'b>(
    bundle: &'b Bundle,
    (id, action, inputs): (ActionId, &'b Action, Option<&Inputs>),
    ruling: &mut Ruling<'b>,
    objections: &mut Objections,
    trail: &mut impl Trail,
) {
    let behind = Parties::behind(&ruling.caller);
    let mut covered = Parties::default();
    let mut almost = Vec::new();
    for contract in bundle.contracts.granting(id) {
        let rule = || match &contract.owner {
            Some(owner) => format!("contract `{}` of {owner}", contract.name),
            None => format!("contract `{}`", contract.name),
        };
        let Some(parties) = contract.who.covers(&ruling.caller).filter(|parties| parties.meets(behind)) else {
            trail.note(|| Look::new(rule(), Outcome::Passes, "it is not about this caller"));
            continue;
        };
        match check(contract, action, inputs, ruling) {
            Ok(()) => {
                trail.note(|| {
                    Look::new(rule(), Outcome::Holds, format!("it covers {}", behind.without(behind.without(parties))))
                });
                covered = covered.and(parties);
                ruling.contracts.insert(&contract.name);
                ruling.granted_for = ruling.granted_for.or(contract.purpose_for(ruling.purpose.as_ref()));
                ruling.retain = ruling.retain.and(contract.retain);
            }
            Err(reason) => {
                trail.note(|| Look::new(rule(), Outcome::Fails, format!("{}: {}", reason.code(), reason.detail())));
                almost.push((
                    parties,
                    Objection { reason, relaxed: contract.is_observed() && reason.kind() != Kind::Malformed },
                ));
            }
        }
    }
    let missing = behind.without(covered);
    let objection = object_to_missing(missing, &almost);
    let said = if missing.is_empty() { "everyone is covered".to_owned() } else { format!("not covered: {missing}") };
    trail.note(|| {
        Look::new("every party is covered", if missing.is_empty() { Outcome::Holds } else { Outcome::Fails }, said)
    });
    objections.list.extend(objection.map(|one| Objection { relaxed: one.relaxed || objections.on_trial, ..one }));
}

/// Whether a contract that is about the caller grants this call.
fn check(contract: &Contract, action: &Action, inputs: Option<&Inputs>, ruling: &Ruling<'_>) -> Result<(), Reason> {
    if ruling.caller.purpose == Declared::Unclear {
        return Err(Reason::PurposeUndeclared);
    }
    if !contract.is_for(ruling.purpose.as_ref()) {
        return Err(Reason::ContractPurpose);
    }
    inputs.map_or(Ok(()), |inputs| contract.check_limits(&action.name, inputs))
}

/// Why those who are missing are: because of the contracts that would have covered them, where these would have covered all
/// of them; otherwise because nothing covers them.
fn object_to_missing(missing: Parties, almost: &[(Parties, Objection)]) -> Option<Objection> {
    if missing.is_empty() {
        return None;
    }
    let none = Objection { reason: Reason::ContractNone, relaxed: false };
    let helping = almost.iter().filter(|(parties, _)| parties.meets(missing));
    let left = helping.clone().fold(missing, |left, (parties, _)| left.without(*parties));
    if !left.is_empty() {
        return Some(none);
    }
    // On trial only where the contracts on trial alone would cover them: a rule in force is not relaxed by one that is not.
    let on_trial = helping.clone().filter(|(_, objection)| objection.relaxed);
    let relaxed = on_trial.fold(missing, |left, (parties, _)| left.without(*parties)).is_empty();
    let reason = helping.map(|(_, objection)| objection.reason).max().unwrap_or(none.reason);
    Some(Objection { reason, relaxed })
}

/// What the tier and the channel demand.
fn weigh_demands<'b>(
    action: &Action,
    demands: &'b Demands,
    ruling: &mut Ruling<'b>,
    now: Timestamp,
    objections: &mut Objections,
    trail: &mut impl Trail,
) {
    let rule = |what: &str| format!("tier `{}` demands {what}", action.tier);
    if demands.known_caller && ruling.caller.is_known() {
        objections.add(None, &rule("a known caller"), trail, String::new);
    }
    if demands.declared_purpose {
        let undeclared = ruling.purpose.is_none().then_some(Reason::PurposeUndeclared);
        objections.add(undeclared, &rule("one declared purpose"), trail, || {
            ruling.purpose.as_ref().map(ToString::to_string).unwrap_or_default()
        });
    }
    if let Some(ceiling) = ruling.caller.channel.ceiling {
        let above = (action.tier > ceiling).then_some(Reason::ChannelCeiling);
        objections.add(above, &format!("the channel's ceiling is `{ceiling}`"), trail, || {
            format!("the action's tier is `{}`", action.tier)
        });
    }
    if let Some(assurance) = &demands.assurance {
        let met = ruling.caller.user.proven().is_some_and(|user| is_assured(user, assurance, now));
        let lacking = (!met).then_some(Reason::AssuranceRequired);
        ruling.challenge = lacking.and(Some(assurance));
        objections.add(lacking, &rule("a strong, recent sign-in"), trail, || assurance.acr.join(" or "));
    }
}

/// A sign-in of one of the classes, recent enough. What is not known is not met.
fn is_assured(user: &User, assurance: &Assurance, now: Timestamp) -> bool {
    let strong = user.acr.as_ref().is_some_and(|acr| assurance.acr.contains(acr));
    let recent = assurance.max_age.is_none_or(|max_age| {
        let age = user.auth_time.map(|signed_in| now.as_second().saturating_sub(signed_in));
        age.is_some_and(|age| {
            age >= -SKEW_SECONDS && u64::try_from(age.max(0)).is_ok_and(|age| age <= max_age.as_secs())
        })
    });
    strong && recent
}

struct Objections {
    list: Vec<Objection>,
    on_trial: bool,
}

impl Objections {
    /// Notes what came of a rule, and keeps the objection if there is one. What is malformed is never on trial.
    fn add(&mut self, reason: Option<Reason>, rule: &str, trail: &mut impl Trail, looked_at: impl FnOnce() -> String) {
        trail.note(|| match reason {
            Some(reason) => Look::new(rule, Outcome::Fails, format!("{}: {}", reason.code(), reason.detail())),
            None => Look::new(rule, Outcome::Holds, looked_at()),
        });
        self.list.extend(
            reason.map(|reason| Objection { reason, relaxed: self.on_trial && reason.kind() != Kind::Malformed }),
        );
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

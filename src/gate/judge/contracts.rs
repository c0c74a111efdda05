//! Contracts against one operation: everyone behind the call must be covered by one whose grant holds.

use super::call::Call;
use super::{Objection, Objections, Ruling, add_name};
use crate::catalog::Parsed;
use crate::contract::{Contract, InForce, Parties};
use crate::gate::trail::{About, Look, Outcome, Trail};
use crate::identity::Declared;
use crate::terms::{Mode, Reason};

impl<'b> Call<'_, 'b> {
    pub(super) fn weigh_contracts(&self, ruling: &mut Ruling<'b>, objections: &mut Objections, trail: &mut impl Trail) {
        let behind = Parties::behind(&ruling.caller);
        let mut covered = Parties::default();
        let mut almost = Vec::new();
        for contract in self.bundle.contracts.granting(self.id) {
            let rule = || match &contract.owner {
                Some(owner) => format!("contract `{}` of {owner}", contract.name),
                None => format!("contract `{}`", contract.name),
            };
            let covers = contract.who.covers(&ruling.caller).filter(|parties| parties.meets(behind));
            let grant = contract.in_force(&self.action.name, self.now);
            let (Some(parties), Some(grant)) = (covers, grant) else {
                trail.note(|| Look::new(rule(), Outcome::Passes, "it is not about this caller"));
                continue;
            };
            match self.check(contract, &grant, ruling, trail) {
                Ok(unnamed) => {
                    trail.note(|| {
                        let covers = behind.without(behind.without(parties));
                        Look::new(rule(), Outcome::Holds, format!("it covers {covers}"))
                    });
                    covered = covered.and(parties);
                    add_name(&mut ruling.contracts, &contract.name);
                    ruling.granted_for = ruling.granted_for.or(contract.purpose_for(self.purpose.as_ref()));
                    ruling.retain = ruling.retain.and(contract.retain);
                    if let Some(exception) = grant.exception {
                        add_name(&mut ruling.overrides, &exception.name);
                    }
                    ruling.unnamed_fields = ruling.unnamed_fields.max(unnamed);
                }
                Err(reason) => {
                    trail.note(|| Look::new(rule(), Outcome::Fails, format!("{}: {}", reason.code(), reason.detail())));
                    objections.against.push((format!("contract `{}`", contract.name), reason));
                    let relaxed = grant.mode == Some(Mode::Observe) && !reason.is_malformed();
                    almost.push((parties, Objection { reason, relaxed }));
                }
            }
        }
        let missing = behind.without(covered);
        let objection = object_to_missing(missing, &almost);
        objections.against.extend(objection.map(|one| ("every party is covered".to_owned(), one.reason)));
        let (outcome, said) = match missing.is_empty() {
            true => (Outcome::Holds, "everyone is covered".to_owned()),
            false => (Outcome::Fails, format!("not covered: {missing}")),
        };
        trail.note(|| Look::new("every party is covered", outcome, said));
        let relaxed = |one: Objection| one.relaxed || (objections.on_trial && !one.reason.is_malformed());
        objections.list.extend(objection.map(|one| Objection { relaxed: relaxed(one), ..one }));
    }

    /// Whether a contract that is about the caller grants this call, and how many fields pass that it does not name. Every
    /// rule of the grant is asked; the reason that wins is the first in their order.
    fn check(
        &self,
        contract: &Contract,
        grant: &InForce<'b>,
        ruling: &Ruling<'b>,
        trail: &mut impl Trail,
    ) -> Result<u32, Reason> {
        if let Some(exception) = grant.exception {
            trail.note(|| {
                let detail = format!("until {}, by {}: {}", exception.expires_at, exception.owner, exception.reason);
                Look::new(
                    format!("override `{}` of contract `{}`", exception.name, contract.name),
                    Outcome::Holds,
                    detail,
                )
            });
        }
        let purpose = match contract.is_for(self.purpose.as_ref()) {
            _ if ruling.caller.purpose == Declared::Unclear => Err(Reason::PurposeUndeclared),
            true => Ok(()),
            false => Err(Reason::ContractPurpose),
        };
        let limits = match &self.inputs {
            Ok(inputs) => grant.limits.iter().try_for_each(|limit| limit.check(inputs)),
            Err(_) => Ok(()),
        };
        let condition = self.check_condition(contract, grant, ruling, trail);
        let sends = self.check_sends(grant);
        let against = [purpose.err(), limits.err(), condition.err(), sends.err()];
        match against.into_iter().flatten().min() {
            Some(reason) => Err(reason),
            None => Ok(sends.unwrap_or_default()),
        }
    }

    fn check_condition(
        &self,
        contract: &Contract,
        grant: &InForce<'_>,
        ruling: &Ruling<'_>,
        trail: &mut impl Trail,
    ) -> Result<(), Reason> {
        let Some(when) = grant.when else { return Ok(()) };
        let (outcome, result, detail) = match when.holds(&self.values(&ruling.caller)) {
            Ok(true) => (Outcome::Holds, Ok(()), String::new()),
            Ok(false) => (Outcome::Fails, Err(Reason::ConditionFalse), String::new()),
            Err(unknown) => {
                let detail = format!("; `{}` is not known", unknown.name);
                (Outcome::Fails, Err(Reason::ConditionUnknown), detail)
            }
        };
        trail.note(|| {
            let about = About::Condition { contract: contract.name.clone(), action: self.action.name.clone() };
            let rule = format!("condition of contract `{}`", contract.name);
            Look::new(rule, outcome, format!("{}{detail}", when.text())).about(about)
        });
        result
    }

    /// Where the body could not be read, its reason is the reason here, too.
    fn check_sends(&self, grant: &InForce<'_>) -> Result<u32, Reason> {
        match (grant.sends, self.content.element, self.content.body) {
            (None, ..) => Ok(0),
            (Some(_), None, Parsed::NotRead) => {
                Err(self.inputs.as_ref().err().copied().unwrap_or(Reason::BodyUnavailable))
            }
            (Some(sends), Some((_, arguments)), _) => sends.check(arguments),
            (Some(sends), None, Parsed::Json(body)) => sends.check(body),
            (Some(sends), None, Parsed::Form(form)) => sends.check_form(form),
        }
    }
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

//! Guardrails and overrides: what stands above contracts.

use std::collections::HashMap;
use std::sync::Arc;

use super::condition::{condition, syntax};
use super::ground::{self, refuse_empty};
use super::{Documents, contract};
use crate::bundle::documents::guardrail::{Guardrail as Typed, On, Override as TypedOverride, Then as TypedThen};
use crate::bundle::read::Spanned;
use crate::catalog::{Action, ActionId, Catalog, Demands, Input};
use crate::contract::{Conditions, Contract, Guardrail, Override, Then};
use crate::terms::{ActionName, Name};
use crate::yaml::{Place, Problem, Problems};

pub(super) struct Compiler<'a> {
    pub(super) catalog: &'a Catalog,
    pub(super) conditions: &'a Conditions<'a>,
    pub(super) read: Documents,
}

impl Compiler<'_> {
    /// A guardrail, and the actions that it is about.
    pub(super) fn guardrail(
        &self,
        name: Name,
        owner: Option<String>,
        typed: Typed,
        problems: &mut Problems,
    ) -> Option<(Guardrail, Vec<ActionId>)> {
        let before = problems.len();
        let on = typed.on.value;
        self.check_lists(&on, problems);
        let about: Vec<_> = self.catalog.actions().filter(|(_, action)| self.is_about(&on, action)).collect();
        if about.is_empty() && problems.len() == before && self.read == Documents::AllRead {
            let problem = Problem::at(
                &typed.on.place,
                "no action is of this tier, name and service: the guardrail is about nothing",
            );
            problems.push(problem.help("loosen `on`, or declare the action"));
        }
        let when = on.when.and_then(|when| {
            if about.is_empty() {
                // What their inputs are is not known.
                syntax(&when, problems);
                return None;
            }
            let actions: Vec<_> = about.iter().map(|(_, action)| *action).collect();
            let inputs = shared_inputs(&actions);
            let has_subject = actions.iter().all(|action| action.subject.is_some());
            condition(&when, &inputs, has_subject, self.conditions, problems)
        });
        let then = match typed.then {
            TypedThen::Deny => Then::Deny,
            TypedThen::Require(place, require) => {
                let demands = ground::require(require, problems);
                if demands == Demands::default() {
                    problems.push(Problem::at(&place, "nothing is required"));
                }
                Then::Require(demands)
            }
            TypedThen::Never(classes) => {
                refuse_empty(&classes, "nothing would be kept back", problems);
                Then::Never(classes.value)
            }
        };
        let purposes = on.purpose.map(|list| list.0.value).unwrap_or_default();
        let about = about.into_iter().map(|(id, _)| id).collect();
        (problems.len() == before).then_some((Guardrail { name, owner, purposes, when, then }, about))
    }

    fn is_about(&self, on: &On, action: &Action) -> bool {
        let service = self.catalog.service(action.service).map(|service| &service.name);
        on.tier.as_ref().is_none_or(|list| list.0.contains(&action.tier))
            && on.action.as_ref().is_none_or(|list| list.0.iter().any(|name| name.value == action.name))
            && on.service.as_ref().is_none_or(|list| list.0.iter().any(|name| Some(&name.value) == service))
    }

    fn check_lists(&self, on: &On, problems: &mut Problems) {
        let nothing = "the guardrail would be about nothing";
        on.tier.iter().for_each(|list| refuse_empty(&list.0, nothing, problems));
        on.purpose.iter().for_each(|list| refuse_empty(&list.0, nothing, problems));
        if let Some(list) = &on.action {
            refuse_empty(&list.0, nothing, problems);
            for name in list.0.iter() {
                contract::known_action(self.catalog, name, self.read, problems);
            }
        }
        if let Some(list) = &on.service {
            refuse_empty(&list.0, nothing, problems);
            for name in list.0.iter().filter(|_| self.read == Documents::AllRead) {
                let known: Vec<_> = self.catalog.services().map(|(_, service)| service.name.as_str()).collect();
                if !known.contains(&name.as_str()) {
                    let problem = Problem::at(&name.place, format!("there is no service `{}`", name.value));
                    problems.push(match problems.nearest(name.as_str(), known) {
                        Some(meant) => problem.help(format!("did you mean `{meant}`?")),
                        None => problem.help("declare it in a `Service` document"),
                    });
                }
            }
        }
    }

    /// Puts an exception into the grant that it is of.
    pub(super) fn exception(
        &self,
        (name, owner): (Spanned<Name>, Option<String>),
        typed: TypedOverride,
        contracts: &mut [Contract],
        seen: &mut HashMap<(Name, ActionName), Place>,
        problems: &mut Problems,
    ) {
        let Some(owner) = owner else {
            let problem = Problem::at(&name.place, "an override has an owner: someone answers for it");
            problems.push(problem.help("write `metadata: { name: …, owner: … }`"));
            return;
        };
        if typed.reason.trim().is_empty() || typed.reason.chars().any(char::is_control) {
            problems.push(Problem::at(&typed.reason.place, "an override has a reason, in one line"));
        }
        let of = typed.of;
        let Some(action) = contract::known_action(self.catalog, &of.action, self.read, problems) else { return };
        let Some(contract) = contracts.iter_mut().find(|contract| contract.name == of.contract.value) else {
            if self.read == Documents::AllRead {
                let problem = Problem::at(&of.contract.place, format!("there is no contract `{}`", of.contract.value));
                let meant = problems.nearest(of.contract.as_str(), contracts.iter().map(|one| one.name.as_str()));
                problems.push(match meant {
                    Some(meant) => problem.help(format!("did you mean `{meant}`?")),
                    None => problem.help("an override changes a grant that a contract makes"),
                });
            }
            return;
        };
        let Some(grant) = contract.grants.get_mut(&of.action.value) else {
            let message = format!("the contract `{}` does not grant `{}`", of.contract.value, of.action.value);
            problems.push(Problem::at(&of.action.place, message).help("an override changes a grant, it makes none"));
            return;
        };
        if let Some(first) = seen.insert((of.contract.value, of.action.value), name.place.clone()) {
            let problem = Problem::at(&name.place, "there is another override of the same grant");
            problems.push(
                problem.also(&first, "it is here").help("which of them holds would be a matter of luck: join them"),
            );
        }
        let set = of.set;
        if set.limit.is_none() && set.when.is_none() && set.mode.is_none() {
            problems.push(Problem::at(&set.place, "the override sets nothing").help("`limit`, `when` or `mode`"));
        }
        let limits = set.value.limit.map(|limits| super::service::limits(limits, &action.inputs, problems));
        let has_subject = action.subject.is_some();
        let when =
            set.value.when.and_then(|when| condition(&when, &action.inputs, has_subject, self.conditions, problems));
        grant.exception = Some(Box::new(Override {
            name: name.value,
            owner,
            reason: typed.reason.value,
            expires_at: typed.expires_at.value,
            limits,
            when,
            mode: set.value.mode,
        }));
    }
}

/// The inputs that all of these actions have, of one type.
fn shared_inputs(actions: &[&Action]) -> Vec<Arc<Input>> {
    let Some((first, others)) = actions.split_first() else { return Vec::new() };
    let same = |input: &Input, action: &Action| {
        action.inputs.iter().any(|one| one.name == input.name && one.kind == input.kind)
    };
    first.inputs.iter().filter(|input| others.iter().all(|action| same(input, action))).cloned().collect()
}

//! One operation and the rules that could be against it.

use jiff::Timestamp;

use super::{Objection, Objections, Ruling, is_on_trial};
use crate::bundle::Bundle;
use crate::catalog::{Action, ActionId, Content, Inputs, Match, Route};
use crate::contract::{Contract, Who};
use crate::gate::trail::{Look, Outcome, Trail};
use crate::identity::{Caller, Declared};
use crate::terms::{Purpose, Reason};

/// One operation.
pub(super) struct Call<'a, 'b> {
    pub(super) bundle: &'b Bundle,
    pub(super) id: ActionId,
    pub(super) action: &'b Action,
    pub(super) route: &'b Route,
    pub(super) content: Content<'a>,
    pub(super) inputs: Result<Inputs<'b>, Reason>,
    pub(super) now: Timestamp,
    /// The purpose that counts for this operation.
    pub(super) purpose: Option<Purpose>,
}

impl<'a, 'b> Call<'a, 'b> {
    /// An operation of an action. Its inputs are read here; `wrong` says why its body could not be.
    pub(super) fn new(
        bundle: &'b Bundle,
        found: &Match<'b, '_>,
        content: Content<'a>,
        wrong: Option<Reason>,
        now: Timestamp,
    ) -> Self {
        let inputs = match wrong {
            Some(reason) => Err(reason),
            None => read_inputs(found.action, found.route, &content),
        };
        let (id, action, route) = (found.id, found.action, found.route);
        Self { bundle, id, action, route, content, inputs, now, purpose: None }
    }

    /// What is against it.
    pub(super) fn judge(mut self, ruling: &mut Ruling<'b>, trail: &mut impl Trail) -> Vec<Objection> {
        let (action, route) = (self.action, self.route);
        self.enter(ruling);
        trail.note(|| {
            Look::new("catalogue", Outcome::Holds, format!("`{route}` is `{}`, tier `{}`", action.name, action.tier))
        });
        let demands = self.bundle.catalog.tiers().demands(action.tier);
        let on_trial = self.bundle.catalog.service(action.service).is_some_and(is_on_trial);
        let mut objections = Objections { on_trial, ..Objections::default() };
        let for_anyone = || self.bundle.contracts.granting(self.id).any(|contract| matches!(contract.who, Who::Anyone));
        if !ruling.caller.is_known() && (demands.known_caller || !for_anyone()) {
            // Whoever is nobody learns nothing of what is in the catalogue: this is what is said of an unmapped path, too.
            objections.add(Some(Reason::CallerUnknown), &"a known caller", trail, String::new);
            if !on_trial {
                ruling.against.append(&mut objections.against);
                return objections.list;
            }
            // Where that is relaxed, what is malformed still is not: the rest is asked, too.
        }
        self.weigh_inputs(&mut objections, trail);
        self.resolve_purpose(&ruling.caller);
        ruling.purpose = self.purpose.clone();
        self.weigh_guardrails(ruling, &mut objections, trail);
        self.weigh_contracts(ruling, &mut objections, trail);
        self.weigh_demands(demands, ruling, &mut objections, trail);
        ruling.against.append(&mut objections.against);
        objections.list
    }

    /// The ruling is about this action too; of several it names the one of the highest tier.
    fn enter(&self, ruling: &mut Ruling<'b>) {
        if ruling.action.is_none_or(|other| self.action.tier > other.tier) {
            ruling.action = Some(self.action);
            ruling.route = Some(self.route);
            ruling.service = self.bundle.catalog.service(self.action.service);
        }
        if !ruling.actions.iter().any(|other| other.name == self.action.name) {
            ruling.actions.push(self.action);
        }
    }

    /// Where the inputs cannot be read there is an objection already; what limits would say of nothing is no news.
    fn weigh_inputs(&self, objections: &mut Objections, trail: &mut impl Trail) {
        let count = || format!("{} declared", self.route.inputs.len());
        match &self.inputs {
            Err(reason) => objections.add(Some(*reason), &"inputs", trail, count),
            Ok(inputs) => {
                objections.add(None, &"inputs", trail, count);
                let limits = self.action.limits.iter().try_for_each(|limit| limit.check(inputs));
                objections.add(limits.err(), &"limits of the action", trail, || super::join(&self.action.limits));
            }
        }
    }

    /// The purpose is the one that the call declares, or else the only one of all contracts that are about its caller.
    fn resolve_purpose(&mut self, caller: &Caller) {
        self.purpose = match &caller.purpose {
            Declared::One(purpose) => Some(purpose.clone()),
            Declared::Unclear => None,
            Declared::Nothing => {
                let granting = self.bundle.contracts.granting(self.id);
                let about = granting.filter(|contract| contract.who.covers(caller).is_some());
                let mut only = about.map(Contract::only_purpose);
                let first = only.next().flatten();
                first.filter(|first| only.all(|one| one == Some(first))).cloned()
            }
        };
    }
}

/// Also looks at the parameters that the action sets or removes: Envoy would leave another spelling of them in.
fn read_inputs<'b>(action: &Action, route: &'b Route, content: &Content<'_>) -> Result<Inputs<'b>, Reason> {
    let set = action.mutations.set_query.iter().map(|(name, _)| name);
    let query = &content.target.query;
    action.mutations.remove_query.iter().chain(set).try_for_each(|name| query.value(name).map(|_| ()))?;
    if matches!(route.form, crate::catalog::Form::Grpc(_)) && !content.facts.is_grpc() {
        // A server that answers JSON under the same path would read the body in another way.
        return Err(Reason::BodyMediaType);
    }
    Inputs::read(&route.inputs, content)
}

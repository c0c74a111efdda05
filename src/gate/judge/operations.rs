//! The operations that a request carries, each judged by itself.
//!
//! A path is one operation; at an endpoint the body holds one or several. All of them must be allowed: an objection to any
//! is one to the request.

use jiff::Timestamp;

use super::call::Call;
use super::{Objection, Ruling, add_name, is_on_trial};
use crate::bundle::Bundle;
use crate::catalog::{Content, Element, Endpoint, Match, Needs, Parsed};
use crate::contract::{Contract, Parties};
use crate::facts::{Facts, Target};
use crate::gate::trail::{Look, Outcome, Trail};
use crate::identity::Declared;
use crate::terms::Reason;

/// What judging one request needs at hand.
pub(super) struct Judging<'a, 'b, 'f, T> {
    pub(super) bundle: &'b Bundle,
    pub(super) facts: &'a Facts<'f>,
    pub(super) target: &'a Target<'f>,
    pub(super) now: Timestamp,
    pub(super) ruling: &'a mut Ruling<'b>,
    pub(super) trail: &'a mut T,
}

impl<'b, T: Trail> Judging<'_, 'b, '_, T> {
    /// A request whose path tells what it is.
    pub(super) fn route(&mut self, found: &Match<'b, '_>) -> Vec<Objection> {
        let sends = || {
            let grants = self.bundle.contracts.granting(found.id);
            grants.filter_map(|contract| contract.grants.get(&found.action.name)).any(|grant| grant.sends.is_some())
        };
        let needs = match found.route.needs() {
            Needs::Nothing if sends() => Needs::Json,
            needs => needs,
        };
        let body = found.route.read_body(self.facts, needs);
        let (parsed, wrong) = match body {
            Ok(parsed) => (parsed, None),
            Err(reason) => (Parsed::NotRead, Some(reason)),
        };
        let content =
            Content { target: self.target, facts: self.facts, params: &found.params, body: &parsed, element: None };
        Call::new(self.bundle, found, content, wrong, self.now).judge(self.ruling, self.trail)
    }

    /// A request whose body tells what it is.
    pub(super) fn endpoint(&mut self, endpoint: &'b Endpoint) -> Vec<Objection> {
        let body = self.facts.body.json(&self.facts.headers, &endpoint.accepts);
        let elements = body
            .as_ref()
            .map_err(|reason| *reason)
            .and_then(|body| endpoint.elements(body, &self.facts.headers, &self.target.query));
        match elements {
            Ok(elements) => elements.iter().flat_map(|element| self.element(endpoint, element)).collect(),
            Err(reason) => {
                self.trail
                    .note(|| Look::new(format!("{} request", endpoint.protocol), Outcome::Fails, reason.detail()));
                self.ruling.against.push((format!("{} request", endpoint.protocol), reason));
                let unknown = (!self.ruling.caller.is_known()).then_some(Reason::CallerUnknown);
                [Some(reason), unknown]
                    .into_iter()
                    .flatten()
                    .map(|reason| Objection { reason, relaxed: false })
                    .collect()
            }
        }
    }

    fn element(&mut self, endpoint: &'b Endpoint, element: &Element<'_>) -> Vec<Objection> {
        let Some(found) = self.bundle.catalog.find_element(endpoint, &element.key) else {
            return self.unmapped();
        };
        let content = Content {
            target: self.target,
            facts: self.facts,
            params: &[],
            body: &Parsed::NotRead,
            element: Some((&element.message, &element.arguments)),
        };
        Call::new(self.bundle, &found, content, None, self.now).judge(self.ruling, self.trail)
    }

    /// What is not in the catalogue is denied, except to whom the operator grants it. An unknown caller learns nothing of
    /// what is in the catalogue.
    pub(super) fn unmapped(&mut self) -> Vec<Objection> {
        let mut services = self.bundle.catalog.services_at(self.target).iter().peekable();
        let is_known = services.peek().is_some();
        let relaxed = is_known && services.filter_map(|id| self.bundle.catalog.service(*id)).all(is_on_trial);
        self.ruling.unmapped = self.ruling.caller.is_known();
        self.trail.note(|| Look::new("catalogue", Outcome::Fails, "no route matches host, method and path"));
        let reason =
            if self.ruling.caller.is_known() { self.object_to_unmapped() } else { Some(Reason::CallerUnknown) };
        self.ruling.against.extend(reason.map(|reason| ("catalogue".to_owned(), reason)));
        reason.into_iter().map(|reason| Objection { reason, relaxed }).collect()
    }

    fn object_to_unmapped(&mut self) -> Option<Reason> {
        let reads = matches!(self.target.method, "GET" | "HEAD");
        let places = if reads { &self.bundle.unmapped.read } else { &self.bundle.unmapped.write };
        let caller = &self.ruling.caller;
        let behind = Parties::behind(caller);
        let purpose = match &caller.purpose {
            Declared::One(purpose) => Some(purpose.clone()),
            Declared::Nothing => None,
            Declared::Unclear => return Some(Reason::PurposeUndeclared),
        };
        let is_for = |contract: &&Contract| contract.is_for(purpose.as_ref());
        let granting: Vec<_> = places
            .iter()
            .filter_map(|place| self.bundle.contracts.at(*place))
            .filter(is_for)
            .filter_map(|contract| Some((contract, contract.who.covers(caller)?)))
            .collect();
        let covered = granting.iter().fold(Parties::default(), |covered, (_, parties)| covered.and(*parties));
        if !behind.without(covered).is_empty() {
            return Some(Reason::Unmapped);
        }
        for (contract, _) in granting {
            self.trail.note(|| {
                Look::new(format!("contract `{}`", contract.name), Outcome::Holds, "it may do what is unmapped")
            });
            add_name(&mut self.ruling.contracts, &contract.name);
            self.ruling.granted_for = self.ruling.granted_for.or(contract.purpose_for(purpose.as_ref()));
            self.ruling.retain = self.ruling.retain.and(contract.retain);
        }
        self.ruling.purpose = purpose;
        None
    }
}

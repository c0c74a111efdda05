//! Runs policy cases, and explains single calls.
//!
//! A case describes a call as the proxy would, so it goes through the same facts, identity and gate as a real one. A case
//! that names a reason fails when the verdict is right for another reason. What no case touches is named.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::json;

use super::{About, Context, Look, Outcome, Plan, plan_with};
use crate::bundle::{Asked, Bundle, Case};
use crate::catalog::Found;
use crate::facts::{Facts, Given, Told};
use crate::receipt::{Id, Pseudonyms};

/// What came of a case.
#[derive(Debug)]
pub struct Checked<'c> {
    /// The case.
    pub case: &'c Case,
    /// What is not as expected; empty where the case passed.
    pub differences: Vec<String>,
    /// What was decided.
    pub plan: Plan<'c>,
    /// Conditions and guardrails that were looked at, and what came of them.
    pub looked_at: BTreeSet<(About, Outcome)>,
}

/// What the cases touch.
#[derive(Debug, Default)]
pub struct Coverage {
    /// Actions that no case asks for.
    pub actions: Vec<String>,
    /// Contracts that no case is granted by.
    pub contracts: Vec<String>,
    /// Conditions that no case meets, or that every case meets.
    pub conditions: Vec<String>,
    /// Guardrails that are about no case's call.
    pub guardrails: Vec<String>,
    /// How many actions there are.
    pub all_actions: usize,
    /// How many contracts there are.
    pub all_contracts: usize,
    /// How many outcomes of conditions there are: two for each.
    pub all_conditions: usize,
    /// How many guardrails there are.
    pub all_guardrails: usize,
}

impl Coverage {
    /// Whether a case touches everything.
    pub fn is_whole(&self) -> bool {
        [&self.actions, &self.contracts, &self.conditions, &self.guardrails]
            .iter()
            .all(|untouched| untouched.is_empty())
    }
}

/// What a bundle says of a call, with every rule that was looked at.
pub fn explain<'b>(bundle: &'b Bundle, asked: &Asked) -> (Plan<'b>, Vec<Look>) {
    let user = bundle.identity.user.as_ref();
    let metadata = match (&asked.claims, user) {
        (Some(claims), Some(rule)) => json!({ rule.namespace.as_str(): { rule.key.as_str(): claims } }),
        _ => json!({}),
    };
    let message = message(bundle, asked);
    let body = message.as_deref().or(asked.body.as_deref().map(str::as_bytes));
    let told = Told {
        method: &asked.method,
        host: &asked.host,
        path: &asked.path,
        headers: asked.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect(),
        hides_no_header: false,
        body: body.map_or(Given::Nothing, Given::Bytes),
        size: body.map(|body| body.len() as u64),
        principal: &asked.workload,
        metadata: (&metadata).into(),
    };
    let pseudonyms = Pseudonyms::for_cases();
    let now = asked.now.unwrap_or(DEFAULT_NOW);
    let context = Context { now, receipt: Id::default(), trace_id: None, pseudonyms: &pseudonyms };
    let mut trail = Vec::new();
    let plan = plan_with(bundle, &Facts::read(told), &context, &mut trail);
    (plan, trail)
}

/// The body of a gRPC call, which people write as JSON: the message that a client would make of it. Where it is none, the
/// body stays as it is written, and is judged as that.
fn message(bundle: &Bundle, asked: &Asked) -> Option<Vec<u8>> {
    let body = asked.body.as_deref()?;
    let headers = asked.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
    let facts =
        Facts::read(Told { method: &asked.method, host: &asked.host, path: &asked.path, headers, ..Told::default() });
    let (Ok(target), true) = (&facts.target, facts.is_grpc()) else { return None };
    let Found::Mapped(found) = bundle.catalog.find(target) else { return None };
    found.route.message.as_ref()?.encode(body)
}

/// 2026-01-01T00:00:00Z: a case without a time has the same answer on every day.
const DEFAULT_NOW: Timestamp = Timestamp::constant(1_767_225_600, 0);

/// Runs one case.
pub fn check<'c>(bundle: &'c Bundle, case: &'c Case) -> Checked<'c> {
    let (plan, looks) = explain(bundle, &case.asked);
    let found = &plan.summary;
    let mut differences = Vec::new();
    let mut differ = |what: &str, expected: &str, found: &str| {
        if expected != found {
            differences.push(format!("{what}: expected `{expected}`, found `{found}`"));
        }
    };
    differ("verdict", case.expect.verdict.as_str(), found.verdict.as_str());
    if let Some(reason) = case.expect.reason {
        differ("reason", reason.code(), found.reason.code());
    }
    if let Some(action) = &case.expect.action {
        differ("action", action, found.action);
    }
    if let Some(mode) = case.expect.mode {
        differ("mode", mode.as_str(), found.mode.as_str());
    }
    let looked_at = looks.into_iter().filter_map(|look| Some((look.about?, look.outcome))).collect();
    Checked { case, differences, plan, looked_at }
}

/// What the cases touch: an action by being asked for, a contract by granting, a condition by holding and by not holding, a
/// guardrail by being about a call.
pub fn coverage(bundle: &Bundle, checked: &[Checked<'_>]) -> Coverage {
    let actions: BTreeSet<&str> = checked.iter().map(|one| one.plan.summary.action).collect();
    let granting: Vec<_> = checked.iter().flat_map(|one| one.plan.decision().contracts).collect();
    let contracts: BTreeSet<&str> = granting.iter().map(String::as_str).collect();
    let untouched = |name: &&str, touched: &BTreeSet<&str>| !touched.contains(name);
    let all_actions: Vec<_> = bundle.catalog.actions().map(|(_, action)| action.name.as_str()).collect();
    let all_contracts: Vec<_> = bundle.contracts.iter().map(|contract| contract.name.as_str()).collect();
    let looked_at: BTreeSet<_> = checked.iter().flat_map(|one| &one.looked_at).collect();
    let conditions: Vec<_> = conditions_of(bundle).collect();
    let guardrails: Vec<_> = bundle.guardrails.iter().map(|one| About::Guardrail(one.name.clone())).collect();
    let both = [(Outcome::Holds, "it never holds"), (Outcome::Fails, "it always holds")];
    let untouched_outcomes = conditions.iter().flat_map(|about| {
        let missing = both.iter().filter(|(outcome, _)| !looked_at.contains(&(about.clone(), *outcome)));
        missing.map(move |(_, what)| format!("{about}: {what}"))
    });
    let fired = |about: &About| looked_at.contains(&(about.clone(), Outcome::Holds));
    Coverage {
        conditions: untouched_outcomes.collect(),
        guardrails: guardrails.iter().filter(|about| !fired(about)).map(ToString::to_string).collect(),
        all_conditions: 2 * conditions.len(),
        all_guardrails: guardrails.len(),
        actions: all_actions.iter().filter(|name| untouched(name, &actions)).map(|name| (*name).to_owned()).collect(),
        contracts: all_contracts
            .iter()
            .filter(|name| untouched(name, &contracts))
            .map(|name| (*name).to_owned())
            .collect(),
        all_actions: all_actions.len(),
        all_contracts: all_contracts.len(),
    }
}

/// The conditions of all grants; that of an override counts with its grant.
fn conditions_of(bundle: &Bundle) -> impl Iterator<Item = About> {
    bundle.contracts.iter().flat_map(|contract| {
        let conditional = contract.grants.iter().filter(|(_, grant)| {
            grant.when.is_some() || grant.exception.as_ref().is_some_and(|exception| exception.when.is_some())
        });
        conditional.map(|(action, _)| About::Condition { contract: contract.name.clone(), action: action.clone() })
    })
}

//! Envoy Gateway: a policy at a route takes the place of the one at its Gateway.

use std::collections::BTreeSet;

use super::super::finding::{Found, codes};
use super::super::object::{GRPC_ROUTE, HTTP_ROUTE, Index, Kind, Object, SECURITY_POLICY};

codes! {
    REPLACED = "envoy-gateway.policy-replaced", Error:
        "this policy takes Tollgate out for its route",
        "A SecurityPolicy at a route replaces the one at the Gateway, Tollgate's question with it, unless it is merged. Whoever may write the one can so take out the other.",
        "set `mergeType: StrategicMerge`, or repeat `extAuth` here";
}

pub(in super::super) fn check(index: &Index<'_>, found: &mut Found) {
    let questions = super::questions(index);
    let is_question: BTreeSet<_> = questions.iter().map(|one| std::ptr::from_ref(*one)).collect();
    let at_gateways: BTreeSet<_> = questions.iter().flat_map(|policy| guarded_gateways(policy)).collect();
    if at_gateways.is_empty() {
        return;
    }
    let is_guarded = |route: &Object<'_>| {
        let parents = route.spec().get("parentRefs").items();
        parents.iter().any(|parent| {
            let namespace = parent.get("namespace").text().unwrap_or(route.namespace);
            let name = parent.get("name").text().unwrap_or_default();
            let is_named = |(one, _): &&(&str, &str)| *one == name;
            at_gateways.contains(&(name, namespace))
                || at_gateways.contains(&(name, ""))
                || namespace.is_empty() && at_gateways.range((name, "")..).next().is_some_and(|one| is_named(&one))
        })
    };
    let others = index.all(SECURITY_POLICY).filter(|policy| !is_question.contains(&std::ptr::from_ref(*policy)));
    for policy in others.filter(|policy| !policy.spec().get("mergeType").exists()) {
        check_targets(policy, &is_guarded, index, found);
        for selector in policy.spec().get("targetSelectors").items() {
            let routes = ROUTES.into_iter().flat_map(|kind| index.all(kind));
            let mut meant = routes.filter(|route| super::selects(&selector, policy, route));
            if meant.any(is_guarded) {
                found.add(&REPLACED, policy, &selector);
            }
        }
    }
}

const ROUTES: [Kind; 2] = [HTTP_ROUTE, GRPC_ROUTE];

fn check_targets(policy: &Object<'_>, is_guarded: &dyn Fn(&Object<'_>) -> bool, index: &Index<'_>, found: &mut Found) {
    for target in policy.targets() {
        let Some(kind) = ROUTES.into_iter().find(|kind| target.get("kind").is(kind.1)) else { continue };
        let name = target.get("name").text().unwrap_or_default();
        match index.named(kind, policy.namespace, name) {
            Some(route) if is_guarded(route) => found.add(&REPLACED, policy, &target.get("name")),
            Some(_) => {}
            None => found.note(format!(
                "{} replaces what its Gateway has for {} `{name}`, which was not given: whether Tollgate is asked there was not looked at",
                policy.title(),
                kind.1
            )),
        }
    }
}

/// Name and namespace of the Gateways that a policy is at.
fn guarded_gateways<'n>(policy: &Object<'n>) -> Vec<(&'n str, &'n str)> {
    let targets = policy.targets().into_iter().filter(|target| target.get("kind").is("Gateway"));
    targets.filter_map(|target| target.get("name").text().map(|name| (name, policy.namespace))).collect()
}

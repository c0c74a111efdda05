//! Envoy Gateway: a policy at a route takes the place of the one at its Gateway.

use super::super::field::Field;
use super::super::finding::{Found, codes};
use super::super::object::{GRPC_ROUTE, HTTP_ROUTE, Index, Object, SECURITY_POLICY};

codes! {
    REPLACED = "envoy-gateway.policy-replaced", Error:
        "this policy takes Tollgate out for its route",
        "A SecurityPolicy at a route replaces the one at the Gateway, Tollgate's question with it, unless it is merged. Whoever may write the one can so take out the other.",
        "set `mergeType: StrategicMerge`, or repeat `extAuth` here";
}

pub(in super::super) fn check(index: &Index<'_>, found: &mut Found) {
    let is_at_gateway = |target: &Field<'_>| target.get("kind").is("Gateway");
    let questions = super::questions(index);
    let gateways: Vec<_> = questions.iter().flat_map(|one| super::targets(one)).filter(is_at_gateway).collect();
    if gateways.is_empty() {
        return;
    }
    let names: Vec<_> = gateways.iter().filter_map(|one| one.get("name").text()).collect();
    for policy in index.all(SECURITY_POLICY) {
        let asks = questions.iter().any(|one| std::ptr::eq::<Object<'_>>(*one, policy));
        if asks || policy.spec().get("mergeType").exists() {
            continue;
        }
        for target in super::targets(policy) {
            let kind = [HTTP_ROUTE, GRPC_ROUTE].into_iter().find(|kind| target.get("kind").is(kind.1));
            let name = target.get("name").text().unwrap_or_default();
            let route = kind.and_then(|kind| index.named(kind, policy.namespace, name));
            let parents = route.map(|route| route.spec().get("parentRefs").items()).unwrap_or_default();
            if parents.iter().filter_map(|parent| parent.get("name").text()).any(|name| names.contains(&name)) {
                found.add(&REPLACED, policy, &target.get("name"));
            }
        }
        if !index.has(HTTP_ROUTE) && !index.has(GRPC_ROUTE) {
            found.note(format!("{} may replace the policy at the Gateway for its route: no routes were given, so that was not looked at", policy.title()));
        }
    }
}

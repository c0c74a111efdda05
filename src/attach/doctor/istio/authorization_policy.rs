//! Istio: the policies with `action: CUSTOM`, which say where Tollgate is asked.

use std::collections::BTreeMap;

use super::super::field::Field;
use super::super::finding::{Found, codes};
use super::super::object::{AUTHORIZATION_POLICY, DEPLOYMENT, Index, MESH_CONFIG, Object, ours};
use super::{ambient, providers};

codes! {
    RULES_MISSING = "istio.rules-missing", Error:
        "a CUSTOM policy without rules is never asked about",
        "A rule says which requests Tollgate is asked about. Without one it is asked about none, and everything passes.",
        "write `rules: [{}]` for all requests";
    PROVIDER_UNKNOWN = "istio.provider-unknown", Error:
        "no mesh configuration defines this provider",
        "Istio denies what the rules match (403, `deny-due-to-bad-CUSTOM-action`), and asks nobody.",
        "give `provider.name` the name of one of `extensionProviders`, or add it there";
    TWO_PROVIDERS = "istio.two-providers", Error:
        "two CUSTOM providers stand before the same workloads",
        "Istio takes one for each workload: with two it denies everything, unless istiod runs with `PILOT_ENABLE_MULTIPLE_CUSTOM_AUTHZ_PROVIDERS`.",
        "leave one of the policies out, or narrow their selectors";
    SOURCE = "istio.source-in-custom", Error:
        "a CUSTOM policy cannot ask who is calling",
        "istiod refuses the policy, so nothing is asked about. Only addresses, paths, methods, hosts and headers can be matched here.",
        "take it out: who may do what is decided by Tollgate's contracts";
    SELECTOR_AND_TARGETS = "istio.selector-and-target-refs", Error:
        "`selector` and `targetRefs` stand in one policy",
        "istiod refuses a policy with both, so nothing is asked about.",
        "keep `targetRefs` for waypoints and gateways, `selector` for sidecars";
    SELECTOR_ON_WAYPOINT = "istio.selector-on-waypoint", Error:
        "no CUSTOM policy of this namespace is for its waypoint",
        "A waypoint heeds only policies with `targetRefs`. One with a `selector`, or with neither, is never evaluated there, and nothing says so.",
        "add `targetRefs` that name the Service or the waypoint's Gateway";
    USER_NOT_SENT = "istio.user-not-sent", Note:
        "asked through a CUSTOM policy, Tollgate never knows a user",
        "`Identity` reads users from what the token filter leaves. Istio's CUSTOM policies ask before tokens are verified, and take nothing along: contracts that name a user are not met, and the tiers `impact` and `critical` are always challenged.",
        "name workloads alone in what is reached this way, or attach with an EnvoyFilter behind the token filter";
    PATHS_BY_PREFIX = "istio.paths-by-prefix", Warning:
        "what begins or ends like this is not asked about",
        "Paths are compared before the service tidies them, and everything below a prefix is open: also what is added there later.",
        "name exact paths in `notPaths`";
}

pub(in super::super) fn check(index: &Index<'_>, found: &mut Found) {
    let all: Vec<_> = index.all(AUTHORIZATION_POLICY).filter(|one| one.spec().get("action").is("CUSTOM")).collect();
    let of_tollgate = ours(all.clone(), |one| one.root.mentions("tollgate"));
    for policy in &of_tollgate {
        check_policy(policy, found);
        check_provider(policy, index, found);
    }
    for (identity, from) in index.users_from_tokens().filter(|_| !of_tollgate.is_empty()) {
        found.add(&USER_NOT_SENT, identity, &from);
    }
    let may_be_several =
        index.all(DEPLOYMENT).any(|one| one.root.mentions("PILOT_ENABLE_MULTIPLE_CUSTOM_AUTHZ_PROVIDERS"));
    if !may_be_several {
        check_two_providers(&all, &of_tollgate, found);
    }
    check_waypoints(index, &of_tollgate, found);
}

fn check_policy(policy: &Object<'_>, found: &mut Found) {
    let spec = policy.spec();
    let rules = spec.get("rules");
    if rules.is_empty() {
        found.add(&RULES_MISSING, policy, &rules);
    }
    if spec.get("selector").exists() && !target_refs(policy).is_empty() {
        found.add(&SELECTOR_AND_TARGETS, policy, &spec.get("selector"));
    }
    for rule in rules.items() {
        for from in rule.get("from").items() {
            let source = from.get("source").entries();
            for (_, field) in source.iter().filter(|(key, _)| !key.to_lowercase().ends_with("ipblocks")) {
                found.add(&SOURCE, policy, field);
            }
        }
        for when in rule.get("when").items() {
            let key = when.get("key");
            let asks_who =
                |key: &str| key.starts_with("source.") && key != "source.ip" || key.starts_with("request.auth.");
            if key.text().is_some_and(asks_who) {
                found.add(&SOURCE, policy, &key);
            }
        }
        for path in rule.get("to").items().iter().flat_map(|to| to.at("operation.notPaths").items()) {
            if path.text().is_some_and(|path| path.contains(['*', '{'])) {
                found.add(&PATHS_BY_PREFIX, policy, &path);
            }
        }
    }
}

fn check_provider(policy: &Object<'_>, index: &Index<'_>, found: &mut Found) {
    let name = policy.spec().at("provider.name");
    if !index.has(MESH_CONFIG) {
        found.note("no mesh configuration was given: whether the providers that CUSTOM policies name exist, and how they are set, was not looked at (kubectl -n istio-system get configmap istio -o yaml)");
    } else if !providers(index).iter().any(|one| Some(one.name()) == name.text()) {
        found.add_about(&PROVIDER_UNKNOWN, policy, &name, format!("`{}`", name.text().unwrap_or_default()));
    }
}

fn check_two_providers(all: &[&Object<'_>], of_tollgate: &[&Object<'_>], found: &mut Found) {
    let provider = |one: &Object<'_>| one.spec().at("provider.name").text().unwrap_or_default().to_owned();
    let is_ours = |one: &Object<'_>| of_tollgate.iter().any(|ours| std::ptr::eq(*ours, one));
    for (at, later) in all.iter().enumerate() {
        for earlier in all.iter().take(at).filter(|earlier| may_meet(earlier, later)) {
            // Tollgate's is pointed at; where both are, the later one.
            let (policy, rival) = if is_ours(later) { (later, earlier) } else { (earlier, later) };
            if is_ours(policy) && provider(policy) != provider(rival) {
                let about = format!("also {}", rival.title());
                found.add_about(&TWO_PROVIDERS, policy, &policy.spec().at("provider.name"), about);
            }
        }
    }
}

/// Whether two policies are for the same workloads, as far as their selectors say it.
fn may_meet(one: &Object<'_>, other: &Object<'_>) -> bool {
    let root = |one: &Object<'_>| one.namespace == "istio-system";
    if !(one.is_in(other.namespace) || root(one) || root(other)) {
        return false;
    }
    let (targets, other_targets) = (target_refs(one), target_refs(other));
    if !targets.is_empty() || !other_targets.is_empty() {
        let same =
            |a: &Field<'_>, b: &Field<'_>| ["kind", "name"].iter().all(|key| a.get(key).text() == b.get(key).text());
        return targets.iter().any(|a| other_targets.iter().any(|b| same(a, b)));
    }
    let (labels, other_labels) = (selected(one), selected(other));
    labels.is_empty() || other_labels.is_empty() || labels == other_labels
}

fn selected<'n>(policy: &Object<'n>) -> BTreeMap<&'n str, Option<&'n str>> {
    let labels = policy.spec().at("selector.matchLabels").entries();
    labels.iter().map(|(key, value)| (*key, value.text())).collect()
}

/// A waypoint in a namespace whose policies are all for something else.
fn check_waypoints(index: &Index<'_>, policies: &[&Object<'_>], found: &mut Found) {
    for waypoint in ambient::waypoints(index) {
        let here: Vec<_> = policies.iter().filter(|policy| policy.is_in(waypoint.namespace)).collect();
        if here.iter().any(|policy| !target_refs(policy).is_empty()) {
            continue;
        }
        for policy in here {
            let selector = policy.spec().get("selector");
            found.add_about(&SELECTOR_ON_WAYPOINT, policy, &selector, waypoint.title());
        }
    }
}

/// Both spellings: one, and a list.
pub(super) fn target_refs<'n>(object: &Object<'n>) -> Vec<Field<'n>> {
    let one = object.spec().get("targetRef");
    object.spec().get("targetRefs").items().into_iter().chain(one.exists().then_some(one)).collect()
}

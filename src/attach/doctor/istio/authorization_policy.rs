//! Istio: the policies with `action: CUSTOM`, which say where Tollgate is asked.

use std::collections::{BTreeMap, BTreeSet};

use super::super::field::Field;
use super::super::finding::{Found, codes};
use super::super::object::{AUTHORIZATION_POLICY, ByNamespace, DEPLOYMENT, Index, MESH_CONFIG, Object};
use super::{Provider, ROOT_NAMESPACE, ambient, providers};

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
    ONLY_LISTED = "istio.only-listed", Warning:
        "only what is listed is asked about",
        "A rule with `paths`, `methods`, `ports` or `hosts` is about these alone, one with a header in `when` about requests that have it. All others pass unjudged: also what is added later, or written in another way.",
        "write `rules: [{}]`, and name what may go unjudged in `notPaths`";
}

/// A policy with `action: CUSTOM`.
struct Custom<'i, 'n> {
    policy: &'i Object<'n>,
    provider: &'n str,
    /// Whether it asks Tollgate.
    is_ours: bool,
}

/// All of them. Where some mention Tollgate, the others are somebody else's.
fn customs<'i, 'n>(index: &'i Index<'n>) -> Vec<Custom<'i, 'n>> {
    let all = index.all(AUTHORIZATION_POLICY).filter(|one| one.spec().get("action").is("CUSTOM"));
    let custom = |policy: &'i Object<'n>| {
        let provider = policy.spec().at("provider.name").text().unwrap_or_default();
        Custom { policy, provider, is_ours: policy.root.mentions("tollgate") }
    };
    let mut all: Vec<_> = all.map(custom).collect();
    if !all.iter().any(|one| one.is_ours) {
        for one in &mut all {
            one.is_ours = true;
        }
    }
    all
}

/// The policies that ask Tollgate.
pub(super) fn of_tollgate<'i, 'n>(index: &'i Index<'n>) -> Vec<&'i Object<'n>> {
    customs(index).into_iter().filter(|one| one.is_ours).map(|one| one.policy).collect()
}

pub(in super::super) fn check(index: &Index<'_>, found: &mut Found) {
    let all = customs(index);
    let of_tollgate = of_tollgate(index);
    for policy in &of_tollgate {
        check_policy(policy, found);
    }
    check_provider(&of_tollgate, index, found);
    for (identity, from) in index.users_from_tokens().filter(|_| !of_tollgate.is_empty()) {
        found.add(&USER_NOT_SENT, identity, &from);
    }
    let may_be_several =
        index.all(DEPLOYMENT).any(|one| one.root.mentions("PILOT_ENABLE_MULTIPLE_CUSTOM_AUTHZ_PROVIDERS"));
    if !may_be_several {
        check_two_providers(&all, found);
    }
    check_listed(&of_tollgate, found);
    check_waypoints(index, &of_tollgate, found);
}

fn check_policy(policy: &Object<'_>, found: &mut Found) {
    let spec = policy.spec();
    let rules = spec.get("rules");
    if rules.is_empty() {
        found.add(&RULES_MISSING, policy, &rules);
    }
    if spec.get("selector").exists() && !policy.targets().is_empty() {
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

/// Policies of which every rule is about a list, where no other one is about the rest.
fn check_listed(policies: &[&Object<'_>], found: &mut Found) {
    let is_whole =
        |policy: &&&Object<'_>| policy.spec().get("rules").items().iter().any(|rule| narrows(rule).is_none());
    let whole = ByNamespace::of(policies.iter().filter(is_whole).map(|one| (one.namespace, *one)));
    for policy in policies {
        let mut near = whole.within(policy.namespace).chain(whole.within(ROOT_NAMESPACE));
        let lists: Option<Vec<_>> = policy.spec().get("rules").items().iter().map(narrows).collect();
        if let Some(first) = lists.unwrap_or_default().first()
            && !near.any(|other| covers(other, policy))
        {
            found.add(&ONLY_LISTED, policy, first);
        }
    }
}

/// What makes a rule one about less than all requests, as far as who asks may choose it. Paths, methods and ports that it leaves out
/// by name are meant; a header that takes a request out is whoever's who sends it.
fn narrows<'n>(rule: &Field<'n>) -> Option<Field<'n>> {
    let is_all = |list: &Field<'_>| list.texts().iter().any(|word| ["*", "/*", "/{**}"].contains(word));
    let listed = |to: &Field<'n>| {
        let lists = ["paths", "methods", "ports", "hosts"].map(|key| to.get("operation").get(key));
        lists.into_iter().find(|list| !list.is_empty() && !is_all(list))
    };
    // One of several operations is enough: all must be about a list.
    let lists: Option<Vec<_>> = rule.get("to").items().iter().map(listed).collect();
    let is_header = |when: &Field<'_>| when.get("key").text().is_some_and(|key| key.starts_with("request.headers["));
    let conditions = rule.get("when").items().into_iter().flat_map(|when| {
        let of_header = is_header(&when);
        let listed = (of_header || when.get("key").is("destination.port")).then(|| when.get("values"));
        listed.into_iter().chain(of_header.then(|| when.get("notValues")))
    });
    lists.unwrap_or_default().into_iter().chain(conditions.filter(|values| !values.is_empty())).next()
}

/// Whether a policy is for all workloads of another.
fn covers(policy: &Object<'_>, of: &Object<'_>) -> bool {
    let (targets, wanted) = (policy.targets(), of.targets());
    let labels = selected(of);
    wanted.iter().all(|one| targets.iter().any(|other| is_same_target(one, other)))
        && targets.is_empty() == wanted.is_empty()
        && selected(policy).iter().all(|(key, value)| labels.get(key) == Some(value))
}

fn check_provider(of_tollgate: &[&Object<'_>], index: &Index<'_>, found: &mut Found) {
    let providers = providers(index);
    let known: BTreeSet<_> = providers.iter().map(Provider::name).collect();
    for policy in of_tollgate {
        let name = policy.spec().at("provider.name");
        if !index.has(MESH_CONFIG) {
            found.note("no mesh configuration was given: whether the providers that CUSTOM policies name exist, and how they are set, was not looked at (kubectl -n istio-system get configmap istio -o yaml)");
        } else if !name.text().is_some_and(|name| known.contains(name)) {
            found.add_about(&PROVIDER_UNKNOWN, policy, &name, format!("`{}`", name.text().unwrap_or_default()));
        }
    }
}

fn check_two_providers(all: &[Custom<'_, '_>], found: &mut Found) {
    let providers: BTreeSet<_> = all.iter().map(|one| one.provider).collect();
    if providers.len() < 2 {
        return;
    }
    let by_namespace = ByNamespace::of(all.iter().enumerate().map(|(at, one)| (one.policy.namespace, (at, one))));
    for (at, ours) in all.iter().enumerate().filter(|(_, one)| one.is_ours) {
        // One of the root namespace is for the pods of all.
        let here = if ours.policy.namespace == ROOT_NAMESPACE { "" } else { ours.policy.namespace };
        let mut near = by_namespace.within(here).chain(by_namespace.within(ROOT_NAMESPACE));
        // Tollgate's is pointed at; where both are, the later one.
        let rival = near.find(|(other_at, other)| {
            other.provider != ours.provider && (!other.is_ours || *other_at < at) && may_meet(other.policy, ours.policy)
        });
        if let Some((_, rival)) = rival {
            let about = format!("also {}", rival.policy.title());
            found.add_about(&TWO_PROVIDERS, ours.policy, &ours.policy.spec().at("provider.name"), about);
        }
    }
}

/// Whether two policies are for the same workloads, as far as their selectors say it.
fn may_meet(one: &Object<'_>, other: &Object<'_>) -> bool {
    let (targets, other_targets) = (one.targets(), other.targets());
    if !targets.is_empty() || !other_targets.is_empty() {
        return targets.iter().any(|a| other_targets.iter().any(|b| is_same_target(a, b)));
    }
    let (labels, other_labels) = (selected(one), selected(other));
    labels.is_empty() || other_labels.is_empty() || labels == other_labels
}

fn is_same_target(one: &Field<'_>, other: &Field<'_>) -> bool {
    ["kind", "name"].iter().all(|key| one.get(key).text() == other.get(key).text())
}

fn selected<'n>(policy: &Object<'n>) -> BTreeMap<&'n str, Option<&'n str>> {
    let labels = policy.spec().at("selector.matchLabels").entries();
    labels.iter().map(|(key, value)| (*key, value.text())).collect()
}

/// A waypoint in a namespace whose policies are all for something else.
fn check_waypoints(index: &Index<'_>, policies: &[&Object<'_>], found: &mut Found) {
    let by_namespace = ByNamespace::of(policies.iter().map(|policy| (policy.namespace, *policy)));
    for waypoint in ambient::waypoints(index) {
        let here: Vec<_> = by_namespace.within(waypoint.namespace).collect();
        if here.iter().any(|policy| !policy.targets().is_empty()) {
            continue;
        }
        for policy in here {
            let selector = policy.spec().get("selector");
            found.add_about(&SELECTOR_ON_WAYPOINT, policy, &selector, waypoint.title());
        }
    }
}

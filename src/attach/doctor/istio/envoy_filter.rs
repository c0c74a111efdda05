//! Istio: filters that are put into Envoy's configuration by hand.

use std::collections::BTreeSet;

use super::super::envoy::{filter, headers};
use super::super::field::Field;
use super::super::finding::{Found, codes};
use super::super::object::{ENVOY, ENVOY_FILTER, Index, Object};

codes! {
    ADDED_LAST = "istio.filter-added-last", Error:
        "the filter is put behind the router",
        "`ADD` appends, and so does `INSERT_AFTER` the router. Envoy refuses the whole listener (\"terminal filter … must be the last filter\"), and pods never become ready. The listener that runs goes on without Tollgate.",
        "use `operation: INSERT_BEFORE` with the router as `subFilter`";
    FILTER_CLASS = "istio.filter-class", Warning:
        "`filterClass` is not heeded by istiod",
        "The API documents it as a way to place a filter, and it is ignored: the filter stands elsewhere than it says.",
        "take it out, and use `operation: INSERT_BEFORE` with the router as `subFilter`";
    REFERENCED_SERVICES = "istio.referenced-services-missing", Error:
        "the waypoint is not told of Tollgate's cluster",
        "Waypoints and gateways with filtered configuration get only the clusters that they are told of. Without Tollgate's, Envoy refuses the listener, or every request.",
        "annotate the EnvoyFilter with `envoyfilter.istio.io/referenced-services: <namespace>/<host of Tollgate>`";
    REMOVED = "istio.filter-removed", Error:
        "the filter that asks is taken out",
        "`REMOVE` takes the question out of every listener that it matches, also the one that a CUSTOM policy put there: everything passes unjudged.",
        "take this patch out";
    MERGED_OPEN = "istio.merged-fail-open", Error:
        "a patch makes the filter let requests pass that were not judged",
        "`MERGE` changes a filter that another EnvoyFilter or a CUSTOM policy has put there: every request then passes while Tollgate cannot be reached, is too slow or answers an error. A later `false` takes nothing back.",
        "take `failure_mode_allow` out of this patch";
    DISABLED = "istio.filter-disabled", Error:
        "the filter is put there switched off",
        "`disabled: true` at a filter means that only routes with settings of their own for it are asked about. No patch makes any.",
        "take `disabled` out";
    PAYLOAD_KEY = "istio.payload-key", Warning:
        "Istio leaves verified tokens under another key than `Identity` reads",
        "Istio's token filter calls what it verified `payload`, and in older versions like the issuer. Under another key there is never a user, and every contract that names one is not met.",
        "write `from: \"metadata:envoy.filters.http.jwt_authn/payload\"`";
    CONTEXT_WAYPOINT = "istio.context-waypoint", Error:
        "`context: WAYPOINT` matches nothing",
        "The API knows the word and istiod does nothing with it: the filter is put nowhere, and nothing says so.",
        "use `context: SIDECAR_INBOUND` with `targetRefs` that name the waypoint's Gateway";
}

pub(in super::super) fn check(index: &Index<'_>, found: &mut Found) {
    let all = asking(index);
    let settings: Vec<_> = index.all(ENVOY_FILTER).flat_map(|one| one.root.find(filter::PER_FILTER)).collect();
    // By its type, whatever the filter is called, and by a name.
    let is_turned_on = settings.iter().any(|one| filter::turns_on(one, ""));
    let turned_on: BTreeSet<_> = settings.iter().flat_map(filter::turned_on).collect();
    for (object, whose) in &all {
        match whose {
            Whose::Tollgates => {
                check_filter(object, found);
                for patch in patches(object).iter().filter(|_| !is_turned_on) {
                    check_disabled(object, patch, &turned_on, found);
                }
            }
            // Who turns the question off need not name whom it is put to.
            Whose::Another => patches(object).iter().for_each(|patch| check_undone(object, patch, found)),
        }
    }
    if !of_tollgate(index).is_empty() {
        check_payload_key(index, found);
    }
    if headers::only_seen_are_removed(index) {
        for (object, whose) in &all {
            check_hidden(object, whose, found);
        }
    }
}

/// What is hidden from a Tollgate that takes out no more than it was shown. What another puts there hides headers from another.
fn check_hidden(object: &Object<'_>, whose: &Whose, found: &mut Found) {
    for patch in patches(object) {
        let is_merged = patch.at("patch.operation").is("MERGE") && is_into_question(&patch);
        if is_merged || matches!(whose, Whose::Tollgates) {
            headers::check_left(object, &patch.at("patch.value.typed_config"), found);
        }
    }
}

fn patches<'n>(filter: &Object<'n>) -> Vec<Field<'n>> {
    filter.spec().get("configPatches").items()
}

/// A filter that nobody is asked by.
fn check_disabled(object: &Object<'_>, patch: &Field<'_>, turned_on: &BTreeSet<&str>, found: &mut Found) {
    let value = patch.at("patch.value");
    let disabled = value.get("disabled");
    // A patch merges settings, and nothing that stands around them.
    let is_added = patch.get("applyTo").is("HTTP_FILTER") && !patch.at("patch.operation").is("MERGE");
    if !is_added || !disabled.is_true() || !filter::is_question(&value.get("typed_config")) {
        return;
    }
    if !value.get("name").text().is_some_and(|name| turned_on.contains(name)) {
        found.add(&DISABLED, object, &disabled);
    }
}

/// Where `Identity` reads users from Istio's own token filter, and not from one that was put in beside it.
fn check_payload_key(index: &Index<'_>, found: &mut Found) {
    let has_own = |one: &Object<'_>| !one.root.find("payload_in_metadata").is_empty();
    if [ENVOY_FILTER, ENVOY].into_iter().flat_map(|kind| index.all(kind)).any(has_own) {
        return;
    }
    // An issuer is nearly always a URL or an address.
    let is_istios = |key: &str| key == "payload" || key.contains([':', '.', '@']);
    for (identity, from) in index.users_from_tokens() {
        let key = from.text().and_then(|from| from.strip_prefix("metadata:envoy.filters.http.jwt_authn/"));
        if key.is_some_and(|key| !is_istios(key)) {
            found.add(&PAYLOAD_KEY, identity, &from);
        }
    }
}

enum Whose {
    Tollgates,
    Another,
}

/// Those that have to do with a question. Where some mention Tollgate, the others are somebody else's.
fn asking<'i, 'n>(index: &'i Index<'n>) -> Vec<(&'i Object<'n>, Whose)> {
    let asks = |one: &&Object<'_>| one.root.mentions("ext_authz") || one.root.mentions("ext_proc");
    let all: Vec<_> = index.all(ENVOY_FILTER).filter(asks).map(|one| (one, one.root.mentions("tollgate"))).collect();
    let none_is = !all.iter().any(|(_, is_ours)| *is_ours);
    let whose = |is_ours: bool| if is_ours || none_is { Whose::Tollgates } else { Whose::Another };
    all.into_iter().map(|(one, is_ours)| (one, whose(is_ours))).collect()
}

/// Those that put a question to Tollgate into proxies beside services.
pub(super) fn of_tollgate<'i, 'n>(index: &'i Index<'n>) -> Vec<&'i Object<'n>> {
    let asks = |patch: &Field<'_>| {
        let context = patch.at("match.context");
        let is_added = ["INSERT_BEFORE", "INSERT_AFTER", "INSERT_FIRST", "ADD", "REPLACE"]
            .iter()
            .any(|one| patch.at("patch.operation").is(one));
        let is_inbound = ["SIDECAR_INBOUND", "ANY"].iter().any(|one| context.is(one)) || !context.exists();
        patch.get("applyTo").is("HTTP_FILTER")
            && is_added
            && is_inbound
            && filter::asks(&patch.at("patch.value.typed_config"))
    };
    let ours = asking(index).into_iter().filter(|(_, whose)| matches!(whose, Whose::Tollgates)).map(|(one, _)| one);
    ours.filter(|one| patches(one).iter().any(asks)).collect()
}

fn check_filter(object: &Object<'_>, found: &mut Found) {
    let annotation = object.annotations().get("envoyfilter.istio.io/referenced-services");
    let is_gateway = |target: &Field<'_>| target.get("kind").is("Gateway");
    if !annotation.exists()
        && object.root.mentions("cluster_name")
        && let Some(target) = object.targets().iter().find(|target| is_gateway(target))
    {
        found.add(&REFERENCED_SERVICES, object, target);
    }
    for patch in patches(object) {
        let context = patch.at("match.context");
        if context.is("WAYPOINT") {
            found.add(&CONTEXT_WAYPOINT, object, &context);
        }
        check_patch(object, &patch, found);
    }
}

fn check_patch(object: &Object<'_>, patch: &Field<'_>, found: &mut Found) {
    let value = patch.at("patch.value");
    let apply_to = patch.get("applyTo");
    if apply_to.is("HTTP_FILTER") {
        let operation = patch.at("patch.operation");
        if operation.is("ADD") || operation.is("INSERT_AFTER") && sub_filter(patch).ends_with(".router") {
            found.add(&ADDED_LAST, object, &operation);
        }
        let class = patch.at("patch.filterClass");
        if class.exists() {
            found.add(&FILTER_CLASS, object, &class);
        }
        // What is merged says nothing of what it does not name.
        if !operation.is("MERGE") {
            filter::check(object, &value.get("typed_config"), found);
        }
    }
    check_undone(object, patch, found);
}

/// What takes the question away again, of whoever it is.
fn check_undone(object: &Object<'_>, patch: &Field<'_>, found: &mut Found) {
    let value = patch.at("patch.value");
    let apply_to = patch.get("applyTo");
    if apply_to.is("HTTP_FILTER") {
        let operation = patch.at("patch.operation");
        let is_gone = operation.is("REMOVE") || operation.is("REPLACE") && !filter::asks(&value.get("typed_config"));
        if is_gone && sub_filter(patch).contains("ext_authz") {
            found.add(&REMOVED, object, &operation);
        }
        if operation.is("MERGE") {
            check_merged(object, patch, found);
        }
    } else if apply_to.is("HTTP_ROUTE") && patch.at("match.routeConfiguration.vhost.route.name").exists() {
        // Which paths a route of this name is for, stands elsewhere.
        if filter::disabled(&value, "").is_some() {
            let title = object.title();
            found.note(format!(
                "{title} turns the question off for a named route: whether that is one exact path was not looked at"
            ));
        }
    } else if ["HTTP_ROUTE", "VIRTUAL_HOST", "ROUTE_CONFIGURATION"].iter().any(|one| apply_to.is(one)) {
        filter::check_disabled_for_all(object, &value, "", found);
    }
}

/// What is merged into the filter that asks. As in all of protobuf, only what is switched on changes anything.
fn check_merged(object: &Object<'_>, patch: &Field<'_>, found: &mut Found) {
    if !is_into_question(patch) {
        return;
    }
    let config = patch.at("patch.value.typed_config");
    let allow = config.get("failure_mode_allow");
    if allow.is_true() {
        found.add(&MERGED_OPEN, object, &allow);
    }
    filter::check_written(object, &config, found);
}

/// Whether a patch is about a filter that asks.
fn is_into_question(patch: &Field<'_>) -> bool {
    filter::asks(&patch.at("patch.value.typed_config")) || sub_filter(patch).contains("ext_authz")
}

/// The filter that a patch is placed by.
fn sub_filter<'n>(patch: &Field<'n>) -> &'n str {
    patch.at("match.listener.filterChain.filter.subFilter.name").text().unwrap_or_default()
}

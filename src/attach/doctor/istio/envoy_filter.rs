//! Istio: filters that are put into Envoy's configuration by hand.

use super::super::envoy::filter;
use super::super::field::Field;
use super::super::finding::{Found, codes};
use super::super::object::{ENVOY_FILTER, Index, Object, ours};
use super::authorization_policy::target_refs;

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
    CONTEXT_WAYPOINT = "istio.context-waypoint", Error:
        "`context: WAYPOINT` matches nothing",
        "The API knows the word and istiod does nothing with it: the filter is put nowhere, and nothing says so.",
        "use `context: SIDECAR_INBOUND` with `targetRefs` that name the waypoint's Gateway";
}

pub(in super::super) fn check(index: &Index<'_>, found: &mut Found) {
    let asks = |one: &&Object<'_>| one.root.mentions("ext_authz") || one.root.mentions("ext_proc");
    let all: Vec<_> = index.all(ENVOY_FILTER).filter(asks).collect();
    let of_tollgate = ours(all.clone(), |one| one.root.mentions("tollgate"));
    for filter in all {
        if of_tollgate.iter().any(|ours| std::ptr::eq(*ours, filter)) {
            check_filter(filter, found);
        } else {
            // Who turns the question off need not name whom it is put to.
            filter.spec().get("configPatches").items().iter().for_each(|patch| check_undone(filter, patch, found));
        }
    }
}

fn check_filter(object: &Object<'_>, found: &mut Found) {
    let annotation = object.annotations().get("envoyfilter.istio.io/referenced-services");
    let is_gateway = |target: &Field<'_>| target.get("kind").is("Gateway");
    if !annotation.exists()
        && object.root.mentions("cluster_name")
        && let Some(target) = target_refs(object).iter().find(|target| is_gateway(target))
    {
        found.add(&REFERENCED_SERVICES, object, target);
    }
    for patch in object.spec().get("configPatches").items() {
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
        filter::check(object, &value.get("typed_config"), found);
    }
    check_undone(object, patch, found);
}

/// What takes the question away again, of whoever it is.
fn check_undone(object: &Object<'_>, patch: &Field<'_>, found: &mut Found) {
    let value = patch.at("patch.value");
    let apply_to = patch.get("applyTo");
    if apply_to.is("HTTP_FILTER") {
        let operation = patch.at("patch.operation");
        if operation.is("REMOVE") && sub_filter(patch).contains("ext_authz") {
            found.add(&REMOVED, object, &operation);
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

/// The filter that a patch is placed by.
fn sub_filter<'n>(patch: &Field<'n>) -> &'n str {
    patch.at("match.listener.filterChain.filter.subFilter.name").text().unwrap_or_default()
}

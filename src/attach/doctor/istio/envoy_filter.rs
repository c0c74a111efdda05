//! Istio: filters that are put into Envoy's configuration by hand.

use super::super::envoy::filter;
use super::super::field::Field;
use super::super::finding::{Found, codes};
use super::super::object::{ENVOY_FILTER, Index, Object, ours};
use super::authorization_policy::target_refs;

codes! {
    ADDED_LAST = "istio.filter-added-last", Error:
        "`ADD` puts the filter behind the router",
        "Envoy refuses the whole listener (\"terminal filter … must be the last filter\"), and pods never become ready. The listener that runs goes on without Tollgate.",
        "use `operation: INSERT_BEFORE` with the router as `subFilter`";
    FILTER_CLASS = "istio.filter-class", Warning:
        "`filterClass` is not heeded by istiod",
        "The API documents it as a way to place a filter, and it is ignored: the filter stands elsewhere than it says.",
        "take it out, and use `operation: INSERT_BEFORE` with the router as `subFilter`";
    REFERENCED_SERVICES = "istio.referenced-services-missing", Error:
        "the waypoint is not told of Tollgate's cluster",
        "Waypoints and gateways with filtered configuration get only the clusters that they are told of. Without Tollgate's, Envoy refuses the listener, or every request.",
        "annotate the EnvoyFilter with `envoyfilter.istio.io/referenced-services: <namespace>/<host of Tollgate>`";
    CONTEXT_WAYPOINT = "istio.context-waypoint", Error:
        "`context: WAYPOINT` matches nothing",
        "The API knows the word and istiod does nothing with it: the filter is put nowhere, and nothing says so.",
        "use `context: SIDECAR_INBOUND` with `targetRefs` that name the waypoint's Gateway";
}

pub(in super::super) fn check(index: &Index<'_>, found: &mut Found) {
    let asks = |one: &&Object<'_>| one.root.mentions("ext_authz") || one.root.mentions("ext_proc");
    for filter in ours(index.all(ENVOY_FILTER).filter(asks).collect(), |one| one.root.mentions("tollgate")) {
        check_filter(filter, found);
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
        if operation.is("ADD") {
            found.add(&ADDED_LAST, object, &operation);
        }
        let class = patch.at("patch.filterClass");
        if class.exists() {
            found.add(&FILTER_CLASS, object, &class);
        }
        filter::check(object, &value.get("typed_config"), found);
    } else if apply_to.is("HTTP_ROUTE") && patch.at("match.routeConfiguration.vhost.route.name").exists() {
        // Which paths a route of this name is for, stands elsewhere.
        if filter::disabled(&value).is_some() {
            let title = object.title();
            found.note(format!(
                "{title} turns the question off for a named route: whether that is one exact path was not looked at"
            ));
        }
    } else if ["HTTP_ROUTE", "VIRTUAL_HOST", "ROUTE_CONFIGURATION"].iter().any(|one| apply_to.is(one)) {
        filter::check_disabled_for_all(object, &value, found);
    }
}

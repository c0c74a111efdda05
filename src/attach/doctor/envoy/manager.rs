//! Envoy: the connection manager around the question, and the order of its filters.

use super::super::field::Field;
use super::super::finding::{Found, codes};
use super::super::object::{Index, Object};
use super::config::{Manager, is_filter};
use super::filter;
use super::route::Routes;

codes! {
    AFTER_ROUTER = "envoy.filter-after-router", Error:
        "the filter stands behind the router",
        "The router ends the chain: what stands behind it is never reached, and Envoy refuses such a listener.",
        "put it before `envoy.filters.http.router`";
    DISABLED = "envoy.filter-disabled", Error:
        "the filter is off, and no route turns it on",
        "`disabled: true` at a filter means that only routes with settings of their own for it are asked about. There is none.",
        "take `disabled` out";
    ROUTE_CACHE = "envoy.route-cache-cleared-later", Warning:
        "a later filter may change the route after the decision",
        "A filter behind the question that clears the route cache may send a request where it was not judged for.",
        "put it before the filter that asks, or let it keep the route";
    ACCEPT_UNTRUSTED = "envoy.accept-untrusted", Error:
        "any certificate counts, also one that a client made for itself",
        "With `ACCEPT_UNTRUSTED` Envoy hands over the name in a certificate that nobody vouched for, and Tollgate cannot tell the difference: every caller can be anybody.",
        "take `trust_chain_verification` out";
    NO_AUTHORITY = "envoy.no-client-authority", Error:
        "Envoy verifies no client, and `Identity` asks for verified ones",
        "`Identity` reads workloads from `mtls` alone. Without a `validation_context` at this listener Envoy verifies no certificate: every caller is unknown, and refused.",
        "set `require_client_certificate: true` and a `validation_context` with `trusted_ca`";
    XFCC_FORWARDED = "envoy.xfcc-forwarded", Error:
        "a client writes its own name",
        "`FORWARD_ONLY` and `ALWAYS_FORWARD_ONLY` leave `x-forwarded-client-cert` as the client sent it. Where `Identity` lists `xfcc`, every caller can be anybody.",
        "set `forward_client_cert_details: SANITIZE_SET`, or `SANITIZE` where `Identity` does not list `xfcc`";
    PATHS = "envoy.path-not-normalised", Warning:
        "Envoy hands paths on as they are typed",
        "Routes, and the filters before Tollgate, match a path that the service may read as another one. Tollgate refuses what is ambiguous, but only where it is asked.",
        "set `normalize_path: true`, `merge_slashes: true` and `path_with_escaped_slashes_action: REJECT_REQUEST` (Istio: `pathNormalization.normalization: DECODE_AND_MERGE_SLASHES`; Envoy Gateway: `path` of a ClientTrafficPolicy)";
}

pub(super) fn check(manager: &Manager<'_>, routes: Routes, object: &Object<'_>, index: &Index<'_>, found: &mut Found) {
    check_filters(manager, routes, object, found);
    check_paths(manager, object, found);
    let trust = manager.chain.find("trust_chain_verification");
    for one in trust.iter().filter(|one| one.is("ACCEPT_UNTRUSTED")) {
        found.add(&ACCEPT_UNTRUSTED, object, one);
    }
    let needs = index.identity_reads("mtls") == Some(true) && index.identity_reads("xfcc") == Some(false);
    if needs && !manager.verifies_clients {
        found.add(&NO_AUTHORITY, object, &manager.chain);
    }
    let details = manager.config.get("forward_client_cert_details");
    let is_forwarded = details.is("FORWARD_ONLY") || details.is("ALWAYS_FORWARD_ONLY");
    if is_forwarded && index.identity_reads("xfcc") != Some(false) {
        found.add(&XFCC_FORWARDED, object, &details);
    }
}

fn check_filters(manager: &Manager<'_>, routes: Routes, object: &Object<'_>, found: &mut Found) {
    let asks = manager.asks();
    let is_router = |one: &Field<'_>| is_filter(one, "envoy.filters.http.router", "router.v3.Router");
    if manager.filters.iter().position(is_router).is_some_and(|router| router < manager.asks_at) {
        found.add(&AFTER_ROUTER, object, &asks);
    }
    if asks.get("disabled").is_true() && !routes.turn_on {
        found.add(&DISABLED, object, &asks.get("disabled"));
    }
    filter::check(object, &asks.get("typed_config"), found);
    if asks.get("config_discovery").exists() {
        found.note(format!(
            "{}: the filter that asks is fetched from elsewhere: how it is set was not looked at",
            object.title()
        ));
    }
    for later in manager.filters.iter().skip(manager.asks_at + 1) {
        let settings = later.get("typed_config");
        let clears = settings.find("clear_route_cache").into_iter().find(Field::is_true);
        let action = settings.get("route_cache_action");
        let clears = clears.or_else(|| action.is("CLEAR").then_some(action));
        let clears = clears.or_else(|| later.mentions("clearRouteCache(").then(|| later.clone()));
        if let Some(field) = clears {
            found.add(&ROUTE_CACHE, object, &field);
        }
        // The body's half of the gate is as open as its own setting.
        if is_filter(later, "envoy.filters.http.ext_proc", "ext_proc.v3.ExternalProcessor")
            && later.mentions("tollgate")
        {
            filter::check(object, &settings, found);
        }
    }
}

fn check_paths(manager: &Manager<'_>, object: &Object<'_>, found: &mut Found) {
    let escaped = manager.config.get("path_with_escaped_slashes_action");
    let keeps = [None, Some("KEEP_UNCHANGED"), Some("IMPLEMENTATION_SPECIFIC_DEFAULT")].contains(&escaped.text());
    let lacking: Vec<_> = [
        ("normalize_path", !manager.config.get("normalize_path").is_true()),
        ("merge_slashes", !manager.config.get("merge_slashes").is_true()),
        ("path_with_escaped_slashes_action", keeps),
    ]
    .into_iter()
    .filter_map(|(key, lacks)| lacks.then_some(key))
    .collect();
    if let Some(first) = lacking.first() {
        let about = format!("{} not set", lacking.join(", "));
        found.add_about(&PATHS, object, &manager.config.get(first), about);
    }
}

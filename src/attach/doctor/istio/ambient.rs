//! Istio without sidecars: waypoints tell the caller in a header, and what goes to a pod goes through HBONE.

use super::super::field::Field;
use super::super::finding::{Found, codes};
use super::super::object::{
    AUTHORIZATION_POLICY, ByNamespace, ENVOY_FILTER, GATEWAY, IDENTITY, Index, NAMESPACE, NETWORK_POLICY, Object,
};

codes! {
    XFCC_ANNOTATION = "istio.xfcc-annotation-missing", Error:
        "the waypoint does not tell who is calling",
        "`Identity` reads the workload from `xfcc`, and this waypoint writes no `x-forwarded-client-cert`: every caller is unknown, and refused.",
        "annotate the Gateway with `ambient.istio.io/xfcc-include-client-identity: \"true\"` (the newest versions of Istio know it)";
    XFCC_NOT_READ = "istio.xfcc-not-read", Error:
        "behind a waypoint the caller is in a header that `Identity` does not read",
        "A waypoint has no certificate of the caller's: with `from: [mtls]` alone every caller is unknown, and refused.",
        "list `xfcc` in `workload.from`, where only waypoints write that header";
    HBONE = "istio.network-policy-hbone", Error:
        "the NetworkPolicy keeps the mesh out",
        "In an ambient namespace everything that goes to a pod comes to port 15008 (HBONE). A policy that does not let it in makes Tollgate unreachable, and everything is refused.",
        "let TCP port 15008 in, beside 9000";
}

/// Gateways that are waypoints.
pub(super) fn waypoints<'i, 'n>(index: &'i Index<'n>) -> impl Iterator<Item = &'i Object<'n>> {
    let is_waypoint = |class: &str| class.contains("waypoint");
    index.all(GATEWAY).filter(move |one| one.spec().get("gatewayClassName").text().is_some_and(is_waypoint))
}

pub(in super::super) fn check(index: &Index<'_>, found: &mut Found) {
    let policies = index.all(AUTHORIZATION_POLICY).filter(|one| one.spec().get("action").is("CUSTOM"));
    let filters = index.all(ENVOY_FILTER).filter(|one| one.root.mentions("ext_authz"));
    let asking = ByNamespace::of(policies.chain(filters).map(|one| (one.namespace, ())));
    for waypoint in waypoints(index).filter(|waypoint| asking.within(waypoint.namespace).next().is_some()) {
        check_identity(waypoint, index, found);
    }
    for policy in index.all(NETWORK_POLICY).filter(|one| one.root.mentions("tollgate")) {
        check_network_policy(policy, index, found);
    }
}

fn check_identity(waypoint: &Object<'_>, index: &Index<'_>, found: &mut Found) {
    match index.identity_reads("xfcc") {
        Some(true) => {
            let annotation = waypoint.annotations().get("ambient.istio.io/xfcc-include-client-identity");
            if !annotation.is("true") {
                found.add(&XFCC_ANNOTATION, waypoint, &annotation);
            }
        }
        Some(false) => {
            for identity in index.all(IDENTITY).filter(|one| one.root.get("workload").exists()) {
                found.add_about(&XFCC_NOT_READ, identity, &identity.root.at("workload.from"), waypoint.title());
            }
        }
        None => found.note(format!(
            "{} is a waypoint, where the caller arrives in `x-forwarded-client-cert` only; no policies were given, so whether `Identity` reads it was not looked at",
            waypoint.title()
        )),
    }
}

/// Whether a namespace is one without sidecars.
pub(super) fn is_ambient(namespace: &str, index: &Index<'_>) -> bool {
    let says_so = |labels: Field<'_>| labels.get("istio.io/dataplane-mode").is("ambient");
    if namespace.is_empty() {
        return index.all(NAMESPACE).any(|one| says_so(one.labels()));
    }
    index.named(NAMESPACE, "", namespace).is_some_and(|one| says_so(one.labels()))
}

fn check_network_policy(policy: &Object<'_>, index: &Index<'_>, found: &mut Found) {
    let ingress = policy.spec().get("ingress");
    if !is_ambient(policy.namespace, index) || !ingress.exists() {
        return;
    }
    let lets_in = ingress.items().iter().any(|rule| {
        let ports = rule.get("ports").items();
        ports.is_empty() || ports.iter().any(|port| port.get("port").is("15008") || !port.get("port").exists())
    });
    if !lets_in {
        found.add(&HBONE, policy, &ingress);
    }
}

//! Envoy Gateway: what the policies refer to, and may.

use super::super::field::Field;
use super::super::finding::{Found, codes};
use super::super::object::{
    BACKEND_TLS_POLICY, ByNamespace, GATEWAY, GRPC_ROUTE, HTTP_ROUTE, Index, Object, REFERENCE_GRANT, SERVICE,
};

codes! {
    GRANT_MISSING = "envoy-gateway.reference-grant-missing", Error:
        "nothing allows this reference into another namespace",
        "Without a ReferenceGrant in Tollgate's namespace the policy is invalid: every request is a 500, or passes where `failOpen` is set.",
        "add a ReferenceGrant there, from this kind and namespace to the Service";
    TARGET_MISSING = "envoy-gateway.target-missing", Error:
        "the policy is attached to nothing",
        "No such Gateway or route is in what was given: nothing is asked about, and nothing says so.",
        "name one that is there, in the namespace of the policy";
    TLS_VERSION = "envoy-gateway.backend-tls-version", Error:
        "this version of BackendTLSPolicy is no longer served",
        "The API server refuses it, so Envoy goes on in plain text: with TLS at Tollgate's port no question arrives, and everything is refused.",
        "write `apiVersion: gateway.networking.k8s.io/v1`";
}

/// What references are held against.
struct Given<'i, 'n> {
    index: &'i Index<'n>,
    grants: ByNamespace<'n, &'i Object<'n>>,
    services: ByNamespace<'n, ()>,
}

pub(in super::super) fn check(index: &Index<'_>, found: &mut Found) {
    let given = &Given {
        index,
        grants: ByNamespace::of(index.all(REFERENCE_GRANT).map(|one| (one.namespace, one))),
        services: ByNamespace::of(index.all(SERVICE).map(|one| (one.namespace, ()))),
    };
    for policy in super::questions(index) {
        let refs = super::backends(&policy.spec().at("extAuth.grpc"));
        check_policy(policy, &refs, given, found);
    }
    for policy in super::processors(index) {
        let processors = policy.spec().get("extProc").items();
        let refs: Vec<_> = processors.iter().flat_map(|one| one.get("backendRefs").items()).collect();
        check_policy(policy, &refs, given, found);
    }
    for policy in index.all(BACKEND_TLS_POLICY).filter(|one| one.root.mentions("tollgate")) {
        if policy.version.starts_with("v1alpha") {
            found.add_about(&TLS_VERSION, policy, &policy.root.get("apiVersion"), policy.version);
        }
    }
}

fn check_policy(policy: &Object<'_>, backends: &[Field<'_>], given: &Given<'_, '_>, found: &mut Found) {
    for backend in backends {
        let namespace = backend.get("namespace");
        let elsewhere = namespace.text().filter(|name| !policy.namespace.is_empty() && *name != policy.namespace);
        if elsewhere.is_some_and(|there| !is_granted(policy, backend, there, given)) {
            // Of a namespace that was not given nothing is known.
            let services = given.services.within(elsewhere.unwrap_or_default()).next();
            if given.index.has(REFERENCE_GRANT) || services.is_some() {
                found.add(&GRANT_MISSING, policy, &namespace);
            } else {
                found.note(format!("{} refers to namespace `{}`, of which nothing was given: whether a ReferenceGrant allows it was not looked at", policy.title(), elsewhere.unwrap_or_default()));
            }
        }
    }
    for target in policy.targets() {
        check_target(policy, &target, given.index, found);
    }
    for selector in policy.spec().get("targetSelectors").items() {
        check_selector(policy, &selector, given.index, found);
    }
}

fn is_granted(policy: &Object<'_>, backend: &Field<'_>, there: &str, given: &Given<'_, '_>) -> bool {
    let from_here = |from: &Field<'_>| {
        from.get("group").is(policy.kind.0)
            && from.get("kind").is(policy.kind.1)
            && from.get("namespace").is(policy.namespace)
    };
    let kind = backend.get("kind").text().unwrap_or("Service");
    let to_there = |to: &Field<'_>| {
        to.get("kind").is(kind) && (!to.get("name").exists() || to.get("name").text() == backend.get("name").text())
    };
    given.grants.within(there).any(|grant| {
        grant.spec().get("from").items().iter().any(from_here) && grant.spec().get("to").items().iter().any(to_there)
    })
}

fn check_target(policy: &Object<'_>, target: &Field<'_>, index: &Index<'_>, found: &mut Found) {
    let name = target.get("name");
    for kind in [GATEWAY, HTTP_ROUTE, GRPC_ROUTE].into_iter().filter(|kind| target.get("kind").is(kind.1)) {
        // Where none of the kind was given, they are kept elsewhere.
        if index.has(kind) && index.named(kind, policy.namespace, name.text().unwrap_or_default()).is_none() {
            found.add_about(
                &TARGET_MISSING,
                policy,
                &name,
                format!("{} `{}`", kind.1, name.text().unwrap_or_default()),
            );
        }
    }
}

fn check_selector(policy: &Object<'_>, selector: &Field<'_>, index: &Index<'_>, found: &mut Found) {
    let labels = selector.get("matchLabels");
    for kind in [GATEWAY, HTTP_ROUTE, GRPC_ROUTE].into_iter().filter(|kind| selector.get("kind").is(kind.1)) {
        if index.has(kind) && labels.exists() && !index.all(kind).any(|one| super::selects(selector, policy, one)) {
            found.add_about(&TARGET_MISSING, policy, &labels, format!("no {} has these labels", kind.1));
        }
    }
}

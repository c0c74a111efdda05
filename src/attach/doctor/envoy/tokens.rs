//! Envoy: the filter that verifies tokens. Tollgate knows a user only if that filter stands before the question, leaves the
//! payload, and the question takes it along.

use super::super::field::Field;
use super::super::finding::{Found, codes};
use super::super::object::{IDENTITY, Index, Object};
use super::config::{Manager, is_filter};

codes! {
    NAMESPACE_MISSING = "envoy.metadata-namespace-missing", Error:
        "Tollgate is not told whose token it is",
        "Tokens are verified, and `metadata_context_namespaces` does not take the outcome along: there is never a user, and every contract that names one is not met.",
        "set `metadata_context_namespaces: [envoy.filters.http.jwt_authn]`";
    PAYLOAD_MISSING = "envoy.payload-in-metadata-missing", Error:
        "the verified token is not left where Tollgate reads it",
        "Without `payload_in_metadata`, or under another key than `Identity` reads, there is never a user, and every contract that names one is not met.",
        "set `payload_in_metadata: claims`, the key of `user.from` in `Identity`";
    AFTER = "envoy.tokens-after-question", Error:
        "tokens are verified after Tollgate was asked",
        "What the token filter finds is not there yet when Tollgate is asked: there is never a user, and every contract that names one is not met.",
        "put `envoy.filters.http.jwt_authn` before the filter that asks";
    MISSING_OR_FAILED = "envoy.allow-missing-or-failed", Warning:
        "a bad token is as good as none",
        "With `allow_missing_or_failed`, forged and expired tokens go on as requests without a user instead of being a 401.",
        "use `allow_missing`";
}

const JWT: &str = "envoy.filters.http.jwt_authn";

pub(super) fn check(manager: &Manager<'_>, object: &Object<'_>, index: &Index<'_>, found: &mut Found) {
    let is_jwt = |one: &Field<'_>| is_filter(one, JWT, "jwt_authn.v3.JwtAuthentication");
    let Some(at) = manager.filters.iter().position(is_jwt) else { return };
    let Some(tokens) = manager.filters.get(at).map(|filter| filter.get("typed_config")) else { return };
    for one in tokens.find("allow_missing_or_failed") {
        found.add(&MISSING_OR_FAILED, object, &one);
    }
    let namespaces = manager.asks().at("typed_config.metadata_context_namespaces");
    let takes_along = namespaces.has(JWT);
    if at > manager.asks_at {
        // Istio and Envoy Gateway have this order and cannot take anything along: nothing was promised there.
        if takes_along {
            found.add(&AFTER, object, manager.filters.get(at).unwrap_or(&tokens));
        }
        return;
    }
    if !takes_along {
        found.add(&NAMESPACE_MISSING, object, &namespaces);
    }
    let read = index.all(IDENTITY).filter_map(|one| one.root.at("user.from").text()).find_map(|from| {
        from.strip_prefix("metadata:").and_then(|from| from.strip_prefix(JWT)).and_then(|from| from.strip_prefix('/'))
    });
    for (name, provider) in tokens.get("providers").entries() {
        let payload = provider.get("payload_in_metadata");
        if payload.text().is_none_or(|key| read.is_some_and(|read| read != key)) {
            found.add_about(&PAYLOAD_MISSING, object, &payload, format!("provider `{name}`"));
        }
    }
}

//! Envoy Gateway: how Tollgate is asked.

use super::super::envoy::headers;
use super::super::finding::{Found, codes};
use super::super::object::{Index, Object};
use super::super::outage::{self, Codes};

codes! {
    FAIL_OPEN = "envoy-gateway.fail-open", Error:
        "the policy lets requests pass that were not judged",
        "With `failOpen: true` every request passes while Tollgate cannot be reached, is too slow or answers an error; and where the policy itself is invalid, the filter is left out.",
        "set `failOpen: false`";
    TIMEOUT_MISSING = "envoy-gateway.timeout-missing", Warning:
        "the policy has no `timeout`, so Envoy waits 10 s",
        "A Tollgate that hangs makes every request hang with it.",
        "set `timeout: 250ms`";
    TIMEOUT_LONG = "envoy-gateway.timeout-long", Warning:
        "Envoy waits longer than any answer takes",
        "Tollgate answers within its `--max-check-time` (150 ms). What is waited for after that never comes, and requests pile up.",
        "set `timeout: 250ms`, or a little more than `--max-check-time`";
    STATUS_ON_ERROR = "envoy-gateway.status-on-error", Warning:
        "an outage is answered as a denial",
        "Without `statusOnError`, or with a 4xx, clients are told \"you may not\" (403) where \"try again\" is meant, and nobody sees the outage.",
        "set `statusOnError: 503`";
    HEADERS_HIDDEN = "envoy-gateway.headers-hidden", Warning:
        "headers that Tollgate must see are hidden from it",
        "`headersToExtAuth` decides what Tollgate is told, not what the service gets: a second method in a header, or a purpose, goes on unseen.",
        "take `headersToExtAuth` out (all headers are then told), or add these";
    HEADERS_LEFT = "envoy-gateway.hidden-headers-left", Error:
        "headers that are hidden from Tollgate are not taken out",
        "With `headerRemoval: seen` Tollgate takes out what it was shown. What the list leaves out may reach the service as a client sent it: credentials, and headers that say who someone is.",
        "take `headersToExtAuth` out (all headers are then told), or set `headerRemoval: known`";
    USER_NOT_SENT = "envoy-gateway.user-not-sent", Note:
        "asked by Envoy Gateway, Tollgate never knows a user",
        "`Identity` reads users from what the token filter leaves. Envoy Gateway asks before tokens are verified, and takes nothing along in any order: contracts that name a user are not met, and the tiers `impact` and `critical` are always challenged.",
        "name workloads alone in what is reached this way";
    HTTP_SERVICE = "envoy-gateway.http-service", Error:
        "Tollgate is asked over HTTP, and speaks gRPC",
        "With `extAuth.http` no question is understood: every request is refused, or passes where `failOpen` is set.",
        "use `extAuth.grpc`";
}

const OUTAGE: Codes = Codes {
    fail_open: &FAIL_OPEN,
    timeout_missing: &TIMEOUT_MISSING,
    timeout_long: &TIMEOUT_LONG,
    status_on_error: &STATUS_ON_ERROR,
};

pub(in super::super) fn check(index: &Index<'_>, found: &mut Found) {
    let policies = super::questions(index);
    for (identity, from) in index.users_from_tokens().filter(|_| !policies.is_empty()) {
        found.add(&USER_NOT_SENT, identity, &from);
    }
    let only_seen = headers::only_seen_are_removed(index);
    for policy in policies {
        check_policy(policy, only_seen, index, found);
    }
}

fn check_policy(policy: &Object<'_>, only_seen: bool, index: &Index<'_>, found: &mut Found) {
    let ext_auth = policy.spec().get("extAuth");
    if !ext_auth.get("grpc").exists() {
        found.add(&HTTP_SERVICE, policy, &ext_auth.get("http"));
        return;
    }
    outage::check(&OUTAGE, policy, &ext_auth, found);
    let told = ext_auth.get("headersToExtAuth");
    let is_told = |name: &str| told.texts().iter().any(|one| one.eq_ignore_ascii_case(name));
    let hidden: Vec<_> = headers::needed(index).into_iter().filter(|name| !is_told(name)).collect();
    if !told.is_empty() && !hidden.is_empty() {
        found.add_about(&HEADERS_HIDDEN, policy, &told, format!("`{}`", hidden.join("`, `")));
    }
    if only_seen && !told.is_empty() {
        found.add(&HEADERS_LEFT, policy, &told);
    }
}

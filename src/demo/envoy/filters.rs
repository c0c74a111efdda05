//! The HTTP filters of a listener, in order: the token check, the question to Tollgate, the router.
//!
//! Tokens come first: Tollgate is told what Envoy verified, and does not read the token itself.

use std::time::Duration;

use serde_json::{Value, json};

use super::message::{set, typed};
use super::options::{ExtAuthz, HeaderForm, Jwt, Listener};

/// What Tollgate reads: `metadata:envoy.filters.http.jwt_authn/claims`.
const CLAIMS: &str = "claims";

pub(super) const EXT_AUTHZ: &str = "envoy.filters.http.ext_authz";

pub(super) fn render(listener: &Listener) -> Vec<Value> {
    let jwt = listener.jwt.as_ref().map(jwt_authn);
    let check = listener.ext_authz.as_ref().map(ext_authz);
    jwt.into_iter().chain(check).chain([router()]).collect()
}

fn jwt_authn(jwt: &Jwt) -> Value {
    filter(
        "envoy.filters.http.jwt_authn",
        "envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication",
        json!({
            "providers": { "demo": {
                "issuer": jwt.issuer,
                "local_jwks": { "inline_string": jwt.jwks },
                // Envoy's default takes tokens from the query too, where they end up in logs.
                "from_headers": [{ "name": "authorization", "value_prefix": "Bearer " }],
                // Passed on, so that it can be seen who takes it away.
                "forward": true,
                "payload_in_metadata": CLAIMS,
            }},
            "rules": [{
                "match": { "prefix": "/" },
                "requires": { "requires_any": { "requirements": [
                    { "provider_name": "demo" },
                    { "allow_missing": {} },
                ]}},
            }],
        }),
    )
}

fn ext_authz(check: &ExtAuthz) -> Value {
    let mut config = json!({
        "transport_api_version": "V3",
        "stat_prefix": "tollgate",
        "failure_mode_allow": check.failure_mode_allow,
        "status_on_error": { "code": check.status_on_error },
        "validate_mutations": check.validate_mutations,
        "clear_route_cache": false,
        "include_peer_certificate": check.include_peer_certificate,
        "include_tls_session": check.include_tls_session,
        "encode_raw_headers": check.headers == HeaderForm::Raw,
        "metadata_context_namespaces": check.metadata_namespaces,
        "grpc_service": {
            "envoy_grpc": { "cluster_name": "tollgate" },
            "timeout": seconds(check.timeout),
            "retry_policy": retry_policy(check),
        },
    });
    if let Some(body) = check.body {
        let body = json!({
            "max_request_bytes": body.max_bytes,
            "allow_partial_message": body.allow_partial,
            "pack_as_bytes": body.pack_as_bytes,
        });
        set(&mut config, "with_request_body", body);
    }
    if !check.allowed_headers.is_empty() {
        set(&mut config, "allowed_headers", exactly(&check.allowed_headers));
    }
    if !check.disallowed_headers.is_empty() {
        set(&mut config, "disallowed_headers", exactly(&check.disallowed_headers));
    }
    for (field, value) in &check.others {
        set(&mut config, field, value.clone());
    }
    filter(EXT_AUTHZ, "envoy.extensions.filters.http.ext_authz.v3.ExtAuthz", config)
}

fn seconds(time: Duration) -> String {
    format!("{}s", time.as_secs_f64())
}

/// Another replica is asked where the first one gave no answer. `unavailable` is an answer, of one that has too much to do: to
/// ask again would give it more.
fn retry_policy(check: &ExtAuthz) -> Value {
    let previous_hosts = "envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate";
    json!({
        "retry_on": "connect-failure,refused-stream,reset",
        "num_retries": check.retries,
        // Envoy takes the longer one for the time that each attempt may take, too.
        "retry_back_off": { "base_interval": "0.005s", "max_interval": seconds(check.timeout) },
        "retry_host_predicate": [{
            "name": "envoy.retry_host_predicates.previous_hosts",
            "typed_config": typed(previous_hosts, json!({})),
        }],
        "host_selection_retry_max_attempts": 20,
    })
}

fn exactly(names: &[String]) -> Value {
    let patterns: Vec<Value> = names.iter().map(|name| json!({ "exact": name, "ignore_case": true })).collect();
    json!({ "patterns": patterns })
}

fn router() -> Value {
    filter("envoy.filters.http.router", "envoy.extensions.filters.http.router.v3.Router", json!({}))
}

fn filter(name: &str, message: &str, config: Value) -> Value {
    json!({ "name": name, "typed_config": typed(message, config) })
}

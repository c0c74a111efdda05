//! Envoy: what the filter that asks is told to do. The same wherever it is written: in Envoy's configuration, or in a patch
//! that Istio puts into it.

use super::super::field::Field;
use super::super::finding::{Found, codes};
use super::super::object::Object;
use super::super::outage;

codes! {
    FAILURE_MODE_ALLOW = "envoy.failure-mode-allow", Error:
        "the filter lets requests pass that were not judged",
        "With `failure_mode_allow: true` every request passes while Tollgate cannot be reached, is too slow or answers an error.",
        "set `failure_mode_allow: false`";
    HTTP_SERVICE = "envoy.http-service", Error:
        "Tollgate is asked over HTTP, and speaks gRPC",
        "With `http_service` no question is understood, and every request is refused.",
        "use `grpc_service` and a cluster with `http2_protocol_options`";
    SHADOW_MODE = "envoy.shadow-mode", Error:
        "what Tollgate decides is not carried out",
        "With `shadow_mode: true` Envoy asks, writes the answer down and lets every request pass.",
        "take it out; to look before enforcing, use `mode: observe` in the policies";
    PARTLY_ON = "envoy.partly-on", Error:
        "only a part of the requests is asked about",
        "`filter_enabled` below 100 %, and `filter_enabled_metadata`, let the others pass unjudged.",
        "take `filter_enabled` and `filter_enabled_metadata` out";
    TIMEOUT_MISSING = "envoy.timeout-missing", Warning:
        "how long Envoy waits is not written",
        "Envoy's default of 200 ms leaves little room where a decision waits for the disk, and Istio or a newer Envoy may have another default.",
        "set `grpc_service.timeout: 0.25s`";
    TIMEOUT_LONG = "envoy.timeout-long", Warning:
        "Envoy waits longer than any answer takes",
        "Tollgate answers within its `--max-check-time` (150 ms). What is waited for after that never comes, and requests pile up. `0s` waits for ever.",
        "set `grpc_service.timeout: 0.25s`, or a little more than `--max-check-time`";
    STATUS_ON_ERROR = "envoy.status-on-error", Warning:
        "an outage is answered as a denial",
        "Without `status_on_error`, or with a 4xx, clients are told \"you may not\" (403) where \"try again\" is meant, and nobody sees the outage.",
        "set `status_on_error: { code: ServiceUnavailable }`";
    VALIDATE_MUTATIONS = "envoy.validate-mutations", Warning:
        "Envoy refuses some answers of Tollgate",
        "With `validate_mutations: true`, Envoy 1.40 answers 500 where Tollgate sets a query parameter whose value needs an escape.",
        "set `validate_mutations: false`: Tollgate sets only what it has checked";
    CLEAR_ROUTE_CACHE = "envoy.clear-route-cache", Warning:
        "the route may become another one after the decision",
        "With `clear_route_cache: true` Envoy looks for the route again: a request may go where it was not judged for.",
        "set `clear_route_cache: false`";
    BODY_PARTIAL = "envoy.body-partial", Warning:
        "a request with a longer body is refused unasked",
        "Without `allow_partial_message`, Envoy answers 413 to every body above `max_request_bytes`, whatever the policies say.",
        "set `allow_partial_message: true`: only the actions that are judged by their body are then refused";
    BODY_BYTES = "envoy.body-bytes", Warning:
        "bodies are changed before they are judged",
        "Without `pack_as_bytes`, what is not UTF-8 in a body is replaced: Tollgate judges another body than the service gets.",
        "set `pack_as_bytes: true`";
    BODY_TOO_LARGE = "envoy.body-too-large", Warning:
        "more of a body is sent than Tollgate takes",
        "A check that is larger than `--max-check-bytes` (16 MiB) is an error: such requests are refused, or pass where failures are allowed.",
        "keep `max_request_bytes` below Tollgate's `--max-check-bytes`";
    DISABLED_FOR_HOST = "envoy.disabled-for-host", Error:
        "nothing below this host is asked about",
        "The filter is turned off for a whole virtual host or route table: every request to it passes unjudged.",
        "take it out; if one path must go unjudged, turn the filter off at a route with that exact `path`";
}

/// Where routes, and what is around them, have settings of their own for filters.
pub(in super::super) const PER_FILTER: &str = "typed_per_filter_config";
const AUTHZ: &str = "ext_authz.v3.ExtAuthz";
const PROC: &str = "ext_proc.v3.ExternalProcessor";

/// Whether a `typed_config` is that of a filter that asks, or hands bodies over.
pub(in super::super) fn asks(config: &Field<'_>) -> bool {
    is_of(config, AUTHZ) || is_of(config, PROC)
}

/// Whether it is that of a filter that asks.
pub(in super::super) fn is_question(config: &Field<'_>) -> bool {
    is_of(config, AUTHZ)
}

fn is_of(config: &Field<'_>, message: &str) -> bool {
    config.get("@type").text().is_some_and(|kind| kind.ends_with(message))
}

/// Looks at a filter's `typed_config`.
pub(in super::super) fn check(object: &Object<'_>, config: &Field<'_>, found: &mut Found) {
    let allow = config.get("failure_mode_allow");
    if asks(config) && allow.is_true() {
        found.add(&FAILURE_MODE_ALLOW, object, &allow);
    }
    if !is_question(config) {
        return;
    }
    check_written(object, config, found);
    if config.get("http_service").exists() {
        return;
    }
    check_failures(object, config, found);
    check_body(object, config, found);
}

/// What is wrong wherever it is written, also in a part that is merged into the rest.
pub(in super::super) fn check_written(object: &Object<'_>, config: &Field<'_>, found: &mut Found) {
    let switches = [
        (&SHADOW_MODE, "shadow_mode"),
        (&VALIDATE_MUTATIONS, "validate_mutations"),
        (&CLEAR_ROUTE_CACHE, "clear_route_cache"),
    ];
    for (code, key) in switches {
        if config.get(key).is_true() {
            found.add(code, object, &config.get(key));
        }
    }
    let http = config.get("http_service");
    if http.exists() {
        found.add(&HTTP_SERVICE, object, &http);
    }
    let timeout = config.at("grpc_service.timeout");
    if outage::is_long(&timeout) {
        found.add(&TIMEOUT_LONG, object, &timeout);
    }
    let share = config.at("filter_enabled.default_value");
    if share.exists() && !is_all(&share) {
        found.add(&PARTLY_ON, object, &share);
    }
    // Istio marks by it what a CUSTOM policy is for.
    let marked = config.get("filter_enabled_metadata");
    if marked.exists() && !marked.get("filter").is("envoy.filters.http.rbac") {
        found.add(&PARTLY_ON, object, &marked);
    }
}

fn check_failures(object: &Object<'_>, config: &Field<'_>, found: &mut Found) {
    let timeout = config.at("grpc_service.timeout");
    if !timeout.exists() {
        found.add(&TIMEOUT_MISSING, object, &timeout);
    }
    let status = config.at("status_on_error.code");
    if !is_server_error(&status) {
        found.add(&STATUS_ON_ERROR, object, &status);
    }
}

fn check_body(object: &Object<'_>, config: &Field<'_>, found: &mut Found) {
    /// Tollgate's default of `--max-check-bytes`.
    const MOST: u64 = 16 * 1024 * 1024;
    let body = config.get("with_request_body");
    if !body.exists() {
        return;
    }
    for (key, code) in [("allow_partial_message", &BODY_PARTIAL), ("pack_as_bytes", &BODY_BYTES)] {
        if !body.get(key).is_true() {
            found.add(code, object, &body.get(key));
        }
    }
    let bytes = body.get("max_request_bytes");
    if bytes.number().is_some_and(|bytes| bytes >= MOST) {
        found.add(&BODY_TOO_LARGE, object, &bytes);
    }
}

/// Envoy writes statuses as words.
fn is_server_error(status: &Field<'_>) -> bool {
    const WORDS: &[&str] = &[
        "InternalServerError",
        "NotImplemented",
        "BadGateway",
        "ServiceUnavailable",
        "GatewayTimeout",
        "HTTPVersionNotSupported",
        "InsufficientStorage",
    ];
    status.number().is_some_and(|status| status >= 500) || status.text().is_some_and(|word| WORDS.contains(&word))
}

fn is_all(share: &Field<'_>) -> bool {
    let of = match share.get("denominator").text() {
        Some("TEN_THOUSAND") => 10_000,
        Some("MILLION") => 1_000_000,
        _ => 100,
    };
    share.get("numerator").number().unwrap_or(0) >= of
}

/// Settings of the filter that hold for more than a route: are they that it is off?
pub(in super::super) fn check_disabled_for_all(
    object: &Object<'_>,
    holder: &Field<'_>,
    filter: &str,
    found: &mut Found,
) {
    if let Some(disabled) = disabled(holder, filter) {
        found.add(&DISABLED_FOR_HOST, object, &disabled);
    }
}

/// Where `typed_per_filter_config` turns the question off: in the filter's own settings, or in what may stand around them.
pub(in super::super) fn disabled<'n>(holder: &Field<'n>, filter: &str) -> Option<Field<'n>> {
    let both = about(&holder.get(PER_FILTER), filter)
        .into_iter()
        .flat_map(|one| [one.get("disabled"), one.at("config.disabled")]);
    both.into_iter().find(Field::is_true)
}

/// Whether a `typed_per_filter_config` has settings for the question that do not turn it off.
pub(in super::super) fn turns_on(config: &Field<'_>, filter: &str) -> bool {
    about(config, filter).iter().any(|one| !is_off(one))
}

/// The names for which it has such settings, of whatever filters.
pub(in super::super) fn turned_on<'n>(config: &Field<'n>) -> Vec<&'n str> {
    let all = config.entries().into_iter();
    all.filter(|(_, settings)| !is_off(settings)).map(|(name, _)| name).collect()
}

fn is_off(settings: &Field<'_>) -> bool {
    settings.get("disabled").is_true() || settings.at("config.disabled").is_true()
}

/// What a `typed_per_filter_config` says of the question. Its keys are names of filters, and names are free.
fn about<'n>(config: &Field<'n>, filter: &str) -> Vec<Field<'n>> {
    let all = config.entries().into_iter();
    let is_of_type = |one: &Field<'_>| one.get("@type").text().is_some_and(|kind| kind.ends_with("ExtAuthzPerRoute"));
    let is_about = |name: &str, config: &Field<'_>| {
        name == filter || name.contains("ext_authz") || is_of_type(config) || is_of_type(&config.get("config"))
    };
    all.filter(|(name, config)| is_about(name, config)).map(|(_, config)| config).collect()
}

//! Istio: the provider in the mesh configuration. What hangs on it is looked at in the files beside.

pub(super) mod ambient;
mod attachment;
pub(super) mod authorization_policy;
pub(super) mod envoy_filter;
pub(super) mod inbound;
pub(super) mod injection;
pub(super) mod selector;
pub(super) mod sidecar;
pub(super) mod socket;

use super::field::Field;
use super::finding::{Found, codes};
use super::object::{Index, MESH_CONFIG, Object, ours};
use super::outage::{self, Codes};

codes! {
    FAIL_OPEN = "istio.fail-open", Error:
        "the provider lets requests pass that were not judged",
        "With `failOpen: true` every request passes while Tollgate cannot be reached, is too slow or answers an error.",
        "set `failOpen: false`";
    TIMEOUT_MISSING = "istio.timeout-missing", Warning:
        "the provider has no `timeout`, so Istio waits 600 s",
        "A Tollgate that hangs makes every request of the mesh hang with it, for ten minutes each.",
        "set `timeout: 250ms`";
    TIMEOUT_LONG = "istio.timeout-long", Warning:
        "the provider waits longer than any answer takes",
        "Tollgate answers within its `--max-check-time` (150 ms). What is waited for after that never comes, and requests pile up.",
        "set `timeout: 250ms`, or a little more than `--max-check-time`";
    STATUS_ON_ERROR = "istio.status-on-error", Warning:
        "an outage is answered as a denial",
        "Without `statusOnError`, or with a 4xx, clients are told \"you may not\" (403) where \"try again\" is meant, and nobody sees the outage.",
        "set `statusOnError: \"503\"`";
    BODY_PARTIAL = "istio.body-partial", Warning:
        "a request with a longer body is refused unasked",
        "Without `allowPartialMessage`, Istio answers 413 to every body above `maxRequestBytes`, whatever the policies say and even with `failOpen`.",
        "set `allowPartialMessage: true`: only the actions that are judged by their body are then refused";
    BODY_BYTES = "istio.body-bytes", Warning:
        "bodies are changed before they are judged",
        "Without `packAsBytes`, what is not UTF-8 in a body is replaced: Tollgate judges another body than the service gets.",
        "set `packAsBytes: true`";
    PROVIDER_NAME = "istio.provider-name", Error:
        "this name of a provider is not taken by istiod",
        "Names have lower-case letters, digits and `-`, at most 63. One that has not makes the mesh configuration invalid, and what refers to it is denied.",
        "rename it, here and in each `provider.name`";
    PROVIDER_HTTP = "istio.provider-http", Error:
        "Tollgate is asked over HTTP, and speaks gRPC",
        "With `envoyExtAuthzHttp` no question is understood: every request is refused, or passes where `failOpen` is set.",
        "use `envoyExtAuthzGrpc`";
    PATH_NORMALISATION = "istio.path-normalisation", Warning:
        "Envoy tidies no path before it is looked at",
        "With `pathNormalization.normalization: NONE`, `/healthz/../admin` is matched as it is written: `notPaths` can be got around. Tollgate refuses such a path, but only where it is asked.",
        "set `normalization: DECODE_AND_MERGE_SLASHES`, or leave it out";
}

/// Policies of this namespace are for the pods of all, unless the mesh is told of another one.
const ROOT_NAMESPACE: &str = "istio-system";

const OUTAGE: Codes = Codes {
    fail_open: &FAIL_OPEN,
    timeout_missing: &TIMEOUT_MISSING,
    timeout_long: &TIMEOUT_LONG,
    status_on_error: &STATUS_ON_ERROR,
};

/// A provider of external authorization.
pub(super) struct Provider<'n> {
    pub(super) object: Object<'n>,
    pub(super) field: Field<'n>,
}

impl<'n> Provider<'n> {
    pub(super) fn name(&self) -> &'n str {
        self.field.get("name").text().unwrap_or_default()
    }
}

/// All of them, Tollgate's and others.
pub(super) fn providers<'n>(index: &Index<'n>) -> Vec<Provider<'n>> {
    let of = |object: &Object<'n>| {
        let object = object.clone();
        let all = object.root.get("extensionProviders").items();
        all.into_iter().map(move |field| Provider { object: object.clone(), field }).collect::<Vec<_>>()
    };
    let asks =
        |one: &Provider<'_>| one.field.get("envoyExtAuthzGrpc").exists() || one.field.get("envoyExtAuthzHttp").exists();
    index.all(MESH_CONFIG).flat_map(of).filter(asks).collect()
}

pub(super) fn check(index: &Index<'_>, found: &mut Found) {
    for provider in ours(providers(index), |one| one.field.mentions("tollgate")) {
        check_provider(&provider, found);
    }
    for mesh in index.all(MESH_CONFIG) {
        let normalization = mesh.root.at("pathNormalization.normalization");
        if normalization.is("NONE") {
            found.add(&PATH_NORMALISATION, mesh, &normalization);
        }
    }
}

fn check_provider(provider: &Provider<'_>, found: &mut Found) {
    let Provider { object, field } = provider;
    let name = provider.name();
    if !is_label(name) {
        found.add_about(&PROVIDER_NAME, object, &field.get("name"), format!("`{name}`"));
    }
    let grpc = field.get("envoyExtAuthzGrpc");
    if !grpc.exists() {
        found.add(&PROVIDER_HTTP, object, &field.get("envoyExtAuthzHttp"));
        return;
    }
    outage::check(&OUTAGE, object, &grpc, found);
    let body = grpc.get("includeRequestBodyInCheck");
    for (key, code) in [("allowPartialMessage", &BODY_PARTIAL), ("packAsBytes", &BODY_BYTES)] {
        if body.exists() && !body.get(key).is_true() {
            found.add(code, object, &body.get(key));
        }
    }
}

fn is_label(name: &str) -> bool {
    let is_of_label = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    !name.is_empty() && name.len() <= 63 && name.bytes().all(is_of_label)
}

//! Envoy Gateway: bodies that are handed to Tollgate on the way through.

use super::super::field::Field;
use super::super::finding::{Found, codes};
use super::super::object::{BACKEND_TRAFFIC_POLICY, CLIENT_TRAFFIC_POLICY, Index, Kind};

codes! {
    BACKEND_REF = "envoy-gateway.ext-proc-backend-ref", Error:
        "`extProc` takes `backendRefs`, a list",
        "The API server refuses the singular `backendRef` here: the policy is not there, and no body is looked at.",
        "write `backendRefs: [{ … }]`";
    MODE_MISSING = "envoy-gateway.ext-proc-mode-missing", Error:
        "nothing is handed over",
        "Without `processingMode` Envoy calls nobody: no header and no body is looked at.",
        "write `processingMode: { request: {}, response: {} }`; an empty `request` sends its headers";
    FAIL_OPEN = "envoy-gateway.ext-proc-fail-open", Error:
        "bodies pass that were not looked at",
        "With `failOpen: true` bodies go on whole while Tollgate cannot be reached.",
        "set `failOpen: false`";
    BUFFER_LIMIT = "envoy-gateway.buffer-limit", Warning:
        "a buffered body has room for 32 KiB",
        "Envoy Gateway buffers 32 KiB for each connection. A larger body with `Buffered` is a 413 on the way in and a 500 on the way out.",
        "raise `connection.bufferLimit` of the ClientTrafficPolicy (requests) or BackendTrafficPolicy (responses), or use `Streamed`";
}

/// What Envoy Gateway sets where nothing is said.
const DEFAULT_LIMIT: u64 = 32 * 1024;

pub(in super::super) fn check(index: &Index<'_>, found: &mut Found) {
    let ways = [("request.body", CLIENT_TRAFFIC_POLICY), ("response.body", BACKEND_TRAFFIC_POLICY)];
    let ways = ways.map(|(path, kind)| (path, kind, has_room(kind, index)));
    for policy in super::processors(index) {
        for processor in policy.spec().get("extProc").items() {
            let one = processor.get("backendRef");
            if one.exists() {
                found.add(&BACKEND_REF, policy, &one);
            }
            let fail_open = processor.get("failOpen");
            if fail_open.is_true() {
                found.add(&FAIL_OPEN, policy, &fail_open);
            }
            let mode = processor.get("processingMode");
            if !mode.exists() {
                found.add(&MODE_MISSING, policy, &mode);
            }
            for (path, kind, has_room) in ways {
                let body = mode.at(path);
                if body.is("Buffered") && !has_room {
                    found.add_about(&BUFFER_LIMIT, policy, &body, format!("no {} raises it", kind.1));
                }
            }
        }
    }
}

fn has_room(kind: Kind, index: &Index<'_>) -> bool {
    index
        .all(kind)
        .any(|one| bytes(&one.spec().at("connection.bufferLimit")).is_some_and(|bytes| bytes > DEFAULT_LIMIT))
}

/// A quantity of Kubernetes: `32768`, `1Mi`, `64k`.
fn bytes(field: &Field<'_>) -> Option<u64> {
    let text = field.text()?;
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let unit = match unit {
        "" => 1,
        "k" => 1000,
        "Ki" => 1024,
        "M" => 1_000_000,
        "Mi" => 1024 * 1024,
        "G" | "Gi" => 1024 * 1024 * 1024,
        _ => return None,
    };
    number.parse::<u64>().map_or(None, |number| number.checked_mul(unit))
}

//! What an attachment says of the time when Tollgate does not answer: the same three keys in Istio and in Envoy Gateway.

use std::time::Duration;

use super::field::Field;
use super::finding::{Code, Found};
use super::object::Object;

/// Longer than a decision that waits for the disk; Tollgate's own bound is 150 ms.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(2);

/// What may be wrong.
pub(super) struct Codes {
    pub(super) fail_open: &'static Code,
    pub(super) timeout_missing: &'static Code,
    pub(super) timeout_long: &'static Code,
    pub(super) status_on_error: &'static Code,
}

/// Looks at how somebody asks.
pub(super) fn check(codes: &Codes, object: &Object<'_>, asks: &Field<'_>, found: &mut Found) {
    let fail_open = asks.get("failOpen");
    if fail_open.is_true() {
        found.add(codes.fail_open, object, &fail_open);
    }
    let timeout = asks.get("timeout");
    if !timeout.exists() {
        found.add(codes.timeout_missing, object, &timeout);
    } else if is_long(&timeout) {
        found.add(codes.timeout_long, object, &timeout);
    }
    let status = asks.get("statusOnError");
    if status.number().is_none_or(|status| status < 500) {
        found.add(codes.status_on_error, object, &status);
    }
}

/// Whether somebody waits longer than any answer takes. No time at all is for ever.
pub(super) fn is_long(timeout: &Field<'_>) -> bool {
    timeout.duration().is_some_and(|time| time > LONGEST_TIMEOUT || time.is_zero())
}

//! Logs whose lines are JSON objects: Tollgate's own, and Envoy's access log.
//!
//! A line that is no object is no event: the last one may be half written, and a runtime may print what it likes.

use serde_json::Value;

/// The events of a log, in order.
pub(super) fn events(log: &str) -> impl DoubleEndedIterator<Item = Value> {
    log.lines().flat_map(serde_json::from_str::<Value>).filter(Value::is_object)
}

/// A field that is text; empty where there is none.
pub(super) fn text<'a>(object: &'a Value, field: &str) -> &'a str {
    object.get(field).and_then(Value::as_str).unwrap_or_default()
}

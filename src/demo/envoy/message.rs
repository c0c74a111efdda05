//! Envoy's messages as JSON.

use std::path::Path;

use serde_json::{Value, json};

/// A message with its type, as Envoy wants extensions configured.
pub(super) fn typed(message: &str, mut config: Value) -> Value {
    set(&mut config, "@type", format!("type.googleapis.com/{message}"));
    config
}

/// Sets a field of a message.
pub(super) fn set(message: &mut Value, field: &str, value: impl Into<Value>) {
    // All that is rendered here are objects; anything else would stay as it is.
    if let Some(fields) = message.as_object_mut() {
        fields.insert(field.to_owned(), value.into());
    }
}

/// An address.
pub(super) fn socket(host: &str, port: u16) -> Value {
    json!({ "socket_address": { "address": host, "port_value": port } })
}

/// A file.
pub(super) fn file(path: &Path) -> Value {
    json!({ "filename": path.display().to_string() })
}

/// A cluster at fixed addresses.
pub(super) fn cluster(name: &str, addresses: &[Value]) -> Value {
    let endpoints: Vec<_> = addresses.iter().map(|address| json!({ "endpoint": { "address": address } })).collect();
    json!({
        "name": name,
        "type": "STATIC",
        // What waits for a connection fails when it cannot be made in time. A build machine that stands still for a moment
        // must not fail a test.
        "connect_timeout": "5s",
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{ "lb_endpoints": endpoints }],
        },
    })
}

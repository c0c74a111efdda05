//! Envoy's messages as JSON.

use serde_json::Value;

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

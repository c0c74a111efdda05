//! Any GraphQL document, with and without variables: no allow of a field that another parser finds and nobody granted.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tollgate_fuzz::Request;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    // Behind an empty line: the name of the operation, then the variables.
    let (query, rest) = text.split_once("\n\n").unwrap_or((text, ""));
    let (name, variables) = rest.split_once('\n').unwrap_or((rest, ""));
    let variables: serde_json::Value = serde_json::from_str(variables).unwrap_or_default();
    let mut request = serde_json::json!({ "query": query });
    if !name.is_empty() {
        request["operationName"] = name.into();
    }
    if variables.is_object() {
        request["variables"] = variables;
    }
    Request::post("/graphql", "application/json", request.to_string().as_bytes()).check();
});

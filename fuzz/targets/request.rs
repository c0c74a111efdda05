//! Any request, as the corpus writes them: one answer in both forms of headers, and no allow that cannot be explained.

#![no_main]

use std::collections::BTreeMap;

use libfuzzer_sys::fuzz_target;
use tollgate_fuzz::Request;

fuzz_target!(|bytes: &[u8]| {
    let Some(request) = Request::read(bytes) else { return };
    request.check();
    let apart = request.judge(request.apart());
    let joined = joined(&request);
    let joined = joined.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
    assert_eq!(apart, request.judge(joined), "the two forms of headers have two answers: {request:?}");
});

/// As Envoy joins headers where it is not told to send them raw.
fn joined(request: &Request<'_>) -> BTreeMap<String, String> {
    let mut all: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    for (name, value) in &request.headers {
        let name = name.to_ascii_lowercase();
        let joined = all.entry(name);
        joined.and_modify(|so_far| so_far.extend([b",", *value].concat())).or_insert_with(|| value.to_vec());
    }
    let text = |bytes: Vec<u8>| {
        let parts = bytes.utf8_chunks().map(|part| part.valid().to_owned() + &"!".repeat(part.invalid().len()));
        parts.collect::<String>()
    };
    all.into_iter().map(|(name, value)| (name, text(value))).collect()
}

//! Any bytes for a check: what is read of them is what the stock types read, and reading it further ends well.

#![no_main]

use std::collections::BTreeSet;

use envoy_types::ext_authz::v3::pb::CheckRequest;
use libfuzzer_sys::fuzz_target;
use prost::Message as _;
use tollgate::ext_authz;
// The reading by the stock types takes its words from here.
use tollgate::facts;
use tollgate::terms::Reason;
use tollgate_fuzz as _;

#[path = "../../src/ext_authz/tests/by_library.rs"]
mod by_library;

fuzz_target!(|bytes: &[u8]| {
    let ours = ext_authz::told(bytes);
    // What nobody reads may be broken: the library looks at it, and we do not.
    if let Ok(decoded) = CheckRequest::decode(bytes) {
        match (&ours, by_library::told(&decoded)) {
            (Ok(told), Some(expected)) => {
                // Of two entries of one name in a map the library keeps one; here both are seen, and refused later.
                let names: BTreeSet<_> = told.headers.iter().map(|(name, _)| *name).collect();
                if names.len() == told.headers.len() {
                    assert_eq!(seen(told), seen(&expected));
                }
            }
            (Ok(_), None) => panic!("we read a request where there is none"),
            (Err(Reason::RequestIncomplete), Some(_)) => panic!("there is a request that we do not read"),
            (Err(_), _) => {}
        }
    }
    if let Ok(told) = ours {
        let _ = facts::Facts::read(told);
    }
});

/// Everything that was told. A map has no order, so headers are sorted.
fn seen(told: &facts::Told<'_>) -> String {
    let mut headers = told.headers.clone();
    headers.sort_unstable();
    let facts::Told { method, host, path, headers: _, hides_no_header, body, size, principal, metadata } = told;
    format!("{method:?} {host:?} {path:?} {headers:?} {hides_no_header} {body:?} {size:?} {principal:?} {metadata:?}")
}

//! How often a check allocates, and what bundles hold: counted, since times are not to be relied on.
//!
//! A binary of its own, because what counts is the allocator of the process. Allocations of this thread are counted, and
//! all of a check happens on it here: reading it off the connection, judging it, sending the answer.

#![allow(
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    missing_docs,
    reason = "a test that cannot go on says so, and starts what it needs"
)]

mod bundles;
mod client;
mod reviews;

#[expect(dead_code, reason = "shared with the other tests, which use all of it")]
#[path = "../it/support.rs"]
mod support;

use std::time::Duration;

use allocation_counter::measure;
use client::Client;
use jiff::Timestamp;
use prost::Message as _;
use serde_json::json;
use tollgate::bundle;
use tollgate::config::Config;
use tollgate::facts::{Facts, Told};
use tollgate::gate::{self, Context};
use tollgate::receipt::{Id, Pseudonyms};
use tollgate::terms::Reason;

use crate::support::{Ask, Gate, Setup, shipped};

/// What is counted, and the most that it may be.
const FACTS_TO_VERDICT: u64 = 20;
const WHOLE_CHECK: u64 = 40;

/// What a browser sends, about the order that [`Ask::order`] reads.
const HEADERS: [(&str, &str); 7] = [
    ("accept", "application/json"),
    ("accept-language", "en-GB,en;q=0.9,de;q=0.8"),
    ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"),
    ("user-agent", "Mozilla/5.0 (X11; Linux x86_64)"),
    ("x-forwarded-for", "10.4.7.21"),
    ("x-forwarded-proto", "https"),
    ("x-request-id", "9f2c6a52-4d0e-4a37-9d7e-0c2f1f0d7a11"),
];

#[test]
fn facts_to_verdict_allocate_little() {
    let files = tollgate::sources::read(&shipped()).unwrap();
    let bundle = bundle::load(&files).unwrap().bundle;
    let ask = Ask::order();
    let claims = json!({ "envoy.filters.http.jwt_authn": { "claims": ask.claims } });
    let pseudonyms = Pseudonyms::for_cases();
    let judge = || {
        let told = Told {
            method: ask.method,
            host: ask.host,
            path: &ask.path,
            headers: HEADERS.map(|(name, value)| (name, value.as_bytes())).into(),
            principal: ask.workload,
            metadata: (&claims).into(),
            ..Told::default()
        };
        let now = Timestamp::constant(1_767_225_600, 0);
        let context = Context { now, receipt: Id::default(), trace_id: None, pseudonyms: &pseudonyms };
        gate::plan(&bundle, &Facts::read(told), &context).summary.reason
    };
    assert_eq!(judge(), Reason::Granted);
    let counted = measure(|| {
        judge();
    });
    assert!(counted.count_total <= FACTS_TO_VERDICT, "{counted:?}");
}

#[test]
fn a_granted_check_allocates_little() {
    const CHECKS: u32 = 1000;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    // The folder is looked at by a thread of its own; it shall not look while we count.
    let change = Box::new(|config: &mut Config| config.policies.poll = Duration::from_hours(1));
    let gate = runtime.block_on(Gate::start_with(Setup { change, ..Setup::default() }));
    let ask = Ask { headers: HEADERS.to_vec(), ..Ask::order() };
    let mut client = runtime.block_on(Client::connect(&gate, &ask.to_wire().encode_to_vec()));
    // What a connection allocates once is not counted.
    runtime.block_on(client.check(CHECKS));
    let counted = measure(|| runtime.block_on(client.check(CHECKS)));
    let each = counted.count_total.div_ceil(CHECKS.into());
    assert!(each <= WHOLE_CHECK, "{each} allocations for each check");
    let records = runtime.block_on(gate.end());
    assert_eq!(records.len(), 2 * CHECKS as usize);
    assert!(records.iter().all(|record| record.reason == "granted"));
}

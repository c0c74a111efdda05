//! What the proxy must change in a request that may pass.
//!
//! Whatever a client sends under a name of ours, or under a name that says who someone is, does not reach a service: it is
//! replaced where we vouch for it and taken out where we do not. Envoy takes out by exact name and may hide a header from
//! us, so the known names are always listed, seen or not, in the spelling with underscores too (some servers read both as
//! one). No name is both set and taken out: Envoy would take it out.

use std::collections::BTreeSet;

use super::{Ruling, Summary};
use crate::bundle::Bundle;
use crate::facts::{Facts, same_to_many};
use crate::verdict::Obligations;

const PURPOSE: &str = "tollgate-purpose";
/// The headers of our own family that exist or will.
const OURS: [&str; 5] = ["tollgate-action", PURPOSE, "tollgate-receipt", "tollgate-tier", "tollgate-view"];
/// Headers with which a client could make Envoy's own words up. Envoy writes each of them only after us.
const ENVOYS: [&str; 3] = ["x-envoy-auth-failure-mode-allowed", "x-envoy-decorator-operation", "x-envoy-original-path"];
/// Headers in which some frameworks look for another path than the one that was judged.
const OTHER_PATHS: [&str; 3] = ["x-original-uri", "x-original-url", "x-rewrite-url"];

pub(super) fn of(bundle: &Bundle, facts: &Facts<'_>, ruling: &Ruling<'_>, summary: &Summary) -> Obligations {
    let set_headers = asserted(bundle, ruling, summary);
    let mut remove: BTreeSet<String> = BTreeSet::new();
    let mut forbid = |name: &str| {
        remove.insert(name.to_owned());
        remove.insert(name.replace('-', "_"));
    };
    OURS.iter().chain(&ENVOYS).chain(&OTHER_PATHS).copied().chain(bundle.identity.headers()).for_each(&mut forbid);
    let needless = ruling.actions.iter().flat_map(|action| &action.mutations.remove_headers);
    needless.map(String::as_str).for_each(&mut forbid);
    let is_twin = |seen: &&str| remove.iter().any(|name| same_to_many(seen, name));
    let seen: Vec<_> =
        facts.headers.names().filter(|seen| is_of_our_family(seen) || is_twin(seen)).map(str::to_owned).collect();
    remove.extend(seen);
    for (name, _) in &set_headers {
        remove.remove(name);
    }
    let mut set_response_headers = vec![("tollgate-receipt".to_owned(), summary.receipt.clone())];
    if ruling.retain.no_store {
        set_response_headers.push(("cache-control".to_owned(), "no-store".to_owned()));
    }
    let all = || ruling.actions.iter().map(|action| &action.mutations);
    Obligations {
        set_headers,
        remove_headers: remove.into_iter().collect(),
        set_response_headers,
        set_query: all().flat_map(|mutations| mutations.set_query.clone()).collect(),
        remove_query: all().flat_map(|mutations| mutations.remove_query.clone()).collect(),
    }
}

/// Headers that only we or Envoy write, and that came with the request. A purpose is the caller's to declare; and behind another
/// Tollgate some of ours are there by right, so this is worth a look and no reason to refuse.
pub(super) fn forged(facts: &Facts<'_>) -> Vec<String> {
    let ours = OURS.iter().filter(|name| **name != PURPOSE);
    let names = ours.chain(&ENVOYS).flat_map(|name| [(*name).to_owned(), name.replace('-', "_")]);
    names.filter(|name| facts.headers.value(name).is_some()).collect()
}

/// The headers that we vouch for: the receipt, the action, its tier, and what was proven about the caller.
fn asserted(bundle: &Bundle, ruling: &Ruling<'_>, summary: &Summary) -> Vec<(String, String)> {
    let mut set = vec![("tollgate-receipt".to_owned(), summary.receipt.clone())];
    if !summary.action.is_empty() {
        set.push(("tollgate-action".to_owned(), summary.action.clone()));
        set.push(("tollgate-tier".to_owned(), summary.tier.to_owned()));
    }
    if let (Some(name), Some(purpose)) =
        (&bundle.identity.purpose_header, ruling.granted_for.and(ruling.purpose.as_ref()))
    {
        set.push((name.clone(), purpose.to_string()));
    }
    if let (Some(rule), Some(channel)) = (&bundle.identity.channel, &ruling.caller.channel.name) {
        set.push((rule.header.clone(), channel.clone()));
    }
    set
}

fn is_of_our_family(name: &str) -> bool {
    name.starts_with("tollgate-") || name.starts_with("tollgate_")
}

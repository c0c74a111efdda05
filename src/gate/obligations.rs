//! What the proxy must change in a request that may pass.
//!
//! Whatever a client sends under a name of ours, or under a name that says who someone is, does not reach a service: it is
//! replaced where we vouch for it and taken out where we do not. Envoy takes out by exact name and may hide a header from
//! us, so the known names are always listed, seen or not, in the spelling with underscores too (some servers read both as
//! one). No name is both set and taken out: Envoy would take it out.

use std::collections::BTreeSet;

use super::{Ruling, Summary};
use crate::bundle::Bundle;
use crate::facts::Facts;
use crate::verdict::Obligations;

const PURPOSE: &str = "tollgate-purpose";
/// The headers of our own family that exist or will.
const OURS: [&str; 5] = ["tollgate-action", PURPOSE, "tollgate-receipt", "tollgate-tier", "tollgate-view"];
/// Headers with which a client could make Envoy's own words up. Envoy writes each of them only after us.
const ENVOYS: [&str; 3] = ["x-envoy-auth-failure-mode-allowed", "x-envoy-decorator-operation", "x-envoy-original-path"];

pub(super) fn of(bundle: &Bundle, facts: &Facts<'_>, ruling: &Ruling<'_>, summary: &Summary) -> Obligations {
    let set_headers = asserted(bundle, ruling, summary);
    let mut remove: BTreeSet<String> = BTreeSet::new();
    let mut forbid = |name: &str| {
        remove.insert(name.to_owned());
        remove.insert(name.replace('-', "_"));
    };
    OURS.iter().chain(&ENVOYS).copied().chain(bundle.identity.headers()).for_each(&mut forbid);
    if let Some(action) = ruling.action {
        action.mutations.remove_headers.iter().map(String::as_str).for_each(&mut forbid);
    }
    remove.extend(facts.headers.names().filter(|name| is_of_our_family(name)).map(str::to_owned));
    for (name, _) in &set_headers {
        remove.remove(name);
    }
    let mut set_response_headers = vec![("tollgate-receipt".to_owned(), summary.receipt.clone())];
    if ruling.retain.no_store {
        set_response_headers.push(("cache-control".to_owned(), "no-store".to_owned()));
    }
    let mutations = ruling.action.map(|action| action.mutations.clone()).unwrap_or_default();
    Obligations {
        set_headers,
        remove_headers: remove.into_iter().collect(),
        set_response_headers,
        set_query: mutations.set_query,
        remove_query: mutations.remove_query,
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
    if let (Some(name), Some(purpose)) = (&bundle.identity.purpose_header, &ruling.purpose) {
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

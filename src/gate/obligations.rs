//! What the proxy must change in a request that may pass.
//!
//! Whatever a client sends under a name of ours, or under a name that says who someone is, does not reach a service: it is
//! replaced where we vouch for it and taken out where we do not. Envoy takes out by exact name and may hide a header from
//! us, so the known names are listed, seen or not, in the spelling with underscores too (some servers read both as
//! one); where it hides none, those that came are enough. No name is both set and taken out: Envoy would take it out.

use std::borrow::Cow;

use super::{Ruling, Summary};
use crate::bundle::Bundle;
use crate::facts::{Facts, same_to_many};
use crate::terms::header::{ENVOYS, NEVER_SHOWN, OURS, PURPOSE, RECEIPT};
use crate::verdict::Obligations;

pub(super) fn of<'b>(
    bundle: &'b Bundle,
    facts: &Facts<'_>,
    ruling: &Ruling<'b>,
    summary: &Summary<'b>,
) -> Obligations<'b> {
    let set_headers = asserted(bundle, ruling, summary);
    let mutations = || ruling.actions.iter().map(|action| &action.mutations);
    let needless = || mutations().flat_map(|mutations| &mutations.remove_headers).map(String::as_str);
    let always = || bundle.always_removed.iter().map(String::as_str);
    let may_be_there =
        |name: &str| !facts.has_no_other_headers || name == NEVER_SHOWN || facts.headers.value(name).is_some();
    let mut remove_headers = Vec::with_capacity(always().count() + 2 * needless().count());
    let mut remove = |name: Cow<'b, str>| {
        // Envoy sets before it removes.
        let is_set = || name == RECEIPT || set_headers.iter().any(|(set, _)| *set == name);
        if may_be_there(&name) && !is_set() && !remove_headers.contains(&name) {
            remove_headers.push(name);
        }
    };
    always().for_each(|name| remove(Cow::Borrowed(name)));
    for name in needless() {
        remove(Cow::Borrowed(name));
        if name.contains('-') {
            remove(Cow::Owned(name.replace('-', "_")));
        }
    }
    // What is spelled with dashes alone or with underscores alone is named already.
    let is_mixed_twin =
        |seen: &str| seen.contains('_') && always().chain(needless()).any(|name| same_to_many(seen, name));
    let seen = facts.headers.names().filter(|seen| is_of_our_family(seen) || is_mixed_twin(seen));
    seen.for_each(|name| remove(Cow::Owned(name.to_owned())));
    Obligations {
        set_headers,
        remove_headers,
        no_store: ruling.retain.no_store,
        set_query: mutations().flat_map(|mutations| &mutations.set_query).collect(),
        remove_query: mutations().flat_map(|mutations| &mutations.remove_query).map(String::as_str).collect(),
    }
}

/// Headers that only we or Envoy write, and that came with the request. A purpose is the caller's to declare; and behind another
/// Tollgate some of ours are there by right, so this is worth a look and no reason to refuse.
pub(super) fn forged(facts: &Facts<'_>) -> Vec<String> {
    let is_ours = |seen: &str| {
        OURS.iter()
            .filter(|name| **name != PURPOSE)
            .chain(&ENVOYS)
            .any(|name| seen == *name || (!seen.contains('-') && same_to_many(seen, name)))
    };
    let may_be = |seen: &&str| seen.starts_with("tollgate") || seen.starts_with('x');
    facts.headers.names().filter(may_be).filter(|seen| is_ours(seen)).map(str::to_owned).collect()
}

/// The headers that we vouch for besides the receipt: the action, its tier, and what was proven about the caller.
fn asserted<'b>(bundle: &'b Bundle, ruling: &Ruling<'b>, summary: &Summary<'b>) -> Vec<(&'b str, Cow<'b, str>)> {
    let mut set = Vec::with_capacity(4);
    if !summary.action.is_empty() {
        set.push(("tollgate-action", summary.action.into()));
        set.push(("tollgate-tier", summary.tier.into()));
    }
    if let (Some(name), Some(granted), Some(purpose)) =
        (&bundle.identity.purpose_header, ruling.granted_for, &ruling.purpose)
    {
        // Mostly the contract says just what the caller says.
        set.push((name, if granted == purpose { granted.as_str().into() } else { purpose.to_string().into() }));
    }
    if let (Some(rule), Some(channel)) = (&bundle.identity.channel, &ruling.caller.channel.name) {
        set.push((&rule.header, channel.clone().into()));
    }
    set
}

fn is_of_our_family(name: &str) -> bool {
    name.starts_with("tollgate-") || name.starts_with("tollgate_")
}

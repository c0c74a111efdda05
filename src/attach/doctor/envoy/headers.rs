//! Envoy: headers that are hidden from Tollgate. They go on to the service all the same.

use super::super::field::Field;
use super::super::finding::{Found, codes};
use super::super::object::{IDENTITY, Index, Object};
use super::super::pod;
use super::config::Manager;

codes! {
    HIDDEN = "envoy.headers-hidden", Warning:
        "headers that Tollgate must see are hidden from it",
        "`allowed_headers` and `disallowed_headers` decide what Tollgate is told, not what the service gets: a second method in a header, or a purpose, goes on unseen.",
        "take the list out, or let these headers through";
    LEFT = "envoy.hidden-headers-left", Error:
        "headers that are hidden from Tollgate are not taken out",
        "With `headerRemoval: seen` Tollgate takes out what it was shown. What a list hides may reach the service as a client sent it: credentials, and headers that say who someone is.",
        "take the list out, or set `headerRemoval: known`";
}

/// What must be seen to be refused, or to be read.
const NEEDED: &[&str] = &["connection", "content-type", "x-http-method", "x-http-method-override", "x-method-override"];

/// The headers that must be seen, those that `Identity` reads among them.
pub(in super::super) fn needed(index: &Index<'_>) -> Vec<String> {
    let mut needed: Vec<_> = NEEDED.iter().map(|name| (*name).to_owned()).collect();
    for identity in index.all(IDENTITY) {
        let named = ["purpose.header", "channel.header"].map(|path| identity.root.at(path).text());
        needed.extend(named.into_iter().flatten().map(str::to_lowercase));
        let credentials = identity.root.get("credentials").texts();
        needed.extend(credentials.iter().filter_map(|one| one.strip_prefix("header:")).map(str::to_lowercase));
    }
    if index.identity_reads("xfcc") == Some(true) {
        needed.push("x-forwarded-client-cert".to_owned());
    }
    needed
}

/// Whether some Tollgate takes out no more than it was shown.
pub(in super::super) fn only_seen_are_removed(index: &Index<'_>) -> bool {
    pod::with_tollgate(index).iter().any(|pod| pod.setting("header-removal", index).contains(&"seen"))
}

/// What the filter hides from such a Tollgate.
pub(in super::super) fn check_left(object: &Object<'_>, config: &Field<'_>, found: &mut Found) {
    let lists = ["allowed_headers", "disallowed_headers"].map(|key| config.get(key));
    lists.iter().filter(|list| list.exists()).for_each(|list| found.add(&LEFT, object, list));
}

pub(super) fn check(manager: &Manager<'_>, object: &Object<'_>, index: &Index<'_>, found: &mut Found) {
    let config = manager.asks().get("typed_config");
    let (allowed, disallowed) = (config.at("allowed_headers"), config.at("disallowed_headers"));
    let needed = needed(index);
    let hidden = |is_hidden: &dyn Fn(&str) -> bool| {
        let hidden: Vec<_> = needed.iter().filter(|name| is_hidden(name)).map(|name| format!("`{name}`")).collect();
        hidden.join(", ")
    };
    let is_in = |list: &Field<'_>, name: &str| list.get("patterns").items().iter().any(|one| matches(one, name));
    let not_allowed = hidden(&|name| !is_in(&allowed, name));
    if allowed.exists() && !not_allowed.is_empty() {
        found.add_about(&HIDDEN, object, &allowed, not_allowed);
    }
    let taken_out = hidden(&|name| is_in(&disallowed, name));
    if !taken_out.is_empty() {
        found.add_about(&HIDDEN, object, &disallowed, taken_out);
    }
}

/// Envoy's `StringMatcher`. Expressions are not read: they are taken to match nothing that is needed.
fn matches(pattern: &Field<'_>, name: &str) -> bool {
    let ignores_case = pattern.get("ignore_case").is_true();
    let word = |key: &str| {
        let word = pattern.get(key).text();
        word.map(|word| if ignores_case { word.to_lowercase() } else { word.to_owned() })
    };
    word("exact").is_some_and(|word| word == name)
        || word("prefix").is_some_and(|word| name.starts_with(&word))
        || word("suffix").is_some_and(|word| name.ends_with(&word))
        || word("contains").is_some_and(|word| name.contains(&word))
}

//! What changes from one bundle to another: who gains, who loses, and which rules are others.
//!
//! Exact on structure: every part of a bundle that a verdict can depend on is a line here, and a line that is in one
//! bundle only, or says something else, is a change. Conditions are compared as text. A bundle does not differ from itself.

mod words;

use std::collections::BTreeMap;
use std::fmt;

use super::Bundle;
use crate::contract::{Contract, Grant, Then};
use crate::terms::{Tier, spelled};

spelled! {
    /// What sort of change it is.
    Turn, "a sort of change" {
        /// Someone may do something more.
        Gains = "gains",
        /// Someone may do something no longer.
        Loses = "loses",
        /// A rule is another one.
        Changes = "changes",
    }
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// What sort of change it is.
    pub turn: Turn,
    /// What it is about: `contract desk`, `action refund.issue`.
    pub about: String,
    /// The part of it: `order.read`, `limit of refund.issue`.
    pub part: String,
    /// What it says in the old bundle; nothing where it was not there.
    pub old: Option<String>,
    /// What it says in the new one; nothing where it is not there.
    pub new: Option<String>,
}

/// What changes from one bundle to another, in the order of what it is about.
pub fn diff(old: &Bundle, new: &Bundle) -> Vec<Change> {
    let (old, new) = (lines(old), lines(new));
    let mut keys: Vec<_> = old.keys().chain(new.keys()).collect();
    keys.sort_unstable();
    keys.dedup();
    let change = |key: &Key| {
        let (before, after) = (old.get(key), new.get(key));
        let turn = match (key.is_rule, before, after) {
            _ if before == after => return None,
            (false, None, Some(_)) => Turn::Gains,
            (false, Some(_), None) => Turn::Loses,
            _ => Turn::Changes,
        };
        Some(Change {
            turn,
            about: key.about.clone(),
            part: key.part.clone(),
            old: before.cloned(),
            new: after.cloned(),
        })
    };
    keys.into_iter().filter_map(change).collect()
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.turn, &self.old, &self.new) {
            (Turn::Gains | Turn::Loses, ..) => write!(f, "{} {} {}", self.about, self.turn, self.part),
            (Turn::Changes, Some(old), Some(new)) if old.is_empty() => {
                write!(f, "{}: {} is new: {new}", self.about, self.part)
            }
            (Turn::Changes, Some(old), Some(new)) if new.is_empty() => {
                write!(f, "{}: {} is gone: {old}", self.about, self.part)
            }
            (Turn::Changes, Some(old), Some(new)) => write!(f, "{}: {}: {old} -> {new}", self.about, self.part),
            (Turn::Changes, None, Some(new)) => write!(f, "{}: {} is new: {new}", self.about, self.part),
            (Turn::Changes, Some(old), None) => write!(f, "{}: {} is gone: {old}", self.about, self.part),
            (Turn::Changes, None, None) => write!(f, "{}: {}", self.about, self.part),
        }
    }
}

/// Names a line of a bundle.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    about: String,
    /// Whether the line is a rule; otherwise it lets someone do something, which is to be read first.
    is_rule: bool,
    part: String,
}

type Lines = BTreeMap<Key, String>;

fn lines(bundle: &Bundle) -> Lines {
    let mut lines = Lines::new();
    let mut add = |about: &str, part: &str, text: String| {
        lines.insert(Key { about: about.to_owned(), is_rule: true, part: part.to_owned() }, text);
    };
    add("the bundle", "mode", bundle.mode.to_string());
    let named = |places: &[usize]| {
        let names = places.iter().filter_map(|place| bundle.contracts.at(*place)).map(|one| one.name.to_string());
        names.collect::<Vec<_>>().join(", ")
    };
    add("what is unmapped", "reading is granted to", named(&bundle.unmapped.read));
    add("what is unmapped", "writing is granted to", named(&bundle.unmapped.write));
    for tier in Tier::ALL {
        add(&format!("tier {tier}"), "demands", bundle.catalog.tiers().demands(*tier).to_string());
    }
    let identity = &bundle.identity;
    add("identity", "workload", identity.workload.as_ref().map(words::workload).unwrap_or_default());
    add("identity", "user", identity.user.as_ref().map(words::user).unwrap_or_default());
    add("identity", "purpose header", identity.purpose_header.clone().unwrap_or_default());
    add("identity", "channel", identity.channel.as_ref().map(words::channel).unwrap_or_default());
    add("identity", "autonomous", join(identity.autonomous.iter().map(crate::terms::SpiffePattern::as_str)));
    add("identity", "credentials", join(identity.credentials.iter().map(words::credential)));
    catalog(bundle, &mut add);
    for guardrail in bundle.guardrails.iter() {
        let about = format!("guardrail {}", guardrail.name);
        let actions = bundle
            .catalog
            .actions()
            .filter(|(id, _)| bundle.guardrails.about(*id).any(|one| one.name == guardrail.name));
        add(&about, "is about", join(actions.map(|(_, action)| &action.name)));
        add(&about, "purposes", join(&guardrail.purposes));
        add(&about, "when", guardrail.when.as_ref().map(ToString::to_string).unwrap_or_default());
        let then = match &guardrail.then {
            Then::Deny => "deny".to_owned(),
            Then::Require(demands) => format!("require {demands}"),
            Then::Never(classes) => format!("never {}", join(classes)),
        };
        add(&about, "then", then);
    }
    for one in bundle.contracts.iter() {
        contract(one, &mut lines);
    }
    lines
}

fn catalog(bundle: &Bundle, add: &mut impl FnMut(&str, &str, String)) {
    for (id, service) in bundle.catalog.services() {
        let about = format!("service {}", service.name);
        add(&about, "mode", service.mode.map(|mode| mode.to_string()).unwrap_or_default());
        add(&about, "hosts", bundle.catalog.hosts_of(id).join(", "));
        add(&about, "descriptors", service.descriptors.clone().unwrap_or_default());
        add(&about, "endpoints", join(bundle.catalog.endpoints_of(id).map(words::endpoint)));
    }
    for (id, action) in bundle.catalog.actions() {
        let about = format!("action {}", action.name);
        let service = bundle.catalog.service(action.service).map(|service| service.name.to_string());
        add(&about, "service", service.unwrap_or_default());
        add(&about, "tier", action.tier.to_string());
        add(&about, "limit", join(&action.limits));
        add(&about, "subject", action.subject.as_deref().unwrap_or_default().to_owned());
        add(
            &about,
            "returns",
            action.returns.iter().map(|(at, class)| format!("{at} {class}")).collect::<Vec<_>>().join(", "),
        );
        add(&about, "changes to the request", words::mutations(&action.mutations));
        let mut routes: Vec<_> = bundle.catalog.routes_of(id).collect();
        routes.sort_by_key(ToString::to_string);
        add(&about, "routes", join(&routes));
        for route in routes {
            if let Some(inputs) = words::inputs(route) {
                add(&about, &format!("inputs of {route}"), inputs);
            }
        }
    }
}

fn contract(one: &Contract, lines: &mut Lines) {
    let about = format!("contract {}", one.name);
    let mut add = |part: String, is_rule: bool, text: String| {
        lines.insert(Key { about: about.clone(), is_rule, part }, text);
    };
    add("who".to_owned(), true, one.who.in_words().join(" and "));
    add("purposes".to_owned(), true, join(&one.purposes));
    add("retain".to_owned(), true, words::retain(&one.retain));
    add("mode".to_owned(), true, one.mode.map(|mode| mode.to_string()).unwrap_or_default());
    for (action, Grant { limits, when, sends, exception }) in &one.grants {
        add(action.to_string(), false, String::new());
        let mut part = |name: &str, text: Option<String>| {
            if let Some(text) = text {
                add(format!("{name} of {action}"), true, text);
            }
        };
        part("limit", (!limits.is_empty()).then(|| join(limits)));
        part("condition", when.as_ref().map(ToString::to_string));
        part("fields sent", sends.as_ref().map(|sends| format!("{}, others: {}", join(&sends.fields), sends.others)));
        part(
            "override",
            exception.as_ref().map(|one| {
                let limits = one.limits.as_deref().map(join);
                let when = one.when.as_ref().map(ToString::to_string);
                let sets: Vec<_> =
                    [limits, when, one.mode.map(|mode| mode.to_string())].into_iter().flatten().collect();
                format!("{} until {}: {}", one.name, one.expires_at, sets.join("; "))
            }),
        );
    }
}

fn join<T: ToString>(list: impl IntoIterator<Item = T>) -> String {
    list.into_iter().map(|one| one.to_string()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::load;
    use crate::yaml::SourceFile;

    fn bundle(text: &str) -> Bundle {
        load(&[SourceFile { name: "t".into(), text: text.into() }]).map_err(|all| all.to_string()).unwrap().bundle
    }

    const OLD: &str = "apiVersion: tollgate.dev/v1alpha1\nkind: Service\nmetadata: { name: s }\nhosts: [a.example]\nactions:\n  a.read: { tier: open, inputs: { n: integer }, routes: [{ http: GET /a, at: { n: query } }] }\n  a.write: { tier: open, routes: [{ http: POST /a }] }\n---\napiVersion: tollgate.dev/v1alpha1\nkind: Contract\nmetadata: { name: c }\nwho: anyone\npurposes: [p]\nactions: { a.read: { limit: { n: 5 } } }\n";

    #[track_caller]
    fn check(from: &str, to: &str, expected: &[&str]) {
        let new = OLD.replace(from, to);
        assert_ne!(new, OLD, "{from}");
        let found: Vec<_> = diff(&bundle(OLD), &bundle(&new)).iter().map(ToString::to_string).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn a_bundle_does_not_differ_from_itself() {
        assert_eq!(diff(&bundle(OLD), &bundle(OLD)), []);
        let shipped = ["00-ground", "services", "contracts", "guardrails", "cases"].map(|name| SourceFile {
            name: name.to_owned(),
            text: std::fs::read_to_string(format!("{}/policies/{name}.yaml", env!("CARGO_MANIFEST_DIR"))).unwrap(),
        });
        let load = || load(&shipped).unwrap().bundle;
        assert_eq!(diff(&load(), &load()), []);
    }

    #[test]
    fn who_gains_and_who_loses_is_named() {
        check("{ a.read: { limit", "{ a.write: , a.read: { limit", &["contract c gains a.write"]);
        check(
            "a.read: { limit: { n: 5 } }",
            "a.write:",
            &[
                "contract c loses a.read",
                "contract c gains a.write",
                "contract c: limit of a.read is gone: n at most 5",
            ],
        );
        check("n: 5", "n: 6", &["contract c: limit of a.read: n at most 5 -> n at most 6"]);
        check(
            "limit: { n: 5 }",
            "when: inputs.n < 5, limit: { n: 5 }",
            &["contract c: condition of a.read is new: inputs.n < 5"],
        );
    }

    #[test]
    fn what_a_verdict_depends_on_is_a_change() {
        check("a.write: { tier: open", "a.write: { tier: impact", &["action a.write: tier: open -> impact"]);
        check("POST /a", "POST /b", &["action a.write: routes: POST /a -> POST /b"]);
        check("who: anyone", "who: { user: { anyRole: [x] } }", &["contract c: who: anyone -> user with the role x"]);
        check("hosts: [a.example]", "hosts: [b.example]", &["service s: hosts: a.example -> b.example"]);
    }
}

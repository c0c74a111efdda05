//! What attachments are called: readable, and never like another one of the same Tollgate.
//!
//! Of two objects of one name the second would replace the first without a word, and what the first was for would go unjudged.
//! The most usual targets have a name that says all of them. Every other name ends in digits that are made of exactly what it is
//! for; so does one that would be read as another target's, had to be spelt differently, or was cut. The chart does the same, in
//! `templates/_attach.tpl`.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest, Sha256};

use super::value::{Host, Name};
use crate::receipt::hex;

/// Most that a name has: some become labels or hosts.
const MOST: usize = 63;
/// Hexadecimal digits of what a name is for.
const DIGITS: usize = 8;
/// The label whose value stands in a name alone; of all others the key does, too.
const USUAL: &str = "app.kubernetes.io/name";
/// How the words of other targets begin. A value that begins so, too, has digits.
const OTHERS: [&str; 3] = ["app-", "gateway-", "route-"];
/// The word for `tollgate.dev/enforce: "true"`.
const ENFORCE: &str = "enforce";

/// What an attachment is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Purpose {
    /// For people.
    words: Vec<String>,
    /// So that no other purpose has the same.
    exact: String,
    /// Whether no other purpose has these words.
    words_say_it: bool,
}

impl Purpose {
    /// All of a namespace.
    pub(super) fn whole() -> Self {
        Self { words: Vec::new(), exact: String::new(), words_say_it: true }
    }

    /// Something of a namespace, which stands in the name.
    pub(super) fn of_namespace(words: &[&str], namespace: &Name) -> Self {
        let words = words.iter().copied().chain([namespace.as_str()]).map(str::to_owned).collect();
        Self { words, exact: format!("Namespace/{namespace}"), words_say_it: true }
    }

    /// A Gateway, which may be a waypoint.
    pub(super) fn gateway(name: &Host) -> Self {
        Self {
            words: vec!["gateway".to_owned(), name.to_string()],
            exact: format!("Gateway/{name}"),
            words_say_it: true,
        }
    }

    /// Routes, by their names.
    pub(super) fn routes(http: &BTreeSet<Host>, grpc: &BTreeSet<Host>) -> Self {
        let names = http.iter().chain(grpc).map(ToString::to_string);
        let exact = http.iter().map(|name| format!("HTTPRoute/{name}"));
        let exact: Vec<_> = exact.chain(grpc.iter().map(|name| format!("GRPCRoute/{name}"))).collect();
        Self {
            words: ["route".to_owned()].into_iter().chain(names).collect(),
            exact: exact.join(","),
            words_say_it: http.len() == 1 && grpc.is_empty(),
        }
    }

    /// Whatever has these labels.
    pub(super) fn labels(labels: &BTreeMap<String, String>) -> Self {
        let exact: Vec<_> = labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
        let mut pairs = labels.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        let (words, words_say_it) = match (pairs.next(), pairs.next()) {
            (Some((USUAL, value)), None) => {
                let is_read_otherwise = value == ENFORCE || OTHERS.iter().any(|prefix| value.starts_with(prefix));
                (vec![value], !is_read_otherwise)
            }
            (Some(("app", value)), None) => (vec!["app", value], true),
            (Some(("tollgate.dev/enforce", "true")), None) => (vec![ENFORCE], true),
            _ => (labels.iter().flat_map(|(key, value)| [name_of(key), value.as_str()]).collect(), false),
        };
        Self { words: words.into_iter().map(str::to_owned).collect(), exact: exact.join(","), words_say_it }
    }

    /// The name of what this Tollgate is asked for.
    pub(super) fn name(&self, service: &Name) -> String {
        let whole = [&[service.to_string()], self.words.as_slice()].concat().join("-");
        let name = whole.to_lowercase().replace(['_', '.'], "-");
        if self.words_say_it && name == whole && name.len() <= MOST {
            return name;
        }
        let digits = hex(&Sha256::digest(format!("{service} {}", self.exact)));
        let (name, digits) = (cut(&name, MOST - DIGITS - 1).trim_matches('-'), cut(&digits, DIGITS));
        format!("{name}-{digits}")
    }
}

/// The key of a label without the host before it.
fn name_of(key: &str) -> &str {
    key.rsplit_once('/').map_or(key, |(_, name)| name)
}

/// Labels and names are ASCII.
fn cut(text: &str, most: usize) -> &str {
    text.get(..most).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> Purpose {
        Purpose::labels(&pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect())
    }

    fn routes(http: &[&str], grpc: &[&str]) -> Purpose {
        let hosts = |names: &[&str]| names.iter().map(|name| name.parse().unwrap()).collect::<BTreeSet<Host>>();
        Purpose::routes(&hosts(http), &hosts(grpc))
    }

    #[track_caller]
    fn named(purpose: &Purpose, name: &str) {
        assert_eq!(purpose.name(&"tollgate".parse().unwrap()), name);
    }

    #[test]
    fn the_most_usual_targets_have_names_of_words_alone() {
        named(&Purpose::whole(), "tollgate");
        named(&labels(&[(USUAL, "orders")]), "tollgate-orders");
        named(&labels(&[("app", "orders")]), "tollgate-app-orders");
        named(&labels(&[("tollgate.dev/enforce", "true")]), "tollgate-enforce");
        named(&Purpose::gateway(&"public".parse().unwrap()), "tollgate-gateway-public");
        named(&routes(&["orders"], &[]), "tollgate-route-orders");
        named(&Purpose::of_namespace(&["from"], &"shop".parse().unwrap()), "tollgate-from-shop");
    }

    #[test]
    fn every_other_name_says_its_key_and_ends_in_digits() {
        named(&labels(&[("tier", "orders")]), "tollgate-tier-orders-4a8c54ea");
        named(&labels(&[("app", "orders"), ("tier", "1")]), "tollgate-app-orders-tier-1-aa981e24");
        named(&labels(&[("app", "A_b.c")]), "tollgate-app-a-b-c-e36e5448");
    }

    #[test]
    fn no_two_purposes_have_one_name() {
        let values = ["orders", "orders-api", "Orders", "a.b", "a-b", "a_b", "enforce", "app-orders", "gateway-orders"];
        let values = [values.as_slice(), &["route-orders", "true", "a-tier-b", "tier-orders"]].concat();
        let keys = ["app", USUAL, "tier", "Tier", "x.example/tier", "y.example/tier", "tollgate.dev/enforce"];
        let mut all = vec![Purpose::whole()];
        for value in &values {
            all.extend(keys.iter().map(|key| labels(&[(key, value)])));
            all.push(labels(&[("a", value), ("tier", "b")]));
            if let Ok(name) = value.parse() {
                all.push(Purpose::gateway(&name));
                all.extend([routes(&[value], &[]), routes(&[], &[value]), routes(&["a", value], &[])]);
                all.push(routes(&["a"], &[value]));
            }
        }
        for service in ["tollgate".to_owned(), "s".repeat(63)] {
            let service: Name = service.parse().unwrap();
            let mut purposes = BTreeMap::new();
            for purpose in &all {
                let name = purpose.name(&service);
                assert!(name.parse::<Name>().is_ok(), "{name} of {purpose:?}");
                if let Some(other) = purposes.insert(name.clone(), purpose) {
                    panic!("{name} is {other:?} and {purpose:?}");
                }
            }
        }
    }

    #[test]
    fn what_was_cut_says_whose_it_was() {
        let services = ["a", "b"].map(|end| format!("{}{end}", "s".repeat(62)).parse().unwrap());
        let [one, other] = services.map(|service| labels(&[("app", "x")]).name(&service));
        assert!(one != other && one.len() == 63 && cut(&one, 54) == cut(&other, 54), "{one} {other}");
    }
}

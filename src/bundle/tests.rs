//! What is loaded, and how what is wrong is said.

use super::*;
use crate::terms::Tier;

pub(super) fn file(name: &str, text: &str) -> SourceFile {
    SourceFile { name: name.to_owned(), text: text.to_owned() }
}

const HEADER: &str = "apiVersion: tollgate.dev/v1alpha1\nmetadata: { name: x }\n";

fn service(actions: &str) -> String {
    format!("{HEADER}kind: Service\nhosts: [a.example]\nactions:\n{actions}")
}

fn contract(rest: &str) -> String {
    format!("{HEADER}kind: Contract\n{rest}")
}

/// The one-line forms of all problems.
fn problems(texts: &[&str]) -> Vec<String> {
    let files: Vec<_> = texts.iter().enumerate().map(|(index, text)| file(&format!("{index}.yaml"), text)).collect();
    load(&files).err().map(|problems| problems.iter().map(ToString::to_string).collect()).unwrap_or_default()
}

#[track_caller]
fn check(text: &str, expected: &str) {
    let found = problems(&[text]);
    assert!(
        found.iter().any(|problem| problem.contains(expected)),
        "expected {expected:?} among {found:#?}\nin\n{text}"
    );
}

const READ: &str = "  order.read: { tier: open, routes: [{ http: \"GET /o/{order}\" }] }\n";

#[test]
fn an_unknown_key_is_named_with_its_place_and_the_nearest_known_one() {
    let text = service("  order.read: { teir: open, routes: [{ http: GET /a }] }\n");
    assert_eq!(problems(&[&text]).len(), 1, "the misspelled key is not said to be missing, too");
    check(&text, "0.yaml:6:17: the key `teir` is not known here; help: did you mean `tier`?");
}

#[test]
fn keys_of_later_versions_are_refused_by_name_and_never_ignored() {
    let action =
        |rest: &str| service(&format!("  order.read: {{ tier: open, routes: [{{ http: GET /a }}], {rest} }}\n"));
    check(&action("bind: [a]"), "`bind` is not supported yet");
    let grant = |rest: &str| contract(&format!("who: anyone\npurposes: [a]\nactions: {{ order.read: {{ {rest} }} }}"));
    for key in ["receives", "budget"] {
        check(&grant(&format!("{key}: x")), &format!("`{key}` is not supported yet"));
    }
    check(&grant("limit: { a: 1, over: hold }"), "`over: hold` is not supported yet");
    check(&format!("{HEADER}kind: Tiers\nopen: {{ require: {{ approval: x }} }}"), "`approval` is not supported yet");
}

#[test]
fn what_makes_yaml_surprising_is_refused() {
    check(&format!("{HEADER}kind: Defaults\nkind: Tiers\n"), "the key `kind` stands here twice");
    check("a: &x 1\nb: *x\n", "an alias is not allowed");
    check("a: &x 1\n", "an anchor is not allowed");
    check("a: !!str 1\n", "a tag is not allowed");
    check("# a\u{85}kind: x\n", "0.yaml:1:4: a Unicode line separator is not allowed");
    check("[a, b]", "expected a document");
    check("a: [", "this is not YAML");
    check("a: 1\nki", "0.yaml:2:3: this is not YAML");
    check("?\n# end", "0.yaml:2:6: a key must be a text, this is nothing");
    check("? [a]\n: b\n", "a key must be a text");
    check(&"[".repeat(40), "levels deep");
    check("", "there is no policy document");
    check("# only a comment\n---\n---\n", "there is no policy document");
}

#[test]
fn references_that_lead_nowhere_are_refused_with_what_was_probably_meant() {
    let both = [service(READ), contract("who: anyone\npurposes: [a]\nactions: { order.raed: }")];
    let found = problems(&[&both[0], &both[1]]);
    assert_eq!(found, ["1.yaml:6:12: no service has an action `order.raed`; help: did you mean `order.read`?"]);
}

#[test]
fn what_cannot_hold_is_refused() {
    let personal = service("  order.read: { tier: personal, routes: [{ http: GET /a }] }\n");
    let found = problems(&[&personal, &contract("who: anyone\npurposes: [a]\nactions: { order.read: }")]);
    assert!(
        found[0].contains("anyone may not have it") && found[0].contains("(this is for anyone: 1.yaml:4:6)"),
        "{found:?}"
    );
    check(&contract("who: {}\npurposes: [a]\nactions: {}"), "the contract is about nobody");
    check(&contract("who: { workload: [] }\npurposes: [a]\nactions: {}"), "an empty list: it would be about nobody");
    check(&contract("who: anyone\npurposes: []\nactions: {}"), "a contract is for something");
    check(&contract("who: { workload: [\"spiffe://*\"] }\npurposes: [a]\nactions: {}"), "names no workload");
    check(&contract("who: anyone\nactions: {}"), "the key `purposes` is missing here");
    check(&service("  order.read: { tier: opne, routes: [] }\n"), "help: did you mean `open`?");
    check(&service("  order.read: { tier: open, routes: [] }\n"), "no request would find this action");
    check(&service("  order.read: { tier: open, routes: [{ http: GET a }] }\n"), "is not a path");
    check(
        &service("  order.read: { tier: open, routes: [{ http: GET /a, at: { x: query } }] }\n"),
        "declares no input `x`",
    );
    let input = |rest: &str| service(&format!("  a.b: {{ tier: open, {rest} }}\n"));
    check(&input("inputs: { n: integer }, routes: [{ http: GET /a }]"), "does not say where `n` stands");
    check(
        &input("inputs: { n: integer }, routes: [{ http: GET /a, at: { n: cookie } }]"),
        "is not a place where an input can stand",
    );
    check(
        &input("inputs: { m: { money: { unit: major } } }, routes: [{ http: GET /a, at: { m: query } }]"),
        "where `m.currency` stands",
    );
    check(
        &input("inputs: { n: integer }, routes: [{ http: \"GET /{n}\" }], limit: { n: 5 EUR }"),
        "not a plain decimal number",
    );
    check(
        &input("inputs: { n: string }, routes: [{ http: \"GET /{n}\" }], limit: { n: 5 }"),
        "neither a number nor money",
    );
    check(&input("routes: [{ http: GET /a }], requestHeaders: { remove: [Cookie] }"), "help: write `cookie`");
    check(&input("routes: [{ http: GET /a }], requestHeaders: { remove: [host] }"), "frames the request");
    check(&input("routes: [{ http: GET /a }], requestQuery: { remove: [a], set: { a: b } }"), "both set and removed");
    check(&input("routes: [{ http: GET /a }], requestQuery: { remove: [\"a b\"] }"), "plain name");
    check(&service(READ).replace("a.example", "A.example:80"), "is not a host");
    for taken in ["host", "authorization", "tollgate-receipt", "tollgate_tier"] {
        check(&format!("{HEADER}kind: Identity\npurpose: {{ header: {taken} }}"), "means something else already");
    }
    check(&format!("{HEADER}kind: Identity\nuser: {{ from: header }}"), "is not a place in the proxy's metadata");
    check(
        &format!("{HEADER}kind: Identity\nchannel: {{ header: x, trustedFrom: [], ceilings: {{ \"A b\": open }} }}"),
        "is not a channel",
    );
    for duration in ["5M", "500ms", "0s", "1h30m", "", "05m", "1234567s", "5 m"] {
        let text = contract(&format!("who: anyone\npurposes: [a]\nactions: {{}}\nretain: {{ for: \"{duration}\" }}"));
        check(&text, "expected a duration such as `30s`, `5m`, `1h` or `30d`");
    }
    check(&format!("{HEADER}kind: Servce\n"), "help: did you mean `Service`?");
    check(&format!("{HEADER}kind: Defaults\n").replace("v1alpha1", "v1"), "is not a version that is known here");
    check("apiVersion: tollgate.dev/v1alpha1\nkind: Defaults\n", "the key `metadata` is missing here");
}

#[test]
fn what_is_there_twice_is_shown_with_its_first_place() {
    let found = problems(&[&service(READ), &service(&READ.replace("/o/", "/p/")).replace("name: x", "name: y")]);
    assert_eq!(found, ["1.yaml:6:3: there are two actions named `order.read` (the first is here: 0.yaml:6:3)"]);
    let found =
        problems(&[&service(READ), &service(&READ.replace("order.read", "order.get")).replace("name: x", "name: y")]);
    assert!(
        found[0].contains("this route overlaps with another one (the other one is here: 0.yaml:6:46)"),
        "{found:?}"
    );
    let defaults = format!("{HEADER}kind: Defaults\n");
    let found = problems(&[&defaults, &defaults.replace("name: x", "name: y")]);
    assert!(found[0].contains("a bundle has one `Defaults` document"), "{found:?}");
    let found = problems(&[&service(READ), &service(&READ.replace("order.read", "a.b").replace("/o/", "/p/"))]);
    assert!(found[0].contains("there are two `Service` documents named `x`"), "{found:?}");
}

#[test]
fn all_problems_are_reported_at_once_in_the_order_of_their_places() {
    let text =
        service("  order.read: { teir: open, routes: [{ http: GET a }] }\n  order.list: { tier: opn, routes: [] }\n");
    let found = problems(&[&text]);
    assert_eq!(found.len(), 3, "{found:#?}");
    assert!(found.is_sorted(), "{found:#?}");
}

#[test]
fn a_problem_is_shown_with_its_source_under_it() {
    let text = service("  order.read: { teir: open, tier: open, routes: [{ http: GET /a }] }\n");
    let problems = load(&[file("shop.yaml", &text)]).unwrap_err();
    let shown = problems.iter().next().unwrap().render(&annotate_snippets::Renderer::plain());
    assert!(
        shown.contains("--> shop.yaml:6:17") && shown.contains("^^^^") && shown.contains("did you mean `tier`?"),
        "{shown}"
    );
}

#[test]
fn the_digest_does_not_depend_on_names_and_order_of_files() {
    let (a, b) = (file("a", "1"), file("b", "2"));
    let (c, d) = (file("c", "2"), file("d", "1"));
    assert_eq!(digest(&[a.clone(), b.clone()]), digest(&[c, d]));
    assert_ne!(digest(&[a.clone(), b]), digest(&[a]));
}

#[test]
fn a_bundle_means_what_is_written() {
    let text = service(
        "  order.read: { tier: critical, inputs: { n: integer }, routes: [{ http: \"GET /o/{n}\" }], limit: { n: 5 } }\n",
    );
    let tiers = format!("{HEADER}kind: Tiers\ncritical: {{ require: {{ caller: known }}, receipt: durable }}");
    let loaded = load(&[file("a", &text), file("b", &tiers)]).unwrap();
    let catalog = &loaded.bundle.catalog;
    let action = catalog.action(catalog.action_id("order.read").unwrap()).unwrap();
    assert_eq!((action.tier, action.limits.len()), (Tier::Critical, 1));
    let demands = catalog.tiers().demands(Tier::Critical);
    assert!(demands.known_caller && !demands.declared_purpose && demands.assurance.is_none());
    assert_eq!(demands.durability(), crate::terms::Durability::Durable);
    // A key that is not written takes no demand away.
    for tiers in ["critical: { receipt: durable }", "critical:"] {
        let loaded = load(&[file("a", &text), file("b", &format!("{HEADER}kind: Tiers\n{tiers}"))]).unwrap();
        assert!(loaded.bundle.catalog.tiers().demands(Tier::Critical).assurance.is_some(), "{tiers}");
    }
    // A tier that is not written keeps what is built in.
    assert!(catalog.tiers().demands(Tier::Impact).assurance.is_some());
    assert_eq!(loaded.bundle.mode, Mode::Enforce);
}

#[test]
fn the_schema_describes_every_kind_and_closes_every_map() {
    let schema = schema().to_string();
    for kind in ["Defaults", "Tiers", "Identity", "Service", "Contract", "Test"] {
        assert!(schema.contains(&format!("{{\"const\":\"{kind}\"}}")), "{kind}");
    }
    assert!(schema.contains("\"additionalProperties\":false"));
}

#[test]
fn ten_thousand_actions_compile() {
    let actions: String = (0..10_000)
        .map(|n| format!("  a{n}.read: {{ tier: open, routes: [{{ http: \"GET /a{n}/{{x}}\" }}] }}\n"))
        .collect();
    let grants: String = (0..10_000).map(|n| format!("  a{n}.read:\n")).collect();
    let loaded = load(&[
        file("a", &service(&actions)),
        file("b", &contract(&format!("who: anyone\npurposes: [a]\nactions:\n{grants}"))),
    ])
    .unwrap();
    assert_eq!(loaded.bundle.catalog.actions().count(), 10_000);
}

#[test]
fn what_takes_too_long_to_look_at_is_refused_at_load() {
    let hosts: Vec<_> = (0..33).map(|n| format!("h{n}.example")).collect();
    let text = service(READ).replace("[a.example]", &format!("[{}]", hosts.join(", ")));
    check(&text, "a service has at most 32 hosts");
    let roles: Vec<_> = (0..1001).map(|n| format!("r{n}")).collect();
    let who = format!("who: {{ user: {{ anyRole: [{}] }} }}\npurposes: [a]\nactions: {{}}", roles.join(", "));
    check(&contract(&who), "a list of 1001: at most 1000 can be looked at in time");
    let inputs: String = (0..257).map(|n| format!("i{n}: string, ")).collect();
    let text = service(READ).replace("tier:", &format!("inputs: {{ {inputs} }}, tier:"));
    check(&text, "an action has at most 256 inputs");
    check(&"[a,".repeat(50_001), "0.yaml:1:1: more than 100000 of `[`, `{`, `,`, `&`, `*` and `!` stand in this file");
    // As many are good where there is ten times as much of other text.
    let most = format!("[{}a]{}", "a,".repeat(100_000), " ".repeat(900_000));
    assert!(problems(&[&most]).iter().all(|problem| !problem.contains("more than")));
}

#[test]
fn of_very_many_problems_the_first_are_kept_and_the_first_of_these_have_hints() {
    let keys: String =
        (0..600).map(|n| format!("  a.b{n}: {{ teir: open, routes: [{{ http: GET /a{n} }}] }}\n")).collect();
    let found = problems(&[&service(&keys)]);
    let hints = found.iter().filter(|problem| problem.contains("did you mean")).count();
    assert_eq!((found.len(), hints), (500, 50));
    // What is quoted is, too.
    let found = problems(&[&format!("{HEADER}kind: {}\n", "é".repeat(1_000_000))]);
    assert!(found.iter().all(|problem| problem.len() < 5000), "of a text");
}

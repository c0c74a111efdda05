//! Conditions, one by one: what they mean, and what is said about those that mean nothing.

mod generated;
mod refused;
mod world;

use std::time::Duration;

use rust_decimal::Decimal;
use world::{Known, World, compile};

use super::*;
use crate::catalog::{InputKind, Spelled};

fn world() -> World {
    let text = |text: &str| Known::Text(text.to_owned());
    World::from([
        (Name::Workload, text("spiffe://cluster.local/ns/support/sa/desk")),
        (Name::User, text("agent-7")),
        (Name::Roles, Known::Roles(vec![Role("support".to_owned()), Role("billing".to_owned())])),
        (Name::Agents, Known::Agents(vec![AgentId::new("copilot".to_owned())])),
        (Name::Automation, text("assisted")),
        (Name::Channel, text("voice")),
        (Name::Acr, text("mfa")),
        (Name::AuthAge, Known::Duration(Duration::from_mins(5))),
        (Name::Tenant, text("acme")),
        (Name::Purpose, text("essential.service")),
        (Name::Action, text("refund.create")),
        (Name::Tier, Known::Tier(Tier::Impact)),
        (Name::Input("amount".to_owned()), Known::Money("200.00 EUR".parse().unwrap())),
        (Name::Input("count".to_owned()), Known::Integer(9_007_199_254_740_993)),
        (Name::Input("rate".to_owned()), Known::Decimal(Decimal::new(30, 2))),
        (Name::Input("gift".to_owned()), Known::Boolean(true)),
        (Name::Input("note".to_owned()), text("a (b] 'c' é")),
        (Name::Subject, text("customer-4")),
        (Name::Method, text("POST")),
        (Name::Host, text("api.shop.example")),
        (Name::Header("x-region".to_owned()), text("eu-1")),
        (Name::Now, Known::Time("2026-11-24T00:00:00Z".parse().unwrap())),
    ])
}

#[track_caller]
fn check(text: &str, expected: bool) {
    let condition = compile(text).unwrap_or_else(|faults| panic!("{text}: {faults:?}"));
    assert_eq!(condition.holds(&world()), Ok(expected), "{text}");
    assert_eq!(condition.to_string(), text);
    // The same rule in both directions.
    let not = compile(&format!("!({text})")).unwrap();
    assert_eq!(not.holds(&world()), Ok(!expected), "not {text}");
    for name in condition.names() {
        let mut world = world();
        world.forget(name);
        let unknown = Err(Unknown { name: name.clone() });
        assert_eq!(condition.holds(&world), unknown, "{text} without {name}");
        assert_eq!(not.holds(&world), unknown, "not {text} without {name}");
    }
}

#[test]
fn what_is_written_the_same_is_one_condition_and_is_checked_against_each_scope() {
    let conditions = Conditions::new(Some(&[]));
    let compile = |text: &str, has_subject| conditions.compile(text, &[], has_subject);
    let text = "subject == 'customer-4'";
    assert!(compile(text, false).is_err(), "there is no subject");
    let (first, second) = (compile(text, true).unwrap(), compile(text, true).unwrap());
    assert!(Arc::ptr_eq(&first, &second), "it is held once");
    assert_eq!(first.text(), text);
    assert!(compile(text, false).is_err(), "there is still no subject");
    assert!(compile("subject ==", true).is_err());
    let other = compile("subject == 'customer-5'", true).unwrap();
    assert!(!Arc::ptr_eq(&first, &other));
    assert!(Arc::ptr_eq(&first.names, &other.names), "what both mention is held once");
    assert_eq!(conditions.remembered.borrow().texts.len(), 2, "what was not parsed is not remembered");
}

#[test]
fn what_was_a_condition_for_one_action_is_checked_again_for_another() {
    let conditions = Conditions::new(Some(&[]));
    let input =
        |name: &str, kind| Arc::new(Input { name: name.to_owned(), kind, optional: false, spelled: Spelled::Number });
    let (number, word) = ([input("n", InputKind::Integer)], [input("n", InputKind::Text)]);
    let compile = |inputs: &[Arc<Input>]| conditions.compile("inputs.n == 1", inputs, false);
    let first = compile(&number).unwrap();
    assert!(compile(&word).is_err(), "it is a text there");
    assert!(compile(&[]).is_err(), "there is none");
    let same = [input("n", InputKind::Integer)];
    let more = [input("m", InputKind::Text), input("n", InputKind::Integer)];
    for inputs in [same.as_slice(), &more] {
        assert!(Arc::ptr_eq(&first, &compile(inputs).unwrap()), "it means the same");
    }
}

#[test]
fn every_name_has_its_type() {
    check("caller.workload == 'spiffe://cluster.local/ns/support/sa/desk'", true);
    check("caller.user != 'agent-7'", false);
    check("'billing' in caller.roles", true);
    check("'Billing' in caller.roles", false);
    check("'copilot' in caller.agents", true);
    check("caller.user in caller.roles", false);
    check("caller.automation == 'assisted'", true);
    check("caller.automation in ['human', 'autonomous']", false);
    check("caller.channel in ['chat', 'voice']", true);
    check("caller.acr == \"mfa\"", true);
    check("caller.authAge <= duration('5m')", true);
    check("caller.authAge < duration('300s')", false);
    check("caller.tenant == 'acme'", true);
    check("purpose == 'essential'", false);
    check("purpose.startsWith('essential.')", true);
    check("action == 'refund.create'", true);
    check("tier >= 'impact' && tier < 'critical'", true);
    check("tier in ['open', 'personal']", false);
    check("subject == caller.user", false);
    check("request.method == 'POST'", true);
    check("request.host.endsWith('.shop.example')", true);
    check("request.headers['x-region'].startsWith('eu-')", true);
    check("request.headers['x-region'] == 'eu-1'", true);
    check("now < timestamp('2026-12-01T00:00:00Z')", true);
    check("timestamp('2026-12-01T01:00:00+01:00') < now", false);
    check("inputs.gift", true);
    check("inputs.gift == false", false);
    check("inputs.note.contains('(b] \\'c\\' é')", true);
}

#[test]
fn numbers_and_amounts_are_exact() {
    // One more than what a float can tell from its neighbour.
    check("inputs.count == 9007199254740993", true);
    check("inputs.count == 9007199254740992", false);
    check("inputs.count == 9007199254740993.0", true);
    check("inputs.count > -9223372036854775808", true);
    check("inputs.rate == 0.30", true);
    check("inputs.rate == 0.3", true);
    check("inputs.rate == 0.3000000000000000000000000001", false);
    check("inputs.rate > -0.5", true);
    check("-1 < inputs.rate", true);
    check("inputs.rate < inputs.count", true);
    check("inputs.rate in [1, 0.30, 2]", true);
    check("inputs.amount == money('200 EUR')", true);
    check("inputs.amount < money('200.00 EUR')", false);
    check("money('199.99 EUR') < inputs.amount", true);
}

#[test]
fn logic_binds_as_in_cel() {
    check("inputs.gift || inputs.gift && !inputs.gift", true);
    check("(inputs.gift || inputs.gift) && !inputs.gift", false);
    check("!inputs.gift || caller.channel == 'voice'", true);
    check("inputs.gift\n  && caller.channel == 'voice'\n  && !(tier == 'open')", true);
    check("!!inputs.gift", true);
}

#[test]
fn what_is_unknown_is_so_wherever_it_stands() {
    let check = |text: &str, missing: Name| {
        let mut world = world();
        world.forget(&missing);
        assert_eq!(compile(text).unwrap().holds(&world), Err(Unknown { name: missing }), "{text}");
    };
    check("inputs.gift || caller.channel == 'voice'", Name::Channel);
    check("caller.channel == 'voice' || inputs.gift", Name::Channel);
    check("!inputs.gift && caller.channel == 'voice'", Name::Channel);
    check("caller.channel != 'voice'", Name::Channel);
    check("!('support' in caller.roles)", Name::Roles);
}

#[test]
fn amounts_of_two_currencies_are_not_compared() {
    let amount = Name::Input("amount".to_owned());
    for text in [
        "inputs.amount < money('1000 USD')",
        "inputs.amount != money('200 USD')",
        "!(inputs.amount == money('200 USD'))",
        "inputs.gift || inputs.amount < money('1000 USD')",
    ] {
        assert_eq!(compile(text).unwrap().holds(&world()), Err(Unknown { name: amount.clone() }), "{text}");
    }
}

#[test]
fn a_value_of_another_type_than_its_name_is_unknown() {
    for (text, name) in [
        ("caller.channel == 'voice'", Name::Channel),
        ("caller.channel.contains('voice')", Name::Channel),
        ("caller.channel in ['voice']", Name::Channel),
        ("'voice' in caller.roles", Name::Roles),
        ("inputs.gift", Name::Input("gift".to_owned())),
    ] {
        let mut world = world();
        world.insert(name.clone(), Known::Integer(1));
        assert_eq!(compile(text).unwrap().holds(&world), Err(Unknown { name }), "{text}");
    }
}

#[test]
fn names_are_listed_once_and_in_order() {
    let condition = compile("tier == 'open' || inputs.gift || tier == 'impact'").unwrap();
    assert_eq!(condition.names().map(Name::to_string).collect::<Vec<_>>(), ["tier", "inputs.gift"]);
    let condition = compile("request.headers['x-region'] == 'a'").unwrap();
    assert_eq!(condition.names().map(Name::to_string).collect::<Vec<_>>(), ["request.headers['x-region']"]);
}

#[test]
fn every_condition_on_the_page_loads() {
    let page = include_str!("../../../docs/conditions.md");
    let blocks = page.split("```text\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let lines: Vec<_> = blocks.flat_map(str::lines).collect();
    assert!(lines.len() >= 10, "{lines:?}");
    for line in lines {
        compile(line).unwrap_or_else(|faults| panic!("{line}: {faults:?}"));
    }
}

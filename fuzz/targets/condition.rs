//! Any text as a condition: compiled or refused with faults that stand in it. What was compiled has an answer where all is
//! known, always the same one, and none where any of its names is not.

#![no_main]

use std::sync::Arc;
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use rust_decimal::Decimal;
use tollgate::catalog::{Input, InputKind, MoneyUnit, Spelled};
use tollgate::contract::{Condition, ConditionName as Name, ConditionValue as Value, Scope, Values};
use tollgate::terms::{AgentId, Money, Role, Tier};

/// All names are known but one.
struct World<'a> {
    forgotten: Option<&'a Name>,
    roles: Vec<Role>,
    agents: Vec<AgentId>,
    amount: Money,
}

impl Values for World<'_> {
    fn value(&self, name: &Name) -> Option<Value<'_>> {
        if self.forgotten == Some(name) {
            return None;
        }
        Some(match name {
            Name::Workload => Value::Text("spiffe://cluster.local/ns/corpus/sa/desk"),
            Name::User | Name::Subject => Value::Text("user-7"),
            Name::Roles => Value::Texts(&self.roles),
            Name::Agents => Value::Texts(&self.agents),
            Name::Automation => Value::Text("human"),
            Name::Channel => Value::Text("voice"),
            Name::Acr => Value::Text("mfa"),
            Name::AuthAge => Value::Duration(Duration::from_secs(60)),
            Name::Tenant => Value::Text("t-1"),
            Name::Purpose => Value::Text("essential.service"),
            Name::Action => Value::Text("refund.issue"),
            Name::Tier => Value::Tier(Tier::Critical),
            Name::Method => Value::Text("POST"),
            Name::Host => Value::Text("shop.example"),
            Name::Header(_) => Value::Text("eu"),
            Name::Now => Value::Time(jiff::Timestamp::constant(1_767_225_600, 0)),
            Name::Input(input) => match input.as_str() {
                "amount" => Value::Money(self.amount),
                "count" => Value::Integer(7),
                "rate" => Value::Decimal(Decimal::new(125, 2)),
                "gift" => Value::Boolean(true),
                _ => Value::Text("a note"),
            },
        })
    }
}

fuzz_target!(|text: &str| {
    let input =
        |name: &str, kind| Arc::new(Input { name: name.to_owned(), kind, optional: true, spelled: Spelled::Number });
    let inputs = [
        input("amount", InputKind::Money { unit: MoneyUnit::Major, min: Decimal::ZERO }),
        input("count", InputKind::Integer),
        input("rate", InputKind::Decimal),
        input("gift", InputKind::Boolean),
        input("note", InputKind::Text),
    ];
    let headers = ["x-region".to_owned()];
    let scope = Scope { inputs: &inputs, headers: Some(&headers), has_subject: true };
    let condition = match Condition::compile(text, &scope) {
        Ok(condition) => condition,
        Err(faults) => {
            assert!(!faults.is_empty());
            for fault in faults {
                assert!(text.get(fault.range.clone()).is_some(), "{fault:?} is not within the text");
            }
            return;
        }
    };
    let amount = "100.00 EUR".parse().expect("an amount");
    let mut world = World { forgotten: None, roles: vec![Role("agent".into())], agents: Vec::new(), amount };
    let answer = condition.holds(&world);
    assert_eq!(answer, condition.holds(&world));
    let again = Condition::compile(condition.text(), &scope).expect("what compiled compiles");
    assert_eq!(answer, again.holds(&world));
    let names: Vec<_> = condition.names().collect();
    assert!(!names.is_empty(), "a condition mentions the call");
    // Amounts of two currencies cannot be compared: that is the one way to be unknown with all names known.
    assert!(answer.is_ok() || names.contains(&&Name::Input("amount".into())), "{answer:?}");
    for name in names {
        world.forgotten = Some(name);
        assert!(condition.holds(&world).is_err(), "an answer without {name}");
    }
});

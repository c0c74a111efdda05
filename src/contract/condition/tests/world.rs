//! A call whose every value can be set and forgotten, and the scope that conditions of these tests are compiled in.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use rust_decimal::Decimal;

use crate::catalog::{Input, InputKind, MoneyUnit};
use crate::contract::condition::{Condition, Fault, Name, Scope, Value, Values};
use crate::terms::{AgentId, Money, Role, Tier};

#[derive(Debug, Clone)]
pub enum Known {
    Text(String),
    Roles(Vec<Role>),
    Agents(Vec<AgentId>),
    Integer(i64),
    Decimal(Decimal),
    Money(Money),
    Boolean(bool),
    Duration(Duration),
    Time(jiff::Timestamp),
    Tier(Tier),
}

#[derive(Debug, Clone, Default)]
pub struct World(HashMap<Name, Known>);

impl<const N: usize> From<[(Name, Known); N]> for World {
    fn from(known: [(Name, Known); N]) -> Self {
        Self(HashMap::from(known))
    }
}

impl World {
    pub fn insert(&mut self, name: Name, known: Known) {
        self.0.insert(name, known);
    }

    pub fn forget(&mut self, name: &Name) {
        self.0.remove(name);
    }
}

impl Values for World {
    fn value(&self, name: &Name) -> Option<Value<'_>> {
        Some(match self.0.get(name)? {
            Known::Text(text) => Value::Text(text),
            Known::Roles(roles) => Value::Texts(roles),
            Known::Agents(agents) => Value::Texts(agents),
            Known::Integer(number) => Value::Integer(*number),
            Known::Decimal(number) => Value::Decimal(*number),
            Known::Money(money) => Value::Money(*money),
            Known::Boolean(is) => Value::Boolean(*is),
            Known::Duration(time) => Value::Duration(*time),
            Known::Time(time) => Value::Time(*time),
            Known::Tier(tier) => Value::Tier(*tier),
        })
    }
}

pub fn compile(text: &str) -> Result<Arc<Condition>, Vec<Fault>> {
    let input = |name: &str, kind| {
        let (name, spelled) = (name.to_owned(), crate::catalog::Spelled::Number);
        Arc::new(Input { name, kind, optional: true, spelled })
    };
    let inputs = [
        input("amount", InputKind::Money { unit: MoneyUnit::Major, min: Decimal::ZERO }),
        input("count", InputKind::Integer),
        input("rate", InputKind::Decimal),
        input("gift", InputKind::Boolean),
        input("note", InputKind::Text),
    ];
    let headers = ["x-region".to_owned()];
    Condition::compile(text, &Scope { inputs: &inputs, headers: Some(&headers), has_subject: true })
}

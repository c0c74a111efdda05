//! Conditions that nobody wrote: against a naive model, against CEL's own interpreter, and text that is none.

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use cel::{Context, Program};
use proptest::prelude::*;
use rust_decimal::Decimal;

use super::world::{Known, World, compile};
use crate::contract::condition::{Name, parse};
use crate::terms::{Money, Role, Tier};

/// A condition as the model sees it. Numbers and amounts count hundredths.
#[derive(Debug, Clone)]
enum Model {
    Not(Box<Model>),
    And(Box<Model>, Box<Model>),
    Or(Box<Model>, Box<Model>),
    Text(&'static str, &'static str),
    Channel(bool, &'static str),
    Among(Vec<&'static str>),
    Role(&'static str),
    Gift,
    Count(&'static str, i64),
    Rate(&'static str, i64),
    Amount(&'static str, i64, &'static str),
    Tier(&'static str, Tier),
    Age(&'static str, u64),
}

/// A call as the model sees it.
#[derive(Debug, Clone)]
struct Call {
    channel: Option<&'static str>,
    roles: Option<Vec<&'static str>>,
    gift: Option<bool>,
    count: Option<i64>,
    rate: Option<i64>,
    amount: Option<(i64, &'static str)>,
    tier: Option<Tier>,
    age: Option<u64>,
}

const TEXTS: [&str; 4] = ["voice", "voicemail", "chat", "é"];
const ORDERS: [&str; 6] = ["==", "!=", "<", "<=", ">", ">="];
const CURRENCIES: [&str; 2] = ["EUR", "USD"];

fn orders<T: PartialOrd>(how: &str, left: &T, right: &T) -> bool {
    match how {
        "==" => left == right,
        "!=" => left != right,
        "<" => left < right,
        "<=" => left <= right,
        ">" => left > right,
        _ => left >= right,
    }
}

impl Model {
    /// `None` is unknown.
    fn holds(&self, call: &Call) -> Option<bool> {
        Some(match self {
            Self::Not(one) => !one.holds(call)?,
            Self::And(left, right) => match (left.holds(call), right.holds(call)) {
                (Some(left), Some(right)) => left && right,
                _ => return None,
            },
            Self::Or(left, right) => match (left.holds(call), right.holds(call)) {
                (Some(left), Some(right)) => left || right,
                _ => return None,
            },
            Self::Text(how, part) => match *how {
                "startsWith" => call.channel?.starts_with(part),
                "endsWith" => call.channel?.ends_with(part),
                _ => call.channel?.contains(part),
            },
            Self::Channel(equal, text) => (call.channel? == *text) == *equal,
            Self::Among(list) => list.contains(&call.channel?),
            Self::Role(role) => call.roles.as_ref()?.contains(role),
            Self::Gift => call.gift?,
            Self::Count(how, number) => orders(how, &call.count?, number),
            Self::Rate(how, number) => orders(how, &call.rate?, number),
            Self::Amount(how, number, currency) => {
                let (amount, of) = call.amount?;
                (of == *currency).then_some(())?;
                orders(how, &amount, number)
            }
            Self::Tier(how, tier) => orders(how, &call.tier?, tier),
            Self::Age(how, seconds) => orders(how, &call.age?, seconds),
        })
    }
}

impl fmt::Display for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Not(one) => write!(f, "!({one})"),
            Self::And(left, right) => write!(f, "({left}) && ({right})"),
            Self::Or(left, right) => write!(f, "({left}) || ({right})"),
            Self::Text(how, part) => write!(f, "caller.channel.{how}('{part}')"),
            Self::Channel(true, text) => write!(f, "'{text}' == caller.channel"),
            Self::Channel(false, text) => write!(f, "caller.channel != \"{text}\""),
            Self::Among(list) => write!(f, "caller.channel in {list:?}"),
            Self::Role(role) => write!(f, "'{role}' in caller.roles"),
            Self::Gift => f.write_str("inputs.gift"),
            Self::Count(how, number) => write!(f, "inputs.count {how} {number}"),
            Self::Rate(how, number) => write!(f, "inputs.rate {how} {}", Decimal::new(*number, 2)),
            Self::Amount(how, number, currency) => {
                write!(f, "inputs.amount {how} money('{} {currency}')", Decimal::new(*number, 2))
            }
            Self::Tier(how, tier) => write!(f, "tier {how} '{tier}'"),
            Self::Age(how, seconds) => write!(f, "caller.authAge {how} duration('{seconds}s')"),
        }
    }
}

impl Call {
    fn world(&self) -> World {
        let mut world = World::default();
        let mut put = |name: Name, known: Option<Known>| {
            if let Some(known) = known {
                world.insert(name, known);
            }
        };
        let input = |name: &str| Name::Input(name.to_owned());
        let roles = |roles: &Vec<&str>| Known::Roles(roles.iter().map(|role| Role((*role).to_owned())).collect());
        let money = |(amount, currency): (i64, &str)| {
            Known::Money(Money::try_new(&Decimal::new(amount, 2).to_string(), currency).unwrap())
        };
        put(Name::Channel, self.channel.map(|text| Known::Text(text.to_owned())));
        put(Name::Roles, self.roles.as_ref().map(roles));
        put(input("gift"), self.gift.map(Known::Boolean));
        put(input("count"), self.count.map(Known::Integer));
        put(input("rate"), self.rate.map(|rate| Known::Decimal(Decimal::new(rate, 2))));
        put(input("amount"), self.amount.map(money));
        put(Name::Tier, self.tier.map(Known::Tier));
        put(Name::AuthAge, self.age.map(|age| Known::Duration(Duration::from_secs(age))));
        world
    }
}

fn text() -> impl Strategy<Value = &'static str> {
    proptest::sample::select(&TEXTS[..])
}

/// What CEL knows too.
fn shared_leaf() -> impl Strategy<Value = Model> {
    let order = || proptest::sample::select(&ORDERS[..]);
    let how = proptest::sample::select(&["startsWith", "endsWith", "contains"][..]);
    prop_oneof![
        (how, text()).prop_map(|(how, text)| Model::Text(how, text)),
        (any::<bool>(), text()).prop_map(|(equal, text)| Model::Channel(equal, text)),
        proptest::sample::subsequence(&TEXTS[..], 1..4).prop_map(Model::Among),
        text().prop_map(Model::Role),
        Just(Model::Gift),
        (order(), -3..3_i64).prop_map(|(how, number)| Model::Count(how, number)),
    ]
}

fn own_leaf() -> impl Strategy<Value = Model> {
    let order = || proptest::sample::select(&ORDERS[..]);
    let tier = proptest::sample::select(Tier::ALL);
    let currency = proptest::sample::select(&CURRENCIES[..]);
    prop_oneof![
        (order(), -3..3_i64).prop_map(|(how, number)| Model::Rate(how, number)),
        (order(), 0..3_i64, currency).prop_map(|(how, number, currency)| Model::Amount(how, number, currency)),
        (order(), tier).prop_map(|(how, tier)| Model::Tier(how, tier)),
        (order(), 1..4_u64).prop_map(|(how, seconds)| Model::Age(how, seconds)),
    ]
}

fn tree(leaf: impl Strategy<Value = Model> + 'static) -> impl Strategy<Value = Model> {
    leaf.prop_recursive(3, 8, 2, |inner| {
        let two = || (inner.clone().prop_map(Box::new), inner.clone().prop_map(Box::new));
        prop_oneof![
            inner.clone().prop_map(|one| Model::Not(Box::new(one))),
            two().prop_map(|(left, right)| Model::And(left, right)),
            two().prop_map(|(left, right)| Model::Or(left, right)),
        ]
    })
}

/// Nine of ten names are known.
fn call() -> impl Strategy<Value = Call> {
    fn known<T: fmt::Debug + Clone + 'static>(
        of: impl Strategy<Value = T> + 'static,
    ) -> impl Strategy<Value = Option<T>> {
        proptest::option::weighted(0.9, of)
    }
    let amount = (0..3_i64, proptest::sample::select(&CURRENCIES[..]));
    let first = (known(text()), known(proptest::sample::subsequence(&TEXTS[..], 0..4)), known(any::<bool>()));
    let second = (known(-3..3_i64), known(-3..3_i64), known(amount));
    let third = (known(proptest::sample::select(Tier::ALL)), known(1..4_u64));
    (first, second, third).prop_map(|((channel, roles, gift), (count, rate, amount), (tier, age))| Call {
        channel,
        roles,
        gift,
        count,
        rate,
        amount,
        tier,
        age,
    })
}

fn fragments() -> impl Strategy<Value = String> {
    const PARTS: &[&str] = &[
        "caller.channel",
        "inputs.gift",
        "inputs.count",
        "purpose",
        "tier",
        "caller.roles",
        "request.headers['x-region']",
        "==",
        "!=",
        "<",
        ">=",
        "&&",
        "||",
        "!",
        " in ",
        "(",
        ")",
        "[",
        "]",
        ",",
        ".",
        "-",
        "-1",
        "1",
        "2.50",
        "1e9",
        ".5",
        "1.",
        "'a'",
        "'é'",
        "'",
        "\"",
        "'\\",
        "'\\u00e9'",
        "'\\777'",
        "true",
        "null",
        "duration('5m')",
        "money(",
        "timestamp",
        "in",
        "for",
        ".startsWith('a')",
        ".contains(",
        "has",
        "a",
        "_",
        "0x",
        "9223372036854775808",
        " ",
        "\n",
        "\u{c}",
        "é",
        "=",
        "&",
        "?",
        "{",
        "`",
        "//",
    ];
    proptest::collection::vec(proptest::sample::select(PARTS), 0..40).prop_map(|parts| parts.concat())
}

fn stays_in_bounds(text: &str) {
    match compile(text) {
        Ok(condition) => {
            assert!(condition.names().count() <= parse::MAX_NODES, "{text}");
            assert!(condition.holds(&World::default()).is_err(), "{text}");
        }
        Err(faults) => {
            assert!(!faults.is_empty(), "{text}");
            assert!(faults.iter().all(|fault| text.get(fault.range.clone()).is_some()), "{text}: {faults:?}");
        }
    }
}

proptest! {
    #[test]
    fn agrees_with_the_model(model in tree(prop_oneof![shared_leaf(), own_leaf()]), call in call()) {
        let text = model.to_string();
        let condition = compile(&text).unwrap_or_else(|faults| panic!("{text}: {faults:?}"));
        let world = call.world();
        let expected = model.holds(&call);
        match condition.holds(&world) {
            Ok(holds) => prop_assert_eq!(Some(holds), expected, "{}", text),
            Err(unknown) => prop_assert_eq!(None, expected, "{}: {}", text, unknown),
        }
        for name in condition.names() {
            let mut world = world.clone();
            world.forget(name);
            prop_assert!(condition.holds(&world).is_err(), "{} without {}", text, name);
        }
    }

    #[test]
    fn agrees_with_cel_where_all_is_known(model in tree(shared_leaf()), call in call()) {
        let (Some(channel), Some(roles), Some(gift), Some(count)) = (call.channel, &call.roles, call.gift, call.count)
        else { return Ok(()) };
        let mut context = Context::default();
        let text = |text: &str| cel::Value::from(text.to_owned());
        let roles: Vec<_> = roles.iter().map(|role| text(role)).collect();
        let caller = HashMap::from([("channel", text(channel)), ("roles", cel::Value::from(roles))]);
        let inputs = HashMap::from([("gift", cel::Value::from(gift)), ("count", cel::Value::from(count))]);
        context.add_variable_from_value("caller", caller);
        context.add_variable_from_value("inputs", inputs);
        let written = model.to_string();
        let cels = Program::compile(&written).unwrap().execute(&context).unwrap();
        let ours = compile(&written).unwrap().holds(&call.world()).unwrap();
        prop_assert_eq!(cels, cel::Value::from(ours), "{}", written);
    }

    #[test]
    fn no_text_panics(text in ".{0,200}") {
        stays_in_bounds(&text);
    }

    #[test]
    fn no_text_of_known_parts_panics(text in fragments()) {
        stays_in_bounds(&text);
    }
}

#[test]
fn hostile_text_needs_little_stack() {
    let texts: Vec<String> =
        ["(", "[", "!(", "f(", "a.b(", "-", "!", ".a", "a<", "a.", "a||", "a&&(", "[a", "a,", "x in [", "a["]
            .iter()
            .flat_map(|part| (1..=1024 / part.len()).rev().step_by(7).map(|times| part.repeat(times)))
            .flat_map(|text| {
                let depth = text.matches(['(', '[']).count();
                [text.clone(), format!("{text}a{}", ")".repeat(depth)), format!("{text}a{}", "]".repeat(depth))]
            })
            .collect();
    // Half of what a thread has.
    let thread = std::thread::Builder::new().stack_size(1024 * 1024);
    thread.spawn(move || texts.iter().for_each(|text| stays_in_bounds(text))).unwrap().join().unwrap();
}

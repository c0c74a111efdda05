//! The inputs of an action: what of a request rules may look at, typed, and where it stands.
//!
//! An input has one reading or none. A parameter that is given twice, a header with two values, a number in a form that
//! others read differently: each is refused with its reason. Bodies are not read by this version, and an action that
//! needs one says so.

use rust_decimal::Decimal;

use crate::facts::{Headers, Target};
use crate::terms::{Money, Pointer, Reason};

/// What an action may be judged by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input {
    /// Its name in the action.
    pub name: String,
    /// What it is.
    pub kind: InputKind,
    /// Whether a request may leave it out.
    pub optional: bool,
}

/// The type of an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InputKind {
    /// Text without controls.
    Text,
    /// A whole number of 64 bits.
    Integer,
    /// An exact decimal number.
    Decimal,
    /// `true` or `false`.
    Boolean,
    /// An amount with its currency.
    Money {
        /// What the amount counts.
        unit: MoneyUnit,
        /// The least that is an amount at all.
        min: Decimal,
    },
}

crate::terms::spelled! {
    /// What the number of an amount counts.
    MoneyUnit, "a unit of money" {
        /// Euros, dollars: `12.50`.
        Major = "major",
        /// Cents: `1250`.
        Minor = "minor",
    }
}

/// Where in a request something stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// The parameter of the path at this position.
    Path(usize),
    /// A query parameter.
    Query(String),
    /// A header, in lower case.
    Header(String),
    /// A place in the body.
    Body(Pointer),
}

/// An input and where it stands in one route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    /// What it is.
    pub input: Input,
    /// Where it stands.
    pub at: Location,
    /// Where an amount's currency stands.
    pub currency_at: Option<Location>,
}

/// A value that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Text.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// A decimal number.
    Decimal(Decimal),
    /// True or false.
    Boolean(bool),
    /// An amount.
    Money(Money),
}

/// What was read of a request's inputs, in the order of the route. An optional one that is absent is not in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inputs(Vec<(String, Value)>);

/// The longest value that rules look at.
const MAX_TEXT: usize = 1024;

impl Inputs {
    /// Reads a route's inputs. Where one cannot be had, the reason: all the rest is then worth nothing.
    pub fn read(
        placed: &[Placed],
        target: &Target<'_>,
        headers: &Headers<'_>,
        params: &[String],
    ) -> Result<Self, Reason> {
        if placed.iter().any(Placed::is_in_body) {
            return Err(Reason::BodyUnavailable);
        }
        let source = Source { target, headers, params };
        let mut inputs = Vec::with_capacity(placed.len());
        for one in placed {
            match source.value(one)? {
                Some(value) => inputs.push((one.input.name.clone(), value)),
                None if one.input.optional => {}
                None => return Err(Reason::InputMissing),
            }
        }
        Ok(Self(inputs))
    }

    /// The value of an input, if the request has it.
    pub fn value(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|(one, _)| one == name).map(|(_, value)| value)
    }
}

impl Placed {
    /// Whether the body is needed to read it.
    pub fn is_in_body(&self) -> bool {
        matches!(self.at, Location::Body(_)) || matches!(self.currency_at, Some(Location::Body(_)))
    }
}

struct Source<'a> {
    target: &'a Target<'a>,
    headers: &'a Headers<'a>,
    params: &'a [String],
}

impl Source<'_> {
    fn value(&self, placed: &Placed) -> Result<Option<Value>, Reason> {
        let Some(text) = self.text(&placed.at)? else {
            return Ok(None);
        };
        let currency = placed.currency_at.as_ref().map(|at| self.text(at)).transpose()?.flatten();
        read_value(placed.input.kind, text, currency).map(Some)
    }

    fn text(&self, at: &Location) -> Result<Option<&str>, Reason> {
        let found = match at {
            Location::Path(position) => self.params.get(*position).map(String::as_str),
            Location::Query(name) => self.target.query.value(name)?,
            Location::Header(name) => self.headers.single(name)?,
            Location::Body(_) => return Err(Reason::BodyUnavailable),
        };
        match found {
            Some(text) if text.len() > MAX_TEXT || text.chars().any(char::is_control) => Err(Reason::InputInvalid),
            other => Ok(other),
        }
    }
}

fn read_value(kind: InputKind, text: &str, currency: Option<&str>) -> Result<Value, Reason> {
    let invalid = Reason::InputInvalid;
    match kind {
        InputKind::Text => Ok(Value::Text(text.to_owned())),
        InputKind::Integer => read_integer(text).map(Value::Integer).ok_or(invalid),
        InputKind::Decimal => crate::terms::parse_decimal(text).map(Value::Decimal).map_err(|_| invalid),
        InputKind::Boolean => text.parse().map(Value::Boolean).map_err(|_| invalid),
        InputKind::Money { unit, min } => {
            let currency = currency.ok_or(Reason::InputMissing)?;
            let money = match unit {
                MoneyUnit::Major => Money::try_new(text, currency),
                MoneyUnit::Minor => Money::try_from_minor(text, currency),
            };
            match money {
                Ok(money) if money.amount >= min => Ok(Value::Money(money)),
                _ => Err(invalid),
            }
        }
    }
}

/// The one spelling of a number: no `+`, no leading zeros, no `-0`.
fn read_integer(text: &str) -> Option<i64> {
    match text.parse::<i64>() {
        Ok(number) if number.to_string() == text => Some(number),
        _ => None,
    }
}

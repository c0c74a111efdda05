//! The inputs of an action: what of a request rules may look at, typed, and where it stands.
//!
//! An input has one reading or none. A parameter that is given twice, a header with two values, a number in a form that
//! others read differently: each is refused with its reason. In JSON a number must be a number and a text a text, and a
//! number must be one that a reader with doubles keeps exactly (RFC 7493, section 2.2).

use std::sync::Arc;

use rust_decimal::Decimal;

use crate::facts::{Facts, Form, Json, Target};
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
    /// How its number is written in JSON.
    pub spelled: Spelled,
}

crate::terms::spelled! {
    /// How a number is written in JSON.
    Spelled, "a way to write a number" {
        /// As a number: `12.50`.
        Number = "number",
        /// As a text: `"12.50"`.
        Text = "text",
    }
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
    /// A place in a JSON body; of a batch, in the one message.
    Body(Pointer),
    /// A place in the arguments of the operation: of an MCP tool, of a GraphQL field.
    Argument(Pointer),
    /// A field of a form.
    Form(String),
}

/// An input and where it stands in one route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    /// What it is. The same in each route of its action.
    pub input: Arc<Input>,
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
pub struct Inputs<'r>(Vec<(&'r str, Value)>);

/// What rules look at of one operation.
#[derive(Debug, Clone, Copy)]
pub struct Content<'a> {
    /// Method, host, path and query.
    pub target: &'a Target<'a>,
    /// Headers, and how the body came.
    pub facts: &'a Facts<'a>,
    /// The values of the path's parameters.
    pub params: &'a [&'a str],
    /// The body, as far as it was read.
    pub body: &'a Parsed<'a>,
    /// The message and the arguments, where the operation is one of an endpoint.
    pub element: Option<(&'a Json<'a>, &'a Json<'a>)>,
}

/// A body that was read, or not.
#[derive(Debug)]
pub enum Parsed<'a> {
    /// No rule looks at it.
    NotRead,
    /// JSON.
    Json(Json<'a>),
    /// A form.
    Form(Form<'a>),
}

/// The longest value that rules look at.
const MAX_TEXT: usize = 1024;
/// A double keeps every decimal of so many digits (IEEE 754 binary64).
const MAX_EXACT_DIGITS: usize = 15;
/// 2^53 - 1: the largest whole number that every double below it keeps too.
const MAX_EXACT_INTEGER: i64 = 9_007_199_254_740_991;

impl<'r> Inputs<'r> {
    /// Reads a route's inputs. Where one cannot be had, the reason: all the rest is then worth nothing.
    pub fn read(placed: &'r [Placed], content: &Content<'_>) -> Result<Self, Reason> {
        let mut inputs = Vec::with_capacity(placed.len());
        for one in placed {
            match content.value(one)? {
                Some(value) => inputs.push((one.input.name.as_str(), value)),
                None if one.input.optional => {}
                None => return Err(Reason::InputMissing),
            }
        }
        Ok(Self(inputs))
    }

    /// The value of an input, if the request has it.
    pub fn value(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|(one, _)| *one == name).map(|(_, value)| value)
    }
}

impl Placed {
    /// The places where its parts stand.
    pub fn places(&self) -> impl Iterator<Item = &Location> {
        std::iter::once(&self.at).chain(&self.currency_at)
    }
}

impl<'a> Content<'a> {
    fn value(&self, placed: &Placed) -> Result<Option<Value>, Reason> {
        let Some(text) = self.text(&placed.at, placed.input.json_type())? else {
            return Ok(None);
        };
        let currency = placed.currency_at.as_ref().map(|at| self.text(at, JsonType::Text)).transpose()?.flatten();
        read_value(placed.input.kind, text, currency).map(Some)
    }

    fn text(&self, at: &Location, expected: JsonType) -> Result<Option<&'a str>, Reason> {
        let found = match at {
            Location::Path(position) => self.params.get(*position).copied(),
            // Many frameworks have one list of parameters for query and form, and differ about which of two wins.
            Location::Query(name) if self.facts.body.has_field(&self.facts.headers, name)? => {
                return Err(Reason::QueryAmbiguous);
            }
            Location::Form(name) if self.target.query.has(name) => return Err(Reason::FormAmbiguous),
            Location::Query(name) => self.target.query.value(name)?,
            Location::Header(name) => self.facts.headers.single(name)?,
            Location::Body(pointer) => self.json_text(self.message(), pointer, expected)?,
            Location::Argument(pointer) => {
                self.json_text(self.element.map(|(_, arguments)| arguments), pointer, expected)?
            }
            Location::Form(name) => match self.body {
                Parsed::Form(form) => self.undamaged(form.value(name)?)?,
                Parsed::NotRead | Parsed::Json(_) => return Err(Reason::BodyUnavailable),
            },
        };
        match found {
            Some(text) if text.len() > MAX_TEXT || text.chars().any(char::is_control) => Err(Reason::InputInvalid),
            other => Ok(other),
        }
    }

    /// The JSON that `body:` points into.
    fn message(&self) -> Option<&'a Json<'a>> {
        match (self.element, self.body) {
            (Some((message, _)), _) => Some(message),
            (None, Parsed::Json(json)) => Some(json),
            (None, Parsed::NotRead | Parsed::Form(_)) => None,
        }
    }

    fn json_text(
        &self,
        json: Option<&'a Json<'a>>,
        pointer: &Pointer,
        expected: JsonType,
    ) -> Result<Option<&'a str>, Reason> {
        match (json.ok_or(Reason::BodyUnavailable)?.at(pointer)?, expected) {
            // `null` is an absent value to some readers and a value to others: it is no value of any input.
            (None, _) => Ok(None),
            (Some(Json::Text(text)), JsonType::Text) => self.undamaged(Some(text.as_ref())),
            (Some(Json::Number(number)), JsonType::Number) if is_exact(number) => Ok(Some(number)),
            (Some(Json::Boolean(true)), JsonType::Boolean) => Ok(Some("true")),
            (Some(Json::Boolean(false)), JsonType::Boolean) => Ok(Some("false")),
            (Some(_), _) => Err(Reason::InputInvalid),
        }
    }

    /// A text in which the proxy may have replaced bytes is not the text that the service reads.
    fn undamaged(&self, text: Option<&'a str>) -> Result<Option<&'a str>, Reason> {
        match text {
            Some(text) if self.facts.body.is_lossy() && text.contains('!') => Err(Reason::InputInvalid),
            other => Ok(other),
        }
    }
}

/// What a value must be in JSON.
#[derive(Debug, Clone, Copy)]
enum JsonType {
    Text,
    Number,
    Boolean,
}

impl Input {
    const fn json_type(&self) -> JsonType {
        match (self.kind, self.spelled) {
            (InputKind::Text, _) | (_, Spelled::Text) => JsonType::Text,
            (InputKind::Boolean, _) => JsonType::Boolean,
            (InputKind::Integer | InputKind::Decimal | InputKind::Money { .. }, Spelled::Number) => JsonType::Number,
        }
    }
}

/// Whether a reader with doubles reads the number that stands there.
fn is_exact(number: &str) -> bool {
    match number.parse::<i64>() {
        Ok(whole) => (-MAX_EXACT_INTEGER..=MAX_EXACT_INTEGER).contains(&whole),
        Err(_) => number.bytes().filter(u8::is_ascii_digit).count() <= MAX_EXACT_DIGITS,
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

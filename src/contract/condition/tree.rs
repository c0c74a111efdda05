//! The compiled condition and its evaluation.
//!
//! Both sides of `&&` and `||` are always evaluated: a name that is unknown is so wherever it stands, and the tree is small.
//! Types were compared when it was compiled; values of another type than their name promises count as unknown. Nothing is
//! allocated but the name in an [`Unknown`].

use std::cmp::Ordering;
use std::time::Duration;

use rust_decimal::Decimal;

use super::{Name, Unknown, Value, Values};
use crate::terms::{Money, Tier};

/// A name's place in the condition's list of them. A condition has few parts, and a bundle many conditions.
pub(super) type Place = u8;
const _: () =
    assert!(super::parse::MAX_NODES < Place::MAX as usize, "each name has a place, and the last one is none's");

/// A part that holds or does not.
#[derive(Debug, PartialEq)]
pub(super) enum Tree {
    Not(Box<Tree>),
    And(Box<[Tree; 2]>),
    Or(Box<[Tree; 2]>),
    /// An input that is true or false.
    Is(Place),
    Compare(Place, Comparison, With),
    /// One of these.
    Among(Place, Box<[Constant]>),
    /// In the list that a name stands for.
    Member(With, Place),
    Text(Place, TextTest, Box<str>),
}

/// The other side of a comparison.
#[derive(Debug, PartialEq)]
pub(super) enum With {
    Name(Place),
    Constant(Constant),
}

#[derive(Debug, PartialEq)]
pub(super) enum Constant {
    Text(Box<str>),
    Number(Decimal),
    Money(Money),
    Boolean(bool),
    Duration(Duration),
    Time(jiff::Timestamp),
    Tier(Tier),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    NotEqual,
    Less,
    AtMost,
    Greater,
    AtLeast,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TextTest {
    StartsWith,
    EndsWith,
    Contains,
}

impl Tree {
    pub(super) fn holds(&self, names: &[Name], values: &impl Values) -> Result<bool, Unknown> {
        let call = Call { names, values };
        call.holds(self)
    }
}

struct Call<'a, V> {
    names: &'a [Name],
    values: &'a V,
}

impl<'a, V: Values> Call<'a, V> {
    fn holds(&self, tree: &Tree) -> Result<bool, Unknown> {
        match tree {
            Tree::Not(one) => self.holds(one).map(|holds| !holds),
            Tree::And(both) => self.both(both).map(|(left, right)| left && right),
            Tree::Or(both) => self.both(both).map(|(left, right)| left || right),
            Tree::Is(name) => match self.value(*name)? {
                Value::Boolean(is) => Ok(is),
                _ => Err(self.unknown(*name)),
            },
            Tree::Compare(name, how, with) => self.order(*name, with).map(|order| how.holds(order)),
            Tree::Among(name, list) => {
                let value = self.value(*name)?;
                list.iter().try_fold(false, |found, one| {
                    let order = compare(value, one.value()).ok_or_else(|| self.unknown(*name))?;
                    Ok(found || order == Ordering::Equal)
                })
            }
            Tree::Member(with, list) => match (self.with(with)?, self.value(*list)?) {
                (Value::Text(text), Value::Texts(list)) => Ok(list.has(text)),
                _ => Err(self.unknown(*list)),
            },
            Tree::Text(name, how, part) => match self.value(*name)? {
                Value::Text(text) => Ok(how.holds(text, part)),
                _ => Err(self.unknown(*name)),
            },
        }
    }

    /// Never one of them alone: that would let an unknown name hide behind the other.
    fn both(&self, [left, right]: &[Tree; 2]) -> Result<(bool, bool), Unknown> {
        Ok((self.holds(left)?, self.holds(right)?))
    }

    fn order(&self, name: Place, with: &'a With) -> Result<Ordering, Unknown> {
        compare(self.value(name)?, self.with(with)?).ok_or_else(|| self.unknown(name))
    }

    fn with(&self, with: &'a With) -> Result<Value<'a>, Unknown> {
        match with {
            With::Name(name) => self.value(*name),
            With::Constant(constant) => Ok(constant.value()),
        }
    }

    fn value(&self, name: Place) -> Result<Value<'a>, Unknown> {
        let value = self.names.get(usize::from(name)).and_then(|name| self.values.value(name));
        value.ok_or_else(|| self.unknown(name))
    }

    fn unknown(&self, name: Place) -> Unknown {
        // A place outside of the list is never made; `now` stands for it rather than a panic.
        Unknown { name: self.names.get(usize::from(name)).cloned().unwrap_or(Name::Now) }
    }
}

/// `None` where the two cannot be compared: amounts of two currencies, or types that differ.
fn compare(left: Value<'_>, right: Value<'_>) -> Option<Ordering> {
    match (left, right) {
        (Value::Text(left), Value::Text(right)) => Some(left.cmp(right)),
        (Value::Boolean(left), Value::Boolean(right)) => Some(left.cmp(&right)),
        (Value::Duration(left), Value::Duration(right)) => Some(left.cmp(&right)),
        (Value::Time(left), Value::Time(right)) => Some(left.cmp(&right)),
        (Value::Tier(left), Value::Tier(right)) => Some(left.cmp(&right)),
        (Value::Money(left), Value::Money(right)) => {
            (left.currency == right.currency).then(|| left.amount.cmp(&right.amount))
        }
        (left, right) => Some(number(left)?.cmp(&number(right)?)),
    }
}

/// Any whole number of 64 bits is a decimal exactly.
fn number(value: Value<'_>) -> Option<Decimal> {
    match value {
        Value::Integer(number) => Some(Decimal::from(number)),
        Value::Decimal(number) => Some(number),
        _ => None,
    }
}

impl Constant {
    fn value(&self) -> Value<'_> {
        match self {
            Self::Text(text) => Value::Text(text),
            Self::Number(number) => Value::Decimal(*number),
            Self::Money(money) => Value::Money(*money),
            Self::Boolean(is) => Value::Boolean(*is),
            Self::Duration(time) => Value::Duration(*time),
            Self::Time(time) => Value::Time(*time),
            Self::Tier(tier) => Value::Tier(*tier),
        }
    }
}

impl Comparison {
    pub(super) const fn is_order(self) -> bool {
        !matches!(self, Self::Equal | Self::NotEqual)
    }

    /// The same, with the sides changed.
    pub(super) const fn mirrored(self) -> Self {
        match self {
            Self::Less => Self::Greater,
            Self::AtMost => Self::AtLeast,
            Self::Greater => Self::Less,
            Self::AtLeast => Self::AtMost,
            same => same,
        }
    }

    const fn holds(self, order: Ordering) -> bool {
        match self {
            Self::Equal => order.is_eq(),
            Self::NotEqual => order.is_ne(),
            Self::Less => order.is_lt(),
            Self::AtMost => order.is_le(),
            Self::Greater => order.is_gt(),
            Self::AtLeast => order.is_ge(),
        }
    }
}

impl TextTest {
    fn holds(self, text: &str, part: &str) -> bool {
        match self {
            Self::StartsWith => text.starts_with(part),
            Self::EndsWith => text.ends_with(part),
            Self::Contains => text.contains(part),
        }
    }
}

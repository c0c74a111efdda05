//! What one call may not exceed.

use std::fmt;

use rust_decimal::Decimal;

use super::{Input, InputKind, Inputs, Value};
use crate::terms::{Money, Reason};

/// An upper bound on one input of one call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limit {
    /// The input's name.
    pub input: String,
    /// The highest value that is within it.
    pub bound: Bound,
}

/// The highest value that is within a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// Of a number.
    Number(Decimal),
    /// Of an amount, in its currency alone.
    Money(Money),
}

impl Limit {
    /// Whether the call is within the limit. What cannot be compared is not within it: an input that is absent, another
    /// currency, an amount below zero.
    pub fn check(&self, inputs: &Inputs<'_>) -> Result<(), Reason> {
        let (value, bound) = match (inputs.value(&self.input).ok_or(Reason::InputMissing)?, self.bound) {
            (Value::Integer(value), Bound::Number(bound)) => (Decimal::from(*value), bound),
            (Value::Decimal(value), Bound::Number(bound)) => (*value, bound),
            (Value::Money(value), Bound::Money(bound)) if value.currency == bound.currency => {
                (value.amount, bound.amount)
            }
            (Value::Money(_), Bound::Money(_)) => return Err(Reason::LimitCurrency),
            _ => return Err(Reason::InputInvalid),
        };
        if (Decimal::ZERO..=bound).contains(&value) { Ok(()) } else { Err(Reason::LimitExceeded) }
    }

    /// Whether the limit can ever hold for this input.
    pub const fn fits(&self, input: &Input) -> bool {
        matches!(
            (self.bound, input.kind),
            (Bound::Number(_), InputKind::Integer | InputKind::Decimal) | (Bound::Money(_), InputKind::Money { .. })
        )
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.bound {
            Bound::Number(bound) => write!(f, "{} at most {bound}", self.input),
            Bound::Money(bound) => write!(f, "{} at most {bound}", self.input),
        }
    }
}

//! What literals mean: by the name beside them, or by the function around them.
//!
//! A text beside a tier is a tier, and one that no tier has is refused, as is a purpose, an action or a host that no call can
//! have: the test would never hold, or always, and nobody would see it.

use std::ops::Range;

use super::Fault;
use super::name::{Name, Type};
use super::parse::{Kind, Literal, Syntax};
use super::tree::Constant;
use crate::terms::{ActionName, InvalidTerm, Money, Purpose, Tier, nearest, parse_duration};

/// The words of `caller.automation`.
pub(super) const AUTOMATION: [&str; 3] = ["human", "assisted", "autonomous"];
const FUNCTIONS: [&str; 3] = ["duration", "money", "timestamp"];

/// Reads a literal as what the name beside it is. The outer error is the literal's own type, where it is another.
pub(super) fn beside(
    name: &Name,
    of: Type,
    literal: Literal,
    at: &Range<usize>,
) -> Result<Result<Constant, Fault>, Type> {
    match (of, literal) {
        (Type::Text, Literal::Text(text)) => Ok(spelled(name, &text, at).map(|()| Constant::Text(text.into()))),
        (Type::Automation, Literal::Text(text)) => {
            Ok(word(&text, "a word for who acts", &AUTOMATION, at).map(|()| Constant::Text(text.into())))
        }
        (Type::Tier, Literal::Text(text)) => Ok(tier(&text, at)),
        (Type::Number, Literal::Integer(number)) => Ok(Ok(Constant::Number(number.into()))),
        (Type::Number, Literal::Decimal(number)) => Ok(Ok(Constant::Number(number))),
        (Type::Boolean, Literal::Boolean(is)) => Ok(Ok(Constant::Boolean(is))),
        (_, Literal::Text(_)) => Err(Type::Text),
        (_, Literal::Integer(_) | Literal::Decimal(_)) => Err(Type::Number),
        (_, Literal::Boolean(_)) => Err(Type::Boolean),
    }
}

/// Refuses a text that the name never is.
fn spelled(name: &Name, text: &str, at: &Range<usize>) -> Result<(), Fault> {
    let wrong = |error: InvalidTerm| Fault::new(at, error.to_string());
    match name {
        Name::Purpose => text.parse::<Purpose>().map(|_| ()).map_err(wrong),
        Name::Action => text.parse::<ActionName>().map(|_| ()).map_err(wrong),
        Name::Host if text.chars().any(|c| c.is_ascii_uppercase()) => {
            let fault = Fault::new(at, format!("`{text}` is never a host here: hosts are in lower case"));
            Err(fault.help(format!("write `{}`", text.to_ascii_lowercase())))
        }
        _ => Ok(()),
    }
}

fn tier(text: &str, at: &Range<usize>) -> Result<Constant, Fault> {
    let known: Vec<_> = Tier::ALL.iter().map(|tier| tier.as_str()).collect();
    word(text, "a tier", &known, at)?;
    text.parse().map(Constant::Tier).map_err(|error: InvalidTerm| Fault::new(at, error.to_string()))
}

fn word(text: &str, what: &str, known: &[&str], at: &Range<usize>) -> Result<(), Fault> {
    if known.contains(&text) {
        return Ok(());
    }
    let fault = Fault::new(at, format!("`{text}` is not {what}"));
    Err(match nearest(text, known.iter().copied()) {
        Some(meant) => fault.help(format!("did you mean `{meant}`?")),
        None => {
            let known: Vec<_> = known.iter().map(|one| format!("`{one}`")).collect();
            fault.help(format!("one of {}", known.join(", ")))
        }
    })
}

/// `duration('5m')`, `money('200.00 EUR')`, `timestamp('2026-12-01T00:00:00Z')`.
pub(super) fn function(range: &Range<usize>, name: &str, args: &[Syntax]) -> Result<(Constant, Type), Fault> {
    if !FUNCTIONS.contains(&name) {
        let fault = Fault::new(range, format!("`{name}` is not a function of conditions"));
        return Err(match nearest(name, FUNCTIONS) {
            Some(meant) => fault.help(format!("did you mean `{meant}`?")),
            None => fault.help("there are `duration`, `money` and `timestamp`"),
        });
    }
    let [Syntax { kind: Kind::Literal(Literal::Text(text)), range: at }] = args else {
        let fault = Fault::new(range, format!("`{name}` takes one text in quotes"));
        let of = match name {
            "duration" => Type::Duration,
            "money" => Type::Money,
            _ => Type::Time,
        };
        return Err(fault.help(format!("such as `{}`", of.example())));
    };
    match name {
        "duration" => {
            let wrong = |error: InvalidTerm| Fault::new(at, error.to_string());
            parse_duration(text).map(|time| (Constant::Duration(time), Type::Duration)).map_err(wrong)
        }
        "money" => {
            let wrong = |error: InvalidTerm| Fault::new(at, error.to_string()).help("such as `money('200.00 EUR')`");
            text.parse().map(|money: Money| (Constant::Money(money), Type::Money)).map_err(wrong)
        }
        _ => {
            let wrong = |_| {
                Fault::new(at, format!("`{text}` is not a timestamp (RFC 3339)"))
                    .help("such as `timestamp('2026-12-01T00:00:00Z')`")
            };
            text.parse().map(|time| (Constant::Time(time), Type::Time)).map_err(wrong)
        }
    }
}

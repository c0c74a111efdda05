//! Amounts of money: exact decimals with an ISO 4217 currency, never floats.

use std::fmt;
use std::str::FromStr;

pub use iso_currency::Currency;
use rust_decimal::Decimal;

use super::InvalidTerm;

/// An amount in major units: `200.00 EUR` is two hundred euros.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Money {
    /// How much, in major units.
    pub amount: Decimal,
    /// Of which currency.
    pub currency: Currency,
}

impl Money {
    /// Reads an amount and a currency's three letters. Exponents, signs but `-`, blanks and separators are refused, and
    /// so is less than the minor unit, which one reader cuts off and another rounds.
    pub fn try_new(amount: &str, currency: &str) -> Result<Self, InvalidTerm> {
        let currency = parse_currency(currency)?;
        let amount = parse_decimal(amount)?;
        match currency.exponent() {
            Some(digits) if amount.normalize().scale() > u32::from(digits) => {
                Err(InvalidTerm(format!("{currency} has {digits} digits behind the dot")))
            }
            _ => Ok(Self { amount, currency }),
        }
    }

    /// The same amount, given in the currency's minor units (cents), as a whole number.
    pub fn try_from_minor(amount: &str, currency: &str) -> Result<Self, InvalidTerm> {
        let currency = parse_currency(currency)?;
        let whole = amount.parse::<i64>().map(|minor| (minor, minor.to_string() == amount));
        let Ok((minor, true)) = whole else {
            return Err(InvalidTerm("minor units are a whole number, written plainly".to_owned()));
        };
        let digits = currency.exponent().ok_or_else(|| InvalidTerm(format!("{currency} has no minor unit")))?;
        let amount = Decimal::try_new(minor, u32::from(digits)).map_err(|error| InvalidTerm(error.to_string()))?;
        Ok(Self { amount, currency })
    }
}

/// Upper-case letters only: `eur` and `EUR` could be told apart by whoever reads the request next.
fn parse_currency(text: &str) -> Result<Currency, InvalidTerm> {
    Currency::from_code(text).ok_or_else(|| InvalidTerm("not an ISO 4217 currency code in upper case".to_owned()))
}

/// A plain decimal: digits, perhaps `-` before them, perhaps one dot among them. At most 28 digits, none of them lost.
pub(crate) fn parse_decimal(text: &str) -> Result<Decimal, InvalidTerm> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let plain = digits.bytes().all(|b| b.is_ascii_digit() || b == b'.')
        && digits.starts_with(|c: char| c.is_ascii_digit())
        && digits.ends_with(|c: char| c.is_ascii_digit())
        && (!digits.starts_with('0') || digits == "0" || digits.starts_with("0."));
    if !plain {
        return Err(InvalidTerm("not a plain decimal number such as `12.50`".to_owned()));
    }
    Decimal::from_str_exact(text)
        .map_err(|error| InvalidTerm(format!("not a number that can be kept exactly: {error}")))
}

impl FromStr for Money {
    type Err = InvalidTerm;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (amount, currency) = text.split_once(' ').ok_or_else(|| {
            InvalidTerm(format!("`{text}` is not money: an amount and a currency, such as `200.00 EUR`"))
        })?;
        Self::try_new(amount, currency).map_err(|error| InvalidTerm(format!("`{text}` is not money: {error}")))
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.amount, self.currency.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_exact() {
        let a: Money = "0.10 EUR".parse().unwrap();
        let b: Money = "0.20 EUR".parse().unwrap();
        assert_eq!(a.amount + b.amount, "0.30 EUR".parse::<Money>().unwrap().amount);
    }

    #[test]
    fn minor_units_follow_the_currency() {
        let check = |minor, code, text: &str| assert_eq!(Money::try_from_minor(minor, code), text.parse());
        check("1250", "EUR", "12.50 EUR");
        check("1250", "JPY", "1250 JPY");
        check("1250", "KWD", "1.250 KWD");
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_not_money() {
        for bad in [
            "1e3",
            "1,000",
            "+1",
            " 1",
            "1.",
            ".5",
            "",
            "NaN",
            "0x1",
            "1_000",
            "--1",
            "1.2.3",
            "010",
            "00",
            "123456789012345678901234567890",
        ] {
            assert!(Money::try_new(bad, "EUR").is_err(), "{bad}");
        }
        for (amount, code) in [("1.001", "EUR"), ("1.5", "JPY")] {
            assert!(Money::try_new(amount, code).is_err(), "{amount} {code}");
        }
        assert!(Money::try_new("1.500", "EUR").is_ok() && Money::try_new("1.500", "KWD").is_ok());
        for bad in ["eur", "EURO", "", "XXXX"] {
            assert!(Money::try_new("1", bad).is_err(), "{bad}");
        }
        for bad in ["12.5", "+100", "0100", "-0"] {
            assert!(Money::try_from_minor(bad, "EUR").is_err(), "{bad}");
        }
    }
}

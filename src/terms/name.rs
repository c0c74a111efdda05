//! Names that people give: of documents and of actions.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use super::InvalidTerm;

/// The name of a document, such as `support-desk`: a DNS label (RFC 1123), as Kubernetes names are.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(String);

/// The business name of something that can be done: `order.read`, `credentials.reset`. The catalogue and every contract that
/// grants it share one text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ActionName(Arc<str>);

/// A DNS label's longest form (RFC 1035, section 2.3.4). An action's name gets the same for each of its words.
const MAX_LABEL: usize = 63;
/// An action's name is a metric label and a header value: long enough for four words, short enough for both.
const MAX_ACTION: usize = 128;

pub(super) fn is_word(text: &str, also: &[char]) -> bool {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || also.contains(&c);
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    text.len() <= MAX_LABEL && text.chars().all(inner) && edge(text.chars().next()) && edge(text.chars().next_back())
}

impl FromStr for Name {
    type Err = InvalidTerm;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if is_word(text, &['-']) {
            return Ok(Self(text.to_owned()));
        }
        Err(InvalidTerm(format!(
            "`{text}` is not a name: at most {MAX_LABEL} lower-case letters, digits and `-`, with a letter or digit at both ends"
        )))
    }
}

impl FromStr for ActionName {
    type Err = InvalidTerm;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let words = text.split('.').filter(|word| is_word(word, &['-', '_'])).count();
        if text.len() <= MAX_ACTION && words >= 2 && words == text.split('.').count() {
            return Ok(Self(text.into()));
        }
        Err(InvalidTerm(format!(
            "`{text}` is not an action: two or more lower-case words with dots between them, such as `order.read`"
        )))
    }
}

macro_rules! text {
    ($name:ident) => {
        impl $name {
            /// The name as it is written.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    };
}
text!(Name);
text!(ActionName);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_dns_labels() {
        for good in ["a", "support-desk", "7up"] {
            assert!(good.parse::<Name>().is_ok(), "{good}");
        }
        for bad in ["", "-a", "a-", "A", "a b", "a.b", &"x".repeat(64)] {
            assert!(bad.parse::<Name>().is_err(), "{bad}");
        }
    }

    #[test]
    fn actions_have_at_least_two_words() {
        for good in ["order.read", "order.line_item.read", "credentials.re-set"] {
            assert!(good.parse::<ActionName>().is_ok(), "{good}");
        }
        for bad in ["order", "order.", ".read", "order..read", "Order.read", "order read"] {
            assert!(bad.parse::<ActionName>().is_err(), "{bad}");
        }
    }
}

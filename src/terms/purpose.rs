//! What data is used for: dotted names, as Fideslang's data uses are.

use std::fmt;
use std::str::FromStr;

use super::InvalidTerm;
use super::name::is_word;

/// A purpose, such as `essential.service.operations.support`. The one before the dot includes the ones behind it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Purpose(String);

/// Fideslang's deepest data use is under 80 characters; this is a header's value, so it is bounded.
const MAX: usize = 128;

impl Purpose {
    /// The purpose as it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether `other` is this purpose or a part of it: `analytics` covers `analytics.reporting`, not `analyticsx`.
    pub fn covers(&self, other: &Self) -> bool {
        other.0.strip_prefix(&self.0).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    }
}

impl FromStr for Purpose {
    type Err = InvalidTerm;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() <= MAX && text.split('.').all(|word| is_word(word, &['_'])) {
            return Ok(Self(text.to_owned()));
        }
        Err(InvalidTerm(format!(
            "`{text}` is not a purpose: lower-case words with dots between them, such as `essential.service`"
        )))
    }
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_purpose_covers_itself_and_what_is_behind_its_dot() {
        let covers = |a: &str, b: &str| a.parse::<Purpose>().unwrap().covers(&b.parse().unwrap());
        assert!(covers("analytics", "analytics"));
        assert!(covers("analytics", "analytics.reporting"));
        assert!(!covers("analytics.reporting", "analytics"));
        assert!(!covers("analytics", "analyticsx"));
    }
}

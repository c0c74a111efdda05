//! Dotted names in which the one before the dot includes the ones behind it: what data is used for, and what data is.
//!
//! Both follow Fideslang: data uses (`essential.service.operations.support`) and data categories (`user.contact.email`).

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use super::InvalidTerm;
use super::name::is_word;

/// Fideslang's deepest names are under 80 characters; a purpose is a header's value, so it is bounded.
const MAX: usize = 128;

macro_rules! dotted {
    ($(#[$meta:meta])* $name:ident, $what:literal, $example:literal) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The name as it is written.
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// Whether `other` is this one or a part of it: `user` covers `user.contact`, not `users`.
            pub fn covers(&self, other: &Self) -> bool {
                other.0.strip_prefix(&*self.0).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
            }
        }

        impl FromStr for $name {
            type Err = InvalidTerm;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                if text.len() <= MAX && text.split('.').all(|word| is_word(word, &['_'])) {
                    return Ok(Self(text.into()));
                }
                Err(InvalidTerm(format!(
                    concat!("`{}` is not ", $what, ": lower-case words with dots between them, such as `", $example, "`"),
                    text
                )))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

dotted! {
    /// What data is used for, such as `essential.service.operations.support`.
    Purpose, "a purpose", "essential.service"
}

dotted! {
    /// What a value is, such as `user.financial.card.pan`.
    DataClass, "a data class", "user.contact.email"
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

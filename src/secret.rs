//! Values that never print.
//!
//! A user's id, a key, a claim: whoever logs, formats or panics with one of them shows `[secret]`. There is no `Display`
//! and no serialisation; the one way to the value is [`Secret::expose`], which is easy to find in a review.
//! It does not wipe memory: what it guards against is a log line, not a debugger.

use std::fmt;

/// A value that shows as `[secret]` wherever it is printed.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Secret<T>(T);

impl<T> Secret<T> {
    /// Takes a value out of sight.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// The value itself. What is done with it must not print, record or send it.
    pub const fn expose(&self) -> &T {
        &self.0
    }
}

impl<T> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_prints_what_it_holds() {
        let secret = Secret::new("ada@example.com".to_owned());
        assert_eq!(format!("{secret:?} {:?}", Some(&secret)), "[secret] Some([secret])");
        assert_eq!(secret.expose(), "ada@example.com");
    }
}

//! JSON Pointers (RFC 6901): where in a document something stands.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use super::InvalidTerm;

/// A pointer that is well formed: empty, or `/` and segments in which `~` is `~0` and `/` is `~1`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Pointer(String);

impl Pointer {
    /// The pointer to a key of the outermost object.
    pub fn to_key(key: &str) -> Self {
        Self(format!("/{}", key.replace('~', "~0").replace('/', "~1")))
    }

    /// The keys on the way, decoded.
    pub fn keys(&self) -> impl Iterator<Item = Cow<'_, str>> {
        self.0.split('/').skip(1).map(|key| match key.contains('~') {
            true => key.replace("~1", "/").replace("~0", "~").into(),
            false => key.into(),
        })
    }

    /// The pointer as it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Pointer {
    type Err = InvalidTerm;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let escaped = text.split('~').skip(1).all(|rest| rest.starts_with(['0', '1']));
        if (text.is_empty() || text.starts_with('/')) && escaped {
            return Ok(Self(text.to_owned()));
        }
        Err(InvalidTerm(format!(
            "`{text}` is not a JSON Pointer: it begins with `/`, such as `/customer/email` (RFC 6901)"
        )))
    }
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

//! Credentials of a request, and the rule that there is at most one.
//!
//! Who carries two may be one to us and another to the service. The proxy verifies one of them; which one a service takes
//! is the service's own matter. So a call with more than one of the credentials that the operator names is refused.

use crate::facts::{Headers, Target};

/// Where a credential may stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credential {
    /// In a header.
    Header(String),
    /// In a cookie of this name.
    Cookie(String),
    /// In a parameter of the query.
    Query(String),
}

impl Credential {
    /// How many of them a request carries.
    pub(super) fn count(&self, target: &Target<'_>, headers: &Headers<'_>) -> usize {
        match self {
            Self::Header(name) => usize::from(headers.value(name).is_some()) + usize::from(headers.has_twin(name)),
            Self::Cookie(name) => {
                // Several `cookie` headers are joined by commas; no cookie of RFC 6265, section 4.1.1, holds one.
                let cookies = headers.value("cookie").unwrap_or_default().split([';', ',']);
                cookies.filter(|cookie| cookie.split_once('=').is_some_and(|(one, _)| one.trim() == name)).count()
            }
            Self::Query(name) => usize::from(target.query.has(name)),
        }
    }
}

//! Those who stand behind a call: a workload, a user, the agents between them.

use std::fmt;
use std::str::FromStr;

use super::{InvalidTerm, spelled};
use crate::secret::Secret;

spelled! {
    /// What kind of party. Each that stands behind a call must be covered.
    PartyKind, "a kind of party" {
        /// The process that calls, proven by its certificate.
        Workload = "workload",
        /// The person on whose behalf it calls.
        User = "user",
        /// One who acts for the user (RFC 8693 `act`).
        Agent = "agent",
    }
}

/// A SPIFFE trust domain (SPIFFE-ID standard, section 2.1).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TrustDomain(String);

/// A SPIFFE id: `spiffe://cluster.local/ns/support/sa/agent-desktop` (SPIFFE-ID standard, section 2).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SpiffeId(String);

/// A SPIFFE id, or the beginning of one with `/*` behind it for any that continue it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SpiffePattern {
    text: String,
}

/// A user's id as the token has it. It is personal: it never prints.
pub type UserId = Secret<String>;

/// An agent's id as the token has it. It may be personal: it never prints.
pub type AgentId = Secret<String>;

/// A role that a token grants to its user.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Role(pub String);

/// SPIFFE-ID standard, section 2.3: at most 2048 bytes, the trust domain at most 255.
const MAX_ID: usize = 2048;
const MAX_TRUST_DOMAIN: usize = 255;
const SCHEME: &str = "spiffe://";

impl TrustDomain {
    /// Its name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl SpiffeId {
    /// The id as it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the id belongs to this trust domain.
    pub fn is_of(&self, domain: &TrustDomain) -> bool {
        self.0.strip_prefix(SCHEME).and_then(|rest| rest.split('/').next()) == Some(domain.0.as_str())
    }
}

impl SpiffePattern {
    /// The trust domain of the workloads that it names.
    pub fn trust_domain(&self) -> &str {
        let rest = self.text.strip_prefix(SCHEME).unwrap_or_default();
        rest.split_once('/').map_or(rest, |(domain, _)| domain)
    }

    /// Whether the pattern names this id.
    pub fn matches(&self, id: &SpiffeId) -> bool {
        match self.text.strip_suffix('*') {
            Some(start) => id.0.strip_prefix(start).is_some_and(|rest| !rest.is_empty()),
            None => self.text == id.0,
        }
    }

    /// The pattern as it is written.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl FromStr for TrustDomain {
    type Err = InvalidTerm;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if is_trust_domain(text) {
            return Ok(Self(text.to_owned()));
        }
        Err(invalid_trust_domain(text))
    }
}

fn is_trust_domain(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-._".contains(&b);
    !text.is_empty() && text.len() <= MAX_TRUST_DOMAIN && text.bytes().all(allowed)
}

fn invalid_trust_domain(text: &str) -> InvalidTerm {
    InvalidTerm(format!(
        "`{text}` is not a trust domain: lower-case letters, digits, `-`, `.` and `_`, without a scheme"
    ))
}

impl FromStr for SpiffeId {
    type Err = InvalidTerm;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = |why: &str| InvalidTerm(format!("not a SPIFFE id: {why}"));
        let rest = text.strip_prefix(SCHEME).ok_or_else(|| invalid("it begins with `spiffe://`"))?;
        if text.len() > MAX_ID {
            return Err(invalid("at most 2048 bytes"));
        }
        let (domain, path) = rest.split_once('/').ok_or_else(|| invalid("a path follows the trust domain"))?;
        if !is_trust_domain(domain) {
            return Err(invalid_trust_domain(domain));
        }
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b"-._".contains(&b);
        let segment = |part: &str| !part.is_empty() && part != "." && part != ".." && part.bytes().all(allowed);
        if !path.split('/').all(segment) {
            return Err(invalid("its path has segments of letters, digits, `-`, `.` and `_`"));
        }
        Ok(Self(text.to_owned()))
    }
}

impl FromStr for SpiffePattern {
    type Err = InvalidTerm;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let checked = match text.strip_suffix("/*") {
            Some(start) => match start.strip_prefix(SCHEME) {
                Some(domain) if !domain.contains('/') => domain.parse::<TrustDomain>().map(|_| ()),
                _ => start.parse::<SpiffeId>().map(|_| ()),
            },
            None => text.parse::<SpiffeId>().map(|_| ()),
        };
        match checked {
            Ok(()) => Ok(Self { text: text.to_owned() }),
            Err(error) => Err(InvalidTerm(format!(
                "`{text}` names no workload: {error}; a trailing `/*` stands for any that continue it"
            ))),
        }
    }
}

impl fmt::Display for SpiffeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_well_formed_spiffe_ids_are_read() {
        assert!("spiffe://cluster.local/ns/a/sa/b".parse::<SpiffeId>().is_ok());
        for bad in [
            "",
            "cluster.local/ns/a",
            "spiffe://",
            "spiffe:///a",
            "spiffe://d",
            "spiffe://d/",
            "spiffe://d/a//b",
            "spiffe://d/a/",
            "spiffe://D/a",
            "spiffe://d/a/../b",
            "spiffe://d/a?x",
            "spiffe://d/a#x",
            "spiffe://d/%61",
            "SPIFFE://d/a",
            "spiffe://d:1/a",
            "spiffe://d/a,spiffe://d/b",
        ] {
            assert!(bad.parse::<SpiffeId>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_trust_domain_is_compared_whole() {
        let id: SpiffeId = "spiffe://cluster.local.evil/ns/a".parse().unwrap();
        assert!(!id.is_of(&"cluster.local".parse().unwrap()));
        assert!(id.is_of(&"cluster.local.evil".parse().unwrap()));
    }

    #[test]
    fn a_star_stands_for_at_least_one_more_character_behind_a_slash() {
        let check = |pattern: &str, id: &str| pattern.parse::<SpiffePattern>().unwrap().matches(&id.parse().unwrap());
        assert!(check("spiffe://d/ns/a/*", "spiffe://d/ns/a/sa/b"));
        assert!(check("spiffe://d/*", "spiffe://d/x"));
        assert!(!check("spiffe://d/ns/a/*", "spiffe://d/ns/ab/sa"));
        assert!(!check("spiffe://d/ns/a", "spiffe://d/ns/a/sa"));
        for bad in ["*", "spiffe://*", "spiffe://d/a*", "spiffe://d/*/a", "d/*", "/*"] {
            assert!(bad.parse::<SpiffePattern>().is_err(), "{bad}");
        }
    }
}

//! The host that a request is for: lower case, without port and trailing dot.
//!
//! Names are compared as DNS compares them. What is no host name or IP literal is refused: user information, blanks,
//! non-ASCII letters, a port that is no port.

use std::borrow::Cow;

use crate::terms::Reason;

/// A host in canonical form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host<'a>(Cow<'a, str>);

/// RFC 1035, section 2.3.4.
const MAX_NAME: usize = 253;

impl<'a> Host<'a> {
    /// Reads an authority: a host with an optional port.
    pub fn read(authority: &'a str) -> Result<Self, Reason> {
        if authority.is_empty() {
            return Err(Reason::HostMissing);
        }
        let (name, port) = split_port(authority)?;
        if port.is_some_and(|port| {
            port.is_empty() || !port.bytes().all(|b| b.is_ascii_digit()) || port.parse::<u16>().is_err()
        }) {
            return Err(Reason::HostMalformed);
        }
        if let Some(address) = name.strip_prefix('[') {
            return address
                .parse::<std::net::Ipv6Addr>()
                .map(|ip| Self(Cow::Owned(format!("[{ip}]"))))
                .map_err(|_| Reason::HostMalformed);
        }
        let name = name.strip_suffix('.').unwrap_or(name);
        let label =
            |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
        if name.len() > MAX_NAME || !name.split('.').all(label) {
            return Err(Reason::HostMalformed);
        }
        Ok(Self(if name.bytes().any(|b| b.is_ascii_uppercase()) {
            Cow::Owned(name.to_ascii_lowercase())
        } else {
            Cow::Borrowed(name)
        }))
    }

    /// The host as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The part before the port, without the closing bracket of an IPv6 literal.
fn split_port(authority: &str) -> Result<(&str, Option<&str>), Reason> {
    if authority.starts_with('[') {
        let (name, rest) = authority.split_once(']').ok_or(Reason::HostMalformed)?;
        return match rest.strip_prefix(':') {
            Some(port) => Ok((name, Some(port))),
            None if rest.is_empty() => Ok((name, None)),
            None => Err(Reason::HostMalformed),
        };
    }
    Ok(match authority.split_once(':') {
        Some((name, port)) => (name, Some(port)),
        None => (authority, None),
    })
}

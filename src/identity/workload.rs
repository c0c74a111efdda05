//! The workload: the peer's certificate, or what the proxy writes of it into `x-forwarded-client-cert`.
//!
//! The header is read only where the operator lists `xfcc`, which is a promise that Envoy replaces whatever a client sends
//! (`forward_client_cert_details: SANITIZE_SET`). Then it has exactly one element; more of them were not written by Envoy
//! alone, and prove nothing.

use std::borrow::Cow;

use super::Proof;
use crate::facts::Facts;
use crate::terms::{SpiffeId, TrustDomain};

/// Where a workload's proof comes from, and which trust domains count.
#[derive(Debug, Clone)]
pub struct WorkloadRule {
    /// Looked at in this order; the first that is there decides.
    pub from: Vec<WorkloadSource>,
    /// The trust domains whose workloads are ours. A foreign one proves nothing.
    pub trust_domains: Vec<TrustDomain>,
}

crate::terms::spelled! {
    /// Where a workload's proof comes from.
    WorkloadSource, "a source of workload proofs" {
        /// The certificate of the connection, which the proxy verified.
        Mtls = "mtls",
        /// The header that the proxy writes.
        Xfcc = "xfcc",
    }
}

const XFCC: &str = "x-forwarded-client-cert";

impl WorkloadRule {
    pub(super) fn read(&self, facts: &Facts<'_>) -> Proof<SpiffeId> {
        let found = self.from.iter().find_map(|source| match source {
            WorkloadSource::Mtls => facts.principal.map(|text| Ok(Cow::Borrowed(text))),
            WorkloadSource::Xfcc => facts.headers.value(XFCC).map(|header| only_uri(header).map(Cow::Owned)),
        });
        let text = match found {
            None => return Proof::Absent,
            Some(Err(why)) => return Proof::Broken(why),
            Some(Ok(text)) => text,
        };
        match text.parse::<SpiffeId>() {
            Err(_) => Proof::Broken("the certificate names no SPIFFE id"),
            Ok(id) if self.trust_domains.iter().any(|domain| id.is_of(domain)) => Proof::Proven(id),
            Ok(_) => Proof::Broken("the workload is of a foreign trust domain"),
        }
    }
}

/// The one `URI` of the one element. Grammar: Envoy's HTTP header documentation, `x-forwarded-client-cert`.
fn only_uri(header: &str) -> Result<String, &'static str> {
    let mut uri = None;
    let mut rest = header;
    loop {
        let (key, after) = rest.split_once('=').ok_or("x-forwarded-client-cert is malformed")?;
        let (value, tail) = read_value(after)?;
        if key.eq_ignore_ascii_case("uri") && uri.replace(value).is_some() {
            return Err("x-forwarded-client-cert has several URIs");
        }
        match tail.strip_prefix(';') {
            Some(next) => rest = next,
            None if tail.is_empty() => return uri.ok_or("x-forwarded-client-cert has no URI"),
            None => return Err("x-forwarded-client-cert has several elements"),
        }
    }
}

/// A plain value up to `;` or `,`, or a quoted one in which `\"` is a quote. Returns what is behind it too.
fn read_value(text: &str) -> Result<(String, &str), &'static str> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([';', ',']).unwrap_or(text.len());
        let (value, tail) = text.split_at(end);
        return Ok((value.to_owned(), tail));
    };
    let mut value = String::new();
    let mut chars = quoted.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Ok((value, quoted.get(at + 1..).unwrap_or_default())),
            '\\' => value.extend(chars.next().map(|(_, escaped)| escaped)),
            _ => value.push(c),
        }
    }
    Err("x-forwarded-client-cert has an open quote")
}

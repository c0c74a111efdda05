//! What we were told about one call, canonical and bounded.
//!
//! An adapter hands over what the proxy said as a [`Told`]; [`Facts::read`] turns it into typed parts or says which rule
//! it broke. What two parsers could read differently is refused, never repaired: the proxy sends the original on, so
//! a repaired copy would be judged while another is served. Nothing above this module sees a raw path, query or host.
//!
//! The work is linear in the size of what was told, and what was told is bounded here before it is looked at. The same
//! request has the same facts whether its headers came joined (`headers`) or apart (`header_map`).

mod body;
mod form;
mod headers;
mod host;
mod json;
mod media_type;
mod metadata;
mod path;
mod query;

use std::borrow::Cow;

pub use body::{Accepts, Body, Given};
pub use form::Form;
pub use headers::{Headers, same_to_many};
pub use host::Host;
pub use json::Json;
pub use metadata::Metadata;
pub use path::Path;
pub use query::Query;

use crate::terms::Reason;

/// What the proxy said about one call, unchecked and borrowed.
#[derive(Debug, Default)]
pub struct Told<'a> {
    /// The method as sent.
    pub method: &'a str,
    /// `:authority`, perhaps with a port.
    pub host: &'a str,
    /// `:path`, with the query and not decoded.
    pub path: &'a str,
    /// Names and values, in any order; a name may come several times, or once with its values joined by commas.
    pub headers: Vec<(&'a str, &'a [u8])>,
    /// Whether the proxy is said to hide no header.
    pub hides_no_header: bool,
    /// The body, where the proxy hands it over.
    pub body: Given<'a>,
    /// How many bytes of the body the proxy had received; `None` where it does not say.
    pub size: Option<u64>,
    /// The principal of the peer's certificate as the proxy verified it; empty where there is none.
    pub principal: &'a str,
    /// Metadata that the proxy's own filters wrote, by namespace.
    pub metadata: Metadata<'a>,
}

/// One call in canonical form. The target is apart, because the headers are needed even where it was refused: an observed
/// call goes on, and the headers that we assert must be taken out of it.
#[derive(Debug)]
pub struct Facts<'a> {
    /// What the call is for, or the rule that it broke.
    pub target: Result<Target<'a>, Reason>,
    /// Its headers, joined by name.
    pub headers: Headers<'a>,
    /// Whether it has no other headers: the proxy is said to hide none, nothing speaks against that, and all could be read.
    pub has_no_other_headers: bool,
    /// Its body, not looked at yet.
    pub body: Body<'a>,
    /// The principal of the peer's certificate, if there is one.
    pub principal: Option<&'a str>,
    /// Metadata that the proxy's own filters wrote, by namespace.
    pub metadata: Metadata<'a>,
}

/// Method, host, path and query of a call, canonical.
#[derive(Debug)]
pub struct Target<'a> {
    /// The method: a token, case kept (RFC 9110, section 9.1).
    pub method: &'a str,
    /// The host in lower case, without port.
    pub host: Host<'a>,
    /// The path.
    pub path: Path<'a>,
    /// The query.
    pub query: Query<'a>,
}

/// Path and query together. Envoy's own bound on all headers is 60 KiB; no service of ours needs a longer line than this.
const MAX_PATH: usize = 8 * 1024;
/// The longest registered method has 17 letters (`UPDATEREDIRECTREF`).
const MAX_METHOD: usize = 32;
/// What a proxy that hides no header shows with every request, so that one that does not show both hides some.
const ALWAYS_THERE: [&str; 2] = [":scheme", "x-forwarded-proto"];
/// Headers that make another method of the request where an application heeds them.
const METHOD_OVERRIDES: [&str; 3] = ["x-http-method-override", "x-http-method", "x-method-override"];

impl<'a> Facts<'a> {
    /// Canonicalises what was told. Never fails as a whole: what is wrong stands in `target`.
    pub fn read(told: Told<'a>) -> Self {
        let (headers, wrong) = Headers::read(&told.headers);
        let body = Body::new(told.body, told.size);
        let target = match wrong {
            Some(reason) => Err(reason),
            None => Target::read(&told, &headers, &body),
        };
        let principal = Some(told.principal).filter(|text| !text.is_empty());
        let has_always = |name| headers.value(name).is_some();
        let has_no_other_headers = told.hides_no_header && target.is_ok() && ALWAYS_THERE.into_iter().all(has_always);
        Self { target, headers, has_no_other_headers, body, principal, metadata: told.metadata }
    }

    /// Whether the caller speaks gRPC and so expects a gRPC status.
    pub fn is_grpc(&self) -> bool {
        self.headers
            .value("content-type")
            .is_some_and(|value| value == "application/grpc" || value.starts_with("application/grpc+"))
    }
}

impl<'a> Target<'a> {
    fn read(told: &Told<'a>, headers: &Headers<'a>, body: &Body<'a>) -> Result<Self, Reason> {
        if told.body == Given::Both {
            return Err(Reason::RequestAmbiguous);
        }
        let method = read_method(told.method)?;
        if headers.names().any(|seen| METHOD_OVERRIDES.iter().any(|name| same_to_many(seen, name))) {
            return Err(Reason::MethodOverride);
        }
        agree(headers, ":method", told.method)?;
        agree(headers, ":path", told.path)?;
        agree(headers, ":authority", told.host)?;
        let host = Host::read(told.host)?;
        if headers.value("host").is_some_and(|other| Host::read(other).as_ref() != Ok(&host)) {
            return Err(Reason::HostAmbiguous);
        }
        refuse_hop_by_hop(headers)?;
        if told.path.len() > MAX_PATH {
            return Err(Reason::RequestTooLarge);
        }
        let (path, query) = match told.path.split_once('?') {
            Some((path, query)) => (path, query),
            None => (told.path, ""),
        };
        if query.contains('#') {
            return Err(Reason::PathFragment);
        }
        let (path, query) = (Path::read(path)?, Query::read(query)?);
        refuse_two_credentials(headers)?;
        // Rails, Laravel and others read the method from this parameter, or from this field of a form.
        if query.has("_method") || body.has_field(headers, "_method").unwrap_or(false) {
            return Err(Reason::MethodOverride);
        }
        Ok(Self { method, host, path, query })
    }
}

/// RFC 9110, section 9.1: any token is a method; which ones mean something is the catalogue's to say.
fn read_method(text: &str) -> Result<&str, Reason> {
    if text.len() > MAX_METHOD || !headers::is_token(text) {
        return Err(Reason::MethodMalformed);
    }
    Ok(text)
}

/// Envoy repeats the request line as pseudo headers. Where they are there, they must say the same.
fn agree(headers: &Headers<'_>, name: &str, told: &str) -> Result<(), Reason> {
    match headers.value(name) {
        Some(value) if value != told => Err(Reason::RequestAmbiguous),
        _ => Ok(()),
    }
}

/// A header that `connection` names is taken away by the next hop (RFC 9110, section 7.6.1), ours among them: a client could
/// so remove what we assert.
fn refuse_hop_by_hop(headers: &Headers<'_>) -> Result<(), Reason> {
    const ALLOWED: [&str; 5] = ["close", "http2-settings", "keep-alive", "te", "upgrade"];
    let named = headers.value("connection").unwrap_or_default();
    let harmless = |name: &str| name.is_empty() || ALLOWED.iter().any(|one| one.eq_ignore_ascii_case(name));
    if named.split(',').map(str::trim).all(harmless) { Ok(()) } else { Err(Reason::HeaderHopByHop) }
}

/// `authorization` holds one credential (RFC 9110, section 11.6.2). Joined by commas two would look like one: a token has no
/// comma in it, and parameters behind a comma begin with a name and `=`, never with another scheme.
fn refuse_two_credentials(headers: &Headers<'_>) -> Result<(), Reason> {
    const OF_ONE_TOKEN: [&str; 4] = ["basic", "bearer", "dpop", "negotiate"];
    let value = headers.value("authorization").unwrap_or_default();
    let (first, rest) = value.split_once(',').map_or((value, None), |(first, rest)| (first, Some(rest)));
    let scheme = first.trim().split(' ').next().unwrap_or_default();
    let is_token = OF_ONE_TOKEN.iter().any(|one| one.eq_ignore_ascii_case(scheme));
    let begins_another = |piece: &str| piece.trim().split_once(' ').is_some_and(|(word, _)| !word.contains('='));
    let two = rest.is_some_and(|rest| is_token || rest.split(',').any(begins_another));
    if two || headers.has_twin("authorization") { Err(Reason::CredentialsAmbiguous) } else { Ok(()) }
}

/// What an escape that could not be decoded was.
#[derive(Debug, PartialEq, Eq)]
enum BadEscape {
    /// `%` without two hexadecimal digits.
    Malformed,
    /// Not UTF-8 once decoded.
    NotUtf8,
}

/// Decodes `%XX` once, strictly. Borrows where there is nothing to decode.
fn decode(text: &str) -> Result<Cow<'_, str>, BadEscape> {
    if !text.contains('%') {
        return Ok(Cow::Borrowed(text));
    }
    let is_escape =
        |part: &str| part.as_bytes().first_chunk::<2>().is_some_and(|two| two.iter().all(u8::is_ascii_hexdigit));
    if !text.split('%').skip(1).all(is_escape) {
        return Err(BadEscape::Malformed);
    }
    percent_encoding::percent_decode_str(text).decode_utf8().map_err(|_| BadEscape::NotUtf8)
}

#[cfg(test)]
mod tests;

//! The body of a request, as far as the proxy handed it over.
//!
//! A body is looked at only where a rule is about it. Then it must be whole, of a media type that the rule reads, and
//! decodable in exactly one way; otherwise the reason why not. Whether it is whole is asked twice: Envoy marks what it cut
//! off, and says how much it had received; the client said how much it would send.

use std::io::Read as _;
use std::sync::OnceLock;

use flate2::bufread::GzDecoder;

use super::Headers;
use super::form::Form;
use super::json::Json;
use super::media_type::{Kind, MediaType};
use crate::terms::Reason;

/// A body as the proxy hands it over.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Given<'a> {
    /// Not at all.
    #[default]
    Nothing,
    /// As text, in which the proxy has replaced what is not UTF-8 by `!`.
    Text(&'a str),
    /// As it is.
    Bytes(&'a [u8]),
    /// In both ways at once, which no proxy does.
    Both,
}

/// The body of one request.
#[derive(Debug, Default)]
pub struct Body<'a> {
    given: Given<'a>,
    /// How many bytes the proxy had received.
    size: Option<u64>,
    inflated: OnceLock<Result<Vec<u8>, Reason>>,
}

/// Which bodies an action is judged by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepts {
    /// Media types that are read as JSON besides `application/json` and those that end in `+json`; in lower case.
    pub media_types: Vec<String>,
    /// Whether a body may be compressed with gzip.
    pub gzip: bool,
    /// The largest body, decompressed, in bytes.
    pub max_bytes: usize,
}

/// Envoy writes it where it handed a body over, and takes a client's own one away.
const PARTIAL: &str = "x-envoy-auth-partial-body";

impl<'a> Body<'a> {
    pub(super) fn new(given: Given<'a>, size: Option<u64>) -> Self {
        Self { given, size, inflated: OnceLock::new() }
    }

    /// Whether the proxy may have replaced bytes of it by `!`.
    pub const fn is_lossy(&self) -> bool {
        matches!(self.given, Given::Text(_))
    }

    /// The body as JSON.
    pub fn json(&self, headers: &Headers<'_>, accepts: &Accepts) -> Result<Json<'_>, Reason> {
        self.whole(headers)?;
        match MediaType::of(headers)?.kind(&accepts.media_types) {
            Kind::Json => {}
            Kind::UrlEncoded | Kind::Multipart(_) | Kind::Grpc | Kind::Other => return Err(Reason::BodyMediaType),
        }
        let json = Json::parse(self.decoded(headers, accepts)?)?;
        // Where bytes were replaced, another reader may see another key.
        if self.is_lossy() && json.has_key_with('!') { Err(Reason::JsonKeyAmbiguous) } else { Ok(json) }
    }

    /// The one message of a gRPC request: not compressed, and nothing behind it (gRPC over HTTP/2, "Requests").
    pub fn grpc(&self, headers: &Headers<'_>, accepts: &Accepts) -> Result<&[u8], Reason> {
        let bytes = self.whole(headers)?;
        // Where bytes were replaced, a message is lost.
        if self.is_lossy() {
            return Err(Reason::BodyUnavailable);
        }
        if MediaType::of(headers)?.kind(&[]) != Kind::Grpc {
            return Err(Reason::BodyMediaType);
        }
        if bytes.len() > accepts.max_bytes {
            return Err(Reason::BodyTooLarge);
        }
        match bytes {
            [0, a, b, c, d, message @ ..] if u32::from_be_bytes([*a, *b, *c, *d]) as usize == message.len() => {
                Ok(message)
            }
            [1, ..] => Err(Reason::BodyEncoding),
            _ => Err(Reason::GrpcMalformed),
        }
    }

    /// The body as a form: `application/x-www-form-urlencoded` or `multipart/form-data`.
    pub fn form(&self, headers: &Headers<'_>, accepts: &Accepts) -> Result<Form<'_>, Reason> {
        let form = self.any_form(headers, accepts)?;
        if self.is_lossy() && form.names().any(|name| name.contains('!')) {
            return Err(Reason::FormAmbiguous);
        }
        // Rails, Laravel and others read the method from this field.
        if form.has("_method") { Err(Reason::MethodOverride) } else { Ok(form) }
    }

    fn any_form(&self, headers: &Headers<'_>, accepts: &Accepts) -> Result<Form<'_>, Reason> {
        self.whole(headers)?;
        match MediaType::of(headers)?.kind(&[]) {
            Kind::UrlEncoded => Form::read_url_encoded(self.decoded(headers, accepts)?),
            Kind::Multipart(boundary) => Form::read_multipart(self.decoded(headers, accepts)?, &boundary),
            Kind::Json | Kind::Grpc | Kind::Other => Err(Reason::BodyMediaType),
        }
    }

    /// Whether a form that is at hand, read or not, has this field in whatever spelling; the reason where it cannot be known.
    pub fn has_field(&self, headers: &Headers<'_>, name: &str) -> Result<bool, Reason> {
        if self.given == Given::Nothing || headers.value("content-type").is_none() {
            return Ok(false);
        }
        match MediaType::of(headers)?.kind(&[]) {
            Kind::Json | Kind::Grpc | Kind::Other => Ok(false),
            Kind::UrlEncoded | Kind::Multipart(_) => {
                self.any_form(headers, &Accepts::default()).map(|form| form.has(name))
            }
        }
    }

    /// The whole body, decompressed.
    fn decoded(&self, headers: &Headers<'_>, accepts: &Accepts) -> Result<&[u8], Reason> {
        let bytes = self.whole(headers)?;
        let encoding = headers.value("content-encoding").unwrap_or("identity");
        if headers.has_twin("content-encoding") {
            return Err(Reason::BodyEncoding);
        }
        if bytes.len() > accepts.max_bytes {
            return Err(Reason::BodyTooLarge);
        }
        match encoding {
            _ if encoding.eq_ignore_ascii_case("identity") => Ok(bytes),
            _ if accepts.gzip && encoding.eq_ignore_ascii_case("gzip") => {
                let inflated = self.inflated.get_or_init(|| inflate(bytes, accepts.max_bytes));
                inflated.as_deref().map_err(|reason| *reason)
            }
            _ => Err(Reason::BodyEncoding),
        }
    }

    /// The body as it came, if it is whole.
    fn whole(&self, headers: &Headers<'_>) -> Result<&[u8], Reason> {
        let bytes = match self.given {
            Given::Nothing => return Err(Reason::BodyUnavailable),
            Given::Both => return Err(Reason::RequestAmbiguous),
            Given::Text(text) => text.as_bytes(),
            Given::Bytes(bytes) => bytes,
        };
        let length = bytes.len() as u64;
        if headers.value(PARTIAL).is_some_and(|marker| marker != "false") {
            return Err(Reason::BodyPartial);
        }
        let announced = match headers.value("content-length") {
            _ if headers.has_twin("content-length") => return Err(Reason::BodyLength),
            Some(text) => Some(read_length(text).ok_or(Reason::BodyLength)?),
            None => None,
        };
        for said in [self.size, announced].into_iter().flatten() {
            match said {
                _ if said > length => return Err(Reason::BodyPartial),
                _ if said < length => return Err(Reason::BodyLength),
                _ => {}
            }
        }
        Ok(bytes)
    }
}

impl Default for Accepts {
    /// 64 KiB: far above any request that moves money or data by itself, and what a decision can look at in a millisecond.
    fn default() -> Self {
        Self { media_types: Vec::new(), gzip: false, max_bytes: 64 * 1024 }
    }
}

/// RFC 9110, section 8.6: digits. Several of them joined by commas are refused even where they are the same.
fn read_length(text: &str) -> Option<u64> {
    let plain = (1..=19).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| text.bytes().fold(0, |sum: u64, digit| sum * 10 + u64::from(digit - b'0')))
}

/// RFC 1952: exactly one member and nothing behind it; readers differ about a second one.
fn inflate(bytes: &[u8], max: usize) -> Result<Vec<u8>, Reason> {
    let mut decoder = GzDecoder::new(bytes);
    let mut inflated = Vec::new();
    let limit = (max as u64).saturating_add(1);
    (&mut decoder).take(limit).read_to_end(&mut inflated).map_err(|_| Reason::BodyEncodingMalformed)?;
    if inflated.len() > max {
        return Err(Reason::BodyTooLarge);
    }
    if decoder.into_inner().is_empty() { Ok(inflated) } else { Err(Reason::BodyEncodingMalformed) }
}

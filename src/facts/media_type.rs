//! The media type of a body (RFC 9110, section 8.3), as strictly as the loosest and the strictest reader agree on.

use super::Headers;
use crate::terms::Reason;

/// A media type in lower case and its parameters.
#[derive(Debug)]
pub(super) struct MediaType<'h> {
    essence: String,
    parameters: Vec<(String, &'h str)>,
}

/// How a body is read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// As JSON.
    Json,
    /// As `application/x-www-form-urlencoded`.
    UrlEncoded,
    /// As one message of gRPC.
    Grpc,
    /// As `multipart/form-data`, with this boundary.
    Multipart(String),
    /// Not at all.
    Other,
}

impl<'h> MediaType<'h> {
    pub(super) fn of(headers: &'h Headers<'_>) -> Result<Self, Reason> {
        let value = headers.value("content-type").ok_or(Reason::BodyMediaType)?;
        // A comma joins two headers; within one it stands in quotes at most, where no parameter of ours has it.
        if headers.has_twin("content-type") || value.contains([',', '!']) {
            return Err(Reason::BodyMediaType);
        }
        let mut parts = value.split(';');
        let essence = parts.next().unwrap_or_default().trim().to_ascii_lowercase();
        let parameter = |part: &'h str| {
            let (name, value) = part.trim().split_once('=')?;
            let quoted = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
            let value = quoted.unwrap_or(value);
            let plain = !value.is_empty() && !value.contains(['"', '\\']) && !value.contains(char::is_whitespace);
            plain.then(|| (name.to_ascii_lowercase(), value))
        };
        let parameters = parts.map(parameter).collect::<Option<Vec<_>>>().ok_or(Reason::BodyMediaType)?;
        Ok(Self { essence, parameters })
    }

    /// How the body is read; besides JSON's own types these others are.
    pub(super) fn kind(&self, also_json: &[String]) -> Kind {
        let is_json = self.essence == "application/json"
            || (self.essence.starts_with("application/") && self.essence.ends_with("+json"))
            || also_json.contains(&self.essence);
        let is_utf8 = |(name, value): &(String, &str)| name == "charset" && value.eq_ignore_ascii_case("utf-8");
        let plain = self.parameters.len() <= 1 && self.parameters.iter().all(is_utf8);
        match self.essence.as_str() {
            _ if is_json && plain => Kind::Json,
            "application/x-www-form-urlencoded" if plain => Kind::UrlEncoded,
            "application/grpc" | "application/grpc+proto" if plain => Kind::Grpc,
            "multipart/form-data" => match self.parameters.as_slice() {
                [(name, boundary)] if name == "boundary" && is_boundary(boundary) => {
                    Kind::Multipart((*boundary).to_owned())
                }
                _ => Kind::Other,
            },
            _ => Kind::Other,
        }
    }
}

/// RFC 2046, section 5.1.1, without the characters that need quotes.
fn is_boundary(text: &str) -> bool {
    (1..=70).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"'+_-.".contains(&b))
}

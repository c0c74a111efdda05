//! The path of a request, decoded once, or the reason why it has no single reading.
//!
//! A path is refused where an upstream could split, fold or decode it differently: separators that are encoded or have a
//! second spelling, dot segments, empty segments, parameters behind semicolons, double encoding, and escapes of characters
//! that need none (a router that does not decode would read another route). What is left has one reading.

use std::borrow::Cow;

use super::{BadEscape, decode};
use crate::terms::Reason;

/// A path in canonical form. Begins with `/`; its segments hold no `/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path<'a>(Cow<'a, str>);

impl<'a> Path<'a> {
    /// Reads the path, without the query.
    pub fn read(raw: &'a str) -> Result<Self, Reason> {
        if raw.is_empty() {
            return Err(Reason::PathMissing);
        }
        if !raw.starts_with('/') {
            return Err(Reason::PathNotAbsolute);
        }
        raw.bytes().try_for_each(refuse_character)?;
        refuse_escapes(raw)?;
        let decoded = decode(raw).map_err(|bad| match bad {
            BadEscape::Malformed => Reason::PathBadEscape,
            BadEscape::NotUtf8 => Reason::PathNotUtf8,
        })?;
        refuse_segments(&decoded)?;
        Ok(Self(decoded))
    }

    /// The decoded path.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn refuse_character(byte: u8) -> Result<(), Reason> {
    match byte {
        b'#' => Err(Reason::PathFragment),
        b'\\' => Err(Reason::PathBackslash),
        b';' => Err(Reason::PathMatrix),
        // RFC 3986, section 2: these stand in no URI. Some servers take them, and each in its own way.
        b'"' | b'<' | b'>' | b'^' | b'`' | b'{' | b'|' | b'}' => Err(Reason::PathForbiddenCharacter),
        0x21..=0x7e => Ok(()),
        _ => Err(Reason::PathForbiddenCharacter),
    }
}

/// Looks at each `%XX` for what it hides.
fn refuse_escapes(raw: &str) -> Result<(), Reason> {
    let mut parts = raw.split('%');
    parts.next();
    for part in parts {
        // `from_str_radix` alone would take `+1` for a number.
        let digits =
            part.get(..2).filter(|two| two.bytes().all(|b| b.is_ascii_hexdigit())).ok_or(Reason::PathBadEscape)?;
        match u8::from_str_radix(digits, 16).map_err(|_| Reason::PathBadEscape)? {
            b'/' | b'\\' | b';' | b'?' | b'#' => return Err(Reason::PathEncodedSeparator),
            0x00..=0x1f | 0x7f => return Err(Reason::PathEncodedControl),
            b'%' => return Err(Reason::PathEncodedPercent),
            // RFC 3986, section 2.3: the unreserved characters, `.` among them.
            b if b.is_ascii_alphanumeric() || b"-._~".contains(&b) => return Err(Reason::PathEncodedPlain),
            _ => {}
        }
    }
    Ok(())
}

/// A single slash at the end is another path, not an empty segment: it matches only a route that has it too.
fn refuse_segments(decoded: &str) -> Result<(), Reason> {
    let inner = decoded.strip_prefix('/').unwrap_or(decoded);
    let inner = inner.strip_suffix('/').unwrap_or(inner);
    for segment in inner.split('/') {
        match segment {
            "." | ".." => return Err(Reason::PathDotSegment),
            "" if decoded != "/" => return Err(Reason::PathEmptySegment),
            _ => {}
        }
    }
    // C1 controls hide in UTF-8 as two bytes; some servers cut at U+0085.
    if decoded.chars().any(char::is_control) { Err(Reason::PathEncodedControl) } else { Ok(()) }
}

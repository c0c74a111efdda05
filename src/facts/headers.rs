//! The headers of a request, joined by name.
//!
//! Envoy hands headers over in one of two forms: joined in a map, or apart in a list with their bytes kept. Both become
//! the same thing here: one value for each lower-case name, several joined by `,` (cookies too), bytes that are not UTF-8
//! as `!`, exactly as Envoy joins and replaces. So a rule that reads a header has one answer in both forms.

use std::borrow::Cow;

use crate::terms::Reason;

/// Names and joined values, sorted by name.
#[derive(Debug, Clone, Default)]
pub struct Headers<'a> {
    entries: Vec<(Cow<'a, str>, Cow<'a, str>)>,
}

/// Values between commas. Envoy's own default is 100 headers, and few have more than some commas.
const MAX_VALUES: usize = 1024;
/// How the names of our own headers begin, with a dash or an underscore behind it.
const OURS: &str = "tollgate";
/// Envoy's own default is 60 KiB for all headers together.
const MAX_BYTES: usize = 128 * 1024;
/// As long as names are that servers take.
const MAX_NAME: usize = 1024;

impl<'a> Headers<'a> {
    /// Joins headers by name. What is wrong with them comes beside them, since even then the names are needed.
    pub fn read(told: &[(&'a str, &'a [u8])]) -> (Self, Option<Reason>) {
        let mut wrong = is_too_large(told).then_some(Reason::RequestTooLarge);
        // Of what is too large no more is looked at than must be taken out of it.
        let is_needed = |name: &str| {
            wrong.is_none() || name.get(..OURS.len()).is_some_and(|start| start.eq_ignore_ascii_case(OURS))
        };
        let mut entries: Vec<(Cow<'a, str>, Cow<'a, str>)> = Vec::with_capacity(told.len().min(MAX_VALUES));
        let mut is_malformed = false;
        for (name, value) in told.iter().filter(|(name, _)| is_needed(name)).take(MAX_VALUES) {
            is_malformed |= !is_name(name);
            entries.push((lower_case(name), text(value)));
        }
        if is_malformed {
            wrong = wrong.or(Some(Reason::HeaderMalformed));
        }
        // Stable: several values of one name stay in their order.
        entries.sort_by(|a, b| a.0.cmp(&b.0));
        entries.dedup_by(|later, first| {
            let same = later.0 == first.0;
            if same {
                let value = first.1.to_mut();
                value.push(',');
                value.push_str(&later.1);
            }
            same
        });
        (Self { entries }, wrong)
    }

    /// The joined value of a header, by its lower-case name.
    pub fn value(&self, name: &str) -> Option<&str> {
        match self.entries.binary_search_by(|(one, _)| one.as_ref().cmp(name)) {
            Ok(at) => self.entries.get(at).map(|(_, value)| value.as_ref()),
            Err(_) => None,
        }
    }

    /// The one value of a header that a rule reads; `None` where it is absent.
    ///
    /// Fails where there may be several, or where bytes may have been replaced.
    pub fn single(&self, name: &str) -> Result<Option<&str>, Reason> {
        if self.has_twin(name) {
            return Err(Reason::HeaderAmbiguous);
        }
        match self.value(name) {
            Some(value) if value.contains([',', '!']) => Err(Reason::HeaderAmbiguous),
            other => Ok(other),
        }
    }

    /// Whether the header is there under another spelling: many servers read `x_count` and `x-count` as one.
    pub fn has_twin(&self, name: &str) -> bool {
        self.names().any(|other| other != name && same_to_many(other, name))
    }

    /// All names, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|(name, _)| name.as_ref())
    }
}

/// Measured so that it is the same whether values of one name come apart or joined: by values and what stands between them.
fn is_too_large(told: &[(&str, &[u8])]) -> bool {
    let (mut values, mut bytes) = (0, 0);
    for (name, value) in told {
        bytes += value.len() + 1;
        values += 1 + memchr::memchr_iter(b',', value).count();
        if name.len() > MAX_NAME || values > MAX_VALUES || bytes > MAX_BYTES {
            return true;
        }
    }
    false
}

/// RFC 9110, section 5.1, and HTTP/2's pseudo headers.
fn is_name(name: &str) -> bool {
    is_token(name.strip_prefix(':').unwrap_or(name))
}

/// RFC 9110, section 5.6.2. Each byte of each name of each request is looked at.
pub(super) fn is_token(text: &str) -> bool {
    let is_tchar = |byte: u8| {
        byte.is_ascii_alphanumeric()
            || matches!(byte, b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'^'..=b'`' | b'|' | b'~')
    };
    !text.is_empty() && text.bytes().all(is_tchar)
}

/// Whether servers that hand headers on as variables (CGI, WSGI, PHP) would take both for one.
pub fn same_to_many(a: &str, b: &str) -> bool {
    let fold = |b: u8| if b == b'_' { b'-' } else { b };
    a.len() == b.len() && a.bytes().map(fold).eq(b.bytes().map(fold))
}

fn lower_case(name: &str) -> Cow<'_, str> {
    if name.bytes().any(|b| b.is_ascii_uppercase()) {
        Cow::Owned(name.to_ascii_lowercase())
    } else {
        Cow::Borrowed(name)
    }
}

/// As Envoy writes it into the map form: each byte that is no part of valid UTF-8 becomes `!`.
fn text(value: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = std::str::from_utf8(value) {
        return Cow::Borrowed(text);
    }
    let mut text = String::with_capacity(value.len());
    for chunk in value.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|_| '!'));
    }
    Cow::Owned(text)
}

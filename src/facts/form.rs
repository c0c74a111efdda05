//! A form with one reading: URL-encoded or multipart fields.
//!
//! A field that a rule reads must be there at most once, under exactly its name, as a query's parameter must. Of multipart
//! (RFC 7578) only what every reader takes alike is read: one boundary, CRLF, plain names. A library for it (`multer`) reads
//! as leniently as servers do, which is right for a server and wrong for a gate before one.

use std::borrow::Cow;

use super::query::is_a_spelling_of;
use super::{BadEscape, decode};
use crate::terms::Reason;

/// The fields of a form, in the order in which they came.
#[derive(Debug, Clone, Default)]
pub struct Form<'a> {
    fields: Vec<Field<'a>>,
}

#[derive(Debug, Clone)]
struct Field<'a> {
    name: Cow<'a, str>,
    /// A file has none that a rule could read.
    value: Option<Cow<'a, str>>,
    /// The name was not written as its plain characters.
    doubtful: bool,
}

/// As many as a query has parameters.
const MAX_FIELDS: usize = 256;

impl<'a> Form<'a> {
    pub(super) fn read_url_encoded(bytes: &'a [u8]) -> Result<Self, Reason> {
        let text = std::str::from_utf8(bytes).map_err(|_| Reason::FormMalformed)?;
        if !text.bytes().all(|byte| (0x21..=0x7e).contains(&byte)) {
            return Err(Reason::FormMalformed);
        }
        // Some readers split at semicolons too.
        if text.contains(';') {
            return Err(Reason::FormAmbiguous);
        }
        let fields = text.split('&').filter(|part| !part.is_empty()).take(MAX_FIELDS + 1).map(read_pair);
        Self::bounded(fields.collect::<Result<Vec<_>, _>>()?)
    }

    pub(super) fn read_multipart(bytes: &'a [u8], boundary: &str) -> Result<Self, Reason> {
        let text = std::str::from_utf8(bytes).map_err(|_| Reason::FormMalformed)?;
        let rest = text.strip_prefix(&format!("--{boundary}\r\n")).ok_or(Reason::FormMalformed)?;
        let end = format!("\r\n--{boundary}--");
        let rest = rest.strip_suffix("\r\n").unwrap_or(rest).strip_suffix(&end).ok_or(Reason::FormMalformed)?;
        let between = format!("\r\n--{boundary}\r\n");
        // A boundary that is not followed by the end of its line is one to some readers.
        if rest.split(&between).any(|part| part.contains(&format!("--{boundary}"))) {
            return Err(Reason::FormAmbiguous);
        }
        let fields = rest.split(&between).take(MAX_FIELDS + 1).map(read_part);
        Self::bounded(fields.collect::<Result<Vec<_>, _>>()?)
    }

    fn bounded(fields: Vec<Field<'a>>) -> Result<Self, Reason> {
        if fields.len() > MAX_FIELDS { Err(Reason::BodyTooLarge) } else { Ok(Self { fields }) }
    }

    /// The one value of a field; `None` where it is absent. Fails where parsers could disagree, as for a query.
    pub fn value(&self, name: &str) -> Result<Option<&str>, Reason> {
        let mut found = None;
        for field in self.fields.iter().filter(|field| is_a_spelling_of(&field.name, name)) {
            if found.is_some() || field.doubtful || field.name != name {
                return Err(Reason::FormAmbiguous);
            }
            found = Some(field.value.as_deref().ok_or(Reason::FormAmbiguous)?);
        }
        Ok(found)
    }

    /// Whether a field is there, in whatever spelling.
    pub(super) fn has(&self, name: &str) -> bool {
        self.fields.iter().any(|field| is_a_spelling_of(&field.name, name))
    }

    /// All names, in the order in which they came.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.fields.iter().map(|field| field.name.as_ref())
    }
}

fn read_pair(raw: &str) -> Result<Field<'_>, Reason> {
    let (raw_name, raw_value) = raw.split_once('=').unwrap_or((raw, ""));
    let name = decode_plus(raw_name)?;
    let doubtful = name != raw_name;
    Ok(Field { name, value: Some(decode_plus(raw_value)?), doubtful })
}

/// Here `+` is a blank to everybody (WHATWG URL, section 5.1).
fn decode_plus(text: &str) -> Result<Cow<'_, str>, Reason> {
    let malformed = |_: BadEscape| Reason::FormMalformed;
    if text.contains('+') {
        let spaced = text.replace('+', "%20");
        return decode(&spaced).map(|text| Cow::Owned(text.into_owned())).map_err(malformed);
    }
    decode(text).map_err(malformed)
}

/// One part: `content-disposition: form-data; name="…"`, perhaps with a file name and a content type.
fn read_part(part: &str) -> Result<Field<'_>, Reason> {
    let (head, value) = part.split_once("\r\n\r\n").ok_or(Reason::FormMalformed)?;
    let mut disposition = None;
    for line in head.split("\r\n") {
        let (name, value) = line.split_once(':').ok_or(Reason::FormMalformed)?;
        match name.to_ascii_lowercase().as_str() {
            "content-disposition" if disposition.is_none() => disposition = Some(value.trim()),
            "content-type" if !value.trim().to_ascii_lowercase().starts_with("multipart/") => {}
            _ => return Err(Reason::FormMalformed),
        }
    }
    let (name, is_file) = read_disposition(disposition.ok_or(Reason::FormMalformed)?)?;
    Ok(Field { name: Cow::Borrowed(name), value: (!is_file).then_some(Cow::Borrowed(value)), doubtful: false })
}

/// The name of the field, and whether it is a file.
fn read_disposition(text: &str) -> Result<(&str, bool), Reason> {
    let mut parts = text.split(';').map(str::trim);
    if parts.next() != Some("form-data") {
        return Err(Reason::FormMalformed);
    }
    let (mut name, mut is_file) = (None, false);
    for part in parts {
        let (key, value) = part.split_once('=').ok_or(Reason::FormMalformed)?;
        let value = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).ok_or(Reason::FormAmbiguous)?;
        // Quotes and backslashes within are escaped in three ways; `%22` is one of them.
        if value.contains(['"', '\\', '%', '\r', '\n']) {
            return Err(Reason::FormAmbiguous);
        }
        match key {
            "name" if name.is_none() && !value.is_empty() => name = Some(value),
            "filename" if !is_file => is_file = true,
            _ => return Err(Reason::FormAmbiguous),
        }
    }
    Ok((name.ok_or(Reason::FormMalformed)?, is_file))
}

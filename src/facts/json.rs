//! JSON with one reading, or the reason why it has several.
//!
//! What parsers read differently is refused: a key that stands twice in an object or in two cases, bytes before or behind
//! the value, text that is not UTF-8, escapes of half a character, more depth or more values than are looked at. Numbers
//! stay as they were written, so that no amount passes through a float. What is valid for this reader is valid for every
//! reader of RFC 8259, and means the same there.
//!
//! Why not a library: `docs/decisions/0005-own-json-reader.md`.

use std::borrow::Cow;
use std::collections::HashSet;

use crate::terms::{Pointer, Reason};

/// A JSON value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Json<'a> {
    /// Nothing.
    Null,
    /// True or false.
    Boolean(bool),
    /// A number as it was written; it fits the grammar of RFC 8259, section 6.
    Number(Cow<'a, str>),
    /// A text, its escapes decoded.
    Text(Cow<'a, str>),
    /// Values in their order.
    List(Vec<Json<'a>>),
    /// Keys and values in their order. No two keys are the same, nor differ in case alone.
    Object(Vec<(Cow<'a, str>, Json<'a>)>),
}

/// No request of ours nests deeper, and no reader's stack ends here.
const MAX_DEPTH: usize = 64;
/// Values of one document: what a decision looks at in well under a millisecond.
const MAX_VALUES: usize = 10_000;
/// In smaller objects comparing each key with each is faster than hashing, and as bounded.
const FEW_KEYS: usize = 8;

impl<'a> Json<'a> {
    /// Reads one value that fills the whole text.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Reason> {
        let text = std::str::from_utf8(bytes).map_err(|_| Reason::JsonNotUtf8)?;
        if text.starts_with(['\u{feff}', ' ', '\t', '\n', '\r']) {
            return Err(Reason::JsonPrefix);
        }
        let mut reader = Reader { text, at: 0, values: 0 };
        let value = reader.value(0)?;
        reader.skip_blanks();
        if reader.at < text.len() { Err(Reason::JsonTrailing) } else { Ok(value) }
    }

    /// The value behind a key of an object; `None` where it is absent, or where this is no object.
    ///
    /// Fails where only a spelling of the key in another case is there: readers that ignore case would take it.
    pub fn key(&self, name: &str) -> Result<Option<&Self>, Reason> {
        let Self::Object(entries) = self else { return Ok(None) };
        if let Some((_, value)) = entries.iter().find(|(key, _)| key == name) {
            return Ok(Some(value));
        }
        let folded = fold(name);
        let is_near = entries.iter().any(|(key, _)| key.len() <= 4 * name.len() && fold(key) == folded);
        if is_near { Err(Reason::JsonKeyAmbiguous) } else { Ok(None) }
    }

    /// Whether a key at any depth holds this character.
    pub(super) fn has_key_with(&self, wanted: char) -> bool {
        match self {
            Self::List(list) => list.iter().any(|value| value.has_key_with(wanted)),
            Self::Object(entries) => {
                entries.iter().any(|(key, value)| key.contains(wanted) || value.has_key_with(wanted))
            }
            Self::Null | Self::Boolean(_) | Self::Number(_) | Self::Text(_) => false,
        }
    }

    /// The value at a JSON Pointer (RFC 6901), with the same care at each of its keys.
    pub fn at(&self, pointer: &Pointer) -> Result<Option<&Self>, Reason> {
        let mut value = self;
        for key in pointer.keys() {
            let next = match value {
                Self::List(list) => list_index(&key).and_then(|index| list.get(index)),
                other => other.key(&key)?,
            };
            match next {
                Some(next) => value = next,
                None => return Ok(None),
            }
        }
        Ok(Some(value))
    }
}

/// RFC 6901, section 4: digits without a leading zero.
fn list_index(key: &str) -> Option<usize> {
    match key.parse::<usize>() {
        Ok(index) if index.to_string() == key => Some(index),
        _ => None,
    }
}

/// As the loosest readers compare keys: upper and lower case are one, and so are `ſ` and `s`, the Kelvin sign and `k`.
pub(super) fn fold(text: &str) -> String {
    text.chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase).collect()
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    values: usize,
}

impl<'a> Reader<'a> {
    fn value(&mut self, depth: usize) -> Result<Json<'a>, Reason> {
        self.values += 1;
        if depth > MAX_DEPTH || self.values > MAX_VALUES {
            return Err(Reason::JsonTooComplex);
        }
        match self.peek() {
            Some(b'{') => self.object(depth),
            Some(b'[') => self.list(depth),
            Some(b'"') => self.string().map(Json::Text),
            Some(b't') => self.word("true", Json::Boolean(true)),
            Some(b'f') => self.word("false", Json::Boolean(false)),
            Some(b'n') => self.word("null", Json::Null),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => Err(Reason::JsonMalformed),
        }
    }

    fn object(&mut self, depth: usize) -> Result<Json<'a>, Reason> {
        let mut entries: Vec<(Cow<'a, str>, Json<'a>)> = Vec::new();
        self.open(b'}', |reader| {
            let key = reader.string()?;
            if key.chars().any(char::is_control) {
                return Err(Reason::JsonMalformed);
            }
            reader.skip_blanks();
            reader.take(b':')?;
            reader.skip_blanks();
            let value = reader.value(depth + 1)?;
            entries.push((key, value));
            Ok(())
        })?;
        if has_twins(&entries) { Err(Reason::JsonDuplicateKey) } else { Ok(Json::Object(entries)) }
    }

    fn list(&mut self, depth: usize) -> Result<Json<'a>, Reason> {
        let mut list = Vec::new();
        self.open(b']', |reader| {
            let value = reader.value(depth + 1)?;
            list.push(value);
            Ok(())
        })?;
        Ok(Json::List(list))
    }

    /// Reads what stands between brackets, comma by comma.
    fn open(&mut self, close: u8, mut item: impl FnMut(&mut Self) -> Result<(), Reason>) -> Result<(), Reason> {
        self.at += 1;
        self.skip_blanks();
        if self.peek() == Some(close) {
            self.at += 1;
            return Ok(());
        }
        loop {
            item(self)?;
            self.skip_blanks();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(byte) if byte == close => {
                    self.at += 1;
                    return Ok(());
                }
                _ => return Err(Reason::JsonMalformed),
            }
            self.skip_blanks();
        }
    }

    /// A text; borrowed where nothing in it is escaped.
    fn string(&mut self) -> Result<Cow<'a, str>, Reason> {
        self.take(b'"')?;
        let mut decoded: Option<String> = None;
        loop {
            let rest = self.text.get(self.at..).ok_or(Reason::JsonMalformed)?;
            let end = rest.find(['"', '\\']).ok_or(Reason::JsonMalformed)?;
            let plain = rest.get(..end).ok_or(Reason::JsonMalformed)?;
            if plain.bytes().any(|byte| byte < 0x20) {
                return Err(Reason::JsonMalformed);
            }
            self.at += end + 1;
            if rest.as_bytes().get(end) == Some(&b'"') {
                return Ok(match decoded {
                    None => Cow::Borrowed(plain),
                    Some(text) => Cow::Owned(text + plain),
                });
            }
            let text = decoded.get_or_insert_default();
            text.push_str(plain);
            text.push(self.escape()?);
        }
    }

    /// What stands behind a backslash.
    fn escape(&mut self) -> Result<char, Reason> {
        let byte = self.peek().ok_or(Reason::JsonMalformed)?;
        self.at += 1;
        Ok(match byte {
            b'"' | b'\\' | b'/' => char::from(byte),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => return self.unicode(),
            _ => return Err(Reason::JsonMalformed),
        })
    }

    /// A character by its number in UTF-16; half a pair alone is no character.
    fn unicode(&mut self) -> Result<char, Reason> {
        let first = self.hex4()?;
        let code = match first {
            0xd800..=0xdbff => {
                self.take(b'\\')?;
                self.take(b'u')?;
                let second = self.hex4()?;
                if !(0xdc00..=0xdfff).contains(&second) {
                    return Err(Reason::JsonMalformed);
                }
                0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00)
            }
            other => other,
        };
        char::from_u32(code).ok_or(Reason::JsonMalformed)
    }

    fn hex4(&mut self) -> Result<u32, Reason> {
        let digits = self.text.get(self.at..self.at + 4).ok_or(Reason::JsonMalformed)?;
        // `from_str_radix` alone would take `+123`.
        if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(Reason::JsonMalformed);
        }
        self.at += 4;
        u32::from_str_radix(digits, 16).map_err(|_| Reason::JsonMalformed)
    }

    fn number(&mut self) -> Result<Json<'a>, Reason> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        let leading_zero = self.peek() == Some(b'0');
        if self.digits()? > 1 && leading_zero {
            return Err(Reason::JsonMalformed);
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            self.digits()?;
        }
        self.text.get(start..self.at).map(|text| Json::Number(Cow::Borrowed(text))).ok_or(Reason::JsonMalformed)
    }

    /// How many digits follow; at least one.
    fn digits(&mut self) -> Result<usize, Reason> {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        if self.at > start { Ok(self.at - start) } else { Err(Reason::JsonMalformed) }
    }

    fn word(&mut self, word: &str, value: Json<'a>) -> Result<Json<'a>, Reason> {
        if !self.text.get(self.at..).is_some_and(|rest| rest.starts_with(word)) {
            return Err(Reason::JsonMalformed);
        }
        self.at += word.len();
        Ok(value)
    }

    fn take(&mut self, byte: u8) -> Result<(), Reason> {
        if self.peek() != Some(byte) {
            return Err(Reason::JsonMalformed);
        }
        self.at += 1;
        Ok(())
    }

    fn skip_blanks(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }
}

/// Whether two keys are one to some reader.
fn has_twins(entries: &[(Cow<'_, str>, Json<'_>)]) -> bool {
    let is_plain = |key: &str| key.bytes().all(|byte| byte.is_ascii() && !byte.is_ascii_uppercase());
    if entries.len() <= FEW_KEYS && entries.iter().all(|(key, _)| is_plain(key)) {
        let later = |at: usize| entries.get(at + 1..).unwrap_or_default();
        return entries.iter().enumerate().any(|(at, (key, _))| later(at).iter().any(|(other, _)| other == key));
    }
    let mut seen = HashSet::with_capacity(entries.len());
    !entries.iter().all(|(key, _)| seen.insert(fold(key)))
}

#[cfg(test)]
mod tests;

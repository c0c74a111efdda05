//! The parameters of a query, decoded once, and the ones that have no single reading.
//!
//! A query that no rule reads passes untouched. The parameters that an action reads, sets or removes must be there at most
//! once, under exactly their name, in a form that all parsers read alike; [`Query::value`] says so or refuses.

use std::borrow::Cow;

use super::{BadEscape, decode};
use crate::terms::Reason;

/// The parameters, in the order in which they came.
#[derive(Debug, Clone, Default)]
pub struct Query<'a> {
    pairs: Vec<Pair<'a>>,
    /// Some parsers split at semicolons too.
    has_semicolon: bool,
}

#[derive(Debug, Clone)]
struct Pair<'a> {
    name: Cow<'a, str>,
    value: Cow<'a, str>,
    /// The name was not written as its plain characters, or the value holds `+`, which is a blank to some.
    doubtful: bool,
}

/// More than any form that we know; PHP stops at 1000, others at none.
const MAX_PAIRS: usize = 256;

impl<'a> Query<'a> {
    /// Reads the part behind the `?`.
    pub fn read(raw: &'a str) -> Result<Self, Reason> {
        if !raw.bytes().all(|b| (0x21..=0x7e).contains(&b)) {
            return Err(Reason::PathForbiddenCharacter);
        }
        let pairs = raw.split('&').filter(|part| !part.is_empty()).map(read_pair);
        let pairs = pairs.take(MAX_PAIRS + 1).collect::<Result<Vec<_>, _>>()?;
        if pairs.len() > MAX_PAIRS {
            return Err(Reason::RequestTooLarge);
        }
        Ok(Self { pairs, has_semicolon: raw.contains(';') })
    }

    /// Whether the parameter is there, in whatever spelling.
    pub fn has(&self, name: &str) -> bool {
        self.pairs.iter().any(|pair| is_a_spelling_of(&pair.name, name))
    }

    /// The one value of a parameter; `None` where it is absent.
    ///
    /// Fails where parsers could disagree: given twice, in another case, as an array (`name[]`), encoded, or with `+`.
    pub fn value(&self, name: &str) -> Result<Option<&str>, Reason> {
        let mut found = None;
        for pair in self.pairs.iter().filter(|pair| is_a_spelling_of(&pair.name, name)) {
            if found.is_some() || pair.doubtful || pair.name != name {
                return Err(Reason::QueryAmbiguous);
            }
            found = Some(pair.value.as_ref());
        }
        // Behind a semicolon a second value could hide: `a=1;a=2` is one pair to us and two to others.
        if self.has_semicolon { Err(Reason::QueryAmbiguous) } else { Ok(found) }
    }
}

fn read_pair(raw: &str) -> Result<Pair<'_>, Reason> {
    let (raw_name, raw_value) = raw.split_once('=').unwrap_or((raw, ""));
    let decode = |text| {
        decode(text).map_err(|bad| match bad {
            BadEscape::Malformed => Reason::QueryBadEscape,
            BadEscape::NotUtf8 => Reason::QueryAmbiguous,
        })
    };
    let name = decode(raw_name)?;
    let value = decode(raw_value)?;
    let doubtful = name != raw_name || raw_value.contains('+');
    Ok(Pair { name, value, doubtful })
}

/// Whether some framework would read `given` as the parameter `name`: in another case, with blanks or controls around it,
/// with `.`, `+` or a blank for `_`, or as the first of an array.
pub(super) fn is_a_spelling_of(given: &str, name: &str) -> bool {
    let given = given.trim_matches(|c: char| c.is_whitespace() || c.is_control() || c == '+');
    match given.as_bytes().split_at_checked(name.len()) {
        Some((start, rest)) => {
            start.iter().zip(name.as_bytes()).all(|(a, b)| fold(*a) == fold(*b))
                && rest.first().is_none_or(|b| *b == b'[' || b.is_ascii_control())
        }
        None => false,
    }
}

/// PHP makes `_` of `.` and of a blank; others fold case.
fn fold(byte: u8) -> u8 {
    match byte {
        b'.' | b' ' | b'+' => b'_',
        other => other.to_ascii_lowercase(),
    }
}

//! What of a body a consumer may pass on.
//!
//! Each field of the body must be named by the contract, by itself or with something above it. Bodies cannot be changed on
//! this way through the proxy, so what would have to be taken out is refused with a reason that says so.

use std::borrow::Cow;

use crate::facts::{Form, Json};
use crate::terms::{Pointer, Reason, spelled};

spelled! {
    /// What becomes of a body with fields that are not named.
    Others, "what becomes of other fields" {
        /// It is refused.
        Refuse = "refuse",
        /// They would be taken out; where that cannot be done the call is refused.
        Strip = "strip",
        /// They are counted, and pass.
        Report = "report",
    }
}

/// What of a body may be passed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sends {
    /// The fields, each with all that is below it; `*` stands for each element of a list.
    pub fields: Vec<Pointer>,
    /// What becomes of a body with others.
    pub others: Others,
}

impl Sends {
    /// How many fields are passed on that are not named, or the reason why the body may not pass.
    pub fn check(&self, body: &Json<'_>) -> Result<u32, Reason> {
        let patterns: Vec<Vec<_>> = self.fields.iter().map(|field| field.keys().collect()).collect();
        let all: Vec<&[Cow<'_, str>]> = patterns.iter().map(Vec::as_slice).collect();
        self.weigh(count_unnamed(body, &all))
    }

    /// The same for a form, whose fields are all at the top.
    pub fn check_form(&self, form: &Form<'_>) -> Result<u32, Reason> {
        let is_named = |name: &str| self.fields.contains(&Pointer::to_key(name));
        let unnamed = form.names().filter(|name| !is_named(name)).count();
        self.weigh(u32::try_from(unnamed).unwrap_or(u32::MAX))
    }

    const fn weigh(&self, unnamed: u32) -> Result<u32, Reason> {
        match self.others {
            _ if unnamed == 0 => Ok(0),
            Others::Refuse => Err(Reason::SendsRefused),
            Others::Strip => Err(Reason::SendsNotStripped),
            Others::Report => Ok(unnamed),
        }
    }
}

/// The fields below a value that no pattern reaches; the patterns are relative to the value.
fn count_unnamed(value: &Json<'_>, patterns: &[&[Cow<'_, str>]]) -> u32 {
    if patterns.iter().any(|pattern| pattern.is_empty()) {
        return 0;
    }
    let below = |key: &dyn Fn(&str) -> bool| -> Vec<&[Cow<'_, str>]> {
        patterns
            .iter()
            .filter_map(|pattern| pattern.split_first())
            .filter(|(first, _)| key(first))
            .map(|(_, rest)| rest)
            .collect()
    };
    let sum = |counts: &mut dyn Iterator<Item = u32>| counts.fold(0, u32::saturating_add);
    match value {
        // An empty object or list on the way to a named field holds nothing that is not named.
        Json::Object(entries) if !patterns.is_empty() => {
            sum(&mut entries.iter().map(|(key, value)| count_unnamed(value, &below(&|first| first == key.as_ref()))))
        }
        Json::List(list) if !patterns.is_empty() => {
            let patterns = below(&|first| first == "*");
            sum(&mut list.iter().map(|value| count_unnamed(value, &patterns)))
        }
        _ => 1,
    }
}

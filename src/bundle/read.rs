//! From nodes to what was typed: a small grammar that reads, explains and describes itself.
//!
//! [`keys!`] declares a map's keys once; from that come the reader, which goes on after a problem so that all of them are
//! reported together, the hint for a misspelled key, the refusal of keys that are not supported yet, and the JSON Schema
//! that editors use. Nothing here knows what a policy means.

use std::ops::Deref;

use serde_json::{Value, json};

use crate::yaml::{Kind, Node, Place, Problem, Problems};

/// Something that can be read from a node.
pub(super) trait Read: Sized {
    /// Reads it, or says what is wrong.
    fn read(node: &Node, problems: &mut Problems) -> Option<Self>;

    /// What an editor should know of it: JSON Schema, draft 2020-12.
    fn schema() -> Value;
}

/// A value and where it was written.
#[derive(Debug, Clone)]
pub(super) struct Spanned<T> {
    pub(super) value: T,
    pub(super) place: Place,
}

impl<T> Deref for Spanned<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: Read> Read for Spanned<T> {
    fn read(node: &Node, problems: &mut Problems) -> Option<Self> {
        T::read(node, problems).map(|value| Self { value, place: node.place.clone() })
    }

    fn schema() -> Value {
        T::schema()
    }
}

/// For what is seldom written, and would take room in each of thousands where it is not.
impl<T: Read> Read for Box<T> {
    fn read(node: &Node, problems: &mut Problems) -> Option<Self> {
        T::read(node, problems).map(Self::new)
    }

    fn schema() -> Value {
        T::schema()
    }
}

impl<T: Read> Read for Vec<T> {
    fn read(node: &Node, problems: &mut Problems) -> Option<Self> {
        let Kind::List(list) = &node.kind else {
            problems.push(expected("a list", node).help("put it into brackets: `[…]`"));
            return None;
        };
        let read: Vec<_> = list.iter().map(|node| T::read(node, problems)).collect();
        read.into_iter().collect()
    }

    fn schema() -> Value {
        json!({ "type": "array", "items": T::schema() })
    }
}

/// A map whose keys are names of the operator's.
#[derive(Debug, Clone)]
pub(super) struct MapOf<K, V>(pub(super) Vec<(Spanned<K>, V)>);

impl<K, V> Default for MapOf<K, V> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<K: Read, V: Read> Read for MapOf<K, V> {
    fn read(node: &Node, problems: &mut Problems) -> Option<Self> {
        let Kind::Map(entries) = &node.kind else {
            problems.push(expected("a map", node));
            return None;
        };
        let read: Vec<_> =
            entries.iter().map(|(key, value)| (Spanned::read(key, problems), V::read(value, problems))).collect();
        read.into_iter().map(|(key, value)| Some((key?, value?))).collect::<Option<_>>().map(Self)
    }

    fn schema() -> Value {
        let mut names = K::schema();
        if let Some(names) = names.as_object_mut() {
            names.remove("type");
        }
        json!({ "type": "object", "propertyNames": names, "additionalProperties": V::schema() })
    }
}

/// Anything, as JSON: for claims.
#[derive(Debug, Clone)]
pub(super) struct Json(pub(super) Value);

impl Read for Json {
    fn read(node: &Node, _: &mut Problems) -> Option<Self> {
        to_json(node).map(Self)
    }

    fn schema() -> Value {
        json!({})
    }
}

/// What is written without quotes is what JSON reads in it; all else is text.
fn to_json(node: &Node) -> Option<Value> {
    Some(match &node.kind {
        Kind::Null => Value::Null,
        Kind::Scalar { text, plain: true } => serde_json::from_str(text).unwrap_or_else(|_| Value::from(text.as_str())),
        Kind::Scalar { text, plain: false } => Value::from(text.as_str()),
        Kind::List(list) => list.iter().map(to_json).collect::<Option<_>>()?,
        Kind::Map(map) => {
            let entry = |(key, value): &(Node, Node)| Some((key.text()?.to_owned(), to_json(value)?));
            Value::Object(map.iter().map(entry).collect::<Option<_>>()?)
        }
    })
}

impl Read for String {
    fn read(node: &Node, problems: &mut Problems) -> Option<Self> {
        if node.text().is_none() {
            problems.push(expected("a text", node));
        }
        node.text().map(str::to_owned)
    }

    fn schema() -> Value {
        json!({ "type": "string" })
    }
}

impl Read for bool {
    fn read(node: &Node, problems: &mut Problems) -> Option<Self> {
        match &node.kind {
            Kind::Scalar { text, plain: true } if text == "true" => Some(true),
            Kind::Scalar { text, plain: true } if text == "false" => Some(false),
            _ => {
                problems.push(expected("`true` or `false`", node));
                None
            }
        }
    }

    fn schema() -> Value {
        json!({ "type": "boolean" })
    }
}

pub(super) fn expected(what: &str, node: &Node) -> Problem {
    let found = node.text().map_or_else(|| node.describe().to_owned(), |text| format!("`{text}`"));
    Problem::at(&node.place, format!("expected {what}, found {found}"))
}

/// Reads a text by its `FromStr`, and names the nearest of the known words where there is a closed list of them.
pub(super) fn read_term<T>(node: &Node, problems: &mut Problems, known: &[&str]) -> Option<T>
where
    T: std::str::FromStr,
    T::Err: std::fmt::Display,
{
    let Some(text) = node.text() else {
        problems.push(expected("a text", node));
        return None;
    };
    match text.parse() {
        Ok(term) => Some(term),
        Err(error) => {
            let mut problem = Problem::at(&node.place, error.to_string());
            if let Some(meant) = problems.nearest(text, known.iter().copied()) {
                problem = problem.help(format!("did you mean `{meant}`?"));
            }
            problems.push(problem);
            None
        }
    }
}

/// Makes types of `terms` and `catalog` readable: `term!(Tier, "enum")` for closed lists, `term!(Name)` for the others.
macro_rules! term {
    ($name:ty, enum) => {
        impl Read for $name {
            fn read(node: &Node, problems: &mut Problems) -> Option<Self> {
                let known: Vec<_> = Self::ALL.iter().map(|one| one.as_str()).collect();
                read_term(node, problems, &known)
            }

            fn schema() -> Value {
                json!({ "enum": Self::ALL.iter().map(|one| one.as_str()).collect::<Vec<_>>() })
            }
        }
    };
    ($name:ty, $schema:expr) => {
        impl Read for $name {
            fn read(node: &Node, problems: &mut Problems) -> Option<Self> {
                read_term(node, problems, &[])
            }

            fn schema() -> Value {
                $schema
            }
        }
    };
}
pub(super) use term;

/// What became of the keys of a map.
pub(super) struct Keys<'a> {
    node: &'a Node,
    known: &'static [&'static str],
    /// Keys that are probably there under another spelling: they are not said to be missing, too.
    meant: Vec<&'static str>,
}

impl<'a> Keys<'a> {
    /// Looks at a map's keys: refuses the unknown ones and those that are not supported yet.
    pub(super) fn of(
        node: &'a Node,
        known: &'static [&'static str],
        later: &'static [(&'static str, &'static str)],
        problems: &mut Problems,
    ) -> Option<(Self, &'a [(Node, Node)])> {
        let entries = match &node.kind {
            Kind::Map(entries) => entries.as_slice(),
            // `order.read:` with nothing behind it is a map without keys.
            Kind::Null => &[],
            _ => {
                problems.push(expected("a map", node).help(format!("with the keys {}", listed(known))));
                return None;
            }
        };
        let mut misspelled = Vec::new();
        for (key, name) in entries.iter().filter_map(|(key, _)| Some((key, key.text()?))) {
            if let Some((_, what)) = later.iter().find(|(one, _)| *one == name) {
                problems.push(
                    Problem::at(&key.place, format!("`{name}` is not supported yet: {what}")).help("leave it out"),
                );
            } else if !known.contains(&name) {
                let problem = Problem::at(&key.place, format!("the key `{name}` is not known here"));
                let all = known.iter().chain(later.iter().map(|(one, _)| one)).copied();
                problems.push(match problems.nearest(name, all) {
                    Some(meant) => {
                        misspelled.push(meant);
                        problem.help(format!("did you mean `{meant}`?"))
                    }
                    None => problem.help(format!("known here: {}", listed(known))),
                });
            }
        }
        Some((Self { node, known, meant: misspelled }, entries))
    }

    /// The value of a key that may be left out.
    pub(super) fn optional<T: Read>(&self, key: &'static str, problems: &mut Problems) -> Option<T> {
        debug_assert!(self.known.contains(&key), "{key} is declared");
        T::read(self.value(key)?, problems)
    }

    /// The value of a key that must be there.
    pub(super) fn required<T: Read>(&self, key: &'static str, problems: &mut Problems) -> Option<T> {
        if self.value(key).is_none() && !self.meant.contains(&key) {
            problems.push(Problem::at(&self.node.place, format!("the key `{key}` is missing here")));
        }
        self.optional(key, problems)
    }

    fn value(&self, key: &str) -> Option<&'a Node> {
        let Kind::Map(entries) = &self.node.kind else { return None };
        entries.iter().find(|(one, _)| one.text() == Some(key)).map(|(_, value)| value)
    }
}

pub(super) fn listed(words: &[&str]) -> String {
    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}

/// Declares the keys of a map: a struct, its reader and its schema.
///
/// `required` and `optional` keys have a field; `checked` ones can say only one thing, so they have none; `later` keys belong to what is not built yet and are refused by name.
macro_rules! keys {
    (
        $(#[doc = $doc:literal])*
        $vis:vis struct $name:ident {
            $(required { $($(#[doc = $required_doc:literal])* $required:ident: $required_type:ty = $required_key:literal,)* })?
            $(optional { $($(#[doc = $optional_doc:literal])* $optional:ident: $optional_type:ty = $optional_key:literal,)* })?
            $(checked { $($(#[doc = $checked_doc:literal])* $checked_type:ty = $checked_key:literal,)* })?
            $(later { $($later_key:literal: $later_what:literal,)* })?
        }
    ) => {
        $(#[doc = $doc])*
        #[derive(Debug, Clone)]
        $vis struct $name {
            $($($(#[doc = $required_doc])* pub(in crate::bundle) $required: $required_type,)*)?
            $($($(#[doc = $optional_doc])* pub(in crate::bundle) $optional: Option<$optional_type>,)*)?
        }

        impl Read for $name {
            fn read(node: &Node, problems: &mut Problems) -> Option<Self> {
                const KNOWN: &[&str] = &[$($($required_key,)*)? $($($optional_key,)*)? $($($checked_key,)*)?];
                const LATER: &[(&str, &str)] = &[$($(($later_key, $later_what),)*)?];
                let before = problems.len();
                let (keys, _) = Keys::of(node, KNOWN, LATER, problems)?;
                $($(let $required = keys.required::<$required_type>($required_key, problems);)*)?
                $($(let $optional = keys.optional::<$optional_type>($optional_key, problems);)*)?
                $($(let _ = keys.optional::<$checked_type>($checked_key, problems);)*)?
                // What has a problem anywhere inside is worth nothing: nobody may go on with a part of it.
                (problems.len() == before).then_some(())?;
                Some(Self { $($($required: $required?,)*)? $($($optional,)*)? })
            }

            fn schema() -> Value {
                #[allow(unused_mut, reason = "a map may have no keys of one sort")]
                let mut properties = serde_json::Map::new();
                $($(properties.insert($required_key.into(), $crate::bundle::read::described(<$required_type>::schema(), concat!($($required_doc),*)));)*)?
                $($(properties.insert($optional_key.into(), $crate::bundle::read::described(<$optional_type>::schema(), concat!($($optional_doc),*)));)*)?
                $($(properties.insert($checked_key.into(), $crate::bundle::read::described(<$checked_type>::schema(), concat!($($checked_doc),*)));)*)?
                let required: &[&str] = &[$($($required_key,)*)?];
                // A map that needs no key may be written as nothing: `order.read:`.
                let kind = if required.is_empty() { json!(["object", "null"]) } else { json!("object") };
                json!({
                    "type": kind,
                    "description": concat!($($doc),*).trim(),
                    "properties": properties,
                    "required": required,
                    "additionalProperties": false,
                })
            }
        }
    };
}
pub(super) use keys;

/// Adds a key's documentation to its schema.
pub(super) fn described(mut schema: Value, text: &str) -> Value {
    if let Some(schema) = schema.as_object_mut() {
        schema.insert("description".to_owned(), Value::from(text.trim()));
    }
    schema
}

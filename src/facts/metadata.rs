//! What the proxy's own filters wrote about a call: a tree like JSON's, borrowed from the message that it came in.
//!
//! Its numbers are doubles, as protobuf's `Struct` has no others.

use serde_json::Value;

use crate::terms::Pointer;

/// A value of metadata. All of it together is an object of namespaces.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum Metadata<'a> {
    /// Nothing, or a `null`.
    #[default]
    Null,
    /// `true` or `false`.
    Boolean(bool),
    /// A number.
    Number(f64),
    /// A text.
    Text(&'a str),
    /// A list.
    List(Vec<Self>),
    /// Members by name, each name once.
    Object(Vec<(&'a str, Self)>),
}

impl<'a> Metadata<'a> {
    /// A member of an object.
    pub fn get(&self, name: &str) -> Option<&Self> {
        let Self::Object(members) = self else { return None };
        members.iter().find(|(one, _)| *one == name).map(|(_, value)| value)
    }

    /// What a pointer leads to (RFC 6901).
    pub fn at(&self, pointer: &Pointer) -> Option<&Self> {
        pointer.keys().try_fold(self, |here, key| match here {
            Self::List(list) => {
                // A place has no sign and no zero before it.
                let is_place = key == "0" || (!key.starts_with(['0', '+']) && !key.is_empty());
                let Ok(place) = key.parse::<usize>() else { return None };
                list.get(place).filter(|_| is_place)
            }
            other => other.get(&key),
        })
    }

    /// The text, if it is one.
    pub const fn text(&self) -> Option<&'a str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    /// The number, if it is one.
    pub const fn number(&self) -> Option<f64> {
        if let Self::Number(number) = self { Some(*number) } else { None }
    }

    /// The elements, if it is a list.
    pub fn list(&self) -> Option<&[Self]> {
        if let Self::List(list) = self { Some(list) } else { None }
    }
}

impl<'a> From<&'a Value> for Metadata<'a> {
    fn from(json: &'a Value) -> Self {
        match json {
            Value::Null => Self::Null,
            Value::Bool(value) => Self::Boolean(*value),
            Value::Number(value) => value.as_f64().map_or(Self::Null, Self::Number),
            Value::String(value) => Self::Text(value),
            Value::Array(list) => Self::List(list.iter().map(Self::from).collect()),
            Value::Object(members) => {
                Self::Object(members.iter().map(|(name, value)| (name.as_str(), Self::from(value))).collect())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn pointers_lead_to_where_json_has_it() {
        let json = json!({ "a": { "b/c": [1, "two", { "~": true }] }, "": 3 });
        let metadata = Metadata::from(&json);
        for text in [
            "",
            "/",
            "/a",
            "/a/b~1c",
            "/a/b~1c/0",
            "/a/b~1c/1",
            "/a/b~1c/2/~0",
            "/a/b~1c/01",
            "/a/b~1c/+1",
            "/a/b~1c/3",
            "/x",
        ] {
            let expected = json.pointer(text).map(Metadata::from);
            assert_eq!(metadata.at(&text.parse().unwrap()), expected.as_ref(), "{text}");
        }
    }
}

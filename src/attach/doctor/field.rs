//! A field of a document by its path: what is written there, and the place to point at where nothing is.
//!
//! A path may lead nowhere: that is an answer, and often the finding. The place is then that of the nearest part that is there.
//! Names of protobuf fields are found in both of their spellings, `failure_mode_allow` and `failureModeAllow`.

use std::rc::Rc;
use std::time::Duration;

use crate::yaml::{Kind, Node, Place};

/// A field of a document, which may not be there.
#[derive(Debug, Clone)]
pub(super) struct Field<'n> {
    node: Option<&'n Node>,
    place: &'n Place,
    path: Option<Rc<Step<'n>>>,
}

/// The last part of a path. It is written out where something was found, and most fields are only looked at.
#[derive(Debug)]
struct Step<'n> {
    above: Option<Rc<Self>>,
    part: Part<'n>,
}

#[derive(Debug)]
enum Part<'n> {
    Key(&'n str),
    /// One that is not there.
    Missing(Box<str>),
    Index(usize),
}

impl<'n> Field<'n> {
    /// A whole document.
    pub(super) fn root(node: &'n Node) -> Self {
        Self { node: Some(node), place: &node.place, path: None }
    }

    /// One key, as it is: annotations have dots in theirs.
    pub(super) fn get(&self, key: &str) -> Self {
        let entries = self.raw_entries();
        let find = |name: &str| entries.iter().find(|(one, _)| one.text() == Some(name));
        match find(key).or_else(|| find(&camel(key))) {
            Some(entry) => self.child(entry),
            None => Self { node: None, place: self.place, path: Some(self.below(Part::Missing(key.into()))) },
        }
    }

    fn child(&self, (key, node): &'n (Node, Node)) -> Self {
        // What is one word is pointed at, of what is more its key.
        let is_word = matches!(node.kind, Kind::Scalar { .. }) && node.place.line() == key.place.line();
        let place = if is_word { &node.place } else { &key.place };
        Self { node: Some(node), place, path: Some(self.below(Part::Key(key.text().unwrap_or_default()))) }
    }

    fn below(&self, part: Part<'n>) -> Rc<Step<'n>> {
        Rc::new(Step { above: self.path.clone(), part })
    }

    /// Keys with dots between them.
    pub(super) fn at(&self, path: &str) -> Self {
        path.split('.').fold(self.clone(), |field, key| field.get(key))
    }

    /// The elements of a list.
    pub(super) fn items(&self) -> Vec<Self> {
        let Some(Kind::List(items)) = self.node.map(|node| &node.kind) else { return Vec::new() };
        let item = |(index, node): (usize, &'n Node)| Self {
            node: Some(node),
            place: &node.place,
            path: Some(self.below(Part::Index(index))),
        };
        items.iter().enumerate().map(item).collect()
    }

    /// The keys of a map, with what stands under each.
    pub(super) fn entries(&self) -> Vec<(&'n str, Self)> {
        let named = |entry: &'n (Node, Node)| entry.0.text().map(|key| (key, self.child(entry)));
        self.raw_entries().iter().filter_map(named).collect()
    }

    fn raw_entries(&self) -> &'n [(Node, Node)] {
        match self.node.map(|node| &node.kind) {
            Some(Kind::Map(entries)) => entries,
            _ => &[],
        }
    }

    /// Whether anything is written there. An empty map is something.
    pub(super) fn exists(&self) -> bool {
        self.node.is_some_and(|node| !matches!(node.kind, Kind::Null))
    }

    /// Whether nothing is written there, or an empty list or map.
    pub(super) fn is_empty(&self) -> bool {
        match self.node.map(|node| &node.kind) {
            None | Some(Kind::Null) => true,
            Some(Kind::Scalar { .. }) => false,
            Some(Kind::List(items)) => items.is_empty(),
            Some(Kind::Map(entries)) => entries.is_empty(),
        }
    }

    /// The word that is written there.
    pub(super) fn text(&self) -> Option<&'n str> {
        self.node.and_then(Node::text)
    }

    /// Whether it is this word.
    pub(super) fn is(&self, word: &str) -> bool {
        self.text() == Some(word)
    }

    /// Whether it is switched on, in any of the words that YAML 1.1 has for it: Kubernetes still reads them. What is not
    /// written is off in all that is looked at here.
    pub(super) fn is_true(&self) -> bool {
        self.text().is_some_and(|text| ["true", "yes", "on", "y"].iter().any(|word| text.eq_ignore_ascii_case(word)))
    }

    /// The words of a list.
    pub(super) fn texts(&self) -> Vec<&'n str> {
        self.items().iter().filter_map(Self::text).collect()
    }

    /// Whether a list has this word.
    pub(super) fn has(&self, word: &str) -> bool {
        self.texts().contains(&word)
    }

    /// A whole number.
    #[expect(clippy::disallowed_methods, reason = "what is no number is looked at as if it were not there")]
    pub(super) fn number(&self) -> Option<u64> {
        self.text().and_then(|text| text.parse().ok())
    }

    /// A duration as protobuf, Go and Kubernetes write it: `0.25s`, `250ms`, `1m30s`.
    pub(super) fn duration(&self) -> Option<Duration> {
        self.text().and_then(duration)
    }

    /// Whether the word stands anywhere in it, as a part of a text.
    pub(super) fn mentions(&self, word: &str) -> bool {
        self.node.is_some_and(|node| mentions(node, word))
    }

    /// Every field of this name below it.
    pub(super) fn find(&self, key: &str) -> Vec<Self> {
        let mut found = Vec::new();
        self.find_into(&[key, &camel(key)], &mut found);
        found
    }

    fn find_into(&self, keys: &[&str; 2], found: &mut Vec<Self>) {
        for (name, field) in self.entries() {
            if keys.contains(&name) {
                found.push(field.clone());
            }
            field.find_into(keys, found);
        }
        self.items().iter().for_each(|item| item.find_into(keys, found));
    }

    /// Whether both are one and the same part of a document.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.node.zip(other.node).is_some_and(|(one, other)| std::ptr::eq(one, other))
    }

    /// Where to look.
    pub(super) const fn place(&self) -> &'n Place {
        self.place
    }

    /// The path from the root of the document: `spec.rules[0].to`.
    pub(super) fn path(&self) -> String {
        let mut steps: Vec<_> = std::iter::successors(self.path.as_deref(), |step| step.above.as_deref()).collect();
        steps.reverse();
        let mut path = String::new();
        for step in steps {
            let dot = if path.is_empty() { "" } else { "." };
            match &step.part {
                Part::Key(key) => path.extend([dot, *key]),
                Part::Missing(key) => path.extend([dot, &**key]),
                Part::Index(index) => path.extend(["[", &index.to_string(), "]"]),
            }
        }
        path
    }
}

fn camel(name: &str) -> String {
    let mut parts = name.split('_');
    let mut camel = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let mut letters = part.chars();
        camel.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        camel.push_str(letters.as_str());
    }
    camel
}

fn mentions(node: &Node, word: &str) -> bool {
    match &node.kind {
        Kind::Null => false,
        Kind::Scalar { text, .. } => text.contains(word),
        Kind::List(items) => items.iter().any(|item| mentions(item, word)),
        Kind::Map(entries) => entries.iter().any(|(key, value)| mentions(key, word) || mentions(value, word)),
    }
}

#[expect(clippy::disallowed_methods, reason = "what is no duration is looked at as if it were not there")]
fn duration(text: &str) -> Option<Duration> {
    let mut total = 0.0;
    let mut rest = text.trim();
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, behind) = rest.split_at(digits);
        let unit_len = behind.find(|c: char| c.is_ascii_digit()).unwrap_or(behind.len());
        let (unit, behind) = behind.split_at(unit_len);
        let seconds = match unit {
            "h" => 3600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 1e-3,
            "us" | "µs" => 1e-6,
            "ns" => 1e-9,
            _ => return None,
        };
        total += number.parse::<f64>().ok()? * seconds;
        rest = behind;
    }
    Duration::try_from_secs_f64(total).ok()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::yaml::{Dialect, Problems, SourceFile, each_document};

    #[test]
    fn a_field_that_is_not_there_stands_where_the_nearest_part_is() {
        let text = "spec:\n  extAuth:\n    failureModeAllow: true\n    grpc: { port: 9000 }\n".to_owned();
        let file = Arc::new(SourceFile { name: "a.yaml".to_owned(), text });
        let mut root = None;
        each_document(&file, Dialect::Others, &mut Problems::default(), |node| root = Some(node));
        let root = root.unwrap();
        let field = Field::root(&root);
        let missing = field.at("spec.extAuth.grpc.timeout");
        assert!(!missing.exists());
        assert_eq!((missing.path().as_str(), missing.place().line()), ("spec.extAuth.grpc.timeout", 4));
        let set = field.at("spec.extAuth.failure_mode_allow");
        assert!(set.is_true());
        assert_eq!((set.place().line(), set.place().column()), (3, 23));
        assert_eq!(field.at("spec.extAuth.grpc.port").number(), Some(9000));
        assert!(field.mentions("grpc") && !field.mentions("http"));
    }

    #[test]
    fn durations_are_read_as_go_and_protobuf_write_them() {
        let cases = [("250ms", Some(250)), ("0.25s", Some(250)), ("1m30s", Some(90_000)), ("0s", Some(0))];
        for (text, millis) in cases {
            assert_eq!(duration(text), millis.map(Duration::from_millis), "{text}");
        }
        for text in ["s", "5", "5 s", "1x", "9999999999999999999999h"] {
            assert_eq!(duration(text), None, "{text}");
        }
    }
}

//! The documents of files, and those that stand within them: a ConfigMap may hold the mesh configuration, a configuration of
//! Envoy, or policies.
//!
//! What cannot be read is a problem with its place; what could be read is looked at all the same.

use std::fmt;
use std::sync::Arc;

use super::field::Field;
use crate::bundle::API_VERSION;
use crate::yaml::{Dialect, Node, Problem, Problems, SourceFile, Syntax, each_document, each_document_from};

/// One document.
#[derive(Debug)]
pub(super) struct Document {
    pub(super) node: Node,
    /// The ConfigMap that it stands in.
    pub(super) within: Option<Within>,
}

/// A key of a ConfigMap.
#[derive(Debug, Clone)]
pub(super) struct Within {
    pub(super) key: String,
    pub(super) namespace: String,
    pub(super) name: String,
}

impl fmt::Display for Within {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of ConfigMap {}", self.key, qualified(&self.namespace, &self.name))
    }
}

/// A name with its namespace, where it has one.
pub(super) fn qualified(namespace: &str, name: &str) -> String {
    if namespace.is_empty() { name.to_owned() } else { format!("{namespace}/{name}") }
}

/// What was read, and what could not be.
#[derive(Debug, Default)]
pub(super) struct Documents {
    pub(super) read: Vec<Document>,
    pub(super) unread: Problems,
}

/// Files may name each other's contents, never run them: four levels of lists are more than `kubectl` writes.
const MAX_LISTS: usize = 4;

impl Documents {
    pub(super) fn read(files: &[SourceFile]) -> Self {
        let mut all = Self::default();
        for file in files {
            all.read_file(file);
        }
        all
    }

    fn read_file(&mut self, file: &SourceFile) {
        let text = if file.text.trim_start().starts_with(['{', '[']) {
            with_joined_surrogates(&file.text)
        } else {
            file.text.clone()
        };
        let source = Arc::new(SourceFile { name: file.name.clone(), text });
        let mut problems = Problems::default();
        let mut nodes = Vec::new();
        let syntax = each_document(&source, Dialect::Others, &mut problems, |node| nodes.push(node));
        if syntax == Syntax::Broken && file.text.lines().any(|line| line.trim_start().starts_with("{{")) {
            problems = Problems::default();
            let problem = Problem::of_whole(format!("`{}` is a template and not a manifest", file.name));
            problems.push(problem.help("render it first: helm template … | tollgate doctor -"));
            nodes.clear();
        }
        self.unread.append(problems);
        for node in nodes {
            self.read_embedded(&Field::root(&node), 0);
            self.read.push(Document { node, within: None });
        }
    }

    /// What the `data` of a ConfigMap holds.
    fn read_embedded(&mut self, document: &Field<'_>, depth: usize) {
        if document.get("kind").text().is_some_and(|kind| kind.ends_with("List")) && depth < MAX_LISTS {
            document.get("items").items().iter().for_each(|item| self.read_embedded(item, depth + 1));
        }
        if !document.get("kind").is("ConfigMap") {
            return;
        }
        let text = |key| document.at("metadata").get(key).text().unwrap_or_default();
        for (key, value) in document.get("data").entries() {
            let Some(inner) = value.text().filter(|text| is_of_interest(key, text)) else { continue };
            let within =
                Within { key: key.to_owned(), namespace: text("namespace").to_owned(), name: text("name").to_owned() };
            let (place, mut nodes) = (value.place(), Vec::new());
            let placed = place.block(inner).map(|block| (place.line() + 1, block));
            let (first_line, file) = placed.unwrap_or_else(|| {
                let name = format!("{}:{}: {within}", place.file(), place.line());
                (1, SourceFile { name, text: inner.to_owned() })
            });
            let unread = &mut self.unread;
            each_document_from(first_line, &Arc::new(file), Dialect::Others, unread, |node| nodes.push(node));
            self.read.extend(nodes.into_iter().map(|node| Document { node, within: Some(within.clone()) }));
        }
    }
}

fn is_of_interest(key: &str, text: &str) -> bool {
    key == "tollgate.yaml"
        || ["static_resources", "staticResources", "extensionProviders", API_VERSION]
            .iter()
            .any(|mark| text.contains(mark))
}

/// JSON writes what is beyond 16 bits as two escapes, which YAML does not know.
#[expect(clippy::disallowed_methods, reason = "what is no escape stays as it is, for the reader to refuse")]
fn with_joined_surrogates(text: &str) -> String {
    let mut joined = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("\\u") {
        let (before, escape) = rest.split_at(at);
        joined.push_str(before);
        let backslashes = before.chars().rev().take_while(|c| *c == '\\').count();
        let unit = |from: usize| {
            let digits = escape.get(from..).and_then(|rest| rest.strip_prefix("\\u")).and_then(|rest| rest.get(..4));
            digits.and_then(|digits| u16::from_str_radix(digits, 16).ok())
        };
        let pair = unit(0).zip(unit(6)).map(|(high, low)| char::decode_utf16([high, low]).collect::<Vec<_>>());
        match pair.as_deref() {
            Some([Ok(one)]) if backslashes % 2 == 0 => {
                joined.push(*one);
                rest = escape.get(12..).unwrap_or_default();
            }
            _ => {
                joined.push_str("\\u");
                rest = escape.get(2..).unwrap_or_default();
            }
        }
    }
    joined.push_str(rest);
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Documents {
        Documents::read(&[SourceFile { name: "a.yaml".to_owned(), text: text.to_owned() }])
    }

    #[test]
    fn what_a_config_map_holds_is_read_at_its_lines() {
        let text = "kind: List\nitems:\n- kind: ConfigMap\n  metadata: { name: istio, namespace: istio-system }\n  data:\n    mesh: |-\n      extensionProviders:\n      - name: a\n";
        let documents = read(text);
        assert!(documents.unread.is_empty(), "{}", documents.unread);
        let mesh = &documents.read[0];
        assert_eq!(mesh.within.as_ref().unwrap().to_string(), "mesh of ConfigMap istio-system/istio");
        let name = Field::root(&mesh.node).get("extensionProviders").items()[0].get("name").place().to_string();
        assert_eq!(name, "a.yaml:8:15");
    }

    #[test]
    fn what_others_write_is_read() {
        let documents = read(
            "a: &x { b: 1 }\nc: *x\nd: { <<: *x, e: !custom 2 }\nwhen: 2001-12-14t21:59:43.10-05:00\n---\n{\"a\": \"\\/\\ud83d\\ude00\"}\n",
        );
        assert!(documents.unread.len() == 1, "a pair of surrogates is joined in JSON only: {}", documents.unread);
        let field = Field::root(&documents.read[0].node);
        assert_eq!(
            (field.at("c.b").number(), field.at("d.b").number(), field.at("d.e").number()),
            (Some(1), Some(1), Some(2))
        );
        let json = read("{\n\t\"a\": \"\\/\\ud83d\\ude00\",\n\t\"b\": [1, {\"c\":null}]\n}");
        assert!(json.unread.is_empty(), "{}", json.unread);
        assert_eq!(Field::root(&json.read[0].node).get("a").text(), Some("/\u{1f600}"));
    }

    #[test]
    fn what_is_broken_has_its_place_and_the_rest_is_read() {
        let documents = read("a: 1\n---\nb: [1,\n");
        assert_eq!(documents.read.len(), 1);
        assert!(documents.unread.to_string().starts_with("a.yaml:"), "{}", documents.unread);
        assert!(read("{{- if .Values.a }}\nkind: x\n").unread.to_string().contains("template"));
        let bomb: String = (1..20).map(|n| format!("a{n}: &a{n} [*a{0}, *a{0}, *a{0}, *a{0}]\n", n - 1)).collect();
        assert!(read(&format!("a0: &a0 x\n{bomb}")).unread.to_string().contains("stand for too much"));
        let nested = format!("{}x{}\n", (1..190).map(|n| format!("[&a{n} ")).collect::<String>(), "]".repeat(189));
        assert!(read(&nested).unread.is_empty());
        let nested = nested.replace('x', &format!("[{}]", "b, ".repeat(5000)));
        assert!(read(&nested).unread.to_string().contains("the anchors of this file stand for too much"));
        assert!(read("a: &a [*a]\n").unread.to_string().contains("within"));
    }
}

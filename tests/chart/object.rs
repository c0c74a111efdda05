//! Rendered YAML as objects.
//!
//! Read with the project's own reader, which refuses a key that is there twice: Kubernetes would keep one of them, and a
//! server-side apply refuses it.

use std::sync::Arc;

use serde_json::{Map, Value};
use tollgate::yaml::{self, Kind, Node, Problems, SourceFile};

/// One object of Kubernetes'.
#[derive(Clone)]
pub struct Object(pub Value);

impl Object {
    pub fn kind(&self) -> &str {
        self.0["kind"].as_str().unwrap()
    }

    pub fn name(&self) -> &str {
        self.0["metadata"]["name"].as_str().unwrap()
    }

    /// `Service/tollgate`
    pub fn title(&self) -> String {
        format!("{}/{}", self.kind(), self.name())
    }

    /// The pods that it makes: their metadata and spec.
    pub fn pod(&self) -> Option<&Value> {
        match self.kind() {
            "Pod" => Some(&self.0),
            "CronJob" => Some(&self.0["spec"]["jobTemplate"]["spec"]["template"]),
            "DaemonSet" | "Deployment" | "Job" | "ReplicaSet" | "StatefulSet" => Some(&self.0["spec"]["template"]),
            _ => None,
        }
    }
}

/// The objects of a file with several documents.
#[track_caller]
pub fn objects(text: &str) -> Vec<Object> {
    values(text).into_iter().filter(|value| !value.is_null()).map(Object).collect()
}

/// The documents of a file.
#[track_caller]
pub fn values(text: &str) -> Vec<Value> {
    nodes(text).iter().map(value).collect()
}

/// The documents of a file, in the order in which they are written.
#[track_caller]
pub fn nodes(text: &str) -> Vec<Node> {
    let mut problems = Problems::default();
    let file = SourceFile { name: "rendered".to_owned(), text: text.to_owned() };
    let nodes = yaml::documents(&Arc::new(file), &mut problems);
    let problems: Vec<_> = problems.iter().map(ToString::to_string).collect();
    assert!(problems.is_empty(), "{problems:#?} in:\n{text}");
    nodes
}

/// A node as JSON, as Kubernetes reads it: without quotes, numbers are numbers.
pub fn value(node: &Node) -> Value {
    match &node.kind {
        Kind::Null => Value::Null,
        Kind::Scalar { text, plain: false } => text.clone().into(),
        Kind::Scalar { text, plain: true } => match text.as_str() {
            "true" => true.into(),
            "false" => false.into(),
            // YAML 1.1, which Kubernetes reads, and YAML 1.2 differ about these.
            "yes" | "no" | "on" | "off" | "y" | "n" => panic!("`{text}` needs quotes: {:?}", node.place),
            _ if text.len() > 1 && text.starts_with('0') && text.bytes().all(|b| b.is_ascii_digit()) => {
                panic!("`{text}` needs quotes, or is octal: {:?}", node.place)
            }
            _ => match serde_json::from_str::<Value>(text) {
                Ok(number @ Value::Number(_)) => number,
                _ => text.clone().into(),
            },
        },
        Kind::List(items) => items.iter().map(value).collect(),
        Kind::Map(entries) => {
            let entry = |(key, node): &(Node, Node)| (key.text().unwrap().to_owned(), value(node));
            Value::Object(entries.iter().map(entry).collect::<Map<_, _>>())
        }
    }
}

/// Every value below a value, and itself.
pub fn walk<'v>(value: &'v Value, see: &mut dyn FnMut(&'v Value)) {
    see(value);
    match value {
        Value::Array(items) => items.iter().for_each(|item| walk(item, see)),
        Value::Object(entries) => entries.values().for_each(|item| walk(item, see)),
        _ => {}
    }
}

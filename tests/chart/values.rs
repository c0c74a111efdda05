//! The values: closed, described, and listed in the chart's README.

use std::fmt::Write as _;
use std::fs;

use serde_json::Value;
use tollgate::yaml::{Kind, Node};

use crate::golden::update;
use crate::helm::{chart, root, with_values};
use crate::object::{nodes, value};

fn schema() -> Value {
    serde_json::from_str(&fs::read_to_string(chart().join("values.schema.json")).unwrap()).unwrap()
}

fn values() -> Node {
    nodes(&fs::read_to_string(chart().join("values.yaml")).unwrap()).remove(0)
}

/// A part of the schema, where it leads.
fn resolve<'s>(schema: &'s Value, whole: &'s Value) -> &'s Value {
    match schema["$ref"].as_str() {
        Some(to) => whole.pointer(to.trim_start_matches('#')).unwrap(),
        None => schema,
    }
}

/// Each key of the schema by its path, parents before what is in them.
fn each<'s>(schema: &'s Value, whole: &'s Value, path: &str, see: &mut dyn FnMut(&str, &'s Value)) {
    for (key, part) in resolve(schema, whole)["properties"].as_object().into_iter().flatten() {
        let (path, part) = (format!("{path}{key}"), resolve(part, whole));
        see(&path, part);
        each(part, whole, &format!("{path}."), see);
    }
}

#[test]
fn every_key_of_the_schema_is_described_and_every_object_is_closed() {
    let schema = schema();
    let mut wrong = Vec::new();
    each(&schema, &schema, "", &mut |path, part| {
        // What stands in `definitions` at the top is described by what is in it.
        let is_section = schema["definitions"].get(path).is_some();
        if !is_section && part["description"].as_str().is_none_or(str::is_empty) {
            wrong.push(format!("{path} has no description"));
        }
        // What is Kubernetes' own, or a map with keys of the user's, has no properties here.
        if part.get("properties").is_some() && part["additionalProperties"] != false {
            wrong.push(format!("{path} is not closed"));
        }
    });
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_key_of_the_schema_has_its_value() {
    let (schema, values) = (schema(), value(&values()));
    let mut wrong = Vec::new();
    each(&schema, &schema, "", &mut |path, _| {
        let is_set = values.pointer(&format!("/{}", path.replace('.', "/"))).is_some();
        // What a parent gives, and settings, whose defaults are the program's.
        let has_none = ["global", "enabled"].contains(&path) || path.starts_with("config.");
        if is_set == has_none {
            wrong.push(path.to_owned());
        }
    });
    assert!(wrong.is_empty(), "not in values.yaml: {wrong:#?}");
}

/// A line of the table for each value that can be set by itself.
fn rows(values: &Node, schema: &Value, whole: &Value, path: &str, table: &mut String) {
    let Kind::Map(entries) = &values.kind else { panic!("{path} is no map") };
    for (key, node) in entries {
        let key = key.text().unwrap();
        let part = resolve(&schema["properties"][key], whole);
        let path = format!("{path}{key}");
        let is_parent =
            part.get("properties").is_some() && matches!(&node.kind, Kind::Map(entries) if !entries.is_empty());
        if is_parent {
            rows(node, part, whole, &format!("{path}."), table);
            continue;
        }
        let default = match value(node) {
            Value::Null => String::new(),
            default => format!("`{default}`"),
        };
        let default = if default.len() > 60 { "see values.yaml".to_owned() } else { default };
        let description = part["description"].as_str().unwrap_or_default().replace('|', "\\|");
        writeln!(table, "| `{path}` | {default} | {description} |").unwrap();
    }
}

#[test]
fn the_readme_lists_every_value() {
    let path = chart().join("README.md");
    let readme = fs::read_to_string(&path).unwrap();
    let (begin, end) =
        ("<!-- values: written by UPDATE_GOLDEN=1 cargo test --test chart -->\n", "<!-- end of values -->");
    let (before, rest) = readme.split_once(begin).unwrap();
    let (_, after) = rest.split_once(end).unwrap();
    let whole = schema();
    let mut table = "| value | default | meaning |\n| --- | --- | --- |\n".to_owned();
    rows(&values(), &whole, &whole, "", &mut table);
    let wanted = format!("{before}{begin}\n{table}\n{end}{after}");
    if update() {
        fs::write(path, wanted).unwrap();
    } else {
        assert!(
            readme == wanted,
            "the table of values in the chart's README is behind: UPDATE_GOLDEN=1 cargo test --test chart"
        );
    }
}

/// The blocks of a page that begin with this fence.
fn blocks<'p>(page: &'p str, fence: &'p str) -> impl Iterator<Item = &'p str> {
    page.split(fence).skip(1).map(|rest| rest.split("\n```").next().unwrap())
}

#[test]
fn the_values_on_the_page_of_installation_are_taken() {
    let page = fs::read_to_string(root().join("docs/install.md")).unwrap();
    let mut tried = 0;
    for block in blocks(&page, "\n```yml\n") {
        if let Err(said) = with_values(block) {
            panic!("{block}\n{said}");
        }
        tried += 1;
    }
    assert!(tried > 3, "{tried} blocks");
}

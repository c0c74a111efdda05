//! `null` in values: Helm takes the key out, and templates see nothing where the default was.
//!
//! Nothing could mean everybody, as an empty list of peers does. So where the default is something, `null` is refused; where it is
//! empty, `null` is the same. Inside of maps of Kubernetes' own or of the user's, `null` takes a default out, as Helm says.

use std::fmt::Write as _;
use std::path::Path;

use serde_json::{Value, json};

use crate::helm::{chart, ci_files, renders, template};
use crate::object::{nodes, value, values};

/// Maps whose keys are not the chart's. Taking one out of them is what `null` is for there, such as a fixed user.
const NOT_OURS: [&str; 7] = [
    "monitoring.dashboard.grafanaOperator.instanceSelector",
    "monitoring.dashboard.labels",
    "podSecurityContext",
    "resources",
    "securityContext",
    "webhook.objectSelector",
    "webhook.resources",
];

/// One value by its keys.
struct One {
    path: Vec<String>,
    is_required: bool,
}

fn collect(
    schema: &Value,
    whole: &Value,
    defaults: &Value,
    path: &[String],
    all: &mut Vec<One>,
    free: &mut Vec<String>,
) {
    let schema = schema["$ref"].as_str().map_or(schema, |to| whole.pointer(to.trim_start_matches('#')).unwrap());
    let Some(properties) = schema["properties"].as_object() else {
        if defaults.as_object().is_some_and(|map| !map.is_empty()) {
            free.push(path.join("."));
        }
        return;
    };
    for (key, part) in properties {
        let Some(default) = defaults.get(key) else { continue };
        let path = [path, std::slice::from_ref(key)].concat();
        let is_required = schema["required"].as_array().is_some_and(|keys| keys.contains(&json!(key)));
        all.push(One { path: path.clone(), is_required });
        collect(part, whole, default, &path, all, free);
    }
}

fn every_value() -> (Vec<One>, Vec<String>) {
    let read = |name: &str| std::fs::read_to_string(chart().join(name)).unwrap();
    let schema: Value = serde_json::from_str(&read("values.schema.json")).unwrap();
    let (mut all, mut free) = (Vec::new(), Vec::new());
    collect(&schema, &schema, &value(&nodes(&read("values.yaml"))[0]), &[], &mut all, &mut free);
    assert!(all.len() > 200, "{} values", all.len());
    (all, free)
}

/// Values in which these are null.
fn nulls<'a>(paths: impl Iterator<Item = &'a One>) -> String {
    let mut whole = json!({});
    for one in paths {
        *one.path.iter().fold(&mut whole, |map, key| &mut map[key]) = Value::Null;
    }
    whole.to_string()
}

fn rendered(base: Option<&Path>, nulls: &str) -> Result<String, String> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), nulls).unwrap();
    let paths = base.into_iter().chain([file.path()]).map(|path| path.to_str().unwrap());
    let arguments: Vec<_> = paths.flat_map(|path| ["--values", path]).collect();
    template("rel", &chart(), &arguments)
}

/// All of one depth at once: a parent that is gone would hide what is in it.
#[test]
fn null_is_refused_by_name_where_the_default_is_something() {
    let (all, free) = every_value();
    let mut free: Vec<_> = free.iter().map(String::as_str).collect();
    free.sort_unstable();
    assert_eq!(free, NOT_OURS, "maps whose keys are not the chart's");
    let depths = all.iter().map(|one| one.path.len()).max().unwrap();
    for depth in 1..=depths {
        let these = || all.iter().filter(|one| one.is_required && one.path.len() == depth);
        if these().next().is_none() {
            continue;
        }
        let said = rendered(None, &nulls(these())).unwrap_err();
        for one in these() {
            let (key, parents) = one.path.split_last().unwrap();
            let parent = if parents.is_empty() { "(root)".to_owned() } else { parents.join(".") };
            assert!(said.contains(&format!("- {parent}: {key} is required")), "{parent}.{key} in {said}");
        }
    }
}

#[test]
fn null_is_the_default_everywhere_else() {
    let (all, _) = every_value();
    for (name, path) in ci_files() {
        let given = values(&std::fs::read_to_string(&path).unwrap());
        let is_given = |one: &&One| {
            let given = given.first().unwrap_or(&Value::Null);
            one.path.iter().try_fold(given, |map, key| map.get(key)).is_some()
        };
        let these: Vec<_> = all.iter().filter(|one| !one.is_required && !is_given(one)).collect();
        // What is in a map that is null is null, too.
        let outermost = |one: &&&One| {
            !these.iter().any(|other| other.path.len() < one.path.len() && one.path.starts_with(&other.path))
        };
        let nulls = nulls(these.iter().filter(outermost).copied());
        match rendered(Some(&path), &nulls) {
            Ok(text) if text == renders()[&name].text => {}
            other => {
                let mut each = String::new();
                for one in &these {
                    let alone = rendered(Some(&path), &self::nulls([*one].into_iter()));
                    if !matches!(&alone, Ok(text) if *text == renders()[&name].text) {
                        writeln!(each, "{}: {}", one.path.join("."), alone.err().unwrap_or_default()).unwrap();
                    }
                }
                panic!("{name} is another one where these are null: {each}{}", other.err().unwrap_or_default());
            }
        }
    }
}

/// An empty list of peers would stand for everybody.
#[test]
fn names_are_looked_up_nowhere_where_no_peer_is_named() {
    let values = "networkPolicy: { dnsTo: [], egress: [{ to: [{ ipBlock: { cidr: 10.0.0.0/8 } }] }] }";
    let text = rendered(None, values).unwrap();
    assert!(!text.contains("port: 53") && text.contains("cidr: 10.0.0.0/8"), "{text}");
}

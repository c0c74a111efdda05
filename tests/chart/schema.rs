//! Renders against the schemas of Kubernetes' own objects, of the oldest and the newest version that the chart is for, in
//! their strict form: a field that is not known is refused.
//!
//! The schemas use a small part of JSON Schema. What is read here is that part, and a word beyond it is a failure, so that
//! nothing is passed for want of understanding. Kinds of others (cert-manager, Prometheus, Istio, …) have no schema here.

use std::fs;

use serde_json::Value;

use crate::helm::{renders, root};

pub const VERSIONS: [&str; 2] = ["1.31", "1.37"];
/// Groups whose objects are defined elsewhere.
const OTHERS: [&str; 8] = [
    "cert-manager.io",
    "gateway.envoyproxy.io",
    "gateway.networking.k8s.io",
    "grafana.integreatly.org",
    "monitoring.coreos.com",
    "networking.istio.io",
    "security.istio.io",
    "telemetry.istio.io",
];
/// What says nothing about what is valid.
const NOTES: [&str; 10] = [
    "$id",
    "$schema",
    "description",
    "format",
    "x-kubernetes-group-version-kind",
    "x-kubernetes-list-type",
    "x-kubernetes-map-type",
    "x-kubernetes-patch-merge-key",
    "x-kubernetes-patch-strategy",
    "x-kubernetes-unions",
];

pub struct Schemas {
    version: &'static str,
    definitions: Value,
}

impl Schemas {
    pub fn read(version: &'static str) -> Self {
        Self {
            version,
            definitions: Self::file(version, "_definitions").expect("schemas: `make helm` puts them there"),
        }
    }

    fn file(version: &str, name: &str) -> Option<Value> {
        let path = root().join(".tools/kubernetes-schemas").join(version).join(format!("{name}.json"));
        path.exists().then(|| serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap())
    }

    /// What is wrong with an object.
    pub fn against(&self, object: &Value) -> Vec<String> {
        let (api, kind) = (object["apiVersion"].as_str().unwrap(), object["kind"].as_str().unwrap());
        // apps/v1 is in …-apps-v1.json, networking.k8s.io/v1 in …-networking-v1.json, v1 in …-v1.json.
        let (group, version) = api.rsplit_once('/').unwrap_or(("", api));
        let parts = [kind.to_lowercase(), group.split('.').next().unwrap().to_owned(), version.to_owned()];
        let name = parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("-");
        let mut wrong = Vec::new();
        match Self::file(self.version, &name).filter(|schema| allows(schema, api)) {
            Some(schema) => self.check(&schema, object, kind, &mut wrong),
            None => wrong.push(format!("{api} {kind}: Kubernetes {} knows no such kind", self.version)),
        }
        wrong
    }

    /// What is wrong with a value, by each word of its schema.
    fn check(&self, schema: &Value, value: &Value, path: &str, wrong: &mut Vec<String>) {
        for (word, says) in schema.as_object().unwrap() {
            match word.as_str() {
                "$ref" => {
                    let (_, name) = says.as_str().unwrap().split_once("#/$defs/").unwrap();
                    self.check(&self.definitions["$defs"][name], value, path, wrong);
                }
                "oneOf" => {
                    let fits = |one: &&Value| {
                        let mut wrong = Vec::new();
                        self.check(one, value, path, &mut wrong);
                        wrong.is_empty()
                    };
                    if says.as_array().unwrap().iter().filter(fits).count() != 1 {
                        wrong.push(format!("{path}: {value} fits none of {says}"));
                    }
                }
                "properties" | "additionalProperties" => self.check_fields(schema, word, value, path, wrong),
                "items" => {
                    for (number, value) in value.as_array().into_iter().flatten().enumerate() {
                        self.check(says, value, &format!("{path}[{number}]"), wrong);
                    }
                }
                _ => wrong.extend(alone(word, says, value).into_iter().map(|what| format!("{path}: {what}"))),
            }
        }
    }

    /// The fields of an object: those that are named, and the others.
    fn check_fields(&self, schema: &Value, word: &str, value: &Value, path: &str, wrong: &mut Vec<String>) {
        for (key, value) in value.as_object().into_iter().flatten() {
            let below = format!("{path}.{key}");
            match (word, schema["properties"].get(key), &schema[word]) {
                ("properties", Some(schema), _) => self.check(schema, value, &below, wrong),
                ("properties", None, _) | (_, Some(_), _) | (_, None, Value::Bool(true)) => {}
                (_, None, Value::Bool(false)) => wrong.push(format!("{path}: there is no field {key}")),
                (_, None, schema) => self.check(schema, value, &below, wrong),
            }
        }
    }
}

/// What is wrong with a value by a word that says something of it alone.
fn alone(word: &str, says: &Value, value: &Value) -> Vec<String> {
    let listed = || says.as_array().unwrap().iter();
    match word {
        "type" => {
            let is_so = |name: &Value| is_of(name.as_str().unwrap(), value);
            let good = says.as_array().map_or_else(|| is_so(says), |names| names.iter().any(is_so));
            // Each type may be null in these schemas; a field that is rendered and empty is a mistake of ours.
            if good && !value.is_null() { Vec::new() } else { vec![format!("{value} is no {says}")] }
        }
        "enum" => {
            if listed().any(|one| one == value) {
                Vec::new()
            } else {
                vec![format!("{value} is not of {says}")]
            }
        }
        "required" => {
            let missing = listed().filter(|key| value.get(key.as_str().unwrap()).is_none());
            missing.map(|key| format!("{key} is missing")).collect()
        }
        "x-kubernetes-list-map-keys" => {
            let key = |item: &Value| listed().map(|key| item[key.as_str().unwrap()].to_string()).collect::<Vec<_>>();
            let keys: Vec<_> = value.as_array().into_iter().flatten().map(key).collect();
            let twice = keys.iter().enumerate().filter(|(number, key)| keys[..*number].contains(key));
            twice.map(|(_, key)| format!("{} is there twice", key.join(", "))).collect()
        }
        _ => {
            assert!(NOTES.contains(&word), "schemas say `{word}`, which is not understood here");
            Vec::new()
        }
    }
}

fn allows(schema: &Value, api: &str) -> bool {
    schema["properties"]["apiVersion"]["enum"].as_array().is_some_and(|all| all.iter().any(|one| one == api))
}

fn is_of(name: &str, value: &Value) -> bool {
    match name {
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "object" => value.is_object(),
        "array" => value.is_array(),
        "null" => value.is_null(),
        _ => panic!("schemas say `{name}`, which is not understood here"),
    }
}

#[test]
fn every_object_is_valid_on_the_oldest_and_the_newest_kubernetes() {
    for version in VERSIONS {
        let schemas = Schemas::read(version);
        for (name, render) in renders() {
            for object in &render.objects {
                let group = object.0["apiVersion"].as_str().unwrap().split('/').next().unwrap();
                if OTHERS.contains(&group) {
                    continue;
                }
                let wrong = schemas.against(&object.0);
                assert!(wrong.is_empty(), "{name}, Kubernetes {version}: {}: {wrong:#?}", object.title());
            }
        }
    }
}

#[test]
fn an_object_that_kubernetes_would_refuse_is_seen() {
    let schemas = Schemas::read(VERSIONS[0]);
    let render = &renders()["default"];
    let good = &render.objects.iter().find(|object| object.kind() == "StatefulSet").unwrap().0;
    let edit = |edit: &dyn Fn(&mut Value)| {
        let mut object = good.clone();
        edit(&mut object);
        schemas.against(&object)
    };
    assert_eq!(edit(&|_| {}), [""; 0]);
    let pod = "StatefulSet.spec.template.spec";
    for (change, says) in [
        (
            Box::new(|object: &mut Value| object["spec"]["template"]["spec"]["container"] = 1.into())
                as Box<dyn Fn(&mut Value)>,
            format!("{pod}: there is no field container"),
        ),
        (
            Box::new(|object| object["spec"]["replicas"] = "2".into()),
            "StatefulSet.spec.replicas: \"2\" is no".to_owned(),
        ),
        (
            Box::new(|object| object["spec"]["selector"] = Value::Null),
            "StatefulSet.spec.selector: null is no".to_owned(),
        ),
        (
            Box::new(|object| _ = object["spec"].as_object_mut().unwrap().remove("selector")),
            "StatefulSet.spec: \"selector\" is missing".to_owned(),
        ),
        (Box::new(|object| object["apiVersion"] = "apps/v2".into()), "knows no such kind".to_owned()),
        (
            Box::new(|object| {
                let volumes = object["spec"]["template"]["spec"]["volumes"].as_array_mut().unwrap();
                volumes.push(volumes[0].clone());
            }),
            format!("{pod}.volumes: \"tollgate-config\" is there twice"),
        ),
    ] {
        let wrong = edit(&change);
        assert!(wrong.iter().any(|one| one.contains(&says)), "{says} in {wrong:#?}");
    }
}

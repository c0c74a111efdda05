//! Policies as pods find them: laid out as the kubelet would by what is rendered, and read by the program itself.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::helm::{renders, with_values};
use crate::object::Object;

/// The pod of a render.
fn pod(objects: &[Object]) -> &Value {
    objects.iter().find(|object| object.kind() == "StatefulSet").unwrap().pod().unwrap()
}

fn named<'v>(list: &'v Value, name: &str) -> &'v Value {
    list.as_array().unwrap().iter().find(|one| one["name"] == name).unwrap()
}

/// Lays the volume out below a folder that stands for the pod's root, with the same text for each ConfigMap and key.
pub fn lay_out(pod: &Value, root: &Path, text: impl Fn(&str, &str) -> String) {
    let lists = ["initContainers", "containers"].map(|list| pod["spec"][list].as_array());
    let container = lists.into_iter().flatten().flatten().find(|container| container["name"] == "tollgate").unwrap();
    let mount = named(&container["volumeMounts"], "tollgate-policies")["mountPath"].as_str().unwrap();
    let folder = root.join(mount.trim_start_matches('/'));
    for source in named(&pod["spec"]["volumes"], "tollgate-policies")["projected"]["sources"].as_array().unwrap() {
        let map = source["configMap"]["name"].as_str().unwrap();
        let whole = vec![serde_json::json!({ "key": "all.yaml", "path": "all.yaml" })];
        for item in source["configMap"]["items"].as_array().unwrap_or(&whole) {
            let path = folder.join(item["path"].as_str().unwrap());
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            assert!(!path.exists(), "{} of {map} would replace another file", path.display());
            fs::write(path, text(map, item["key"].as_str().unwrap())).unwrap();
        }
    }
}

/// What the program says of the policies in the folder that `serve` is told of.
fn validate(root: &Path) -> String {
    let mut tollgate = Command::new(env!("CARGO_BIN_EXE_tollgate"));
    let output = tollgate.args(["validate", "etc/tollgate/policies"]).current_dir(root).output().unwrap();
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn what_is_said_of_a_rule_names_the_config_map_that_it_came_from() {
    let broken =
        |_: &str, _: &str| "apiVersion: tollgate.dev/v1alpha1\nkind: Contrat\nmetadata: { name: x }\n".to_owned();
    for (values, files) in [
        ("{}", vec!["rel-tollgate-policies/all.yaml:2:7"]),
        ("policies: { existingConfigMaps: [{ name: orders-policies }] }", vec!["orders-policies/all.yaml:2:7"]),
        (
            "policies: { existingConfigMaps: [{ name: orders-policies, keys: [orders.yaml] }] }",
            vec!["orders-policies/orders.yaml:2:7"],
        ),
        ("policies: { inline: { sample.yaml: x } }", vec!["rel-tollgate-inline/all.yaml:2:7"]),
        (
            "policies: { existingConfigMaps: [{ name: a, keys: [x.yaml] }, { name: b, keys: [x.yaml] }], inline: { x.yaml: text } }",
            vec!["a/x.yaml:2:7", "b/x.yaml:2:7", "rel-tollgate-inline/x.yaml:2:7"],
        ),
    ] {
        let objects = with_values(values).unwrap();
        let root = TempDir::new().unwrap();
        lay_out(pod(&objects), root.path(), broken);
        let said = validate(root.path());
        for file in files {
            assert!(said.contains(file), "{file} in what is said of {values}: {said}");
        }
    }
}

#[test]
fn samples_and_the_policies_of_several_owners_load_together() {
    let objects = &renders()["policies-several"].objects;
    let inline = objects.iter().find(|object| object.name() == "rel-tollgate-inline").unwrap();
    assert_eq!(inline.0["metadata"]["labels"]["tollgate.dev/policy"], "true");
    let root = TempDir::new().unwrap();
    lay_out(pod(objects), root.path(), |map, key| match map {
        "rel-tollgate-inline" => inline.0["data"][key].as_str().unwrap().to_owned(),
        _ => format!("# {map}/{key} has nothing yet\n"),
    });
    let said = validate(root.path());
    assert!(said.contains("mode observe") && said.contains("files 4"), "{said}");
}

#[test]
fn pods_wait_for_policies_that_are_not_there_unless_a_name_stands_for_a_content() {
    let optional = |values: &str| {
        let objects = with_values(values).unwrap();
        named(&pod(&objects)["spec"]["volumes"], "tollgate-policies")["projected"]["sources"][0]["configMap"]["optional"].clone()
    };
    assert_eq!(optional("{}"), true);
    assert_eq!(optional("policies: { optional: false }"), false);
    assert_eq!(optional("policies: { mode: immutable, existingConfigMaps: [{ name: a }] }"), false);
}

#[test]
fn an_immutable_sample_has_its_content_in_its_name() {
    let objects = &renders()["policies-immutable"].objects;
    let inline = objects.iter().find(|object| object.name().starts_with("rel-tollgate-inline-")).unwrap();
    assert_eq!(inline.0["immutable"], true);
    let sources =
        named(&pod(objects)["spec"]["volumes"], "tollgate-policies")["projected"]["sources"].as_array().unwrap();
    assert!(sources.iter().any(|source| source["configMap"]["name"] == inline.name()));
}

//! The settings that the chart renders, read by the program itself.

use std::process::{Command, Output};

use serde_json::Value;

use crate::helm::{chart, renders, root, with_values};
use crate::object::Object;

/// What `tollgate config` says to a rendered file. Policies are mounted in a pod, and not here.
fn config(text: &str) -> Output {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    let mut tollgate = Command::new(env!("CARGO_BIN_EXE_tollgate"));
    tollgate.args(["config", "--output", "json", "--policies", "policies", "--config"]).arg(file.path());
    tollgate.current_dir(root()).output().unwrap()
}

fn file(objects: &[Object]) -> &str {
    objects.iter().find_map(|object| object.0["data"]["tollgate.yaml"].as_str()).unwrap()
}

/// The settings in force, by name.
fn in_force(objects: &[Object]) -> impl Fn(&str) -> String + use<> {
    let output = config(file(objects));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let all: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    move |name| all.iter().find(|one| one["setting"] == name).unwrap()["value"].as_str().unwrap_or("-").to_owned()
}

#[test]
fn the_program_takes_every_file_that_is_rendered() {
    for (name, render) in renders() {
        let output = config(file(&render.objects));
        assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    }
    assert_eq!(config("policies: x\nmaxStal: 3s\n").status.code(), Some(64), "and what is wrong it does not take");
}

#[test]
fn settings_arrive_as_they_were_given() {
    let values =
        "config: { maxConnections: 10000000, workers: 3, traceRatio: 0.25, drainDelay: 1m 30s, decisions: 'off' }";
    let setting = in_force(&with_values(values).unwrap());
    for (name, value) in [
        ("maxConnections", "10000000"),
        ("workers", "3"),
        ("traceRatio", "0.25"),
        ("drainDelay", "1m 30s"),
        ("decisions", "off"),
    ] {
        assert_eq!(setting(name), value);
    }
    assert_eq!(setting("listen"), "0.0.0.0:9000");
    let sidecar = in_force(&renders()["sidecar"].objects);
    assert_eq!(sidecar("listen"), "unix:/run/tollgate/tollgate.sock");
    assert_eq!(sidecar("admin"), "off", "loopback is the app's");
    assert_eq!(sidecar("drainDelay"), "0s", "it ends after the app");
    let own = in_force(&with_values("kind: sidecar\nconfig: { admin: 127.0.0.1:9999, drainDelay: 3s }").unwrap());
    assert_eq!((own("admin"), own("drainDelay")), ("127.0.0.1:9999".to_owned(), "3s".to_owned()));
}

#[test]
fn every_setting_of_the_program_is_known_to_the_schema_of_values_and_no_other() {
    let schema: Value =
        serde_json::from_str(&std::fs::read_to_string(chart().join("values.schema.json")).unwrap()).unwrap();
    let known: Vec<_> = schema["properties"]["config"]["properties"].as_object().unwrap().keys().cloned().collect();
    let mut settings: Vec<_> = tollgate::config::SETTINGS.iter().map(tollgate::config::Setting::key).collect();
    settings.sort();
    assert_eq!(known, settings);
}

#[test]
fn a_change_of_the_settings_is_a_rollout_and_a_change_of_policies_is_none() {
    let annotations = |values: &str| {
        let objects = with_values(values).unwrap();
        let pods = objects.iter().find(|object| object.kind() == "StatefulSet").unwrap();
        pods.pod().unwrap()["metadata"]["annotations"].clone()
    };
    assert_ne!(annotations("config: { workers: 1 }"), annotations("config: { workers: 2 }"));
    let inline = |text: &str| format!("policies: {{ inline: {{ a.yaml: {text} }} }}");
    assert_eq!(annotations(&inline("one")), annotations(&inline("two")));
    let immutable = |text: &str| format!("policies: {{ mode: immutable, inline: {{ a.yaml: {text} }} }}");
    assert_ne!(annotations(&immutable("one")), annotations(&immutable("two")));
    let named = |name: &str| format!("policies: {{ mode: immutable, existingConfigMaps: [{{ name: {name} }}] }}");
    assert_ne!(annotations(&named("policies-1")), annotations(&named("policies-2")));
}

//! Pods as the restricted Pod Security Standard wants them, without rights and without a token.

use serde_json::{Value, json};

use crate::helm::renders;
use crate::object::{Object, values, walk};

/// Each object of each render, with a title for messages.
fn all() -> impl Iterator<Item = (String, &'static Object)> {
    let of = |(name, render): (&'static String, &'static crate::helm::Render)| {
        render.objects.iter().map(move |object| (format!("{name}: {}", object.title()), object))
    };
    renders().iter().flat_map(of)
}

/// Each pod: of objects that make pods, and of the patch that makes an app's pods.
fn pods() -> Vec<(String, Value)> {
    let mut pods: Vec<_> = all().filter_map(|(title, object)| Some((title, object.pod()?.clone()))).collect();
    for (title, object) in all() {
        if let Some(patch) = object.0["data"]["patch.yaml"].as_str() {
            pods.push((title, values(patch)[0]["spec"]["template"].clone()));
        }
    }
    assert!(pods.len() > renders().len(), "a test's pod and others");
    pods
}

fn containers(pod: &Value) -> Vec<&Value> {
    let lists = ["initContainers", "containers", "ephemeralContainers"];
    lists.iter().filter_map(|list| pod["spec"][list].as_array()).flatten().collect()
}

/// What the standard has against a pod, as its controller for admission says it.
pub fn against(pod: &Value) -> Vec<String> {
    let mut wrong = Vec::new();
    let spec = &pod["spec"];
    for key in ["hostNetwork", "hostPID", "hostIPC"] {
        if spec.get(key).is_some_and(|value| *value != json!(false)) {
            wrong.push(key.to_owned());
        }
    }
    let allowed = [
        "name",
        "configMap",
        "csi",
        "downwardAPI",
        "emptyDir",
        "ephemeral",
        "persistentVolumeClaim",
        "projected",
        "secret",
    ];
    for volume in spec["volumes"].as_array().into_iter().flatten() {
        let bad = volume.as_object().unwrap().keys().filter(|key| !allowed.contains(&key.as_str()));
        wrong.extend(bad.map(|key| format!("volume {} is a {key}", volume["name"])));
    }
    for container in containers(pod) {
        let own = &container["securityContext"];
        let either =
            |key: &str| own.get(key).or_else(|| spec["securityContext"].get(key)).unwrap_or(&Value::Null).clone();
        let mut want = |is_so: bool, what: &str| {
            if !is_so {
                wrong.push(format!("{}: {what}", container["name"]));
            }
        };
        want(own["privileged"] != json!(true), "privileged");
        want(own["allowPrivilegeEscalation"] == json!(false), "allowPrivilegeEscalation");
        want(own["capabilities"]["drop"] == json!(["ALL"]), "capabilities are not dropped");
        want(own["capabilities"].get("add").is_none(), "capabilities are added");
        want(either("runAsNonRoot") == json!(true), "runAsNonRoot");
        want(either("runAsUser") != json!(0), "runAsUser");
        want(either("seccompProfile")["type"] == json!("RuntimeDefault"), "seccompProfile");
        want(own.get("procMount").is_none(), "procMount");
        let ports = container["ports"].as_array();
        want(ports.into_iter().flatten().all(|port| port.get("hostPort").is_none()), "hostPort");
        // Not of the standard, but of ours.
        want(own["readOnlyRootFilesystem"] == json!(true), "readOnlyRootFilesystem");
        want(container["resources"]["limits"].get("cpu").is_none(), "a limit of CPU");
        let memory = |which: &str| container["resources"][which]["memory"].clone();
        want(memory("limits").is_string() && memory("limits") == memory("requests"), "memory");
    }
    wrong
}

#[test]
fn every_pod_is_restricted() {
    for (title, pod) in pods() {
        let wrong = against(&pod);
        assert!(wrong.is_empty(), "{title}: {wrong:#?}");
    }
}

#[test]
fn what_is_not_restricted_is_seen() {
    let (_, good) = pods().swap_remove(0);
    let edit = |edit: fn(&mut Value)| {
        let mut pod = good.clone();
        edit(&mut pod);
        against(&pod).len()
    };
    assert_eq!(edit(|_| {}), 0);
    assert_eq!(edit(|pod| pod["spec"]["hostNetwork"] = json!(true)), 1);
    assert_eq!(edit(|pod| pod["spec"]["volumes"] = json!([{ "name": "x", "hostPath": {} }])), 1);
    assert_eq!(edit(|pod| pod["spec"]["containers"][0]["securityContext"] = json!({})), 3);
    assert_eq!(edit(|pod| pod["spec"]["containers"][0]["ports"] = json!([{ "hostPort": 1 }])), 1);
}

#[test]
fn nothing_has_rights_and_no_pod_a_token() {
    for (title, object) in all() {
        let group = object.0["apiVersion"].as_str().unwrap();
        assert!(!group.starts_with("rbac.authorization.k8s.io/"), "{title}");
        if object.kind() == "ServiceAccount" {
            assert_eq!(object.0["automountServiceAccountToken"], json!(false), "{title}");
        }
        if let Some(pod) = object.pod() {
            assert_eq!(pod["spec"]["automountServiceAccountToken"], json!(false), "{title}");
            assert_eq!(pod["spec"]["enableServiceLinks"], json!(false), "{title}: TOLLGATE_… are settings");
            walk(pod, &mut |value| assert!(value.get("serviceAccountToken").is_none(), "{title}"));
        }
    }
}

#[test]
fn nothing_is_mounted_with_sub_path_which_would_never_be_updated() {
    for (title, pod) in pods() {
        walk(&pod, &mut |value| {
            assert!(value.get("subPath").is_none() && value.get("subPathExpr").is_none(), "{title}");
        });
    }
}

#[test]
fn every_mount_has_its_volume_and_every_volume_its_mount() {
    for (title, pod) in pods() {
        let names = |list: &Value| -> std::collections::BTreeSet<String> {
            let names = list.as_array().into_iter().flatten().map(|one| one["name"].as_str().unwrap().to_owned());
            names.collect()
        };
        let mounted = containers(&pod).into_iter().flat_map(|container| names(&container["volumeMounts"])).collect();
        let mut volumes = names(&pod["spec"]["volumes"]);
        if !volumes.is_empty() && !volumes.contains("tollgate-ledger") && title.contains("StatefulSet") {
            // Kubernetes adds the one of the claim.
            volumes.insert("tollgate-ledger".to_owned());
        }
        assert_eq!(volumes, mounted, "{title}");
    }
}

/// The command has no file of settings to mount, and says the few that it needs in arguments. All else is to be the same.
#[test]
fn the_container_that_the_command_prints_is_the_charts_own_but_for_its_settings() {
    let line = "attach istio -n shop --selector app=orders --sidecar --only pod";
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_tollgate")).args(line.split(' ')).output().unwrap();
    let printed = values(&String::from_utf8(output.stdout).unwrap()).remove(0);
    let rendered = &renders()["sidecar"].objects;
    let patch = rendered.iter().find_map(|object| object.0["data"]["patch.yaml"].as_str()).unwrap();
    let own = values(patch).remove(0);
    let [printed, own] = [&printed, &own].map(|patch| &patch["spec"]["template"]["spec"]);
    let keys = [
        "name",
        "restartPolicy",
        "ports",
        "startupProbe",
        "readinessProbe",
        "livenessProbe",
        "securityContext",
        "resources",
    ];
    for key in keys {
        assert_eq!(printed["initContainers"][0][key], own["initContainers"][0][key], "{key}");
    }
    let named = |list: &Value, name: &str| list.as_array().unwrap().iter().find(|one| one["name"] == name).cloned();
    for name in ["tollgate-socket", "tollgate-ledger"] {
        assert_eq!(named(&printed["volumes"], name), named(&own["volumes"], name), "{name}");
        let mounted = |pod: &Value| named(&pod["initContainers"][0]["volumeMounts"], name).unwrap();
        assert_eq!(mounted(printed), mounted(own), "{name}");
    }
    // Without a bound in the form with a disk, and with the same one in both of these.
    let settings = rendered.iter().find_map(|object| object.0["data"]["tollgate.yaml"].as_str()).unwrap();
    let bound = settings.lines().find_map(|line| line.strip_prefix("ledgerMaxBytes: ")).unwrap();
    let arguments = printed["initContainers"][0]["args"].as_array().unwrap();
    assert!(arguments.contains(&json!(format!("--ledger-max-bytes={bound}"))), "{arguments:?}");
}

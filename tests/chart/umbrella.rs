//! The chart as a part of another one.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::json;
use tempfile::TempDir;

use crate::helm::{chart, template};
use crate::object::objects;

/// A chart that has ours below it.
fn parent(values: &str, templates: &[(&str, &str)]) -> TempDir {
    let folder = TempDir::new().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write(
        "Chart.yaml",
        "apiVersion: v2\nname: shop\nversion: 1.0.0\ndependencies: [{ name: tollgate, version: '*', condition: tollgate.enabled }]\n",
    );
    write("values.yaml", values);
    for (name, text) in templates {
        write(&format!("templates/{name}"), text);
    }
    let charts = folder.path().join("charts");
    fs::create_dir_all(&charts).unwrap();
    let copied = Command::new("cp").arg("-r").arg(chart()).arg(&charts).status().unwrap();
    assert!(copied.success());
    folder
}

fn titles(folder: &Path, arguments: &[&str]) -> Vec<String> {
    objects(&template("shop", folder, arguments).unwrap()).iter().map(crate::object::Object::title).collect()
}

#[test]
fn a_parent_turns_it_on_and_off_and_has_values_of_its_own() {
    let folder = parent("global: { region: north }\ntollgate: { enabled: true, replicas: 3 }\n", &[]);
    assert!(titles(folder.path(), &[]).contains(&"StatefulSet/shop-tollgate".to_owned()));
    assert_eq!(titles(folder.path(), &["--set", "tollgate.enabled=false"]), [""; 0]);
    let said = template("shop", folder.path(), &["--set", "tollgate.replica=3"]).unwrap_err();
    assert!(said.contains("Additional property replica is not allowed"), "{said}");
}

#[test]
fn a_parent_puts_the_sidecar_into_its_own_pods() {
    let pod = r#"
apiVersion: apps/v1
kind: Deployment
metadata: { name: orders }
spec:
  selector: { matchLabels: { app: orders } }
  template:
    metadata:
      labels: { app: orders }
      annotations:
        {{- include "tollgate.sidecarAnnotations" .Subcharts.tollgate | nindent 8 }}
    spec:
      initContainers:
        - {{ include "tollgate.sidecar" .Subcharts.tollgate | nindent 10 | trim }}
      containers: [{ name: orders, image: "orders:1" }]
      volumes:
        {{- include "tollgate.sidecarVolumes" .Subcharts.tollgate | nindent 8 }}
"#;
    let folder = parent("tollgate: { kind: sidecar }\n", &[("orders.yaml", pod)]);
    let all = objects(&template("shop", folder.path(), &[]).unwrap());
    let spec = &all.iter().find(|object| object.name() == "orders").unwrap().pod().unwrap()["spec"];
    let sidecar = &spec["initContainers"][0];
    assert_eq!(sidecar["restartPolicy"], "Always");
    assert_eq!(sidecar["volumeMounts"][3], json!({ "name": "tollgate-socket", "mountPath": "/run/tollgate" }));
    assert_eq!(spec["volumes"][0]["configMap"]["name"], "shop-tollgate-config");
    // It is what the patch would have put there.
    let patch = all.iter().find_map(|object| object.0["data"]["patch.yaml"].as_str()).unwrap();
    assert_eq!(crate::object::values(patch)[0]["spec"]["template"]["spec"]["initContainers"][0], *sidecar);
}

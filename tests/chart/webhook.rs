//! The webhook: pods of its own, what the API server is told of them, and values that would install and not work.

use serde_json::{Value, json};

use crate::helm::{NAMESPACE, renders, with_values};
use crate::object::Object;

fn webhook(render: &str) -> Vec<Object> {
    let objects = renders()[render].objects.iter();
    objects.filter(|one| one.0["metadata"]["labels"]["app.kubernetes.io/component"] == "webhook").cloned().collect()
}

fn one(objects: &[Object], kind: &str) -> Value {
    let found: Vec<_> = objects.iter().filter(|one| one.kind() == kind).collect();
    assert_eq!(found.len(), 1, "{kind}");
    found[0].0.clone()
}

#[test]
fn without_being_asked_for_nothing_of_it_is_there() {
    for (name, render) in renders() {
        if !name.starts_with("webhook") {
            assert!(
                !render.text.contains("component: webhook") && !render.text.contains("admissionregistration"),
                "{name}"
            );
        }
    }
}

/// What API servers ask, by which name, and whom they trust, fits what the pods are given.
#[test]
fn the_api_server_finds_the_webhook_and_trusts_it() {
    let all = webhook("webhook");
    let configuration = one(&all, "ValidatingWebhookConfiguration");
    let hook = &configuration["webhooks"][0];
    let (service, certificate) = (one(&all, "Service"), one(&all, "Certificate"));
    let name = &service["metadata"]["name"];
    let client = &hook["clientConfig"]["service"];
    assert_eq!(client, &json!({ "namespace": NAMESPACE, "name": name, "path": "/validate", "port": 443 }));
    assert_eq!(certificate["spec"]["dnsNames"], json!([format!("{}.{NAMESPACE}.svc", name.as_str().unwrap())]));
    let from = format!("{NAMESPACE}/{}", certificate["metadata"]["name"].as_str().unwrap());
    assert_eq!(configuration["metadata"]["annotations"]["cert-manager.io/inject-ca-from"], json!(from));
    let deployment = one(&all, "Deployment");
    let pod = &deployment["spec"]["template"];
    assert_eq!(pod["spec"]["volumes"][0]["secret"]["secretName"], certificate["spec"]["secretName"]);
    for (name, value) in service["spec"]["selector"].as_object().unwrap() {
        assert_eq!(&pod["metadata"]["labels"][name], value);
    }
    assert_eq!((&hook["failurePolicy"], &hook["sideEffects"]), (&json!("Ignore"), &json!("None")));
    assert_eq!(hook["matchConditions"][0]["name"], "is-not-being-deleted");

    let all = webhook("webhook-existing-secret");
    let configuration = one(&all, "ValidatingWebhookConfiguration");
    assert!(configuration["metadata"].get("annotations").is_none());
    let bundle = configuration["webhooks"][0]["clientConfig"]["caBundle"].as_str().unwrap();
    assert!(bundle.starts_with("LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0t"), "PEM, encoded once");
    assert!(!all.iter().any(|one| one.kind() == "Certificate"));
}

/// The Service that Envoy asks must not find pods that answer no checks.
#[test]
fn its_pods_are_none_of_those_that_answer_envoy() {
    let render = &renders()["webhook"];
    let labels = one(&webhook("webhook"), "Deployment")["spec"]["template"]["metadata"]["labels"].clone();
    for service in render.objects.iter().filter(|one| one.kind() == "Service") {
        let selector = service.0["spec"]["selector"].as_object().unwrap();
        let finds = selector.iter().all(|(name, value)| &labels[name] == value);
        assert_eq!(finds, service.name().ends_with("-webhook"), "{}", service.title());
    }
}

#[test]
fn what_it_is_started_with_are_its_flags() {
    let args = one(&webhook("webhook"), "Deployment")["spec"]["template"]["spec"]["containers"][0]["args"].clone();
    let given: Vec<String> = serde_json::from_value(args).unwrap();
    let parsed = tollgate::cli::command().try_get_matches_from([&["tollgate".to_owned()][..], &given].concat());
    assert_eq!(parsed.unwrap().subcommand_name(), Some("webhook"));
}

#[test]
fn values_that_would_install_and_not_work_are_refused() {
    let refused = |values: &str, says: &str| {
        let Err(said) = with_values(&format!("webhook: {{ enabled: true, {values} }}")) else { panic!("{values}") };
        assert!(said.contains(says), "{says} in {said}");
    };
    refused("tls: { mode: existingSecret }", "webhook.tls.existingSecret is empty: the API server asks over TLS only");
    refused("tls: { mode: existingSecret, existingSecret: a }", "webhook.tls.caBundle is empty");
    refused("tls: { mode: existingSecret, existingSecret: a, caBundle: LS0t }", "webhook.tls.caBundle is no PEM");
    refused("tls: { existingSecret: a }", "are for the mode existingSecret");
    refused("failurePolicy: Fail, replicas: 1", "nobody could mend policies while the one pod is moved");
    refused("admissionPolicy: { actions: [Deny, Warn] }", "webhook.admissionPolicy.actions");
    refused("replica: 1", "replica");
}

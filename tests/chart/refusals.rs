//! Values that could not work, and what is said of them.

use crate::helm::{chart, template, with_values};
use crate::object::objects;

#[track_caller]
fn refused(values: &str, says: &str) {
    let Err(said) = with_values(values) else { panic!("it is rendered, with: {values}") };
    assert!(said.contains(says), "`{says}` in what is said of `{values}`: {said}");
}

#[test]
fn what_the_chart_sets_itself_is_no_setting() {
    let own = [
        ("policies", "policies.existingConfigMaps or policies.inline"),
        ("listen", "bindAddress and ports.check"),
        ("health", "bindAddress and ports.health"),
        ("metrics", "bindAddress and ports.metrics"),
        ("ledger", "ledger.size, or ledger.emptyDirSizeLimit"),
        ("pseudonymKey", "pseudonymKey.existingSecret"),
        ("otlpHeader", "otlpHeader.existingSecret"),
        ("tls", "tls.mode"),
        ("tlsClientCa", "tls.clientCA"),
        ("tlsClientSan", "tls.clientSans"),
    ];
    for (key, instead) in own {
        let says = format!("config.{key} is set by the chart itself: use {instead} instead");
        refused(&format!("config: {{ {key}: x }}"), &says);
    }
    refused(
        "extraEnv: [{ name: TOLLGATE_LISTEN, value: x }]",
        "extraEnv: TOLLGATE_LISTEN would override a setting unseen",
    );
    refused(
        "commonLabels: { app.kubernetes.io/name: x }",
        "commonLabels: app.kubernetes.io/name is set by the chart itself: leave it out, or use nameOverride",
    );
}

#[test]
fn a_webhook_is_never_for_every_configmap_of_the_cluster() {
    let says = "webhook.objectSelector is empty, and would stand for every ConfigMap of the cluster";
    refused("webhook: { enabled: true, objectSelector: null }", "webhook: objectSelector is required");
    for selector in ["{ matchLabels: null }", "{ matchLabels: { tollgate.dev/policy: null } }"] {
        for part in ["enabled: true", "admissionPolicy: { enabled: true }"] {
            refused(&format!("webhook: {{ {part}, objectSelector: {selector} }}"), says);
        }
    }
}

/// Helm allows dots in names of releases, labels do too, and Services do not.
#[test]
fn no_service_has_a_dot_in_its_name() {
    refused("nameOverride: A_b", "nameOverride: Does not match pattern");
    let rendered =
        template("rel.x", &chart(), &["--set", "nameOverride=a.b", "--set", "webhook.enabled=true"]).unwrap();
    let names: Vec<_> =
        objects(&rendered).iter().filter(|one| one.kind() == "Service").map(|one| one.name().to_owned()).collect();
    assert_eq!(names, ["rel-x-a-b", "rel-x-a-b-headless", "rel-x-a-b-webhook"]);
}

#[test]
fn forms_and_times_that_do_not_fit_are_refused() {
    for kind in ["statefulset", "sidecar"] {
        let says = format!("autoscaling.enabled needs `kind: deployment`, and kind is {kind}");
        refused(&format!("kind: {kind}\nautoscaling: {{ enabled: true }}"), &says);
    }
    refused(
        "kind: deployment\nautoscaling: { enabled: true, minReplicas: 7 }",
        "autoscaling.minReplicas is above autoscaling.maxReplicas: raise the second, or lower the first",
    );
    refused(
        "terminationGracePeriodSeconds: 30",
        "terminationGracePeriodSeconds is 30, and config.drainDelay (10s) and config.drainTimeout (30s) need 45 with what is written last",
    );
    refused(
        "terminationGracePeriodSeconds: 154\nconfig: { drainDelay: 1m 30s, drainTimeout: 59900ms }",
        "config.drainDelay (1m 30s) and config.drainTimeout (59900ms) need 155",
    );
    refused("ports: { check: 9090 }", "ports: two of check, metrics and health are the same");
    refused(
        "image: { tag: latest }",
        "image.tag is latest, which is another image tomorrow: name a version, or image.digest",
    );
}

#[test]
fn policies_that_would_not_be_read_are_refused() {
    refused(
        "policies: { existingConfigMaps: [{ name: a, keys: [a.yaml] }, { name: b }] }",
        "policies.existingConfigMaps: b needs keys, the files that are read of it: only a ConfigMap that stands alone can be read whole",
    );
    refused(
        "policies: { existingConfigMaps: [{ name: a }], inline: { b.yaml: x } }",
        "policies.existingConfigMaps: a needs keys",
    );
    refused(
        "policies: { existingConfigMaps: [{ name: a, keys: [a.yaml] }, { name: a, keys: [b.yaml] }] }",
        "policies.existingConfigMaps names a twice: name it once, with all its keys",
    );
    refused(
        "policies: { existingConfigMaps: [{ name: a, keys: [guardrails.txt] }] }",
        "policies.existingConfigMaps: key guardrails.txt of a ends neither in .yaml nor in .yml, and would not be read",
    );
    refused("policies: { inline: { guardrails: x } }", "policies.inline: guardrails ends neither in .yaml nor in .yml");
    refused("policies: { mode: immutable }", "policies.mode is immutable, and no policies are named");
}

#[test]
fn tls_that_would_protect_nothing_is_refused() {
    refused("tls: { mode: existingSecret }", "tls.mode is existingSecret, and tls.existingSecret names none");
    refused("tls: { existingSecret: x }", "tls.existingSecret is set, and tls.mode is none, so it would not be used");
    refused("tls: { mode: certManager }", "tls.mode is certManager, and tls.certManager.issuerRef.name is empty");
    refused(
        "tls: { mode: existingSecret, existingSecret: x, clientCA: { fromServerSecret: true, secret: { name: roots } } }",
        "tls.clientCA names more than one place (fromServerSecret, secret): keep one",
    );
    refused("tls: { clientCA: { secret: { name: x } } }", "tls.clientCA is set, and tls.mode is none");
    refused(
        "tls: { mode: existingSecret, existingSecret: x, clientSans: [a.example] }",
        "tls.clientSans is set, and tls.clientCA is not, so nobody would be asked for a certificate",
    );
    refused(
        "kind: sidecar\ntls: { mode: existingSecret, existingSecret: x }",
        "tls.mode is existingSecret, and a sidecar is asked over a Unix socket, which TLS does not concern",
    );
}

#[test]
fn traces_that_would_not_arrive_are_refused() {
    refused(
        "otlpHeader: { existingSecret: { name: x } }",
        "otlpHeader.existingSecret is set, and config.otlpEndpoint is not",
    );
    refused(
        "config: { otlpEndpoint: http://collector:4317 }",
        "config.otlpEndpoint is set, and networkPolicy.egress is empty, so no trace would get out",
    );
}

/// Bounds that Envoy and Tollgate have to agree about.
#[test]
fn an_attachment_that_waits_too_short_or_sends_too_much_is_refused() {
    let default = |key: &str| {
        let setting = tollgate::config::SETTINGS.iter().find(|one| one.key() == key).unwrap();
        setting.default.unwrap()
    };
    let (time, bytes) = (default("maxCheckTime"), default("maxCheckBytes"));
    let attached = [
        ("istio: { enabled: true, workloads: [{ namespace: a }] }", "attach.maxRequestBytes"),
        ("envoy: { configMap: { enabled: true } }", "attach.maxRequestBytes"),
        (
            "envoyGateway: { enabled: true, maxRequestBytes: 16777216, workloads: [{ namespace: a }] }",
            "attach.envoyGateway.maxRequestBytes",
        ),
    ];
    for (form, key) in attached {
        let says = format!("attach.timeout is {time}, and config.maxCheckTime ({time}) is not below it");
        refused(&format!("attach: {{ timeout: {time}, {form} }}"), &says);
        let says = format!("{key} is 16777216, and config.maxCheckBytes ({bytes}) is not above it");
        refused(&format!("attach: {{ maxRequestBytes: 16777216, {form} }}"), &says);
        let values = "config: { maxCheckTime: 240ms, maxCheckBytes: 33554432, maxPendingBytes: 64MiB }";
        with_values(&format!("{values}\nattach: {{ maxRequestBytes: 16777216, {form} }}")).unwrap();
    }
    let form = attached[1].0;
    refused(
        &format!("config: {{ maxCheckTime: 1m 30s }}\nattach: {{ {form} }}"),
        "attach.timeout is 250ms, and config.maxCheckTime (1m 30s) is not below it: Envoy would not wait",
    );
    refused(
        &format!("config: {{ maxCheckBytes: 65536 }}\nattach: {{ {form} }}"),
        "attach.maxRequestBytes is 65536, and config.maxCheckBytes (65536) is not above it",
    );
    // Where nothing is attached here, it is somebody else's.
    with_values("config: { maxCheckTime: 1m, maxCheckBytes: 64KiB }").unwrap();
    refused("attach: { envoyGateway: { hostname: 10.0.0.7 } }", "a BackendTLSPolicy takes no address");
}

#[test]
fn what_is_meant_otherwise_is_said_in_its_form() {
    for (size, shown) in [("10", "10"), ("'10'", "10"), ("10GB", "10GB"), ("1.5", "1.5")] {
        refused(
            &format!("ledger: {{ size: {size} }}"),
            &format!("ledger.size is {shown}: it is a number with a unit, such as 10Gi"),
        );
    }
    refused("ledger: { emptyDirSizeLimit: 2 }", "ledger.emptyDirSizeLimit is 2: it is a whole number of Mi or Gi");
    for named in ["shop", "[shop]", "[{ name: other, keys: [a.yaml] }, shop]"] {
        refused(
            &format!("policies: {{ existingConfigMaps: {named} }}"),
            "policies.existingConfigMaps is a list of objects, and has the text shop: write `[{ name: shop }]`",
        );
    }
}

#[test]
fn a_misspelt_key_is_refused_by_name() {
    for (values, path, key) in [
        ("replica: 3", "", "replica"),
        ("tls: { mod: none }", "tls: ", "mod"),
        ("tls: { clientCA: { secrets: {} } }", "tls.clientCA: ", "secrets"),
        ("config: { maxStal: 3s }", "config: ", "maxStal"),
        ("policies: { existingConfigMaps: [{ name: a, key: [a.yaml] }] }", "policies.existingConfigMaps.0: ", "key"),
    ] {
        refused(values, &format!("{path}Additional property {key} is not allowed"));
    }
    refused("config: { maxStall: soon }", "config.maxStall: Does not match pattern");
    refused("image: { digest: sha256:12 }", "image.digest: Does not match pattern");
    refused("kind: daemonset", "kind must be one of the following");
}

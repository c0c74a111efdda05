//! What of the chart is about watching: what is rendered, for whom, and what is refused.

use serde_json::{Value, json};

use crate::helm::{NAMESPACE, chart, template};
use crate::object::{Object, objects};

/// What a cluster knows that has both operators.
const OPERATORS: [&str; 4] = ["--api-versions", "monitoring.coreos.com/v1", "--api-versions", GRAFANA];
const GRAFANA: &str = "grafana.integreatly.org/v1beta1";
const KINDS: [&str; 4] = ["ServiceMonitor", "PodMonitor", "PrometheusRule", "GrafanaDashboard"];

/// What is rendered with these settings (`key=value` below `monitoring`, as JSON), in a cluster that knows these kinds.
fn rendered(cluster: &[&str], settings: &[&str]) -> Result<Vec<Object>, String> {
    let settings: Vec<_> = settings.iter().map(|setting| format!("--set-json=monitoring.{setting}")).collect();
    let arguments: Vec<_> = settings.iter().map(String::as_str).chain(cluster.iter().copied()).collect();
    template("tollgate", &chart(), &arguments).map(|text| objects(&text))
}

/// One object of those that a cluster with both operators gets.
#[track_caller]
pub fn one(title: &str, settings: &[&str]) -> Value {
    let mut found = rendered(&OPERATORS, settings).unwrap();
    found.retain(|one| one.title() == title);
    assert_eq!(found.len(), 1, "{title}");
    found.remove(0).0
}

fn kinds(cluster: &[&str], settings: &[&str]) -> Vec<String> {
    let objects = rendered(cluster, settings).unwrap();
    let ours = objects.iter().map(|one| one.kind().to_owned()).filter(|kind| KINDS.contains(&kind.as_str()));
    ours.collect()
}

#[track_caller]
fn refused(cluster: &[&str], settings: &[&str], because: &str) {
    let Err(said) = rendered(cluster, settings) else { panic!("{settings:?} are taken") };
    assert!(said.contains(because), "{because} in {said}");
}

#[test]
fn nothing_is_rendered_that_nobody_asked_for() {
    assert_eq!(kinds(&OPERATORS, &[]), Vec::<String>::new());
}

#[test]
fn what_a_cluster_does_not_know_is_left_out_refused_or_rendered_as_is_asked() {
    let dashboard = ["dashboard.enabled=true", "dashboard.grafanaOperator.enabled=true"];
    let sections = [
        ("serviceMonitor", "ServiceMonitor", &["serviceMonitor.enabled=true"][..]),
        ("podMonitor", "PodMonitor", &["podMonitor.enabled=true"]),
        ("prometheusRule", "PrometheusRule", &["prometheusRule.enabled=true"]),
        ("dashboard.grafanaOperator", "GrafanaDashboard", &dashboard),
    ];
    for (section, kind, on) in sections {
        let [skip, fail, always] =
            ["skipIfMissing", "failIfMissing", "alwaysRender"].map(|mode| format!("{section}.renderMode=\"{mode}\""));
        let [skip, fail, always] = [&skip, &fail, &always].map(|mode| [on, &[mode.as_str()]].concat());
        for known in [&skip, &fail, &always] {
            assert_eq!(kinds(&OPERATORS, known), [kind], "{known:?}");
        }
        assert_eq!(kinds(&[], &skip), Vec::<String>::new(), "{section}");
        refused(&[], &fail, "the cluster does not know");
        assert_eq!(kinds(&[], &always), [kind], "{section}");
    }
}

#[test]
fn what_would_scrape_twice_or_nothing_is_refused() {
    refused(&OPERATORS, &["serviceMonitor.enabled=true", "podMonitor.enabled=true"], "are both true");
    let sidecar = [&OPERATORS[..], &["--set=kind=sidecar"]].concat();
    refused(&sidecar, &["serviceMonitor.enabled=true"], "Use monitoring.podMonitor instead");
    refused(&sidecar, &["podMonitor.enabled=true"], "monitoring.podMonitor.selector is empty");
    refused(&OPERATORS, &["dashboard.grafanaOperator.enabled=true"], "reads the dashboard from that ConfigMap");
}

#[test]
fn values_that_make_no_sense_are_refused() {
    for wrong in [
        "prometheusRule.disabled=[\"TollgateIsDown\"]",
        "prometheusRule.treshold={}",
        "prometheusRule.by=[]",
        "prometheusRule.thresholds.fastSeconds=\"0.004\"",
        "prometheusRule.thresholds.decidedPercent=100",
        "serviceMonitor.renderMode=\"never\"",
        "serviceMonitor.interval=\"often\"",
    ] {
        refused(&OPERATORS, &[wrong], "monitoring");
    }
}

#[test]
fn a_monitor_scrapes_the_named_port_and_names_the_job_as_alerts_know_it() {
    let settings = |section: &str| {
        [
            "enabled=true",
            "additionalLabels={\"release\":\"prometheus\"}",
            "interval=\"15s\"",
            "scrapeTimeout=\"5s\"",
            "relabelings=[{\"action\":\"labeldrop\",\"regex\":\"endpoint\"}]",
            "metricRelabelings=[{\"action\":\"drop\",\"sourceLabels\":[\"__name__\"],\"regex\":\"x\"}]",
            "namespace=\"observability\"",
        ]
        .map(|setting| format!("{section}.{setting}"))
    };
    for (section, kind, endpoints) in
        [("serviceMonitor", "ServiceMonitor", "endpoints"), ("podMonitor", "PodMonitor", "podMetricsEndpoints")]
    {
        let monitor = one(&format!("{kind}/tollgate"), &settings(section).each_ref().map(String::as_str));
        assert_eq!(monitor["metadata"]["labels"]["release"], "prometheus");
        assert_eq!(monitor["metadata"]["namespace"], "observability");
        assert_eq!(monitor["spec"]["namespaceSelector"], json!({ "matchNames": [NAMESPACE] }));
        let selected = &monitor["spec"]["selector"]["matchLabels"];
        assert_eq!(selected["app.kubernetes.io/instance"], "tollgate");
        let endpoint = &monitor["spec"][endpoints][0];
        assert_eq!(endpoint["port"], "http-metrics");
        assert_eq!((&endpoint["interval"], &endpoint["scrapeTimeout"]), (&json!("15s"), &json!("5s")));
        assert_eq!(
            endpoint["relabelings"],
            json!([
                { "action": "replace", "targetLabel": "job", "replacement": "tollgate" },
                { "action": "labeldrop", "regex": "endpoint" },
            ])
        );
        assert_eq!(endpoint["metricRelabelings"][0]["action"], "drop");
    }
}

#[test]
fn the_webhook_is_scraped_under_a_name_of_its_own_and_the_alert_of_ports_looks_at_both() {
    let values = chart().join("ci/webhook-existing-secret-values.yaml");
    let values = format!("--values={}", values.display());
    let cluster = [&OPERATORS[..], &[values.as_str()]].concat();
    for (section, kind, endpoints) in
        [("serviceMonitor", "ServiceMonitor", "endpoints"), ("podMonitor", "PodMonitor", "podMetricsEndpoints")]
    {
        let on = format!("{section}.enabled=true");
        let objects = rendered(&cluster, &[&on, "prometheusRule.enabled=true"]).unwrap();
        let find = |title: String| &objects.iter().find(|one| one.title() == title).unwrap().0;
        let monitor = find(format!("{kind}/tollgate-webhook"));
        let pods = &find("Deployment/tollgate-webhook".to_owned())["spec"]["template"];
        let service = &find("Service/tollgate-webhook".to_owned())["metadata"]["labels"];
        let labels = if kind == "PodMonitor" { &pods["metadata"]["labels"] } else { service };
        for (label, value) in monitor["spec"]["selector"]["matchLabels"].as_object().unwrap() {
            assert_eq!(&labels[label], value, "{kind}");
        }
        let endpoint = &monitor["spec"][endpoints][0];
        assert_eq!(endpoint["relabelings"][0]["replacement"], "tollgate-webhook");
        let ports = pods["spec"]["containers"][0]["ports"].as_array().unwrap();
        assert!(ports.iter().any(|port| port["name"] == endpoint["port"]), "{kind}");
        let rule = find("PrometheusRule/tollgate".to_owned());
        for alert in alerts(rule) {
            let looks_at_both = alert["expr"].as_str().unwrap().contains("job=~\"tollgate|tollgate-webhook\"");
            assert_eq!(looks_at_both, alert["alert"] == "TollgatePortCrowded", "{alert}");
        }
    }
    let own =
        rendered(&cluster, &["prometheusRule.enabled=true", "prometheusRule.selector=\"job=\\\"a\\\"\""]).unwrap();
    let rule = own.iter().find(|one| one.kind() == "PrometheusRule").unwrap();
    assert!(!rule.0.to_string().contains("tollgate-webhook"), "who chooses, chooses for all");
}

#[test]
fn sidecars_are_found_by_a_label_of_their_apps() {
    let set = ["--set=kind=sidecar", "--set-json=monitoring.podMonitor.enabled=true"];
    let selector = "--set-json=monitoring.podMonitor.selector={\"matchLabels\":{\"tollgate.dev/sidecar\":\"true\"}}";
    let spaces = "--set-json=monitoring.podMonitor.namespaceSelector={\"any\":true}";
    let rule = "--set-json=monitoring.prometheusRule.enabled=true";
    let arguments = [&set[..], &[selector, spaces, rule], &OPERATORS].concat();
    let objects = objects(&template("tollgate", &chart(), &arguments).unwrap());
    let monitor = objects.iter().find(|one| one.kind() == "PodMonitor").unwrap();
    assert_eq!(monitor.0["spec"]["selector"], json!({ "matchLabels": { "tollgate.dev/sidecar": "true" } }));
    assert_eq!(monitor.0["spec"]["namespaceSelector"], json!({ "any": true }));
    // They are in many namespaces, so alerts look at all of them.
    let rule = objects.iter().find(|one| one.kind() == "PrometheusRule").unwrap();
    let rule = rule.0.to_string();
    assert!(rule.contains("up{job=\\\"tollgate\\\"}") && !rule.contains("namespace=\\\""), "{rule}");
}

/// All alerts of a render.
pub fn alerts(rule: &Value) -> Vec<&Value> {
    let groups = rule["spec"]["groups"].as_array().unwrap();
    groups.iter().flat_map(|group| group["rules"].as_array().unwrap()).collect()
}

#[test]
fn alerts_are_left_out_and_labelled_and_measured_as_is_set() {
    let rule = one(
        "PrometheusRule/tollgate",
        &[
            "prometheusRule.enabled=true",
            "prometheusRule.disabled=[\"TollgatePolicySkew\",\"TollgateFailOpen\",\"TollgateEnvoyErrors\"]",
            "prometheusRule.alertLabels={\"team\":\"gateway\"}",
            "prometheusRule.severity={\"page\":\"sev1\",\"ticket\":\"sev3\"}",
            "prometheusRule.runbookBaseUrl=\"https://wiki.example/tollgate/\"",
            "prometheusRule.by=[\"cluster\",\"namespace\"]",
            "prometheusRule.selector=\"app=\\\"gate\\\"\"",
            "prometheusRule.thresholds.decidedPercent=99.5",
        ],
    );
    let alerts = alerts(&rule);
    assert!(alerts.len() > 15);
    for alert in &alerts {
        let name = alert["alert"].as_str().unwrap();
        assert!(!["TollgatePolicySkew", "TollgateFailOpen"].contains(&name));
        assert_eq!(alert["labels"]["team"], "gateway", "{name}");
        assert!(["sev1", "sev3"].contains(&alert["labels"]["severity"].as_str().unwrap()), "{name}");
        assert_eq!(alert["annotations"]["runbook_url"], format!("https://wiki.example/tollgate/{name}.md"));
        let expr = alert["expr"].as_str().unwrap();
        assert!(!expr.contains("tollgate-system") && expr.contains("app=\"gate\""), "{name}: {expr}");
    }
    // A group without alerts is none.
    assert!(rule["spec"]["groups"].as_array().unwrap().iter().all(|group| group["name"] != "tollgate.envoy"));
    let burn = alerts.iter().find(|alert| alert["alert"] == "TollgateErrorBudgetBurn").unwrap();
    let expr = burn["expr"].as_str().unwrap();
    assert!(expr.contains("sum by (cluster, namespace)") && expr.contains("14.4 * (100 - 99.5) / 100"), "{expr}");
}

#[test]
fn every_alert_says_what_it_is_how_grave_and_where_to_read_on() {
    for alert in alerts(&one("PrometheusRule/tollgate", &["prometheusRule.enabled=true"])) {
        let text = |at: &str| alert.pointer(at).and_then(Value::as_str).unwrap_or_default().to_owned();
        assert!(["critical", "warning"].contains(&text("/labels/severity").as_str()), "{alert}");
        assert!(!text("/annotations/summary").is_empty() && !text("/annotations/summary").contains("{{"), "{alert}");
        assert!(text("/annotations/description").contains("{{ $labels."), "{alert}");
        assert!(text("/annotations/runbook_url").starts_with("https://github.com/tollgate-dev/tollgate/"), "{alert}");
    }
}

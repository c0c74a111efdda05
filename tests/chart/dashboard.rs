//! The dashboard: found by Grafana, readable, and about the source and the pods that are chosen.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::helm::chart;
use crate::monitoring::one;

fn dashboard() -> Value {
    serde_json::from_str(&std::fs::read_to_string(chart().join("dashboards/tollgate.json")).unwrap()).unwrap()
}

/// Its panels, rows left out.
fn panels(dashboard: &Value) -> Vec<&Value> {
    dashboard["panels"].as_array().unwrap().iter().filter(|panel| panel["type"] != "row").collect()
}

#[test]
fn grafana_finds_the_dashboard_whole() {
    let folder = ["dashboard.folder=\"Gates\"", "dashboard.namespace=\"observability\""];
    let settings = [&["dashboard.enabled=true", "dashboard.grafanaOperator.enabled=true"], &folder[..]].concat();
    let map = one("ConfigMap/tollgate-dashboard", &settings);
    assert_eq!(map["metadata"]["labels"]["grafana_dashboard"], "1");
    assert_eq!(map["metadata"]["annotations"], json!({ "grafana_folder": "Gates" }));
    let shown: Value = serde_json::from_str(map["data"]["tollgate.json"].as_str().unwrap()).unwrap();
    assert_eq!(shown, dashboard());
    let object = one("GrafanaDashboard/tollgate", &settings);
    assert_eq!(object["spec"]["configMapRef"], json!({ "name": map["metadata"]["name"], "key": "tollgate.json" }));
    for one in [&map, &object] {
        assert_eq!(one["metadata"]["namespace"], "observability");
    }
    assert_eq!(object["spec"]["folder"], "Gates");
}

#[test]
fn panels_lie_beside_each_other_and_not_on_each_other() {
    let dashboard = dashboard();
    let mut taken = BTreeSet::new();
    let mut ids = BTreeSet::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        let title = panel["title"].as_str().unwrap();
        let [x, y, w, h] = ["x", "y", "w", "h"].map(|side| panel["gridPos"][side].as_u64().unwrap());
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{title}: its id is another one's");
        assert!(w >= 4 && h >= 1 && x + w <= 24, "{title} is too narrow, or hangs over the edge");
        assert!(panel["type"] == "row" || h >= 4, "{title} is too low");
        for cell in (x..x + w).flat_map(|column| (y..y + h).map(move |line| (column, line))) {
            assert!(taken.insert(cell), "{title} lies on another panel");
        }
    }
    // No line is left empty, as Grafana would close the gap.
    let lines: BTreeSet<_> = taken.iter().map(|(_, line)| *line).collect();
    assert_eq!(lines.iter().copied().collect::<Vec<_>>(), (0..lines.len() as u64).collect::<Vec<_>>());
}

#[test]
fn every_panel_says_what_it_shows_in_which_unit_and_of_which_source() {
    let dashboard = dashboard();
    for panel in panels(&dashboard) {
        let title = panel["title"].as_str().unwrap();
        assert!(panel["description"].as_str().is_some_and(|text| text.ends_with('.')), "{title}: no description");
        assert!(panel["fieldConfig"]["defaults"]["unit"].is_string(), "{title}: no unit");
        assert_eq!(panel["datasource"]["uid"], "${datasource}", "{title}");
        for target in panel["targets"].as_array().unwrap() {
            assert_eq!(target["datasource"]["uid"], "${datasource}", "{title}");
            let expr = target["expr"].as_str().unwrap();
            let chosen = ["namespace=~\"$namespace\"", "namespace=~\"$envoy_namespace\""];
            assert!(chosen.iter().any(|selector| expr.contains(selector)), "{title} is about everything: {expr}");
        }
    }
    let variables: Vec<_> =
        dashboard["templating"]["list"].as_array().unwrap().iter().map(|one| &one["name"]).collect();
    assert_eq!(variables, ["datasource", "namespace", "job", "pod", "envoy_namespace"]);
    assert!(dashboard["schemaVersion"].as_u64().unwrap() >= 39);
}

#[test]
fn prometheus_can_read_every_query_of_the_dashboard() {
    // As rules, which promtool parses. Grafana puts values in place of its variables.
    let dashboard = dashboard();
    let targets = panels(&dashboard).into_iter().flat_map(|panel| panel["targets"].as_array().unwrap());
    let rules: Vec<_> = targets
        .map(|target| target["expr"].as_str().unwrap().replace("$__rate_interval", "5m").replace("$__range", "1h"))
        .enumerate()
        .map(|(number, expr)| json!({ "record": format!("query:{number}"), "expr": expr }))
        .collect();
    crate::promtool::check(&json!({ "groups": [{ "name": "dashboard", "rules": rules }] }));
}

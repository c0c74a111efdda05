//! The alerts as they are rendered, read and tried by Prometheus' own tool (`make promtool`). Without it these tests fail, and
//! never skip.

use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::helm::root;
use crate::monitoring::one;

/// What fires each alert, and what does not.
const CASES: [&str; 2] = ["rules_test.yaml", "rules_days_test.yaml"];
const ON: &str = "prometheusRule.enabled=true";

/// What promtool says to rules in a folder, which is its own; it must be content.
#[track_caller]
fn promtool(folder: &TempDir, arguments: &[&str]) -> String {
    let named = std::env::var_os("TOLLGATE_PROMTOOL").map(PathBuf::from);
    let binary = named.unwrap_or_else(|| root().join(".tools/promtool"));
    let output = Command::new(&binary).args(arguments).current_dir(folder.path()).output();
    let output = output.unwrap_or_else(|error| {
        panic!(
            "cannot run {} ({error}): fetch it with `make promtool`, or name one with TOLLGATE_PROMTOOL",
            binary.display()
        )
    });
    let said = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}");
    said
}

/// Whether Prometheus would take these rules. (JSON is YAML.)
#[track_caller]
pub fn check(rules: &Value) {
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("rules.yaml"), rules.to_string()).unwrap();
    promtool(&folder, &["check", "rules", "rules.yaml"]);
}

/// A folder with the rules as `rules.yaml`: what the operator would hand to Prometheus.
fn rules() -> TempDir {
    let folder = TempDir::new().unwrap();
    let rule = one("PrometheusRule/tollgate", &[ON]);
    std::fs::write(folder.path().join("rules.yaml"), rule["spec"].to_string()).unwrap();
    folder
}

#[test]
fn prometheus_takes_the_alerts_whatever_is_set() {
    let others = [
        "prometheusRule.by=[\"cluster\",\"namespace\",\"job\"]",
        "prometheusRule.selector=\"job=~\\\".+\\\"\"",
        "prometheusRule.envoy.selector=\"namespace=\\\"shop\\\"\"",
        "prometheusRule.alertLabels={\"team\":\"gateway\"}",
        "prometheusRule.thresholds.minEvents=1000000",
        "prometheusRule.thresholds.denyRatio=1.5",
        "prometheusRule.disabled=[\"TollgateLinesLost\"]",
    ];
    for settings in [&[][..], &others] {
        check(&one("PrometheusRule/tollgate", &[&[ON], settings].concat())["spec"]);
    }
}

#[test]
fn each_alert_fires_when_it_should_and_not_otherwise() {
    let folder = rules();
    let mut cases = String::new();
    for file in CASES {
        let text = std::fs::read_to_string(root().join("tests/chart").join(file)).unwrap();
        std::fs::write(folder.path().join(file), &text).unwrap();
        cases += &text;
    }
    promtool(&folder, &[&["test", "rules"], &CASES[..]].concat());
    // Each of them is seen to do both.
    let mut wrong = Vec::new();
    let rule = one("PrometheusRule/tollgate", &[ON]);
    for alert in crate::monitoring::alerts(&rule) {
        let name = alert["alert"].as_str().unwrap();
        let of_it: Vec<_> =
            cases.split("- alertname: ").skip(1).filter(|case| case.starts_with(&format!("{name}\n"))).collect();
        let quiet = of_it.iter().any(|case| case.contains("exp_alerts: []"));
        let mut labels: Vec<_> = ["severity", "long", "short"]
            .iter()
            .filter_map(|label| Some(format!("{label}: {}", alert["labels"][*label].as_str()?)))
            .collect();
        let expected = of_it.iter().flat_map(|case| case.lines().filter(|line| line.contains("exp_labels")));
        let fires = expected.into_iter().any(|line| labels.iter().all(|label| line.contains(label.as_str())));
        if !quiet || !fires {
            labels.insert(0, name.to_owned());
            wrong.push(format!("{labels:?}: fires: {fires}, stays quiet: {quiet}"));
        }
    }
    assert!(wrong.is_empty(), "no case for {wrong:#?}");
}

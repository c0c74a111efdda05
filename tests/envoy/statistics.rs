//! What Envoy's counters are called where Prometheus reads them. Alerts and the dashboard of the chart go by these names; under
//! another one an alert about a gate that is open would never fire.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Value, json};
use tollgate::demo::client::{Client, Request};
use tollgate::demo::envoy::{Envoy, ExtAuthz, Listener, bootstrap};

use crate::lab::{HOST, Lab, binary};

/// How Istio's proxies make labels of names (its `tools/packaging/common/envoy_bootstrap.json`): the default tags are off.
fn as_istio_has_it() -> Value {
    json!({
        "use_all_default_tags": false,
        "stats_tags": [
            { "tag_name": "cluster_name", "regex": r"^cluster\.((.+?(\..+?\.svc\.cluster\.local)?)\.)" },
            {
                "tag_name": "http_conn_manager_prefix",
                "regex": r"^http\.(((?:[_.[:digit:]]*|[_\[\]aAbBcCdDeEfF[:digit:]]*))\.)",
            },
        ],
        // What docs/operate.md tells operators to set in `proxyStatsMatcher`.
        "stats_matcher": { "inclusion_list": { "patterns": [{ "safe_regex": { "regex": ".*ext_authz.*" } }] } },
    })
}

/// The series about authorization of an Envoy that fails open, after a request, as Prometheus would read them.
async fn series(stat_prefix: Option<&str>, stats: Option<Value>) -> Vec<String> {
    let lab = Lab::new().await;
    let mut check = ExtAuthz { failure_mode_allow: true, ..ExtAuthz::default() };
    check.others.insert("stat_prefix".to_owned(), stat_prefix.unwrap_or_default().into());
    let name = if stats.is_some() { "inbound_0.0.0.0_8080;" } else { "front" };
    let listener = Listener { ext_authz: Some(check), ..Listener::new(name) };
    let mut config = bootstrap::render(&lab.options(lab.socket(), vec![listener]));
    if let Some(stats) = stats {
        config["stats_config"] = stats;
    }
    let path = lab.path().join("envoy.json");
    std::fs::write(&path, config.to_string()).unwrap();
    let envoy = Envoy::start_with(&binary(), &path, 1, lab.path()).await.unwrap();
    let client = Client::plain(envoy.address(name).unwrap());
    assert_eq!(client.send(&Request::get(HOST, "/")).await.unwrap().status, 200, "nobody was asked, and it fails open");
    let text = envoy.prometheus().await.unwrap();
    text.lines().filter(|line| !line.starts_with('#') && line.contains("ext_authz")).map(str::to_owned).collect()
}

/// What is counted under a name, whatever its labels.
fn count(series: &[String], name: &str) -> Option<f64> {
    let of_it = series.iter().filter(|line| line.split(['{', ' ']).next() == Some(name));
    of_it.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).reduce(|a, b| a + b)
}

#[tokio::test]
async fn what_passed_unjudged_is_counted_under_the_names_that_alerts_go_by() {
    // As shipped, and as Envoy Gateway has it: the filter has no prefix there.
    for prefix in [Some("tollgate"), None] {
        let series = series(prefix, None).await;
        for scope in ["http", "cluster"] {
            for counter in ["failure_mode_allowed", "error"] {
                let name = format!("envoy_{scope}_ext_authz_{counter}");
                assert_eq!(count(&series, &name), Some(1.0), "{name} in {series:#?}");
            }
        }
        // The first is there from the start, so that its first step is seen. The second comes with its first event.
        assert_eq!(count(&series, "envoy_http_ext_authz_ok"), Some(0.0));
        assert_eq!(count(&series, "envoy_cluster_ext_authz_ok"), None);
        let labelled = series.iter().any(|line| line.contains("envoy_ext_authz_prefix=\"tollgate\""));
        assert_eq!(labelled, prefix.is_some(), "{series:#?}");
    }
}

#[tokio::test]
async fn in_istio_the_clusters_counters_alone_have_names_that_can_be_known() {
    for (prefix, start) in [(None, "envoy_cluster_ext_authz"), (Some("tollgate"), "envoy_cluster_ext_authz_tollgate")] {
        let series = series(prefix, Some(as_istio_has_it())).await;
        for counter in ["failure_mode_allowed", "error"] {
            assert_eq!(count(&series, &format!("{start}_{counter}")), Some(1.0), "{series:#?}");
        }
        assert_eq!(
            count(&series, "envoy_http_ext_authz_error"),
            None,
            "the listener is a part of the name: {series:#?}"
        );
    }
}

/// A name under which nothing is counted makes an alert that never fires.
#[tokio::test]
async fn alerts_dashboard_and_runbooks_name_no_other_counter_of_envoys() {
    let mut real = BTreeSet::new();
    for (prefix, stats) in [(Some("tollgate"), None), (Some("tollgate"), Some(as_istio_has_it())), (None, None)] {
        for line in series(prefix, stats).await {
            let name = line.split(['{', ' ']).next().unwrap().to_owned();
            // A cluster's counter begins with its first event, under the name that the listener's has.
            real.insert(name.replace("envoy_http_ext_authz", "envoy_cluster_ext_authz"));
            real.insert(name.replace("envoy_cluster_ext_authz_error", "envoy_cluster_ext_authz_ok"));
            for answer in ["ok", "denied"] {
                real.insert(name.replace("_tollgate_error", &format!("_tollgate_{answer}")));
            }
            real.insert(name);
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = vec![
        root.join("deploy/helm/tollgate/rules/tollgate.yaml"),
        root.join("deploy/helm/tollgate/dashboards/tollgate.json"),
        root.join("docs/operate.md"),
    ];
    files.extend(std::fs::read_dir(root.join("docs/runbooks")).unwrap().map(|entry| entry.unwrap().path()));
    let mut wrong = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let ours = words.filter(|word| {
            ["envoy_http_", "envoy_cluster_"].iter().any(|start| word.starts_with(start)) && word.contains("ext_authz")
        });
        wrong.extend(ours.filter(|word| !real.contains(*word)).map(|word| format!("{}: {word}", file.display())));
    }
    assert!(wrong.is_empty(), "{wrong:#?}; there are {real:#?}");
}

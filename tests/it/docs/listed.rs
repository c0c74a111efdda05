//! Lists that must be complete: the keys of policy documents, the keys that are not supported yet, the metrics.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time::Duration;

use prometheus_client::registry::Registry;
use serde_json::Value;
use tempfile::TempDir;
use tollgate::config::Config;
use tollgate::demo::pki::Authority;
use tollgate::http::webhook;
use tollgate::sources::certificates;
use tollgate::telemetry::METRIC_PREFIX;
use tollgate::transport::Listen;

use super::page::{Page, root};
use crate::support::{Ask, Gate, Setup};

/// The text between the first pair of backticks.
fn code(cell: &str) -> &str {
    cell.split('`').nth(1).unwrap_or_default()
}

#[track_caller]
fn same(what: &str, listed: &BTreeSet<String>, real: &BTreeSet<String>) {
    let missing: Vec<_> = real.difference(listed).collect();
    let unreal: Vec<_> = listed.difference(real).collect();
    assert!(
        missing.is_empty() && unreal.is_empty(),
        "{what}: not on the page: {missing:?}; on the page only: {unreal:?}"
    );
}

#[test]
fn every_key_of_every_kind_is_on_the_page_of_policies() {
    let page = Page::read("docs/policies.md");
    let schema = tollgate::bundle::schema();
    for kind in schema["oneOf"].as_array().unwrap() {
        let name = kind["properties"]["kind"]["const"].as_str().unwrap();
        let mut real = BTreeSet::new();
        keys(kind, "", &mut real);
        if name == "Tiers" {
            // All tiers have the same keys; the page has them once.
            let tier = |key: String| match key.split_once('.') {
                Some((_, rest)) if !is_shared(&key) => format!("*.{rest}"),
                None if !is_shared(&key) => "*".to_owned(),
                _ => key,
            };
            real = real.into_iter().map(tier).collect();
        }
        let (shared, own): (BTreeSet<_>, BTreeSet<_>) = real.into_iter().partition(|key| is_shared(key));
        let heading = if name == "Tiers" { "### Tiers: keys".to_owned() } else { format!("### {name}") };
        let listed = |heading: &str| page.rows(heading).iter().skip(1).map(|row| code(row[0]).to_owned()).collect();
        same(name, &listed(&heading), &own);
        same("every document", &listed("### Every document"), &shared);
    }
}

fn is_shared(key: &str) -> bool {
    ["apiVersion", "kind", "metadata", "metadata.name", "metadata.owner"].contains(&key)
}

/// The keys of a schema as `actions.*.routes[].http`: `*` for a name of the operator's, `[]` for each of a list.
fn keys(schema: &Value, prefix: &str, found: &mut BTreeSet<String>) {
    for one in schema["oneOf"].as_array().into_iter().flatten() {
        keys(one, prefix, found);
    }
    for (name, value) in schema["properties"].as_object().into_iter().flatten() {
        let path = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
        keys(value, &path, found);
        found.insert(path);
    }
    if schema["additionalProperties"].is_object() {
        keys(&schema["additionalProperties"], &format!("{prefix}.*"), found);
    }
    if schema["items"].is_object() {
        keys(&schema["items"], &format!("{prefix}[]"), found);
    }
}

#[test]
fn every_key_that_is_not_supported_yet_is_on_the_page_of_policies() {
    let mut real = BTreeSet::new();
    for file in ["src/bundle/documents.rs", "ground.rs", "service.rs", "contract.rs", "guardrail.rs", "test.rs"] {
        let file = if file.starts_with("src/") { file.to_owned() } else { format!("src/bundle/documents/{file}") };
        let text = fs::read_to_string(root().join(file)).unwrap();
        for part in text.split("later ").skip(1).filter(|part| part.starts_with(['{', '"'])) {
            // `"key": "what it is", …`, up to the closing brace.
            let mut parts: Vec<_> = part.split('}').next().unwrap().split("\": \"").collect();
            parts.pop();
            real.extend(parts.iter().filter_map(|before| before.rsplit_once('"')).map(|(_, key)| key.to_owned()));
        }
    }
    // `over` is a key of which only one value is supported.
    let page = Page::read("docs/policies.md");
    let rows = page.rows("## What is not supported yet");
    let listed: BTreeSet<_> = rows.iter().skip(1).map(|row| code(row[0]).to_owned()).collect();
    let real = real.into_iter().chain(["over".to_owned()]).collect();
    same("not supported yet", &listed, &real);
}

#[tokio::test]
async fn every_metric_is_on_the_page_of_operation() {
    let certificates = TempDir::new().unwrap();
    let authority = Authority::try_new().unwrap();
    let written = authority.server(&["tollgate"]).unwrap().write(certificates.path(), "tls").unwrap();
    fs::rename(written.certificate, certificates.path().join("tls.crt")).unwrap();
    let folder = certificates.path().to_owned();
    let change = Box::new(move |config: &mut Config| {
        // TLS has metrics of its own, and a socket has none of it.
        config.listen.insert(0, Listen::Unix(folder.join("socket")));
        let poll = Duration::from_mins(1);
        config.tls = Some(certificates::Config { folder, client_ca: None, allowed: vec![], poll });
    });
    let gate = Gate::start_with(Setup { change, ..Setup::default() }).await;
    // A family has no line before it has a first series.
    let _ = gate.check(&Ask::order()).await;
    let _ = gate.check(&Ask { path: "/v1/nowhere".into(), ..Ask::order() }).await;
    let text = gate.metrics().await;
    gate.end().await;
    let mut real = exposed(&text);
    let page = Page::read("docs/operate.md");
    assert_eq!(metrics(&page, "## Metrics"), real, "the table of metrics, and what is exposed");
    let (mut registry, mut text) = (Registry::with_prefix(METRIC_PREFIX), String::new());
    webhook::Metrics::default().register(&mut registry);
    prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
    let of_webhook = exposed(&text);
    assert_eq!(metrics(&page, "### Metrics of the webhook"), of_webhook);
    real.extend(of_webhook);
    let named = page.text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let series =
        |name: &str| ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end)).map(str::to_owned);
    let unreal: BTreeSet<_> = named
        .filter(|word| word.starts_with("tollgate_") && !real.contains_key(*word))
        .filter(|word| series(word).is_none_or(|name| !real.contains_key(&name)))
        .collect();
    assert!(unreal.is_empty(), "named on the page, and not there: {unreal:?}");
}

/// The same of a table.
fn metrics(page: &Page, heading: &str) -> BTreeMap<String, (String, BTreeSet<String>)> {
    let rows = page.rows(heading);
    let read = |row: &Vec<&str>| {
        let labels: BTreeSet<_> = row[2].split('`').skip(1).step_by(2).map(str::to_owned).collect();
        (code(row[0]).to_owned(), (row[1].to_owned(), labels))
    };
    rows.iter().skip(1).map(read).collect()
}

/// Type and labels by the name that is queried.
fn exposed(text: &str) -> BTreeMap<String, (String, BTreeSet<String>)> {
    let mut found: BTreeMap<String, (String, BTreeSet<String>)> = BTreeMap::new();
    for line in text.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
        let (name, kind) = line.split_once(' ').unwrap();
        let end = match kind {
            "counter" => "_total",
            "info" => "_info",
            _ => "",
        };
        let mut labels = BTreeSet::new();
        for sample in text.lines().filter(|line| !line.starts_with('#')) {
            let Some((series, rest)) = sample.split_once('{') else { continue };
            if series == format!("{name}{end}") || series == format!("{name}_bucket") {
                let inside = rest.rsplit_once('}').unwrap().0;
                labels.extend(inside.split("\",").map(|pair| pair.split('=').next().unwrap().to_owned()));
            }
        }
        labels.remove("le");
        found.insert(format!("{name}{end}"), (kind.to_owned(), labels));
    }
    found
}

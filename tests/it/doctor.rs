//! `tollgate doctor`: each failure that it knows is planted in a file of its own, and found there and nowhere else.

mod istio;
mod kubernetes;

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Value, json};
use tollgate::attach::doctor::{Report, codes, examine};
use tollgate::yaml::SourceFile;

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/doctor").join(name)
}

/// Name and text of each file, sorted.
fn files(name: &str) -> Vec<(String, String)> {
    let mut files: Vec<_> = fs::read_dir(folder(name))
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            (path.file_stem().unwrap().to_str().unwrap().to_owned(), fs::read_to_string(path).unwrap())
        })
        .collect();
    files.sort();
    files
}

fn look(name: &str, text: &str) -> Report {
    let report = examine(&[SourceFile { name: name.to_owned(), text: text.to_owned() }]);
    assert!(report.unread.is_empty(), "{name}: {}", report.unread);
    report
}

fn shown(report: &Report) -> String {
    let line =
        |one: &tollgate::attach::doctor::Finding| format!("{}: {} ({})\n", one.code.name, one.problem, one.field);
    report.findings.iter().map(line).collect()
}

#[test]
fn what_is_planted_is_found_at_its_line_and_nothing_else_is() {
    let mut wrong = Vec::new();
    for (code, text) in files("bad") {
        let report = look(&code, &text);
        let found: Vec<_> = report
            .findings
            .iter()
            .map(|one| (one.code.name, one.problem.place.as_ref().map_or(0, tollgate::yaml::Place::line)))
            .collect();
        let is_marked = |(_, line): &(usize, &str)| line.ends_with("# <-");
        let planted: Vec<_> =
            text.lines().enumerate().filter(is_marked).map(|(line, _)| (code.as_str(), line + 1)).collect();
        if found != planted || planted.is_empty() {
            wrong.push(format!("{code}: planted {planted:?}, found {found:?}\n{}", shown(&report)));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn every_code_is_planted_once_and_every_plant_has_a_code() {
    let planted: BTreeSet<_> = files("bad").into_iter().map(|(code, _)| code).collect();
    let known: BTreeSet<_> = codes().map(|code| code.name.to_owned()).collect();
    assert_eq!(planted, known);
    assert_eq!(codes().count(), known.len(), "no code is there twice");
}

#[test]
fn nothing_is_found_in_what_is_recommended() {
    for (name, text) in files("good") {
        let report = look(&name, &text);
        assert!(report.findings.is_empty(), "{name}:\n{}", shown(&report));
        assert!(!report.looked_at.is_empty(), "{name}");
    }
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/envoy/plain.yaml");
    let report = look("plain.yaml", &fs::read_to_string(shipped).unwrap());
    assert!(report.findings.is_empty(), "{}", shown(&report));
}

#[test]
fn a_filter_is_found_off_under_a_name_of_its_own() {
    let text = fs::read_to_string(folder("bad").join("envoy.disabled-for-host.yaml")).unwrap();
    let text = text.replace("envoy.filters.http.ext_authz", "gate");
    let text = text
        .replace("envoy.extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute", "envoy.config.route.v3.FilterConfig");
    let found = look("named", &text);
    assert_eq!(found.findings.iter().map(|one| one.code.name).collect::<Vec<_>>(), ["envoy.disabled-for-host"]);
}

#[test]
fn a_route_in_a_tree_of_matchers_is_looked_at() {
    let text = fs::read_to_string(folder("bad").join("envoy.disabled-by-prefix.yaml")).unwrap();
    let before = "                      routes:\n";
    let tree = "                      matcher:\n                        on_no_match:\n                          action:\n                            \
                name: route\n                            typed_config:\n                              \
                \"@type\": type.googleapis.com/envoy.config.route.v3.Route\n                              \
                match: { prefix: / }\n                              route: { cluster: app }\n                              \
                typed_per_filter_config:\n                                \
                envoy.filters.http.ext_authz: { disabled: true }\n";
    assert!(text.contains(before), "{text}");
    let found = look("tree", &text.replace(before, &format!("{tree}{before}")));
    assert_eq!(
        found.findings.iter().filter(|one| one.code.name == "envoy.disabled-by-prefix").count(),
        2,
        "{}",
        shown(&found)
    );
}

#[test]
fn routes_that_were_not_given_are_told_of() {
    let text = fs::read_to_string(folder("good").join("envoy.yaml")).unwrap();
    assert!(!look("given", &text).notes.iter().any(|note| note.contains("fetches its routes")));
    let fetched = text.replace("route_config:", "rds: { route_config_name: shop }\n                left_out:");
    let notes = look("fetched", &fetched).notes;
    assert!(notes.iter().any(|note| note.contains("fetches its routes (`shop`)")), "{notes:?}");
}

#[test]
fn the_same_is_found_in_other_words() {
    let cases = [
        (
            "envoy-gateway.policy-replaced",
            "targetRefs: [{ group: gateway.networking.k8s.io, kind: HTTPRoute, name: orders }]",
            "targetSelectors: [{ group: gateway.networking.k8s.io, kind: HTTPRoute, matchLabels: {} }]",
        ),
        ("istio.fail-open", "failOpen: true", "failOpen: yes"),
        ("istio.timeout-long", "timeout: 600s", "timeout: 10m"),
        ("istio.status-on-error", "statusOnError: \"403\"", "statusOnError: 403"),
        ("envoy.failure-mode-allow", "failure_mode_allow: true", "failureModeAllow: true"),
        ("envoy.status-on-error", "code: Forbidden", "code: 403"),
        ("envoy.disabled-by-prefix", "ext_authz.v3.ExtAuthzPerRoute", "route.v3.FilterConfig"),
        (
            "envoy.disabled-for-host",
            "disabled: true",
            "disabled: false\n                        gate/ext_authz: { config: { disabled: true } }",
        ),
        (
            "envoy.partly-on",
            "filter_enabled: { default_value: { numerator: 50, denominator: HUNDRED } }",
            "filter_enabled_metadata: { filter: gate, path: [{ key: on }], value: { bool_match: true } }",
        ),
        ("istio.filter-added-last", "operation: ADD", "operation: INSERT_AFTER"),
        ("istio.filter-removed", "operation: REMOVE", "value: { name: lua }\n        operation: REPLACE"),
        // Whoever sends a header that takes a request out is not asked about.
        ("istio.only-listed", "paths: [/api/*]", "{ }\n      when: [{ key: \"request.headers[x]\", notValues: [a] }]"),
        ("envoy.cluster-one-address", "type: STRICT_DNS", "type: LOGICAL_DNS"),
        (
            "envoy.hidden-headers-left",
            "disallowed_headers: { patterns: [{ exact: cookie }] }",
            "allowed_headers: { patterns: [{ safe_regex: { regex: .* } }, { prefix: x- }, { prefix: con }] }",
        ),
        (
            "envoy.headers-hidden",
            "allowed_headers: { patterns: [{ prefix: x- }",
            "disallowed_headers: { patterns: [{ prefix: x- }",
        ),
        (
            "envoy-gateway.target-missing",
            "targetRefs: [{ group: gateway.networking.k8s.io, kind: HTTPRoute, name: orders }]",
            "targetRef: { group: gateway.networking.k8s.io, kind: HTTPRoute, name: orders }",
        ),
        (
            "kubernetes.probe-on-check-port",
            ", --tls, /etc/tollgate/tls]",
            ", --listen, \"unix:/run/tollgate/tollgate.sock\"]",
        ),
    ];
    for (code, one, other) in cases {
        let text = fs::read_to_string(folder("bad").join(format!("{code}.yaml"))).unwrap();
        assert!(text.contains(one), "{code}: {one}");
        let report = look(code, &text.replace(one, other));
        assert!(report.findings.iter().any(|one| one.code.name == code), "{code}: {other}\n{}", shown(&report));
    }
}

/// Values as they may stand anywhere in a manifest.
fn any_yaml() -> impl Strategy<Value = Value> {
    const KEYS: &[&str] = &[
        "apiVersion",
        "kind",
        "metadata",
        "spec",
        "items",
        "data",
        "configs",
        "@type",
        "static_resources",
        "listeners",
        "filter_chains",
        "filters",
        "typed_config",
        "http_filters",
        "name",
        "namespace",
        "rules",
        "extAuth",
        "grpc",
        "backendRefs",
        "extensionProviders",
        "envoyExtAuthzGrpc",
        "timeout",
        "containers",
        "volumes",
        "template",
        "args",
        "volumeMounts",
        "mountPath",
        "targetRefs",
        "selector",
        "egress",
        "hosts",
        "clusters",
        "load_assignment",
    ];
    const WORDS: &[&str] = &[
        "true",
        "tollgate",
        "CUSTOM",
        "AuthorizationPolicy",
        "security.istio.io/v1",
        "List",
        "ConfigMap",
        "v1",
        "Deployment",
        "apps/v1",
        "SecurityPolicy",
        "gateway.envoyproxy.io/v1alpha1",
        "9000",
        "0.25s",
        "--listen",
        "unix:/a/b",
        "",
        "extensionProviders: [",
        "static_resources: {}",
        "\u{1f600}",
        "99999999999999999999s",
        "-1",
        "1e999",
        "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthz",
    ];
    let leaf = prop_oneof![
        select(WORDS).prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        Just(Value::Null),
        "\\PC{0,8}".prop_map(Value::from)
    ];
    leaf.prop_recursive(8, 96, 6, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            vec((select(KEYS), inner), 0..7).prop_map(|entries| entries
                .into_iter()
                .map(|(key, value)| (key.to_owned(), value))
                .collect::<serde_json::Map<_, _>>()
                .into()),
        ]
    })
}

/// Every planted file with a piece of something else in it.
fn broken_plant() -> impl Strategy<Value = String> {
    let texts: Vec<_> = files("bad").into_iter().chain(files("good")).map(|(_, text)| text).collect();
    (select(texts.clone()), select(texts), any::<Index>(), any::<Index>(), any::<Index>()).prop_map(
        |(one, other, start, end, at)| {
            let lines: Vec<_> = one.lines().collect();
            let from: Vec<_> = other.lines().collect();
            let (a, b) = (start.index(from.len()), end.index(from.len()));
            let at = at.index(lines.len());
            let piece = from.get(a.min(b)..a.max(b)).unwrap_or_default();
            [&lines[..at], piece, &lines[at..]].concat().join("\n")
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_written_is_looked_at_or_refused(value in any_yaml()) {
        let file = |text| SourceFile { name: "any.yaml".to_owned(), text };
        let report = examine(&[file(value.to_string()), file(format!("{value:#}"))]);
        prop_assert!(report.unread.is_empty(), "JSON is YAML: {} in {value:#}", report.unread);
    }

    #[test]
    fn a_file_in_pieces_is_looked_at_or_refused(text in broken_plant()) {
        let report = examine(&[SourceFile { name: "any.yaml".to_owned(), text }]);
        for one in &report.findings {
            prop_assert!(one.problem.place.as_ref().is_some_and(|place| place.line() > 0));
        }
    }
}

fn run(arguments: &[&str], stdin: &str) -> (Option<i32>, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_tollgate"))
        .arg("doctor")
        .args(arguments)
        .current_dir(folder("."))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Who is refused at its arguments reads nothing.
    let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
    let output = child.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(said).unwrap())
}

#[track_caller]
fn says(arguments: &[&str], stdin: &str, status: i32, parts: &[&str]) {
    let (code, said) = run(arguments, stdin);
    assert_eq!(code, Some(status), "{arguments:?}: {said}");
    for part in parts {
        assert!(said.contains(part), "{part:?} in what {arguments:?} says: {said}");
    }
}

#[test]
fn the_command_says_what_where_and_how_to_mend_it() {
    let parts = [
        "error[istio.fail-open]: the provider lets requests pass that were not judged",
        "bad/istio.fail-open.yaml:9:19",
        "help: set `failOpen: false`",
        "in mesh configuration: meshConfig.extensionProviders[0].envoyExtAuthzGrpc.failOpen",
        "1 error; docs/doctor.md says what each code means",
        "looked at: 1 mesh configuration",
    ];
    says(&["bad/istio.fail-open.yaml"], "", 1, &parts);
    let warning = fs::read_to_string(folder("bad").join("envoy-gateway.timeout-missing.yaml")).unwrap();
    says(
        &["-"],
        &warning,
        1,
        &["warning[envoy-gateway.timeout-missing]", "stdin:6:3", "SecurityPolicy tollgate-system/tollgate"],
    );
    says(&["-", "--allow", "warnings"], &warning, 0, &["nothing was found in what was looked at"]);
    says(&["-", "--allow", "envoy-gateway.timeout-missing"], &warning, 0, &[]);
    says(
        &["-", "--allow", "envoy-gateway.timeout-mising"],
        &warning,
        2,
        &["did you mean `envoy-gateway.timeout-missing`?"],
    );
    says(&["bad/kubernetes.policies-immutable.yaml"], "", 0, &["note[kubernetes.policies-immutable]", "1 note"]);
    let json = [r#""code": "istio.fail-open""#, r#""severity": "error""#, r#""line": 9"#, r#""good": false"#];
    says(&["bad/istio.fail-open.yaml", "--output", "json"], "", 1, &json);
    says(&["good"], "", 0, &["nothing was found in what was looked at", "4 AuthorizationPolicy"]);
    says(&["good", "--output", "json"], "", 0, &[r#""good": true"#, r#""lookedAt""#]);
    says(&[], "", 2, &["<FILE>"]);
}

#[test]
fn what_cannot_be_read_is_said_and_what_can_be_is_looked_at() {
    says(&["-"], "kind: [\n", 3, &["this is not YAML", "stdin:1:9"]);
    says(&["/nowhere"], "", 3, &["cannot read `/nowhere`", "help: name manifests"]);
    says(&["-"], "{{- if .Values.a }}\nkind: Service\n", 3, &["is a template", "help: render it first"]);
    let half = fs::read_to_string(folder("bad").join("istio.fail-open.yaml")).unwrap() + "---\nkind: [\n";
    says(&["-"], &half, 3, &["error[istio.fail-open]", "this is not YAML", "1 error, 1 unreadable place"]);
    says(
        &["-"],
        "",
        3,
        &["no object and no configuration", "did the command before the pipe fail?", "looked at: nothing"],
    );
}

#[test]
fn what_cannot_be_told_is_no_finding() {
    let policy = fs::read_to_string(folder("bad").join("istio.provider-unknown.yaml")).unwrap();
    let alone = policy.split("---").next().unwrap();
    says(&["-"], alone, 0, &["not told: no mesh configuration was given"]);
    let replaced = fs::read_to_string(folder("bad").join("envoy-gateway.policy-replaced.yaml")).unwrap();
    let without_route = replaced.replace("kind: HTTPRoute\n", "kind: TLSRoute\n");
    says(&["-"], &without_route, 0, &["not told: SecurityPolicy shop/cors replaces what its Gateway has"]);
    says(&["-"], &replaced.replace("name: public, namespace: infra", "name: public, namespace: shop"), 0, &[]);
    let reference = fs::read_to_string(folder("bad").join("envoy-gateway.reference-grant-missing.yaml")).unwrap();
    says(
        &["-"],
        reference.split("---").next().unwrap(),
        0,
        &["not told: SecurityPolicy shop/tollgate refers to namespace"],
    );
    says(&["-"], "apiVersion: example.com/v1\nkind: Cactus\n", 3, &["not looked at: 1 Cactus"]);
}

#[test]
fn lists_and_json_are_read_as_kubectl_writes_them() {
    let policy = fs::read_to_string(folder("bad").join("istio.rules-missing.yaml")).unwrap();
    let items = policy.replace('\n', "\n  ");
    says(&["-"], &format!("apiVersion: v1\nkind: List\nitems:\n- {items}"), 1, &["istio.rules-missing", "stdin:7:3"]);
    let json = json!({ "apiVersion": "v1", "kind": "List", "items": [{
        "apiVersion": "security.istio.io/v1", "kind": "AuthorizationPolicy",
        "metadata": { "name": "tollgate", "annotations": { "note": "\u{1f600}/" } },
        "spec": { "action": "CUSTOM", "provider": { "name": "tollgate" } },
    }]});
    let escaped = json.to_string().replace('\u{1f600}', "\\ud83d\\ude00").replace('/', "\\/");
    says(&["-"], &escaped, 1, &["istio.rules-missing"]);
    // Of a long line a part is shown, and the place is that in the file.
    let long = json.to_string().replace('\u{1f600}', &"x".repeat(5_000));
    let column = long.find("\"spec\"").unwrap() + 1;
    says(&["-"], &long, 1, &["istio.rules-missing", &format!("stdin:1:{column}\n"), "\"spec\""]);
}

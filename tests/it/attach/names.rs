//! What attachments are called: the same by the chart and by the command, and each otherwise.

use std::collections::BTreeSet;
use std::fs;

use super::{chart, helm, of_the_command};

/// Names of the objects of this kind.
fn names(text: &str, kind: &str) -> Vec<String> {
    let all = text.split("---\n").filter(|document| document.contains(&format!("\nkind: {kind}\n")));
    let name = |document: &str| document.lines().find_map(|line| line.strip_prefix("  name: ")).unwrap().to_owned();
    all.map(name).collect()
}

/// All workloads in one release, and each by the command. `LONG` stands for a name that must be cut.
#[track_caller]
fn the_same(values: &str, mesh: &str, kind: &str, cases: &[(&str, &str)]) {
    let long = |text: &str| text.replace("LONG", &"long-".repeat(12));
    let file = tempfile::NamedTempFile::new().unwrap();
    let workloads: String =
        cases.iter().map(|(workload, _)| long(&format!("    - {{ namespace: shop, {workload} }}\n"))).collect();
    fs::write(file.path(), format!("attach:\n  {values}:\n   enabled: true\n   workloads:\n{workloads}")).unwrap();
    let rendered = helm(&chart(), &["--values", file.path().to_str().unwrap()]).unwrap();
    let rendered: BTreeSet<_> = names(&rendered, kind).into_iter().collect();
    let printed = cases.iter().flat_map(|(_, flags)| {
        let line = long(&format!("{mesh} -n shop {flags}"));
        names(&of_the_command(line.trim()), kind)
    });
    assert_eq!(rendered, printed.collect());
    assert_eq!(rendered.len(), cases.len(), "{rendered:#?}");
}

#[test]
fn workloads_of_istio_are_called_the_same_by_the_chart_and_the_command() {
    the_same(
        "istio",
        "istio --only objects",
        "AuthorizationPolicy",
        &[
            ("", ""),
            ("selector: { app.kubernetes.io/name: orders }", "--selector app.kubernetes.io/name=orders"),
            ("selector: { app.kubernetes.io/name: app-orders }", "--selector app.kubernetes.io/name=app-orders"),
            ("selector: { app.kubernetes.io/name: enforce }", "--selector app.kubernetes.io/name=enforce"),
            ("selector: { app: orders }", "--selector app=orders"),
            ("selector: { app: a.b }", "--selector app=a.b"),
            ("selector: { app: a-b }", "--selector app=a-b"),
            ("selector: { tier: orders }", "--selector tier=orders"),
            ("selector: { x.example/Tier: Orders }", "--selector x.example/Tier=Orders"),
            ("selector: { app: orders, tier: '1' }", "--selector tier=1 --selector app=orders"),
            ("selector: { tollgate.dev/enforce: 'true' }", "--selector tollgate.dev/enforce=true"),
            ("gateway: orders", "--gateway orders"),
            ("waypoint: LONGa", "--waypoint LONGa"),
            ("waypoint: LONGb", "--waypoint LONGb"),
        ],
    );
}

#[test]
fn workloads_of_envoy_gateway_are_called_the_same_by_the_chart_and_the_command() {
    the_same(
        "envoyGateway",
        "envoy-gateway",
        "SecurityPolicy",
        &[
            ("", ""),
            ("routes: [orders]", "--route orders"),
            ("routes: [enforce]", "--route enforce"),
            ("grpcRoutes: [orders]", "--grpc-route orders"),
            ("routes: [b, a, b]", "--route a --route b --route a"),
            ("routes: [a-b]", "--route a-b"),
            ("routes: [a], grpcRoutes: [b]", "--route a --grpc-route b"),
            ("gateway: a.b", "--gateway a.b"),
            ("gateway: a-b", "--gateway a-b"),
            ("selector: { app: orders }", "--selector app=orders"),
        ],
    );
}

#[test]
fn two_workloads_of_one_name_are_refused_whoever_named_them() {
    for (values, name) in [
        ("istio: { enabled: true, workloads: [{ namespace: a }, { namespace: a }] }", "rel-tollgate"),
        (
            "istio: { enabled: true, workloads: [{ namespace: a, gateway: b }, { namespace: a, waypoint: b }] }",
            "rel-tollgate-gateway-b",
        ),
        (
            "istio: { enabled: true, workloads: [{ namespace: a, name: x, gateway: b }, { namespace: a, name: x, gateway: c }] }",
            "x",
        ),
        (
            "istio: { enabled: true, workloads: [{ namespace: a, selector: { app: b } }, { namespace: a, name: rel-tollgate-app-b, gateway: c }] }",
            "rel-tollgate-app-b",
        ),
        (
            "envoyGateway: { enabled: true, workloads: [{ namespace: a, name: x, routes: [b] }, { namespace: a, name: x, routes: [c] }] }",
            "x",
        ),
    ] {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), format!("attach:\n  {values}\n")).unwrap();
        let said = helm(&chart(), &["--values", file.path().to_str().unwrap()]).unwrap_err();
        let says = format!("namespace a: two workloads would be called {name}: give one of them a `name`");
        assert!(said.contains(&says), "{values}: {said}");
    }
    // In two namespaces they are two.
    let file = tempfile::NamedTempFile::new().unwrap();
    let apart =
        "attach: { istio: { enabled: true, workloads: [{ namespace: a, name: x }, { namespace: b, name: x }] } }";
    fs::write(file.path(), apart).unwrap();
    helm(&chart(), &["--values", file.path().to_str().unwrap()]).unwrap();
}

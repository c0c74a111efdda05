//! What is found of Istio: selectors, namespaces, patches and what goes past the sidecar.

use std::fs;

use super::{folder, look, says, shown};

#[test]
fn a_filter_that_istio_turns_off_is_found_where_it_is_off_for_more_than_a_route() {
    let patch = |apply_to: &str, matches: &str| {
        format!(
            "apiVersion: networking.istio.io/v1alpha3\nkind: EnvoyFilter\nmetadata: {{ name: tollgate-off, namespace: shop }}\n\
             spec:\n  configPatches:\n    - applyTo: {apply_to}\n      match: {{ routeConfiguration: {{ vhost: {matches} }} }}\n      \
             patch:\n        operation: MERGE\n        value:\n          typed_per_filter_config:\n            \
             envoy.filters.http.ext_authz: {{ disabled: true }}\n"
        )
    };
    for apply_to in ["VIRTUAL_HOST", "HTTP_ROUTE"] {
        says(&["-"], &patch(apply_to, "{ name: all }"), 1, &["envoy.disabled-for-host", "stdin:12:55"]);
    }
    says(&["-"], &patch("HTTP_ROUTE", "{ route: { name: health } }"), 0, &["not told: EnvoyFilter shop/tollgate-off"]);
}

#[test]
fn who_turns_the_question_off_need_not_name_tollgate() {
    let ours = fs::read_to_string(folder("bad").join("istio.filter-added-last.yaml")).unwrap();
    let ours = ours.replace("operation: ADD", "operation: INSERT_BEFORE");
    assert!(look("ours", &ours).findings.is_empty(), "{}", shown(&look("ours", &ours)));
    let removes = fs::read_to_string(folder("bad").join("istio.filter-removed.yaml")).unwrap();
    let found = look("both", &format!("{ours}---\n{removes}"));
    assert_eq!(found.findings.iter().map(|one| one.code.name).collect::<Vec<_>>(), ["istio.filter-removed"]);
}

#[test]
fn what_is_merged_is_judged_by_what_it_names() {
    let text = fs::read_to_string(folder("bad").join("istio.merged-fail-open.yaml")).unwrap();
    let named = |settings: &str| {
        let report = look("merged", &text.replace("failure_mode_allow: true", settings));
        report.findings.iter().map(|one| one.code.name).collect::<Vec<_>>()
    };
    assert!(named("failure_mode_allow: false").is_empty());
    assert!(named("with_request_body: { max_request_bytes: 1024 }").is_empty());
    assert_eq!(named("shadow_mode: true"), ["envoy.shadow-mode"]);
    assert_eq!(named("grpc_service: { timeout: 60s }"), ["envoy.timeout-long"]);
    let ours = fs::read_to_string(folder("good").join("istio-envoy-filter.yaml")).unwrap();
    let found = look("both", &format!("{ours}---\n{text}"));
    assert_eq!(found.findings.iter().map(|one| one.code.name).collect::<Vec<_>>(), ["istio.merged-fail-open"]);
}

#[test]
fn what_goes_past_the_sidecar_is_found_where_an_attachment_is_for_it() {
    let off = fs::read_to_string(folder("bad").join("istio.sidecar-off.yaml")).unwrap();
    let names = |text: &str| look("past", text).findings.iter().map(|one| one.code.name).collect::<Vec<_>>();
    let other = off.replace(
        "selector: { matchLabels: { app.kubernetes.io/name: orders } }\n  action",
        "selector: { matchLabels: { app.kubernetes.io/name: stock } }\n  action",
    );
    assert_eq!(names(&other), ["istio.selector-unmatched"], "it is for another");
    let untaken = off
        .replace("sidecar.istio.io/inject: \"false\" # <-", "a: b")
        .replace("      labels:\n", "      annotations: { sidecar.istio.io/interceptionMode: NONE }\n      labels:\n");
    assert_eq!(names(&untaken), ["istio.sidecar-off"]);
    assert!(
        names(&off.replace(
            "Deployment\nmetadata: { name: orders, namespace: shop }",
            "Deployment\nmetadata: { name: orders, namespace: other }"
        ))
        .is_empty()
    );
    let root = off.replace("name: tollgate, namespace: shop", "name: tollgate, namespace: istio-system");
    assert_eq!(names(&root), ["istio.sidecar-off"]);
    assert!(names(&off.replace("- { name: app,", "- { name: istio-proxy,")).is_empty(), "it was put in by hand");
    let ambient = "---\napiVersion: v1\nkind: Namespace\nmetadata: { name: shop, labels: { istio.io/dataplane-mode: ambient } }\n";
    assert!(names(&format!("{off}{ambient}")).is_empty());
    let network = off
        .replace("sidecar.istio.io/inject: \"false\"", "a: b")
        .replace("      containers", "      hostNetwork: true\n      containers");
    assert_eq!(names(&network), ["istio.sidecar-off"]);
    let quiet = fs::read_to_string(folder("bad").join("istio.sidecar-off-in-namespace.yaml")).unwrap();
    assert!(names(&quiet.replace(", ports: [{ containerPort: 8080 }]", "")).is_empty(), "it serves nothing");
    let meshs = quiet.replace("namespace: shop", "namespace: istio-system");
    assert!(names(&meshs).is_empty(), "istiod has no sidecar");
    let nodes = quiet
        .replace("includeInboundPorts: \"\"", "includeInboundPorts: \"*\"")
        .replace("      containers", "      hostNetwork: true\n      containers");
    assert!(names(&nodes).is_empty(), "it is the node's");
    let injected = quiet.replace(
        "- { name: app,",
        "- { name: istio-proxy, ports: [{ containerPort: 15090 }] }\n        - { name: app,",
    );
    assert_eq!(names(&injected), ["istio.sidecar-off-in-namespace"]);
    assert!(names(&injected.replace("includeInboundPorts: \"\"", "includeInboundPorts: \"8080\"")).is_empty());
}

#[test]
fn a_selector_is_held_against_the_pods_that_it_may_be_for() {
    let text = fs::read_to_string(folder("bad").join("istio.selector-unmatched.yaml")).unwrap();
    let names = |text: &str| look("selector", text).findings.iter().map(|one| one.code.name).collect::<Vec<_>>();
    let pods = |from: &str, to: &str| text.replace(from, to);
    assert!(names(&pods("{ name: orders, namespace: shop }", "{ name: orders, namespace: other }")).is_empty());
    let of_tollgate = pods(
        "- { name: app, image: ghcr.io/shop/orders:1.0.0,",
        "- { name: webhook, image: a/tollgate:1, args: [webhook],",
    );
    assert!(names(&of_tollgate).is_empty(), "it is Tollgate's own");
    let root = pods("{ name: tollgate, namespace: shop }", "{ name: tollgate, namespace: istio-system }");
    assert_eq!(names(&root), ["istio.selector-unmatched"], "one of the root namespace is for all");
    assert!(names(&root.replace("name: order\n", "name: orders\n")).is_empty());
    for unwritten in
        ["istio: ingressgateway", "app: istio-ingressgateway", "statefulset.kubernetes.io/pod-name: orders-0"]
    {
        assert!(names(&pods("app.kubernetes.io/name: order\n", &format!("{unwritten}\n"))).is_empty(), "{unwritten}");
    }
    let made = pods("argoproj.io/v1alpha1\nkind: Rollout", "apps/v1\nkind: ReplicaSet");
    assert_eq!(names(&made), ["istio.selector-unmatched"]);
    let owned = made.replace(
        "{ name: orders, namespace: shop }",
        "{ name: orders, namespace: shop, ownerReferences: [{ kind: Deployment }] }",
    );
    assert!(names(&owned).is_empty(), "its Deployment describes its pods");
}

#[test]
fn a_namespace_without_proxies_is_found_where_something_is_attached() {
    let text = fs::read_to_string(folder("bad").join("istio.namespace-without-proxy.yaml")).unwrap();
    let names = |text: &str| look("namespace", text).findings.iter().map(|one| one.code.name).collect::<Vec<_>>();
    let labelled = |label: &str| text.replace("istio-injection: disabled # <-", label);
    assert!(names(&labelled("istio-injection: enabled")).is_empty());
    assert!(names(&labelled("istio.io/rev: stable")).is_empty());
    assert_eq!(
        names(&labelled("istio.io/rev: stable\n    istio-injection: disabled")),
        ["istio.namespace-without-proxy"]
    );
    assert!(names(&labelled("istio.io/dataplane-mode: ambient")).is_empty());
    let silent = labelled("team: orders");
    assert!(names(&silent).is_empty(), "its pod says so");
    let pods_too = silent.replace(", sidecar.istio.io/inject: \"true\"", "");
    assert_eq!(names(&pods_too), ["istio.namespace-without-proxy"]);
    assert!(names(&pods_too.replace("- { name: app,", "- { name: istio-proxy,")).is_empty(), "it was put in by hand");
    let revision = pods_too.replace(
        "app.kubernetes.io/name: orders }\n    spec",
        "app.kubernetes.io/name: orders, istio.io/rev: stable }\n    spec",
    );
    assert!(names(&revision).is_empty() && revision != pods_too);
    let elsewhere = text.replace("{ name: tollgate, namespace: shop }", "{ name: tollgate, namespace: other }");
    assert!(names(&elsewhere).is_empty(), "nothing is attached there");
    let root =
        pods_too.replace("namespace: shop", "namespace: istio-system").replace("name: shop", "name: istio-system");
    assert!(names(&root).is_empty(), "it is for all namespaces");
    let gateway =
        "---\napiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: { name: public, namespace: shop }\n";
    assert!(names(&format!("{pods_too}{gateway}")).is_empty(), "gateways are proxies");
    let (without_pods, _) = pods_too.split_once("---\napiVersion: apps/v1").unwrap();
    let report = look("namespace", without_pods);
    assert!(report.findings.is_empty() && report.notes.iter().any(|note| note.contains("none of them were given")));
}

#[test]
fn a_filter_that_is_off_is_turned_on_by_a_patch_of_routes() {
    let text = fs::read_to_string(folder("bad").join("istio.filter-disabled.yaml")).unwrap();
    let names = |text: &str| look("disabled", text).findings.iter().map(|one| one.code.name).collect::<Vec<_>>();
    let patch = "    - applyTo: VIRTUAL_HOST\n      patch: { operation: MERGE, value: { typed_per_filter_config: { envoy.filters.http.ext_authz: \
                 { \"@type\": type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute, check_settings: {} } } } }\n";
    assert!(names(&format!("{text}{patch}")).is_empty());
    let table = patch
        .replace("VIRTUAL_HOST", "ROUTE_CONFIGURATION")
        .replace("value: {", "value: { virtual_hosts: [{")
        .replace("} } } } }", "} } } }] } }");
    assert!(names(&format!("{text}{table}")).is_empty(), "{table}");
    let named = text.replace("name: envoy.filters.http.ext_authz", "name: gate");
    let settings = "envoy.filters.http.ext_authz: { \"@type\": type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute, check_settings: {} }";
    let of_gate = patch
        .replace(settings, "gate: { \"@type\": type.googleapis.com/envoy.config.route.v3.FilterConfig, config: {} }");
    assert!(of_gate != patch && names(&format!("{named}{of_gate}")).is_empty());
    assert_eq!(names(&format!("{text}{of_gate}")), ["istio.filter-disabled"], "it is another filter's");
    assert!(names(&text.replace("INSERT_BEFORE", "MERGE")).is_empty(), "Istio merges settings, and not this");
}

#[test]
fn users_are_read_where_istio_leaves_them() {
    let text = fs::read_to_string(folder("bad").join("istio.payload-key.yaml")).unwrap();
    let names = |text: &str| look("payload", text).findings.iter().map(|one| one.code.name).collect::<Vec<_>>();
    for key in ["payload", "https://login.shop.example", "login@shop.example"] {
        assert!(names(&text.replace("jwt_authn/claims", &format!("jwt_authn/{key}"))).is_empty(), "{key}");
    }
    let own = text.replace("stat_prefix: tollgate", "stat_prefix: tollgate\n            payloadInMetadata: claims");
    assert!(names(&own).is_empty(), "a token filter that was put in by hand has keys of its own");
}

#[test]
fn what_one_policy_lists_another_may_be_about_the_rest_of() {
    let listed = fs::read_to_string(folder("bad").join("istio.only-listed.yaml")).unwrap();
    let names = |text: &str| look("listed", text).findings.iter().map(|one| one.code.name).collect::<Vec<_>>();
    let rest = listed.replace("name: tollgate, namespace", "name: tollgate-rest, namespace");
    let (rest, _) = rest.split_once("  rules:\n").unwrap();
    assert!(names(&format!("{listed}---\n{rest}  rules: [{{}}]\n")).is_empty());
    let other = rest.replace("name: orders", "name: stock");
    assert_eq!(names(&format!("{listed}---\n{other}  rules: [{{}}]\n")), ["istio.only-listed"]);
    assert!(names(&listed.replace("[/api/*]", "[\"/*\"]")).is_empty());
    let header = listed.split_once("    - to:\n").unwrap().0.to_owned()
        + "    - when: [{ key: \"request.headers[x-check]\", values: [\"*\"] }]\n";
    assert_eq!(names(&header), ["istio.only-listed"]);
}

/// A Tollgate that takes out no more than it was shown is in the second half of a planted file.
#[test]
fn headers_that_a_patch_hides_are_found_where_only_seen_ones_are_taken_out() {
    let planted = fs::read_to_string(folder("bad").join("envoy.hidden-headers-left.yaml")).unwrap();
    let (_, tollgate) = planted.split_once("\n---\n").unwrap();
    let merged = fs::read_to_string(folder("bad").join("istio.merged-fail-open.yaml")).unwrap();
    let hides = merged.replace("failure_mode_allow: true", "disallowed_headers: { patterns: [{ exact: cookie }] }");
    let names = |text: &str| look("hidden", text).findings.iter().map(|one| one.code.name).collect::<Vec<_>>();
    let with = |tollgate: &str| names(&format!("{hides}---\n{tollgate}"));
    assert_eq!(with(tollgate), ["envoy.hidden-headers-left"]);
    assert!(with(&tollgate.replace("=seen", "=known")).is_empty());
    // What somebody else's filter hides, it hides from somebody else.
    let put = hides.replace("MERGE", "INSERT_BEFORE");
    let ours = "apiVersion: networking.istio.io/v1alpha3\nkind: EnvoyFilter\nmetadata: { name: tollgate, namespace: shop }\nspec: { configPatches: [{ applyTo: HTTP_FILTER, patch: { operation: REMOVE, value: { name: ext_authz } } }] }\n";
    assert!(!names(&format!("{put}---\n{ours}---\n{tollgate}")).contains(&"envoy.hidden-headers-left"));
}

//! The doctor takes work in proportion to what it reads: instructions are counted, not seconds.
//!
//! Callgrind counts the whole of `tollgate doctor`, from reading to printing, for files of three lengths, each twice the
//! one before. In linear work the second step adds twice what the first one added; in quadratic work, four times.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::work::{MAX_GROWTH, instructions};

/// Files of a kind, by how many of what they are full of they have.
struct Kind {
    name: &'static str,
    /// In the shortest of the three.
    from: usize,
    file: fn(usize) -> String,
    /// What must be printed as often as there is one in the file.
    says: &'static str,
}

const KINDS: &[Kind] = &[
    Kind {
        name: "listeners with findings",
        from: 4,
        file: |n| format!("{:#}", dump(n, false)),
        says: "envoy.clear-route-cache]",
    },
    Kind {
        name: "the same in one line",
        from: 4,
        file: |n| dump(n, false).to_string(),
        says: "envoy.clear-route-cache]",
    },
    Kind {
        name: "listeners with one table of routes",
        from: 4,
        file: |n| dump(n, true).to_string(),
        says: "envoy.clear-route-cache]",
    },
    Kind {
        name: "keys that stand there twice",
        from: 20,
        file: |n| "a: 1 # It is the same key in each line, and lines are as long as people write them.\n".repeat(n + 1),
        says: "stands here twice",
    },
    Kind { name: "configurations in ConfigMaps", from: 20, file: config_maps, says: "istio.fail-open]" },
    Kind { name: "policies and workloads in namespaces", from: 5, file: workloads, says: "istio.ports-excluded]" },
    Kind {
        name: "selectors and workloads in one namespace",
        from: 5,
        file: selectors,
        says: "istio.selector-unmatched]",
    },
    Kind { name: "Services that are asked", from: 5, file: asked, says: "kubernetes.service-missing]" },
    Kind { name: "filters that are off", from: 5, file: filters, says: "istio.filter-disabled]" },
];

/// A dump with as many listeners, and as many virtual hosts: in a table for each, or in one for all.
fn dump(count: usize, shares: bool) -> Value {
    let listener = |n: usize| {
        json!({ "name": format!("in-{n}"), "active_state": { "listener": { "name": format!("in-{n}"), "filter_chains": [{ "filters": [{
            "name": "envoy.filters.network.http_connection_manager",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
                "normalize_path": true, "merge_slashes": true, "path_with_escaped_slashes_action": "REJECT_REQUEST",
                "rds": { "route_config_name": if shares { "all".to_owned() } else { format!("table-{n}") } },
                "http_filters": [{ "name": "envoy.filters.http.ext_authz", "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthz",
                    "clear_route_cache": true, "status_on_error": { "code": "ServiceUnavailable" },
                    "grpc_service": { "timeout": "0.25s", "envoy_grpc": { "cluster_name": "tollgate" } },
                } }, { "name": "envoy.filters.http.router" }],
            },
        }] }] } } })
    };
    let host = |n: usize| json!({ "name": format!("host-{n}"), "domains": [format!("{n}.example")], "routes": [{ "match": { "prefix": "/" }, "route": { "cluster": "app" } }] });
    let table = |name: String, hosts: Vec<Value>| json!({ "route_config": { "name": name, "virtual_hosts": hosts } });
    let tables: Vec<_> = if shares {
        vec![table("all".to_owned(), (0..count).map(host).collect())]
    } else {
        (0..count).map(|n| table(format!("table-{n}"), vec![host(n)])).collect()
    };
    json!({ "configs": [
        { "@type": "type.googleapis.com/envoy.admin.v3.ListenersConfigDump", "dynamic_listeners": (0..count).map(listener).collect::<Vec<_>>() },
        { "@type": "type.googleapis.com/envoy.admin.v3.RoutesConfigDump", "dynamic_route_configs": tables },
    ] })
}

fn config_maps(count: usize) -> String {
    let mut text = String::new();
    for n in 0..count {
        write!(
            text,
            "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{ name: istio, namespace: mesh-{n} }}\ndata:\n  mesh: |\n    extensionProviders:\n      \
             - name: tollgate\n        envoyExtAuthzGrpc: {{ failOpen: true, timeout: 250ms, statusOnError: \"503\" }}\n"
        )
        .unwrap();
    }
    text
}

fn workloads(count: usize) -> String {
    let mut text = String::new();
    for n in 0..count {
        write!(
            text,
            "---\napiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {{ name: tollgate, namespace: shop-{n} }}\nspec:\n  \
             action: CUSTOM\n  provider: {{ name: tollgate }}\n  rules: [{{}}]\n\
             ---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {{ name: orders, namespace: shop-{n} }}\nspec:\n  template:\n    metadata:\n      \
             annotations: {{ traffic.sidecar.istio.io/excludeInboundPorts: \"8081\" }}\n    spec:\n      containers: [{{ name: app }}]\n"
        )
        .unwrap();
    }
    text
}

/// Each selector shares a label with all workloads, and has one more that only another kind of them has.
fn selectors(count: usize) -> String {
    let mut text = String::new();
    for n in 0..count {
        write!(
            text,
            "---\napiVersion: networking.istio.io/v1alpha3\nkind: EnvoyFilter\nmetadata: {{ name: tollgate-{n}, namespace: shop }}\nspec:\n  \
             workloadSelector: {{ labels: {{ team: orders, app: order-{n} }} }}\n  configPatches:\n    - applyTo: HTTP_FILTER\n      \
             match: {{ context: SIDECAR_INBOUND }}\n      patch: {{ operation: INSERT_FIRST, value: {{ name: gate, typed_config: {ASKS} }} }}\n\
             ---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {{ name: orders-{n}, namespace: shop }}\nspec:\n  template:\n    metadata:\n      \
             labels: {{ team: orders, app: orders-{n} }}\n    spec:\n      containers: [{{ name: app }}]\n"
        )
        .unwrap();
    }
    text
}

/// Half of the providers name Services that are not there, half one that has a port for each; and as many Services are there,
/// and hosts that are declared.
fn asked(count: usize) -> String {
    let mut text = "extensionProviders:\n".to_owned();
    for n in 0..count {
        for (name, port) in [(format!("gate-{n}"), 9000), ("tollgate".to_owned(), 9000 + n)] {
            writeln!(
                text,
                "  - {{ name: tollgate-{n}, envoyExtAuthzGrpc: {{ service: {name}.shop.svc.cluster.local, port: {port}, timeout: 250ms, statusOnError: \"503\" }} }}"
            )
            .unwrap();
        }
    }
    let ports = |n: usize| format!("{{ name: grpc-{n}, port: {} }}", 9000 + n);
    let ports = (0..count).map(ports).collect::<Vec<_>>().join(", ");
    write!(text, "---\napiVersion: v1\nkind: Service\nmetadata: {{ name: tollgate, namespace: shop }}\nspec: {{ ports: [{ports}] }}\n").unwrap();
    for n in 0..count {
        write!(
            text,
            "---\napiVersion: v1\nkind: Service\nmetadata: {{ name: tollgate-{n}, namespace: shop }}\nspec: {{ ports: [{{ name: grpc, port: 9000 }}] }}\n\
             ---\napiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {{ name: other-{n}, namespace: shop }}\nspec: {{ hosts: [other-{n}.shop.svc.cluster.local] }}\n"
        )
        .unwrap();
    }
    text
}

/// The settings of a filter with which nothing is wrong.
const ASKS: &str = "{ \"@type\": type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthz, stat_prefix: tollgate, \
                    status_on_error: { code: ServiceUnavailable }, grpc_service: { timeout: 0.25s } }";

/// As many routes turn on filters of other names.
fn filters(count: usize) -> String {
    let mut text = String::new();
    for n in 0..count {
        write!(
            text,
            "---\napiVersion: networking.istio.io/v1alpha3\nkind: EnvoyFilter\nmetadata: {{ name: tollgate-{n}, namespace: shop-{n} }}\nspec:\n  \
             configPatches:\n    - applyTo: HTTP_FILTER\n      match: {{ context: SIDECAR_INBOUND }}\n      \
             patch: {{ operation: INSERT_FIRST, value: {{ name: gate-{n}, disabled: true, typed_config: {ASKS} }} }}\n    \
             - applyTo: VIRTUAL_HOST\n      patch: {{ operation: MERGE, value: {{ typed_per_filter_config: {{ other-{n}: {{ config: {{}} }} }} }} }}\n"
        )
        .unwrap();
    }
    text
}

#[test]
fn the_doctor_takes_work_in_proportion_to_what_it_reads() {
    let mut wrong = Vec::new();
    for kind in KINDS {
        let sizes = [1, 2, 4].map(|times| kind.from * times);
        let counts = sizes.map(|size| count(&(kind.file)(size), kind.says, size));
        let steps: Vec<f64> = counts.windows(2).map(|pair| pair[1] - pair[0]).collect();
        let growth = steps[1] / steps[0];
        println!("{:<40} {counts:?} growth {growth:.2}", kind.name);
        if growth > MAX_GROWTH {
            wrong.push(format!(
                "{}: {counts:?}, the last step adds {growth:.2} times what the one before did",
                kind.name
            ));
        }
    }
    assert!(wrong.is_empty(), "more than linear:\n{}", wrong.join("\n"));
}

/// How many instructions it takes to look at a file, in which something is found so often.
fn count(text: &str, says: &str, times: usize) -> f64 {
    let folder = TempDir::new().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::write(at("file.yaml"), text).unwrap();
    let run = "tollgate::cli::doctor::run";
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--collect-atstart=no"])
        .args([format!("--toggle-collect={run}"), format!("--callgrind-out-file={}", at("out").display())])
        .arg(env!("CARGO_BIN_EXE_tollgate"))
        .arg("doctor")
        .arg(Path::new(&at("file.yaml")))
        .output()
        .expect("valgrind counts instructions: install it (Debian: `apt install valgrind`)");
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(said.matches(says).count(), times, "{}{}", said, String::from_utf8_lossy(&output.stderr));
    f64::from(instructions(&at("out").display().to_string()))
}

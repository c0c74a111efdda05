//! What is found of Kubernetes: whom those who ask Tollgate name.

use std::fs;

use super::{folder, look};

fn bad(code: &str) -> String {
    fs::read_to_string(folder("bad").join(format!("{code}.yaml"))).unwrap()
}

/// What is said of those who ask, and nothing else is.
fn said(code: &str, text: &str) -> Vec<String> {
    let report = look("asked", text);
    assert!(report.findings.iter().all(|one| one.code.name == code), "{report:?}");
    report.findings.iter().map(|one| one.problem.message.split_once(": ").unwrap().1.to_owned()).collect()
}

#[test]
fn a_service_that_is_asked_is_held_against_those_of_its_namespace() {
    let text = bad("kubernetes.service-missing");
    let said = |text: &str| said("kubernetes.service-missing", text);
    let all = [
        "no Service `tollgate-system/tollgate-authz`",
        "Service `tollgate-system/tollgate` has no port 9443",
        "no Service `tollgate-system/tollgate-checks`",
    ];
    assert_eq!(said(&text), all);
    let declared = "---\napiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: { name: tollgate, namespace: shop }\n\
                    spec:\n  hosts: [tollgate-authz.tollgate-system.svc.cluster.local]\n  resolution: STATIC\n  \
                    ports: [{ number: 9000, name: grpc, protocol: GRPC }]\n";
    assert_eq!(said(&format!("{text}{declared}")), all[1..], "a host may be declared");
    let other_port = format!("{text}{}", declared.replace("number: 9000", "number: 80"));
    assert_eq!(
        said(&other_port)[0],
        "`tollgate-authz.tollgate-system.svc.cluster.local` is declared without port 9000"
    );
    for outside in ["tollgate.shop.example", "tollgate-authz.tollgate-system.svc.clusterset.local"] {
        let text = text.replace("tollgate-authz.tollgate-system.svc.cluster.local", outside);
        assert_eq!(said(&text), all[1..], "{outside} is no Service of this cluster");
    }
    let filters = text.split("---\n").find(|one| one.contains("EnvoyFilter")).unwrap();
    let (_, patches) = filters.split_once("configPatches:\n").unwrap();
    assert_eq!(said(&text.replace(patches, &format!("{patches}{patches}"))), all, "who asks twice asks the same");
    let backend = text.replace("name: tollgate-checks # <-", "name: tollgate-checks\n          kind: Backend");
    assert_eq!(said(&backend), all[..2]);
    let unlisted = text.replace(", port: 9000, targetPort: 9000", ", targetPort: 9000");
    assert_eq!(said(&unlisted), [all[0], all[2]], "one that lists no port may have any");
    let patched = format!("{}---\n{text}", unlisted.split("---").next().unwrap());
    assert_eq!(said(&patched), all, "a patch of a Service stands beside it");
}

#[test]
fn nothing_is_claimed_of_a_namespace_whose_services_were_not_given() {
    let text = bad("kubernetes.service-missing");
    let said = |text: &str| said("kubernetes.service-missing", text);
    let elsewhere = text.replacen("namespace: tollgate-system", "namespace: other", 1);
    assert!(said(&elsewhere).is_empty());
    let metrics = text.replacen("name: grpc-check, port: 9000, targetPort: 9000", "name: http-metrics, port: 9090", 1);
    let metrics = metrics.replacen("name: tollgate,", "name: tollgate-console,", 1);
    assert!(said(&metrics).is_empty(), "it is no Service for checks");
    let unnamed = text.replacen(", namespace: tollgate-system", "", 1);
    assert_eq!(said(&unnamed), ["Service `tollgate-system/tollgate` has no port 9443"], "it may be of any namespace");
    let service = "{ apiVersion: v1, kind: Service, metadata: { name: orders, namespace: tollgate-system }, spec: { ports: [{ port: 80 }] } }";
    let (_, attached) = text.split_once("---").unwrap();
    assert!(said(&format!("{service}\n---{attached}")).is_empty());
    let listed = format!("{{ apiVersion: v1, kind: List, items: [{service}] }}\n---{attached}");
    assert_eq!(said(&listed).len(), 3, "all of a namespace are in a list");
}

#[test]
fn the_host_of_a_provider_is_whole() {
    let text = bad("kubernetes.service-host-short");
    let said = |text: &str| said("kubernetes.service-host-short", text);
    let with = |host: &str| said(&text.replacen("service: tollgate.tollgate-system ", &format!("service: {host} "), 1));
    let wrong = [
        "tollgate",
        "tollgate.tollgate-system",
        "tollgate.tollgate-system.svc",
        "tollgate-system/tollgate",
        "/tollgate.tollgate-system.svc.cluster.local",
    ];
    for host in wrong {
        assert_eq!(with(host)[0], format!("`{host}`"));
    }
    for host in ["tollgate.tollgate-system.svc.cluster.local", "tollgate.example"] {
        assert_eq!(with(host).len(), 1, "{host}: that of the other one");
    }
    let declared = "---\napiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: { name: tollgate, namespace: shop }\n\
                    spec:\n  hosts: [tollgate.tollgate-system]\n  resolution: DNS\n  ports: [{ number: 9000, name: grpc, protocol: GRPC }]\n";
    assert_eq!(said(&format!("{text}{declared}")).len(), 1);
}

//! What is found of Kubernetes: whom those who ask Tollgate name.

use std::fs;

use super::{folder, look};

#[test]
fn a_service_that_is_asked_is_held_against_those_of_its_namespace() {
    let text = fs::read_to_string(folder("bad").join("kubernetes.service-missing.yaml")).unwrap();
    let found = |text: &str| {
        let report = look("asked", text);
        assert!(report.findings.iter().all(|one| one.code.name == "kubernetes.service-missing"), "{report:?}");
        report.findings.into_iter().map(|one| one.problem.message).collect::<Vec<_>>()
    };
    let says = |what: &str| format!("what is asked is not there: {what}");
    let all = [
        says("no Service `tollgate-system/tollgate-authz`"),
        says("Service `tollgate-system/tollgate` has no port 9443"),
        says("no Service `tollgate-system/tollgate-checks`"),
    ];
    assert_eq!(found(&text), all);
    let elsewhere = text.replacen("namespace: tollgate-system", "namespace: other", 1);
    assert!(found(&elsewhere).is_empty(), "of a namespace of which no Service was given nothing is known");
    let others = text.replacen("name: tollgate, namespace", "name: orders, namespace", 1).replacen(
        "name: tollgate }",
        "name: orders }",
        1,
    );
    assert!(found(&others).is_empty(), "nothing of Tollgate was given");
    let declared = "---\napiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: { name: tollgate, namespace: shop }\n\
                    spec:\n  hosts: [tollgate-authz.tollgate-system.svc.cluster.local]\n  resolution: STATIC\n  \
                    ports: [{ number: 9000, name: grpc, protocol: GRPC }]\n";
    assert_eq!(found(&format!("{text}{declared}")), all[1..], "a host may be declared");
    let host = text.replace("tollgate-authz.tollgate-system.svc.cluster.local", "tollgate.shop.example");
    assert_eq!(found(&host), all[1..], "a host outside is no Service");
    let backend = text.replace("name: tollgate-checks # <-", "name: tollgate-checks\n          kind: Backend");
    assert_eq!(found(&backend), all[..2]);
    let unnamed = text.replacen(", namespace: tollgate-system", "", 1);
    assert_eq!(found(&unnamed), all, "what is rendered may name no namespace");
}

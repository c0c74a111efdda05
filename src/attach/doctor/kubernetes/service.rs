//! Kubernetes: the Service of Tollgate, from which meshes learn what its port speaks.

use super::super::field::Field;
use super::super::finding::{Found, codes};
use super::super::object::{Index, Object, SERVICE};

codes! {
    PORT_PROTOCOL = "kubernetes.service-port-protocol", Error:
        "nothing says that this port speaks gRPC",
        "Istio and Envoy Gateway take a port for plain TCP or HTTP/1.1 unless they are told: no question is understood, and everything is refused.",
        "set `appProtocol: kubernetes.io/h2c`, or name the port `grpc-…`";
}

pub(in super::super) fn check(index: &Index<'_>, found: &mut Found) {
    for service in index.all(SERVICE).filter(|one| is_ours(one)) {
        for port in service.spec().get("ports").items().iter().filter(|port| is_for_checks(port) && !says_so(port)) {
            found.add(&PORT_PROTOCOL, service, port);
        }
    }
}

/// Whether checks are meant to come by it.
pub(super) fn is_for_tollgate(service: &Object<'_>) -> bool {
    is_ours(service) && service.spec().get("ports").items().iter().any(is_for_checks)
}

fn is_ours(service: &Object<'_>) -> bool {
    service.name.contains("tollgate") || service.spec().get("selector").mentions("tollgate")
}

fn is_for_checks(port: &Field<'_>) -> bool {
    let name = port.get("name").text().unwrap_or_default();
    let target = port.get("targetPort");
    port.get("port").is("9000")
        || target.is("9000")
        || ["check", "authz"].iter().any(|word| name.contains(word) || target.mentions(word))
}

fn says_so(port: &Field<'_>) -> bool {
    const PROTOCOLS: &[&str] = &["kubernetes.io/h2c", "grpc", "grpcs", "http2", "https", "tls"];
    const NAMES: &[&str] = &["grpc", "http2", "https", "tls"];
    let name = port.get("name").text().unwrap_or_default();
    match port.get("appProtocol").text() {
        Some(protocol) => PROTOCOLS.contains(&protocol),
        None => NAMES.iter().any(|prefix| name == *prefix || name.starts_with(&format!("{prefix}-"))),
    }
}

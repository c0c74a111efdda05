//! Istio: a Tollgate beside the application, which is a "service" at a Unix socket.

use super::super::finding::{Found, codes};
use super::super::object::{Index, SERVICE_ENTRY};

codes! {
    PORTS = "istio.socket-ports", Error:
        "a ServiceEntry at a Unix socket has exactly one port",
        "istiod refuses another number of ports: there is no cluster, and everything that should be asked about is refused.",
        "keep one port, with `protocol: GRPC`";
    RESOLUTION = "istio.socket-resolution", Error:
        "a ServiceEntry at a Unix socket is resolved statically",
        "With any other `resolution` istiod refuses the endpoint, and everything that should be asked about is refused.",
        "set `resolution: STATIC`";
}

pub(in super::super) fn check(index: &Index<'_>, found: &mut Found) {
    for entry in index.all(SERVICE_ENTRY) {
        let spec = entry.spec();
        let is_socket = |address: &str| address.starts_with("unix:");
        let endpoints = spec.get("endpoints").items();
        if !endpoints.iter().any(|one| one.get("address").text().is_some_and(is_socket)) {
            continue;
        }
        let ports = spec.get("ports");
        if ports.items().len() != 1 {
            found.add(&PORTS, entry, &ports);
        }
        let resolution = spec.get("resolution");
        if !resolution.is("STATIC") {
            found.add(&RESOLUTION, entry, &resolution);
        }
    }
}

/// Whether a `ServiceEntry` of a namespace names a socket in this folder.
pub(in super::super) fn is_served(index: &Index<'_>, namespace: &str, folder: &str) -> bool {
    let folder = format!("{folder}/");
    let names_it = |address: &str| address.starts_with("unix:") && address.contains(&folder);
    let entries = index.all(SERVICE_ENTRY).filter(|entry| entry.is_in(namespace));
    let endpoints = entries.flat_map(|entry| entry.spec().get("endpoints").items());
    endpoints.into_iter().any(|one| one.get("address").text().is_some_and(names_it))
}

//! Istio: what a proxy may reach is bounded by `Sidecar` objects, and a filter put in by hand needs its cluster.

use super::super::finding::{Found, codes};
use super::super::object::{ByNamespace, ENVOY_FILTER, Index, Object, SIDECAR};

codes! {
    EGRESS = "istio.sidecar-egress", Error:
        "the proxy may not reach Tollgate",
        "A `Sidecar` with `egress` gives the proxy only the clusters of the hosts that it lists. Without Tollgate's, Envoy refuses the listener with the filter.",
        "list `<namespace>/<host of Tollgate>` under `egress.hosts`";
}

pub(in super::super) fn check(index: &Index<'_>, found: &mut Found) {
    let hosts_by_namespace = ByNamespace::of(index.all(ENVOY_FILTER).map(|one| (one.namespace, asked_hosts(one))));
    for sidecar in index.all(SIDECAR) {
        let hosts: Vec<_> = hosts_by_namespace.within(sidecar.namespace).flatten().collect();
        let egress = sidecar.spec().get("egress");
        let listed: Vec<_> = egress.items().iter().flat_map(|one| one.get("hosts").texts()).collect();
        for host in hosts.iter().filter(|_| egress.exists()) {
            if !listed.iter().any(|entry| covers(entry, host, sidecar.namespace)) {
                found.add_about(&EGRESS, sidecar, &egress, format!("`{host}`"));
                break;
            }
        }
    }
}

/// The hosts behind the clusters of Tollgate that a filter names: `outbound|9000||tollgate.shop.svc.cluster.local`.
fn asked_hosts<'n>(filter: &Object<'n>) -> Vec<&'n str> {
    let clusters = filter.root.find("cluster_name");
    let names = clusters.iter().filter_map(super::Field::text).filter(|name| name.contains("tollgate"));
    names.filter_map(|name| name.strip_prefix("outbound|")).filter_map(|name| name.rsplit('|').next()).collect()
}

/// Whether an entry such as `./*`, `shop/*.svc.cluster.local` or `*/*` is about a host.
fn covers(entry: &str, host: &str, here: &str) -> bool {
    let (namespace, pattern) = entry.split_once('/').unwrap_or(("*", entry));
    let of_host = host.split('.').nth(1).filter(|_| host.contains(".svc"));
    let in_namespace = match namespace {
        "*" => true,
        "." => of_host.is_none_or(|name| name == here),
        named => of_host.is_none_or(|name| name == named),
    };
    let matches = pattern.strip_prefix('*').map_or(pattern == host, |end| host.ends_with(end));
    in_namespace && matches
}

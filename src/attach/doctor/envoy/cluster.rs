//! Envoy: the cluster that Tollgate is behind.

use std::collections::BTreeSet;

use super::super::field::Field;
use super::super::finding::{Found, codes};
use super::super::object::{Index, Object, SERVICE};
use super::config::{Config, Manager};

codes! {
    UNKNOWN = "envoy.cluster-unknown", Error:
        "there is no cluster of this name",
        "Envoy takes such a configuration, can ask nobody, and refuses every request.",
        "add the cluster, or name the one that is there";
    NOT_HTTP2 = "envoy.cluster-not-http2", Error:
        "the cluster does not speak HTTP/2",
        "gRPC is HTTP/2. Without `http2_protocol_options` no question is understood, and every request is refused.",
        "add `explicit_http_config: { http2_protocol_options: {} }` to its `HttpProtocolOptions`";
    CIRCUIT_BREAKER = "envoy.cluster-circuit-breaker", Warning:
        "above 1024 requests under way nobody is asked",
        "Envoy's default circuit breaker opens at 1024: what comes on top is refused with `status_on_error`, or passes where failures are allowed.",
        "set `circuit_breakers: { thresholds: [{ max_requests: 100000, max_pending_requests: 10000 }] }`";
    ONE_ADDRESS = "envoy.cluster-one-address", Warning:
        "all questions go to one replica",
        "A ClusterIP is one address (and `LOGICAL_DNS` uses one): each worker keeps one HTTP/2 connection to it, and so stays with one replica.",
        "name the headless Service, with `type: STRICT_DNS`";
    ANY_CERTIFICATE = "envoy.cluster-any-certificate", Warning:
        "anybody with a certificate may answer for Tollgate",
        "The connection is encrypted, and Envoy does not look at whose certificate it is shown: whoever gets in between answers the questions.",
        "set `trusted_ca` and `match_typed_subject_alt_names` in the `validation_context`";
    NO_HEALTH_CHECK = "envoy.cluster-no-health-check", Warning:
        "Envoy goes on asking a replica that is draining or has no policies",
        "Without `health_checks` a replica is asked until its connection breaks: a rollout costs requests.",
        "add `grpc_health_check: { service_name: envoy.service.auth.v3.Authorization }`";
}

pub(super) fn check(config: &Config<'_>, managers: &[Manager<'_>], index: &Index<'_>, found: &mut Found) {
    let mut seen = BTreeSet::new();
    for manager in managers {
        let field = manager.asks().at("typed_config.grpc_service.envoy_grpc.cluster_name");
        let Some(name) = field.text().filter(|name| seen.insert(*name)) else { continue };
        match config.clusters.get(name) {
            Some(cluster) => check_cluster(&config.object, cluster, index, found),
            None if config.is_whole => found.add_about(&UNKNOWN, &config.object, &field, format!("`{name}`")),
            None => found.note(format!(
                "cluster `{name}` comes from a control plane and was not looked at: give Envoy's /config_dump"
            )),
        }
    }
}

fn check_cluster(object: &Object<'_>, cluster: &Field<'_>, index: &Index<'_>, found: &mut Found) {
    if !speaks_http2(cluster) {
        found.add(&NOT_HTTP2, object, &cluster.get("typed_extension_protocol_options"));
    }
    let tls = cluster.at("transport_socket.typed_config");
    let is_named = ["match_typed_subject_alt_names", "match_subject_alt_names", "auto_sni_san_validation"];
    if tls.mentions("UpstreamTlsContext") && is_named.iter().all(|key| tls.find(key).is_empty()) {
        found.add(&ANY_CERTIFICATE, object, &tls);
    }
    let thresholds = cluster.at("circuit_breakers.thresholds");
    let is_default = |one: &Field<'_>| matches!(one.get("priority").text(), None | Some("DEFAULT"));
    let most = thresholds.items().iter().find(|one| is_default(one)).and_then(|one| one.get("max_requests").number());
    if most.is_none_or(|most| most <= 1024) {
        found.add(&CIRCUIT_BREAKER, object, &thresholds);
    }
    let kind = cluster.get("type");
    if kind.is("LOGICAL_DNS") {
        found.add(&ONE_ADDRESS, object, &kind);
    }
    // What a control plane tells comes with its health.
    if kind.is("EDS") || cluster.get("eds_cluster_config").exists() {
        return;
    }
    if kind.is("STRICT_DNS") {
        let endpoints = cluster.at("load_assignment.endpoints").items();
        let hosts = endpoints.iter().flat_map(|one| one.get("lb_endpoints").items());
        for host in hosts.map(|one| one.at("endpoint.address.socket_address.address")) {
            if host.text().is_some_and(|host| is_cluster_ip(host, index)) {
                found.add(&ONE_ADDRESS, object, &host);
            }
        }
    }
    if cluster.get("health_checks").is_empty() {
        found.add(&NO_HEALTH_CHECK, object, &cluster.get("health_checks"));
    }
}

fn speaks_http2(cluster: &Field<'_>) -> bool {
    let options = cluster.get("typed_extension_protocol_options");
    let options = options.get("envoy.extensions.upstreams.http.v3.HttpProtocolOptions");
    cluster.get("http2_protocol_options").exists()
        || options.at("explicit_http_config.http2_protocol_options").exists()
        || options.at("auto_config.http2_protocol_options").exists()
}

/// Whether a name is that of a Service that is not headless, as far as can be told: by the Service, or else by its name.
fn is_cluster_ip(host: &str, index: &Index<'_>) -> bool {
    let mut parts = host.split('.');
    let (name, namespace) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    if let Some(service) = index.named(SERVICE, namespace, name) {
        return !service.spec().get("clusterIP").is("None");
    }
    parts.next() == Some("svc") && !name.contains("headless")
}

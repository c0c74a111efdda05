//! The cluster that Envoy asks: one Tollgate or several, in plain text or over mTLS, asked for their health or not.
//!
//! As the documentation tells operators to do it: HTTP/2 with keep-alive, and no limit that shields Tollgate from load by
//! refusing requests before they are judged.

use std::time::Duration;

use serde_json::{Value, json};

use super::message::{self, file, set, socket, typed};
use super::options::{Replicas, UpstreamTls};
use crate::demo::service::Address;
use crate::ext_authz;

pub(super) fn cluster(replicas: &Replicas) -> Value {
    let http2 = json!({ "explicit_http_config": { "http2_protocol_options": {
        "connection_keepalive": { "interval": "30s", "timeout": "5s" },
    }}});
    let http2 = typed("envoy.extensions.upstreams.http.v3.HttpProtocolOptions", http2);
    let limits = json!({ "thresholds": [{
        "max_requests": 100_000,
        "max_pending_requests": 10_000,
        "retry_budget": { "budget_percent": { "value": 25 }, "min_retry_concurrency": 100 },
    }]});
    let addresses: Vec<_> = replicas.addresses.iter().map(address).collect();
    let mut cluster = message::cluster("tollgate", &addresses);
    set(&mut cluster, "circuit_breakers", limits);
    let options = json!({ "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": http2 });
    set(&mut cluster, "typed_extension_protocol_options", options);
    if let Some(tls) = &replicas.tls {
        set(&mut cluster, "transport_socket", upstream_tls(tls));
    }
    if let Some(interval) = replicas.health_checks {
        set(&mut cluster, "lb_policy", "LEAST_REQUEST");
        set(&mut cluster, "health_checks", json!([health_check(interval)]));
        set(&mut cluster, "outlier_detection", outlier_detection());
        // Whom it leaves alone is in force at once, and not a second later.
        set(&mut cluster, "common_lb_config", json!({ "update_merge_window": "0s" }));
    }
    cluster
}

fn address(address: &Address) -> Value {
    match address {
        Address::Tcp(address) => socket(&address.ip().to_string(), address.port()),
        Address::Unix(path) => json!({ "pipe": { "path": path.display().to_string() } }),
    }
}

fn health_check(interval: Duration) -> Value {
    let interval = format!("{}s", interval.as_secs_f64());
    json!({
        "timeout": "1s",
        "interval": interval,
        "no_traffic_interval": interval,
        "unhealthy_threshold": 2,
        "healthy_threshold": 1,
        "grpc_health_check": { "service_name": ext_authz::SERVICE },
    })
}

/// One that gives no answer three times in a row is left alone, until a health check finds it well.
fn outlier_detection() -> Value {
    json!({
        "split_external_local_origin_errors": true,
        "consecutive_local_origin_failure": 3,
        "enforcing_consecutive_5xx": 0,
        "enforcing_success_rate": 0,
        "enforcing_local_origin_success_rate": 0,
        "base_ejection_time": "2s",
        "max_ejection_percent": 50,
    })
}

fn upstream_tls(tls: &UpstreamTls) -> Value {
    let config = json!({
        "sni": tls.name,
        "common_tls_context": {
            "alpn_protocols": ["h2"],
            "tls_certificates": [{ "certificate_chain": file(&tls.certificate), "private_key": file(&tls.key) }],
            "validation_context": {
                "trusted_ca": file(&tls.authority),
                "match_typed_subject_alt_names": [{ "san_type": "DNS", "matcher": { "exact": tls.name } }],
            },
        },
    });
    json!({
        "name": "envoy.transport_sockets.tls",
        "typed_config": typed("envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext", config),
    })
}

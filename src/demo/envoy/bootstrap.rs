//! Options to Envoy's bootstrap, as JSON: an admin port, the listeners, a cluster for Tollgate and one for the services.
//!
//! Rendering cannot fail and touches no file. Every address is on loopback; port 0 lets the kernel choose.

use std::path::Path;

use serde_json::{Value, json};

use super::message::{cluster, file, set, socket, typed};
use super::options::{Listener, Normalisation, Options, PeerCertificate, Tls, Xfcc};
use super::{filters, replicas};

/// The whole bootstrap.
pub fn render(options: &Options) -> Value {
    json!({
        "node": { "id": "laboratory", "cluster": "laboratory" },
        "admin": { "address": socket("127.0.0.1", 0) },
        "overload_manager": { "resource_monitors": [connection_limit()] },
        "static_resources": {
            "listeners": options.listeners.iter().map(listener).collect::<Vec<_>>(),
            "clusters": [replicas::cluster(&options.tollgate), upstream(options)],
        },
    })
}

/// Without a limit, Envoy warns at each start, and a log with a warning in it misleads who looks for a fault.
fn connection_limit() -> Value {
    let limit = json!({ "max_active_downstream_connections": 50_000 });
    json!({
        "name": "envoy.resource_monitors.global_downstream_max_connections",
        "typed_config":
            typed("envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig", limit),
    })
}

fn listener(listener: &Listener) -> Value {
    let mut chain = json!({ "filters": [{
        "name": "envoy.filters.network.http_connection_manager",
        "typed_config": connection_manager(listener),
    }]});
    if let Some(tls) = &listener.tls {
        set(&mut chain, "transport_socket", downstream_tls(tls));
    }
    json!({ "name": listener.name, "address": socket("127.0.0.1", 0), "filter_chains": [chain] })
}

fn downstream_tls(tls: &Tls) -> Value {
    let config = json!({
        "require_client_certificate": tls.client_certificate == PeerCertificate::Required,
        "common_tls_context": {
            "alpn_protocols": ["h2", "http/1.1"],
            "tls_certificates": [{ "certificate_chain": file(&tls.certificate), "private_key": file(&tls.key) }],
            "validation_context": { "trusted_ca": file(&tls.client_authority) },
        },
    });
    json!({
        "name": "envoy.transport_sockets.tls",
        "typed_config": typed("envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext", config),
    })
}

fn connection_manager(listener: &Listener) -> Value {
    let mut config = json!({
        "stat_prefix": listener.name,
        "codec_type": "AUTO",
        "use_remote_address": true,
        "route_config": route_config(listener),
        "http_filters": filters::render(listener),
    });
    normalise(&mut config, listener.normalisation);
    if listener.xfcc == Xfcc::SetFromCertificate {
        set(&mut config, "forward_client_cert_details", "SANITIZE_SET");
        set(&mut config, "set_current_client_cert_details", json!({ "uri": true, "subject": true }));
    }
    if let Some(path) = &listener.access_log {
        set(&mut config, "access_log", json!([access_log(path)]));
    }
    typed("envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager", config)
}

fn normalise(config: &mut Value, normalisation: Normalisation) {
    let (tidy, slashes, underscores) = match normalisation {
        Normalisation::Shipped => (true, "REJECT_REQUEST", "REJECT_REQUEST"),
        Normalisation::Bare => (false, "KEEP_UNCHANGED", "ALLOW"),
    };
    set(config, "normalize_path", tidy);
    set(config, "merge_slashes", tidy);
    set(config, "path_with_escaped_slashes_action", slashes);
    set(config, "common_http_protocol_options", json!({ "headers_with_underscores_action": underscores }));
}

fn route_config(listener: &Listener) -> Value {
    let mut route = json!({ "name": "all", "match": { "prefix": "/" }, "route": { "cluster": "upstream" } });
    if let Some(check) = &listener.ext_authz
        && !check.context_extensions.is_empty()
    {
        let settings = json!({ "check_settings": { "context_extensions": check.context_extensions } });
        let settings = typed("envoy.extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute", settings);
        set(&mut route, "typed_per_filter_config", json!({ filters::EXT_AUTHZ: settings }));
    }
    json!({ "name": "all", "virtual_hosts": [{ "name": "all", "domains": ["*"], "routes": [route] }] })
}

fn access_log(path: &Path) -> Value {
    let config = json!({
        "path": path.display().to_string(),
        "log_format": { "json_format": {
            // Set by the laboratory's own client, to find the line of one call.
            "call": "%REQ(X-DEMO-CALL)%",
            "method": "%REQ(:METHOD)%",
            "path": "%REQ(:PATH)%",
            "status": "%RESPONSE_CODE%",
            "details": "%RESPONSE_CODE_DETAILS%",
            "flags": "%RESPONSE_FLAGS%",
            "tollgate": "%DYNAMIC_METADATA(envoy.filters.http.ext_authz)%",
        }},
    });
    json!({
        "name": "envoy.access_loggers.file",
        "typed_config": typed("envoy.extensions.access_loggers.file.v3.FileAccessLog", config),
    })
}

fn upstream(options: &Options) -> Value {
    cluster("upstream", &[socket(&options.upstream.ip().to_string(), options.upstream.port())])
}

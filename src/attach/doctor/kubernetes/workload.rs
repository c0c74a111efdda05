//! Kubernetes: how the pod with Tollgate is watched, and how long it has to end.

use std::time::Duration;

use super::super::finding::{Found, codes};
use super::super::object::{ENVOY_PROXY, Index};
use super::super::pod::{self, Pod};

codes! {
    PROBE = "kubernetes.probe-on-check-port", Error:
        "the kubelet cannot ask this port",
        "The kubelet's gRPC probes speak plain text over TCP: at a port with TLS, or where Tollgate listens on a Unix socket, they never succeed, and the pod is never ready.",
        "probe the health port, 9099";
    GRACE_PERIOD = "kubernetes.grace-period-short", Warning:
        "the pod is killed before Tollgate has drained",
        "After SIGTERM Tollgate serves on for `--drain-delay` (10 s) and lets what is under way finish for up to `--drain-timeout` (30 s). A kill before that costs requests.",
        "set `terminationGracePeriodSeconds: 60`";
}

pub(in super::super) fn check(index: &Index<'_>, found: &mut Found) {
    for pod in pod::with_tollgate(index) {
        if pod.is_set_elsewhere(index) {
            found.note(format!(
                "{} starts Tollgate with a file of settings that was not given: its ports and how it drains were not looked at",
                pod.object.title()
            ));
            continue;
        }
        check_probes(&pod, index, found);
        check_grace(&pod, index, found);
    }
}

fn check_probes(pod: &Pod<'_>, index: &Index<'_>, found: &mut Found) {
    let Some(container) = pod.tollgate() else { return };
    let listens = pod.setting("listen", index);
    let is_secret = !pod.setting("tls", index).is_empty();
    let ports: Vec<_> = if listens.is_empty() {
        vec!["9000"]
    } else {
        listens.iter().filter(|one| !one.starts_with("unix:")).filter_map(|one| one.rsplit(':').next()).collect()
    };
    let health = pod.setting("health", index);
    let health = health.first().and_then(|one| one.rsplit(':').next()).unwrap_or("9099");
    for probe in ["startupProbe", "readinessProbe", "livenessProbe"] {
        let port = container.get(probe).at("grpc.port");
        let cannot = |port: &str| port != health && (is_secret || !ports.contains(&port));
        if port.text().is_some_and(cannot) {
            found.add(&PROBE, &pod.object, &port);
        }
    }
}

fn check_grace(pod: &Pod<'_>, index: &Index<'_>, found: &mut Found) {
    // Envoy Gateway sets it itself, from its own drain.
    if pod.object.kind == ENVOY_PROXY {
        return;
    }
    let grace = pod.spec.get("terminationGracePeriodSeconds");
    let given = Duration::from_secs(grace.number().unwrap_or(DEFAULT_GRACE));
    let time = |name: &str, default: u64| {
        let default = Duration::from_secs(default);
        // What makes no sense keeps Tollgate from starting, which is no silent failure.
        pod.setting(name, index).first().map_or(default, |set| humantime::parse_duration(set).unwrap_or(default))
    };
    let needed = time("drain-delay", 10) + time("drain-timeout", 30);
    if given < needed {
        found.add_about(&GRACE_PERIOD, &pod.object, &grace, format!("{} s of {}", given.as_secs(), needed.as_secs()));
    }
}

/// Of Kubernetes.
const DEFAULT_GRACE: u64 = 30;

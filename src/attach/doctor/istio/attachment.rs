//! Istio: what has Tollgate asked in sidecars, be it a CUSTOM policy or a filter put in by hand, and which pods that is for.

use super::super::field::Field;
use super::super::object::{AUTHORIZATION_POLICY, Index, Object};
use super::super::pod::Pod;
use super::{authorization_policy, envoy_filter};

/// All of them. Those of waypoints and gateways are not asked for in sidecars.
pub(super) fn of_sidecars<'i, 'n>(index: &'i Index<'n>) -> Vec<&'i Object<'n>> {
    let all = [authorization_policy::of_tollgate(index), envoy_filter::of_tollgate(index)].concat();
    all.into_iter().filter(|one| one.targets().is_empty()).collect()
}

/// The labels that a pod must have. Where there are none, the attachment is for all pods of its namespace.
pub(super) fn labels<'n>(attachment: &Object<'n>) -> Vec<(&'n str, Field<'n>)> {
    selector(attachment).entries()
}

/// Where they stand.
pub(super) fn selector<'n>(attachment: &Object<'n>) -> Field<'n> {
    let is_policy = attachment.kind == AUTHORIZATION_POLICY;
    attachment.spec().at(if is_policy { "selector.matchLabels" } else { "workloadSelector.labels" })
}

/// Whether a pod has them all.
pub(super) fn selects(attachment: &Object<'_>, pod: &Pod<'_>) -> bool {
    let own = pod.metadata.get("labels");
    labels(attachment).iter().all(|(key, value)| own.get(key).text() == value.text())
}

/// Whether they are labels of a gateway's pods, which Istio makes and nobody writes down.
pub(super) fn is_for_gateway(attachment: &Object<'_>) -> bool {
    labels(attachment).iter().any(|(key, value)| {
        let is_app = *key == "app" && value.text().is_some_and(|app| app.starts_with("istio-"));
        is_app || ["istio", "istio.io/gateway-name"].contains(key) || key.starts_with("gateway.networking.k8s.io/")
    })
}

/// Whether one of them is put on pods when they are made, and stands in no template.
pub(super) fn is_given_later(attachment: &Object<'_>) -> bool {
    const LATER: &[&str] =
        &["service.istio.io/", "statefulset.kubernetes.io/", "apps.kubernetes.io/", "topology.kubernetes.io/"];
    labels(attachment).iter().any(|(key, _)| LATER.iter().any(|prefix| key.starts_with(prefix)))
}

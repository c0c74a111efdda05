//! Istio: whether the pods of a namespace get the proxy in which Tollgate is asked.

use super::super::finding::{Found, codes};
use super::super::object::{ByNamespace, GATEWAY, Index, NAMESPACE};
use super::super::pod::{self, Pod};
use super::{ROOT_NAMESPACE, ambient, attachment};

codes! {
    NO_PROXY = "istio.namespace-without-proxy", Warning:
        "nothing puts a proxy into the pods of this namespace",
        "Tollgate is asked in the sidecar. Istio puts one in where the namespace has the label `istio-injection: enabled` or `istio.io/rev`, or the pod `sidecar.istio.io/inject: \"true\"`; with `istio-injection: disabled` nowhere, and everywhere else only with `enableNamespacesByDefault`. A pod without one takes requests itself: everything passes unjudged.",
        "label the namespace, and start its pods again";
}

pub(in super::super) fn check(index: &Index<'_>, found: &mut Found) {
    let attachments = attachment::of_sidecars(index).into_iter().filter(|one| !attachment::is_for_gateway(one));
    let attachments = ByNamespace::of(attachments.map(|one| (one.namespace, one)));
    let pods = ByNamespace::of(pod::all(index).map(|pod| (pod.object.namespace, pod)));
    let gateways = ByNamespace::of(index.all(GATEWAY).map(|one| (one.namespace, ())));
    for namespace in index.all(NAMESPACE) {
        let name = namespace.name;
        // What is attached in the root namespace is for all others, and gateways are proxies.
        let has_others = name == ROOT_NAMESPACE || gateways.within(name).next().is_some();
        // One without a namespace may be for another.
        let attached = attachments.within(name).find(|one| one.namespace == name);
        let Some(attached) = attached.filter(|_| !has_others && !ambient::is_ambient(name, index)) else { continue };
        let labels = namespace.labels();
        let injection = labels.get("istio-injection");
        let is_off = injection.is("disabled");
        let is_on = injection.is("enabled") || labels.get("istio.io/rev").exists() && !is_off;
        let has_proxy = |pod: &Pod<'_>| pod.has_proxy() || !is_off && says_injected(pod);
        let mut pods = pods.within(name).filter(|pod| pod.holds_others()).peekable();
        if !is_off && !is_on && pods.peek().is_none() {
            found.note(format!(
                "the namespace {name} has no label that puts proxies into its pods, and none of them were given: whether they have one was not looked at"
            ));
        } else if !is_on && !pods.any(has_proxy) {
            let field = if is_off { &injection } else { &labels };
            found.add_about(&NO_PROXY, namespace, field, format!("with {}", attached.title()));
        }
    }
}

fn says_injected(pod: &Pod<'_>) -> bool {
    let [labels, annotations] = ["labels", "annotations"].map(|part| pod.metadata.get(part));
    let says = [&labels, &annotations].iter().any(|part| part.get("sidecar.istio.io/inject").is("true"));
    says || labels.get("istio.io/rev").exists()
}

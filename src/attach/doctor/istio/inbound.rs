//! Istio: what takes requests past the proxy in which Tollgate would be asked. An attachment says nothing of it.

use std::collections::BTreeSet;

use super::super::field::Field;
use super::super::finding::{Found, codes};
use super::super::object::{ByNamespace, Index, Object};
use super::super::pod::{self, Pod};
use super::{ROOT_NAMESPACE, ambient, attachment};

codes! {
    SIDECAR_OFF = "istio.sidecar-off", Error:
        "an attachment selects this workload, and no request goes through a proxy",
        "Tollgate is asked in the sidecar. A pod without one (`sidecar.istio.io/inject: \"false\"`, `hostNetwork: true`), or whose requests are not taken to it (an empty `includeInboundPorts`, `interceptionMode: NONE`), takes requests itself: everything passes unjudged.",
        "take it out, or attach the workload in another way";
    OFF_IN_NAMESPACE = "istio.sidecar-off-in-namespace", Warning:
        "an attachment is for the whole namespace, and no request to this workload goes through a proxy",
        "Tollgate is asked in the sidecar. A pod without one (`sidecar.istio.io/inject: \"false\"`), or whose requests are not taken to it (an empty `includeInboundPorts`, `interceptionMode: NONE`), takes requests itself: what it serves passes unjudged.",
        "take it out, or give the attachment a selector that leaves this workload out";
    PORTS_EXCLUDED = "istio.ports-excluded", Warning:
        "what comes to these ports goes past the proxy",
        "Ports in `excludeInboundPorts` are not taken to the sidecar, and Tollgate is not asked there. That is right for a port with nothing but health or metrics.",
        "take out each port that serves requests";
    PORTS_NOT_INCLUDED = "istio.ports-not-included", Warning:
        "ports of this workload are not taken to the proxy",
        "Where `includeInboundPorts` is a list, only its ports go through the sidecar. On the others Tollgate is not asked.",
        "take the annotation out, or add each port that serves requests";
}

/// The sidecar's own, which are never taken to it.
const OF_ISTIO: &[&str] = &["15020", "15021", "15090"];

/// How an attachment came to be for a workload.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Selected {
    ByLabels,
    WithItsNamespace,
}

pub(in super::super) fn check(index: &Index<'_>, found: &mut Found) {
    let attachments = attachment::of_sidecars(index).into_iter();
    let attachments = ByNamespace::of(attachments.map(|one| (one.namespace, one)));
    for pod in pod::all(index) {
        let past = Past::of(&pod);
        if !past.is_any() || ambient::is_ambient(pod.object.namespace, index) {
            continue;
        }
        let all = || attachments.within(pod.object.namespace).chain(attachments.within(ROOT_NAMESPACE));
        let is_for_all = |one: &&&Object<'_>| attachment::labels(one).is_empty();
        let by_labels = all().find(|one| !is_for_all(one) && attachment::selects(one, &pod));
        let attachment = by_labels.or_else(|| all().find(is_for_all));
        if let Some(attachment) = attachment {
            let selected = if by_labels.is_some() { Selected::ByLabels } else { Selected::WithItsNamespace };
            past.tell(&pod, attachment, selected, found);
        }
    }
}

/// What goes past the proxy of a pod.
struct Past<'n> {
    /// What says that all does.
    all: Option<Field<'n>>,
    excluded: Field<'n>,
    included: Field<'n>,
    /// Ports that are declared for other containers than Tollgate.
    served: BTreeSet<&'n str>,
    of_tollgate: BTreeSet<&'n str>,
}

impl<'n> Past<'n> {
    fn of(pod: &Pod<'n>) -> Self {
        let annotations = pod.metadata.get("annotations");
        let [excluded, included] = ["excludeInboundPorts", "includeInboundPorts"]
            .map(|key| annotations.get(&format!("traffic.sidecar.istio.io/{key}")));
        let mode = annotations.get("sidecar.istio.io/interceptionMode");
        let takes_none = included.text().is_some_and(|ports| ports.trim().is_empty());
        let takes_none = takes_none.then(|| included.clone()).or_else(|| mode.is("NONE").then_some(mode));
        // Where the proxy is there already, none is put in.
        let off = off(pod).filter(|_| !pod.has_proxy()).or(takes_none);
        // What holds Tollgate alone is not what it is attached to.
        let all = off.filter(|_| pod.holds_others());
        let (tollgate, others): (Vec<_>, Vec<_>) = pod.containers.iter().partition(|one| pod.is_tollgate(one));
        let [served, of_tollgate] =
            [others, tollgate].map(|containers| containers.into_iter().flat_map(ports).collect());
        Self { all, excluded, included, served, of_tollgate }
    }

    fn is_any(&self) -> bool {
        self.all.is_some() || self.excluded.exists() || self.included.exists()
    }

    fn tell(&self, pod: &Pod<'n>, attachment: &Object<'n>, selected: Selected, found: &mut Found) {
        let object = &pod.object;
        let title = attachment.title();
        if let Some(all) = &self.all {
            match selected {
                Selected::ByLabels => found.add_about(&SIDECAR_OFF, object, all, title),
                // What is the node's or the mesh's own is not what was meant, and Jobs and the like serve nothing.
                Selected::WithItsNamespace
                    if all.is_true() || object.namespace == ROOT_NAMESPACE || self.served.is_empty() => {}
                Selected::WithItsNamespace => found.add_about(&OFF_IN_NAMESPACE, object, all, title),
            }
            return;
        }
        let left_out = |ports: Vec<&str>| format!("{}, with {title}", ports.join(", "));
        let listed: BTreeSet<_> = list(&self.included).collect();
        // A port is excluded from all, and from nothing else.
        if !listed.is_empty() && !listed.contains("*") {
            let missing: Vec<_> =
                self.served.difference(&listed).copied().filter(|port| !OF_ISTIO.contains(port)).collect();
            if !missing.is_empty() {
                found.add_about(&PORTS_NOT_INCLUDED, object, &self.included, left_out(missing));
            }
            return;
        }
        let excluded = list(&self.excluded).filter(|port| !OF_ISTIO.contains(port) && !self.of_tollgate.contains(port));
        let excluded: Vec<_> = excluded.collect();
        if !excluded.is_empty() {
            found.add_about(&PORTS_EXCLUDED, object, &self.excluded, left_out(excluded));
        }
    }
}

/// What keeps Istio from putting its proxy in: the label counts before the annotation.
fn off<'n>(pod: &Pod<'n>) -> Option<Field<'n>> {
    let [label, annotation] =
        ["labels", "annotations"].map(|part| pod.metadata.get(part).get("sidecar.istio.io/inject"));
    let says = if label.exists() { label } else { annotation };
    let network = pod.spec.get("hostNetwork");
    if says.is("false") { Some(says) } else { network.is_true().then_some(network) }
}

/// The TCP ports that a container declares.
fn ports<'n>(container: &Field<'n>) -> Vec<&'n str> {
    let all = container.get("ports").items();
    let is_tcp = |port: &&Field<'_>| port.get("protocol").text().is_none_or(|protocol| protocol == "TCP");
    all.iter().filter(is_tcp).filter_map(|port| port.get("containerPort").text()).collect()
}

fn list<'n>(field: &Field<'n>) -> impl Iterator<Item = &'n str> {
    field.text().unwrap_or_default().split(',').map(str::trim).filter(|port| !port.is_empty())
}

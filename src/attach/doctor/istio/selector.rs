//! Istio: attachments that are for no pod. A selector with a typing error is valid, and asks about nothing.

use std::collections::BTreeMap;

use super::super::finding::{Found, codes};
use super::super::object::{ByNamespace, Index};
use super::super::pod::{self, Pod};
use super::{ROOT_NAMESPACE, attachment};

codes! {
    UNMATCHED = "istio.selector-unmatched", Warning:
        "no workload that was given has these labels",
        "An attachment with a selector is for the pods that have all of its labels. Where none has them, Tollgate is asked about nothing, and nothing says so.",
        "compare with the labels of the pods (`kubectl get pods --show-labels`)";
}

pub(in super::super) fn check(index: &Index<'_>, found: &mut Found) {
    let pods: Vec<_> = pod::all(index).filter(Pod::holds_others).collect();
    let namespaces = ByNamespace::of(pods.iter().map(|pod| (pod.object.namespace, ())));
    let mut pods_by_label: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for pod in &pods {
        for (key, value) in pod.metadata.get("labels").entries() {
            pods_by_label.entry((key, value.text())).or_default().push((pod.object.namespace, pod));
        }
    }
    let pods_by_label: BTreeMap<_, _> =
        pods_by_label.into_iter().map(|(label, pods)| (label, (pods.len(), ByNamespace::of(pods)))).collect();
    for one in attachment::of_sidecars(index) {
        if attachment::is_for_gateway(one) || attachment::is_given_later(one) {
            continue;
        }
        // The fewest pods have the rarest of its labels; where one is nobody's, none.
        let labels = attachment::labels(one);
        let with = labels.iter().map(|(key, value)| pods_by_label.get(&(*key, value.text())));
        let Some(rarest) = with.min_by_key(|with| with.map_or(0, |(count, _)| *count)) else { continue };
        // One of the root namespace is for the pods of all.
        let namespace = if one.namespace == ROOT_NAMESPACE { "" } else { one.namespace };
        let mut near = rarest.into_iter().flat_map(|(_, pods)| pods.within(namespace));
        if namespaces.within(namespace).next().is_some() && !near.any(|pod| attachment::selects(one, pod)) {
            found.add(&UNMATCHED, one, &attachment::selector(one));
        }
    }
}

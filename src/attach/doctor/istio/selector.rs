//! Istio: attachments that are for no pod. A selector with a typing error is valid, and asks about nothing.

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
    let pods = pod::all(index).filter(Pod::holds_others);
    let pods = ByNamespace::of(pods.map(|pod| (pod.object.namespace, pod)));
    for one in attachment::of_sidecars(index) {
        let is_for_all = attachment::labels(one).is_empty();
        if is_for_all || attachment::is_for_gateway(one) || attachment::is_given_later(one) {
            continue;
        }
        // One of the root namespace is for the pods of all.
        let namespace = if one.namespace == ROOT_NAMESPACE { "" } else { one.namespace };
        let mut near = pods.within(namespace).peekable();
        if near.peek().is_some() && !near.any(|pod| attachment::selects(one, pod)) {
            found.add(&UNMATCHED, one, &attachment::selector(one));
        }
    }
}

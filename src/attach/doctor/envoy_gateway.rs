//! Envoy Gateway: the policies that ask Tollgate, and what they refer to.

pub(super) mod body;
pub(super) mod question;
pub(super) mod reference;
pub(super) mod replaced;

use super::field::Field;
use super::object::{EXTENSION_POLICY, Index, Object, SECURITY_POLICY, ours};

/// The policies that ask about a request before it goes on: Tollgate's, where some name it.
pub(super) fn questions<'i, 'n>(index: &'i Index<'n>) -> Vec<&'i Object<'n>> {
    let asks = |one: &&Object<'_>| one.spec().get("extAuth").exists();
    ours(index.all(SECURITY_POLICY).filter(asks).collect(), |one| {
        one.spec().get("extAuth").mentions("tollgate") || one.name.contains("tollgate")
    })
}

/// The policies that hand bodies over.
fn processors<'i, 'n>(index: &'i Index<'n>) -> Vec<&'i Object<'n>> {
    let asks = |one: &&Object<'_>| one.spec().get("extProc").exists();
    ours(index.all(EXTENSION_POLICY).filter(asks).collect(), |one| one.root.mentions("tollgate"))
}

/// Whom a policy asks. Both spellings: one, and a list.
pub(super) fn backends<'n>(grpc: &Field<'n>) -> Vec<Field<'n>> {
    let one = grpc.get("backendRef");
    grpc.get("backendRefs").items().into_iter().chain(one.exists().then_some(one)).collect()
}

/// Whether a policy is attached to an object by its labels.
fn selects(selector: &Field<'_>, policy: &Object<'_>, object: &Object<'_>) -> bool {
    let labels = selector.get("matchLabels").entries();
    selector.get("kind").is(object.kind.1)
        && object.is_in(policy.namespace)
        && labels.iter().all(|(key, value)| object.labels().get(key).text() == value.text())
}

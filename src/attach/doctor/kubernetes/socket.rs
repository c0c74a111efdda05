//! Kubernetes: a Tollgate beside the proxy, at a Unix socket that both must reach.

use super::super::field::Field;
use super::super::finding::{Found, codes};
use super::super::istio::socket;
use super::super::object::{ENVOY_PROXY, Index};
use super::super::pod::{self, Pod};

codes! {
    NOT_SHARED = "kubernetes.socket-not-shared", Error:
        "nobody but Tollgate sees its socket",
        "No other container of the pod mounts the folder of the socket: the proxy cannot ask, and everything is refused.",
        "mount one `emptyDir` at that folder in both containers";
    USER_VOLUME_MOUNT = "istio.user-volume-mount-missing", Error:
        "Istio's proxy does not see the socket",
        "The proxy is put into the pod by Istio, and mounts only what an annotation names: it cannot ask, and everything is refused.",
        "annotate the pod with `sidecar.istio.io/userVolumeMount: '[{\"name\":\"<volume>\",\"mountPath\":\"/run/tollgate\"}]'`";
    GROUP_MISSING = "kubernetes.socket-group-missing", Error:
        "the proxy may not write to the socket",
        "The socket has the mode 0660, and proxy and Tollgate are different users without a common group: connecting is refused, and so is everything.",
        "set `securityContext.fsGroup: 65532` for the pod";
}

pub(in super::super) fn check(index: &Index<'_>, found: &mut Found) {
    for pod in pod::with_tollgate(index) {
        if let Some(folder) = pod.socket_folder(index) {
            check_pod(&pod, folder, index, found);
        }
    }
}

fn check_pod(pod: &Pod<'_>, folder: &str, index: &Index<'_>, found: &mut Found) {
    let Some(tollgate) = pod.tollgate() else { return };
    let mounts = tollgate.get("volumeMounts").items();
    let at_folder =
        |mount: &&Field<'_>| mount.get("mountPath").text().is_some_and(|path| path.trim_end_matches('/') == folder);
    let volume = mounts.iter().find(at_folder).and_then(|mount| mount.get("name").text());
    let mounts_it = |one: &Field<'_>| {
        one.get("volumeMounts").items().iter().any(|mount| volume.is_some() && mount.get("name").text() == volume)
    };
    let sharing: Vec<_> = pod.containers.iter().filter(|one| !one.is_same(tollgate) && mounts_it(one)).collect();
    let annotation = pod.metadata.get("annotations").get("sidecar.istio.io/userVolumeMount");
    let is_annotated = volume.is_some_and(|volume| annotation.mentions(&format!("\"{volume}\"")));
    if is_in_mesh(pod, folder, index) && !is_annotated {
        found.add(&USER_VOLUME_MOUNT, &pod.object, &annotation);
    } else if sharing.is_empty() && !is_annotated {
        found.add(&NOT_SHARED, &pod.object, &mounts.first().map_or_else(|| tollgate.get("volumeMounts"), Clone::clone));
    }
    let own = user(pod, tollgate).unwrap_or(TOLLGATES);
    let same_user = if is_annotated { own == ISTIOS } else { sharing.iter().all(|one| user(pod, one) == Some(own)) };
    let has_group = pod.spec.at("securityContext.fsGroup").exists() || !pod.setting("socket-group", index).is_empty();
    // Envoy Gateway's proxy runs as Tollgate's user.
    if pod.object.kind != ENVOY_PROXY && (is_annotated || !sharing.is_empty()) && !same_user && !has_group {
        found.add(&GROUP_MISSING, &pod.object, &pod.spec.get("securityContext"));
    }
}

/// Users by their numbers, of the images.
const TOLLGATES: &str = "65532";
const ISTIOS: &str = "1337";

fn user<'n>(pod: &Pod<'n>, container: &Field<'n>) -> Option<&'n str> {
    let own = container.at("securityContext.runAsUser").text();
    own.or_else(|| pod.spec.at("securityContext.runAsUser").text())
}

/// Whether Istio puts a proxy into the pod, as far as can be seen.
fn is_in_mesh(pod: &Pod<'_>, folder: &str, index: &Index<'_>) -> bool {
    if pod.object.kind == ENVOY_PROXY {
        return false;
    }
    let annotations = pod.metadata.get("annotations").entries();
    annotations.iter().any(|(key, _)| key.starts_with("sidecar.istio.io/"))
        || pod.metadata.get("labels").get("sidecar.istio.io/inject").is_true()
        || socket::is_served(index, pod.object.namespace, folder)
}

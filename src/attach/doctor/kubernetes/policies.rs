//! Kubernetes: policies in ConfigMaps, and their way into the pod.

use std::collections::{BTreeMap, BTreeSet};

use super::super::field::Field;
use super::super::finding::{Found, codes};
use super::super::object::{CONFIG_MAP, Index, Object};
use super::super::pod::{self, Pod, config_maps};
use crate::bundle::API_VERSION;

codes! {
    SUB_PATH = "kubernetes.policy-sub-path", Error:
        "policies that are mounted by `subPath` never change",
        "The kubelet does not follow edits of such a mount: the policies of the day the pod started stay in force, until it is started again.",
        "mount the whole volume as a folder, without `subPath`";
    KEY_TWICE = "kubernetes.policy-key-twice", Error:
        "two ConfigMaps of one volume have the same key",
        "In a projected volume one file hides the other, and nobody says which: half of the policies are not there.",
        "rename one of the keys, or give it another `path` under `items`";
    SETTINGS_AMONG = "kubernetes.settings-among-policies", Error:
        "the settings file stands among the policies",
        "All `.yaml` files of the policy folder are policies. One that is none makes them invalid: a new pod has no policies, and a running one keeps the old ones.",
        "give the settings a ConfigMap of their own: policies are followed while Tollgate runs, settings are read once";
    TOO_LARGE = "kubernetes.policies-too-large", Warning:
        "the ConfigMap is larger than `kubectl apply` takes",
        "Above 256 KiB a plain `kubectl apply` is refused, above 1 MiB (of all keys) every way: the edit never arrives, and the old policies stay in force.",
        "split it: several ConfigMaps make one bundle. Or apply with `--server-side`, up to 1 MiB";
    CHECKSUM = "kubernetes.policy-checksum", Warning:
        "an edit of the policies starts every pod again",
        "Tollgate follows its policies while it runs. A checksum of them in the pod's annotations turns every edit into a rollout.",
        "take the annotation out; keep one of the settings file, which is read once";
    IMMUTABLE = "kubernetes.policies-immutable", Note:
        "these policies cannot be edited",
        "An immutable ConfigMap never changes: new policies are a ConfigMap under a new name, and a rollout.",
        "if that is not meant, make it anew without `immutable`";
}

/// What `kubectl apply` can keep in an annotation.
const MAX_APPLIED: usize = 256 * 1024;

pub(in super::super) fn check(index: &Index<'_>, found: &mut Found) {
    let maps: Vec<_> = index.all(CONFIG_MAP).filter(|map| holds_policies(map)).collect();
    for map in &maps {
        let data = map.root.get("data");
        let bytes: usize = data.entries().iter().filter_map(|(_, value)| value.text()).map(str::len).sum();
        if bytes > MAX_APPLIED {
            found.add_about(&TOO_LARGE, map, &data, format!("{} KiB", bytes / 1024));
        }
        let settings = data.get("tollgate.yaml");
        if settings.text().is_some_and(|text| !text.contains(API_VERSION)) {
            found.add(&SETTINGS_AMONG, map, &settings);
        }
        let immutable = map.root.get("immutable");
        if immutable.is_true() {
            found.add(&IMMUTABLE, map, &immutable);
        }
    }
    let of_policies = maps.iter().map(|map| (map.namespace, map.name)).collect();
    for pod in pod::with_tollgate(index) {
        check_mounts(&pod, &of_policies, index, found);
        check_keys(&pod, index, found);
        let is_of_policies = |key: &str| key.contains("checksum") && key.contains("polic");
        for (_, checksum) in
            pod.metadata.get("annotations").entries().into_iter().filter(|(key, _)| is_of_policies(key))
        {
            found.add(&CHECKSUM, &pod.object, &checksum);
        }
    }
}

fn holds_policies(map: &Object<'_>) -> bool {
    map.labels().get("tollgate.dev/policy").is_true() || map.root.get("data").mentions(API_VERSION)
}

fn check_mounts(pod: &Pod<'_>, of_policies: &BTreeSet<(&str, &str)>, index: &Index<'_>, found: &mut Found) {
    let mounts = pod.tollgate().map(|one| one.get("volumeMounts").items()).unwrap_or_default();
    for mount in mounts {
        let sub_path = ["subPath", "subPathExpr"].map(|key| mount.get(key)).into_iter().find(Field::exists);
        let volume = pod.volumes.iter().find(|one| one.get("name").text() == mount.get("name").text());
        let maps = volume.map(config_maps).unwrap_or_default();
        let is_policy = |name: &&str| {
            let map = index.named(CONFIG_MAP, pod.object.namespace, name);
            map.is_some_and(|map| of_policies.contains(&(map.namespace, map.name)))
                || map.is_none() && name.contains("polic")
        };
        // Other volumes than ConfigMaps are followed by `subPath`, too.
        let holds_policies = maps.iter().any(is_policy) || !maps.is_empty() && mount.get("mountPath").mentions("polic");
        if let Some(sub_path) = sub_path.filter(|_| holds_policies) {
            found.add(&SUB_PATH, &pod.object, &sub_path);
        }
    }
}

fn check_keys(pod: &Pod<'_>, index: &Index<'_>, found: &mut Found) {
    for volume in &pod.volumes {
        let mut first_by_key: BTreeMap<&str, &str> = BTreeMap::new();
        for source in volume.at("projected.sources").items() {
            let name = source.at("configMap.name");
            let Some(map) = name.text().and_then(|name| index.named(CONFIG_MAP, pod.object.namespace, name)) else {
                continue;
            };
            for key in shown_keys(&source.get("configMap"), map) {
                match first_by_key.get(key) {
                    Some(first) => {
                        let about = format!("`{key}` is also in {first}");
                        found.add_about(&KEY_TWICE, &pod.object, &name, about);
                    }
                    None => drop(first_by_key.insert(key, map.name)),
                }
            }
        }
    }
}

/// The names that a volume shows a ConfigMap's keys under.
fn shown_keys<'n>(source: &Field<'n>, map: &Object<'n>) -> Vec<&'n str> {
    let items = source.get("items").items();
    if items.is_empty() {
        return map.root.get("data").entries().into_iter().map(|(key, _)| key).collect();
    }
    items.iter().filter_map(|item| item.get("path").text()).collect()
}

//! What the documents are: objects of Kubernetes, mesh configurations, configurations of Envoy.

use std::collections::{BTreeMap, BTreeSet};

use super::documents::{Documents, Within, qualified};
use super::field::Field;

/// A kind by its API group and name. What has no group of Kubernetes' is ours to name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Kind(pub(super) &'static str, pub(super) &'static str);

pub(super) const AUTHORIZATION_POLICY: Kind = Kind("security.istio.io", "AuthorizationPolicy");
pub(super) const ENVOY_FILTER: Kind = Kind("networking.istio.io", "EnvoyFilter");
pub(super) const SERVICE_ENTRY: Kind = Kind("networking.istio.io", "ServiceEntry");
pub(super) const SIDECAR: Kind = Kind("networking.istio.io", "Sidecar");
pub(super) const MESH_CONFIG: Kind = Kind("", "mesh configuration");
pub(super) const GATEWAY: Kind = Kind("gateway.networking.k8s.io", "Gateway");
pub(super) const HTTP_ROUTE: Kind = Kind("gateway.networking.k8s.io", "HTTPRoute");
pub(super) const GRPC_ROUTE: Kind = Kind("gateway.networking.k8s.io", "GRPCRoute");
pub(super) const REFERENCE_GRANT: Kind = Kind("gateway.networking.k8s.io", "ReferenceGrant");
pub(super) const BACKEND_TLS_POLICY: Kind = Kind("gateway.networking.k8s.io", "BackendTLSPolicy");
pub(super) const SECURITY_POLICY: Kind = Kind("gateway.envoyproxy.io", "SecurityPolicy");
pub(super) const EXTENSION_POLICY: Kind = Kind("gateway.envoyproxy.io", "EnvoyExtensionPolicy");
pub(super) const CLIENT_TRAFFIC_POLICY: Kind = Kind("gateway.envoyproxy.io", "ClientTrafficPolicy");
pub(super) const BACKEND_TRAFFIC_POLICY: Kind = Kind("gateway.envoyproxy.io", "BackendTrafficPolicy");
pub(super) const ENVOY_PROXY: Kind = Kind("gateway.envoyproxy.io", "EnvoyProxy");
pub(super) const CONFIG_MAP: Kind = Kind("", "ConfigMap");
pub(super) const SERVICE: Kind = Kind("", "Service");
pub(super) const NAMESPACE: Kind = Kind("", "Namespace");
pub(super) const NETWORK_POLICY: Kind = Kind("networking.k8s.io", "NetworkPolicy");
pub(super) const POD: Kind = Kind("", "Pod");
pub(super) const DEPLOYMENT: Kind = Kind("apps", "Deployment");
pub(super) const STATEFUL_SET: Kind = Kind("apps", "StatefulSet");
pub(super) const DAEMON_SET: Kind = Kind("apps", "DaemonSet");
pub(super) const REPLICA_SET: Kind = Kind("apps", "ReplicaSet");
/// Of Argo Rollouts: a Deployment with another way to exchange pods.
pub(super) const ROLLOUT: Kind = Kind("argoproj.io", "Rollout");
pub(super) const ENVOY: Kind = Kind("", "configuration of Envoy");
pub(super) const SETTINGS: Kind = Kind("", "settings of Tollgate");
pub(super) const IDENTITY: Kind = Kind("tollgate.dev", "Identity");

/// All that something is looked for in.
const KINDS: &[Kind] = &[
    AUTHORIZATION_POLICY,
    ENVOY_FILTER,
    SERVICE_ENTRY,
    SIDECAR,
    GATEWAY,
    HTTP_ROUTE,
    GRPC_ROUTE,
    REFERENCE_GRANT,
    BACKEND_TLS_POLICY,
    SECURITY_POLICY,
    EXTENSION_POLICY,
    CLIENT_TRAFFIC_POLICY,
    BACKEND_TRAFFIC_POLICY,
    ENVOY_PROXY,
    CONFIG_MAP,
    SERVICE,
    NAMESPACE,
    NETWORK_POLICY,
    POD,
    DEPLOYMENT,
    STATEFUL_SET,
    DAEMON_SET,
    REPLICA_SET,
    ROLLOUT,
    IDENTITY,
];

/// A document that is known.
#[derive(Debug, Clone)]
pub(super) struct Object<'n> {
    pub(super) kind: Kind,
    /// Without its group: `v1`.
    pub(super) version: &'n str,
    /// Empty where none is written.
    pub(super) namespace: &'n str,
    pub(super) name: &'n str,
    /// The whole of it.
    pub(super) root: Field<'n>,
    /// The ConfigMap that it stands in.
    pub(super) within: Option<&'n Within>,
}

/// Everything that was read, by kind.
#[derive(Debug, Default)]
pub(super) struct Index<'n> {
    objects_by_kind: BTreeMap<Kind, Vec<Object<'n>>>,
    /// By kind, name and namespace, where each stands among those of its kind.
    places_by_name: BTreeMap<(Kind, &'n str, &'n str), usize>,
    /// Namespaces whose Services were listed, as `kubectl get` does.
    pub(super) listed: BTreeSet<&'n str>,
    /// Kinds in which nothing is looked for, and how many there are of each.
    pub(super) others: BTreeMap<String, usize>,
}

impl<'n> Index<'n> {
    pub(super) fn of(documents: &'n Documents) -> Self {
        let mut index = Self::default();
        for document in &documents.read {
            index.take(&Field::root(&document.node), document.within.as_ref(), 0);
        }
        index
    }

    fn take(&mut self, root: &Field<'n>, within: Option<&'n Within>, depth: usize) {
        let api_version = root.get("apiVersion").text().unwrap_or_default();
        let Some(kind) = root.get("kind").text() else {
            return self.take_without_kind(root, within);
        };
        if kind.ends_with("List") && root.get("items").exists() && depth < MAX_DEPTH {
            for item in root.get("items").items() {
                if item.get("kind").is(SERVICE.1) {
                    self.listed.extend(item.at("metadata.namespace").text());
                }
                self.take(&item, within, depth + 1);
            }
            return;
        }
        // Both have the mesh configuration in them.
        for path in ["spec.meshConfig", "spec.values.meshConfig"] {
            let mesh = root.at(path);
            if matches!(kind, "IstioOperator" | "Istio") && mesh.exists() {
                return self.push(MESH_CONFIG, root, &mesh, within);
            }
        }
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        match KINDS.iter().find(|known| known.0 == group && known.1 == kind) {
            Some(known) => self.add(*known, version, root, root, within),
            None => *self.others.entry(kind.to_owned()).or_default() += 1,
        }
    }

    fn take_without_kind(&mut self, root: &Field<'n>, within: Option<&'n Within>) {
        let before = self.count();
        let mesh = root.get("meshConfig");
        if mesh.exists() {
            self.push(MESH_CONFIG, root, &mesh, within);
        } else if root.get("extensionProviders").exists() {
            self.push(MESH_CONFIG, root, root, within);
        } else if root.get("static_resources").exists() || root.get("dynamic_resources").exists() {
            self.push(ENVOY, root, root, within);
        } else if within.is_some_and(|within| within.key == "tollgate.yaml") {
            self.push(SETTINGS, root, root, within);
        } else {
            self.take_dumps(root, within, 0);
        }
        if self.count() == before {
            *self.others.entry("of no known kind".to_owned()).or_default() += 1;
        }
    }

    /// What Envoy's `/config_dump` says. Some tools put it below the name of the pod that it is of.
    fn take_dumps(&mut self, field: &Field<'n>, within: Option<&'n Within>, depth: usize) {
        if field.get("configs").items().iter().any(|one| one.get("@type").exists()) {
            self.push(ENVOY, field, field, within);
        } else if depth < MAX_DEPTH {
            field.entries().iter().for_each(|(_, field)| self.take_dumps(field, within, depth + 1));
        }
    }

    fn push(&mut self, kind: Kind, document: &Field<'n>, root: &Field<'n>, within: Option<&'n Within>) {
        self.add(kind, "", document, root, within);
    }

    fn add(
        &mut self,
        kind: Kind,
        version: &'n str,
        document: &Field<'n>,
        root: &Field<'n>,
        within: Option<&'n Within>,
    ) {
        let text = |key| document.get("metadata").get(key).text().unwrap_or_default();
        let (namespace, name) = match within {
            // Settings have no name but that of their ConfigMap.
            Some(within) if kind == SETTINGS => (within.namespace.as_str(), within.name.as_str()),
            _ => (text("namespace"), text("name")),
        };
        let objects = self.objects_by_kind.entry(kind).or_default();
        self.places_by_name.entry((kind, name, namespace)).or_insert(objects.len());
        objects.push(Object { kind, version, namespace, name, root: root.clone(), within });
    }

    fn count(&self) -> usize {
        self.objects_by_kind.values().map(Vec::len).sum()
    }

    /// All of a kind.
    pub(super) fn all(&self, kind: Kind) -> impl Iterator<Item = &Object<'n>> {
        self.objects_by_kind.get(&kind).into_iter().flatten()
    }

    /// Whether there is any of a kind.
    pub(super) fn has(&self, kind: Kind) -> bool {
        self.all(kind).next().is_some()
    }

    /// The one of this name.
    pub(super) fn named(&self, kind: Kind, namespace: &str, name: &str) -> Option<&Object<'n>> {
        let at = |namespace| self.places_by_name.get(&(kind, name, namespace)).copied();
        let anywhere = || {
            let mut all = self.places_by_name.range((kind, name, "")..).map(|(key, at)| (key.0, key.1, *at));
            all.next().filter(|(one, known, _)| *one == kind && *known == name).map(|(.., at)| at)
        };
        let at = if namespace.is_empty() { anywhere() } else { at(namespace).or_else(|| at("")) };
        self.objects_by_kind.get(&kind).zip(at).and_then(|(all, at)| all.get(at))
    }

    /// How many of each kind.
    pub(super) fn counted(&self) -> BTreeMap<String, usize> {
        self.objects_by_kind.iter().map(|(kind, all)| (kind.1.to_owned(), all.len())).collect()
    }

    /// Where an `Identity` reads users from what Envoy's token filter leaves.
    pub(super) fn users_from_tokens(&self) -> impl Iterator<Item = (&Object<'n>, Field<'n>)> {
        let read = self.all(IDENTITY).map(|one| (one, one.root.at("user.from")));
        read.filter(|(_, from)| from.text().is_some_and(|from| from.starts_with("metadata:")))
    }

    /// Whether an `Identity` reads workloads from there; `None` where no policies were given.
    pub(super) fn identity_reads(&self, source: &str) -> Option<bool> {
        let mut identities = self.all(IDENTITY).peekable();
        identities.peek()?;
        Some(identities.any(|one| one.root.at("workload.from").has(source)))
    }
}

/// A dump below cluster, namespace and pod.
const MAX_DEPTH: usize = 4;

impl<'n> Object<'n> {
    pub(super) fn spec(&self) -> Field<'n> {
        self.root.get("spec")
    }

    pub(super) fn annotations(&self) -> Field<'n> {
        self.root.at("metadata.annotations")
    }

    pub(super) fn labels(&self) -> Field<'n> {
        self.root.at("metadata.labels")
    }

    /// What a policy is attached to by name. Both spellings: one, and a list.
    pub(super) fn targets(&self) -> Vec<Field<'n>> {
        let one = self.spec().get("targetRef");
        self.spec().get("targetRefs").items().into_iter().chain(one.exists().then_some(one)).collect()
    }

    /// Whether it may be in a namespace: rendered manifests often name none.
    pub(super) fn is_in(&self, namespace: &str) -> bool {
        self.namespace == namespace || self.namespace.is_empty() || namespace.is_empty()
    }

    /// For people: `SecurityPolicy shop/tollgate`.
    pub(super) fn title(&self) -> String {
        let name = qualified(self.namespace, self.name);
        match self.within {
            Some(within) => format!("{} in {within}", self.kind.1),
            None if name.is_empty() => self.kind.1.to_owned(),
            None => format!("{} {name}", self.kind.1),
        }
    }
}

/// What is known of objects, by their namespaces.
#[derive(Debug)]
pub(super) struct ByNamespace<'n, T>(BTreeMap<&'n str, Vec<T>>);

impl<'n, T> ByNamespace<'n, T> {
    pub(super) fn of(all: impl IntoIterator<Item = (&'n str, T)>) -> Self {
        let mut by_namespace: BTreeMap<_, Vec<_>> = BTreeMap::new();
        all.into_iter().for_each(|(namespace, one)| by_namespace.entry(namespace).or_default().push(one));
        Self(by_namespace)
    }

    /// Those that may be in one.
    pub(super) fn within(&self, namespace: &str) -> impl Iterator<Item = &T> {
        let (named, all) = if namespace.is_empty() { (None, Some(&self.0)) } else { (Some(namespace), None) };
        let some = named.into_iter().flat_map(|namespace| [self.0.get(namespace), self.0.get("")]).flatten();
        some.chain(all.into_iter().flat_map(BTreeMap::values)).flatten()
    }
}

/// Of several attachments those that are Tollgate's: where some mention it, the others are not ours to judge.
pub(super) fn ours<T>(all: Vec<T>, mentions: impl Fn(&T) -> bool) -> Vec<T> {
    if all.iter().any(&mentions) { all.into_iter().filter(|one| mentions(one)).collect() } else { all }
}

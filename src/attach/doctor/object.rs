//! What the documents are: objects of Kubernetes, mesh configurations, configurations of Envoy.

use std::collections::BTreeMap;

use super::documents::Documents;
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
    /// The key and the ConfigMap that it stands in.
    pub(super) within: Option<&'n str>,
}

/// Everything that was read, by kind.
#[derive(Debug, Default)]
pub(super) struct Index<'n> {
    objects: Vec<Object<'n>>,
    /// Kinds in which nothing is looked for, and how many there are of each.
    pub(super) others: BTreeMap<String, usize>,
}

impl<'n> Index<'n> {
    pub(super) fn of(documents: &'n Documents) -> Self {
        let mut index = Self::default();
        for document in &documents.read {
            index.take(&Field::root(&document.node), document.within.as_deref(), 0);
        }
        index
    }

    fn take(&mut self, root: &Field<'n>, within: Option<&'n str>, depth: usize) {
        let api_version = root.get("apiVersion").text().unwrap_or_default();
        let Some(kind) = root.get("kind").text() else {
            return self.take_without_kind(root, within);
        };
        if kind.ends_with("List") && root.get("items").exists() && depth < MAX_DEPTH {
            return root.get("items").items().iter().for_each(|item| self.take(item, within, depth + 1));
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
            Some(known) => {
                self.push(*known, root, root, within);
                if let Some(object) = self.objects.last_mut() {
                    object.version = version;
                }
            }
            None => *self.others.entry(kind.to_owned()).or_default() += 1,
        }
    }

    fn take_without_kind(&mut self, root: &Field<'n>, within: Option<&'n str>) {
        let before = self.objects.len();
        let mesh = root.get("meshConfig");
        if mesh.exists() {
            self.push(MESH_CONFIG, root, &mesh, within);
        } else if root.get("extensionProviders").exists() {
            self.push(MESH_CONFIG, root, root, within);
        } else if root.get("static_resources").exists() || root.get("dynamic_resources").exists() {
            self.push(ENVOY, root, root, within);
        } else if within.is_some_and(|within| within.starts_with("tollgate.yaml of ")) {
            self.push(SETTINGS, root, root, within);
        } else {
            self.take_dumps(root, within, 0);
        }
        if self.objects.len() == before {
            *self.others.entry("of no known kind".to_owned()).or_default() += 1;
        }
    }

    /// What Envoy's `/config_dump` says. Some tools put it below the name of the pod that it is of.
    fn take_dumps(&mut self, field: &Field<'n>, within: Option<&'n str>, depth: usize) {
        if field.get("configs").items().iter().any(|one| one.get("@type").exists()) {
            self.push(ENVOY, field, field, within);
        } else if depth < MAX_DEPTH {
            field.entries().iter().for_each(|(_, field)| self.take_dumps(field, within, depth + 1));
        }
    }

    fn push(&mut self, kind: Kind, document: &Field<'n>, root: &Field<'n>, within: Option<&'n str>) {
        let text = |key| document.get("metadata").get(key).text().unwrap_or_default();
        let (namespace, name) = (text("namespace"), text("name"));
        self.objects.push(Object { kind, version: "", namespace, name, root: root.clone(), within });
    }

    /// All of a kind.
    pub(super) fn all(&self, kind: Kind) -> impl Iterator<Item = &Object<'n>> {
        self.objects.iter().filter(move |object| object.kind == kind)
    }

    /// Whether there is any of a kind.
    pub(super) fn has(&self, kind: Kind) -> bool {
        self.all(kind).next().is_some()
    }

    /// The one of this name.
    pub(super) fn named(&self, kind: Kind, namespace: &str, name: &str) -> Option<&Object<'n>> {
        self.all(kind).find(|object| object.name == name && object.is_in(namespace))
    }

    /// How many of each kind.
    pub(super) fn counted(&self) -> BTreeMap<String, usize> {
        let mut counted = BTreeMap::new();
        for object in &self.objects {
            *counted.entry(object.kind.1.to_owned()).or_default() += 1;
        }
        counted
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

/// A name with its namespace, where it has one.
pub(super) fn qualified(namespace: &str, name: &str) -> String {
    if namespace.is_empty() { name.to_owned() } else { format!("{namespace}/{name}") }
}

/// Of several attachments those that are Tollgate's: where some mention it, the others are not ours to judge.
pub(super) fn ours<T>(all: Vec<T>, mentions: impl Fn(&T) -> bool) -> Vec<T> {
    if all.iter().any(&mentions) { all.into_iter().filter(|one| mentions(one)).collect() } else { all }
}

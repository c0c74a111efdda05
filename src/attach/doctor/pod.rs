//! Pods with Tollgate in them, whatever makes them; and how Tollgate is set there: by arguments, by the environment, or in a
//! file of a ConfigMap.

use super::field::Field;
use super::object::{
    DAEMON_SET, DEPLOYMENT, ENVOY_PROXY, Index, Object, POD, REPLICA_SET, ROLLOUT, SETTINGS, STATEFUL_SET,
};

/// A pod, as it is described.
pub(super) struct Pod<'n> {
    pub(super) object: Object<'n>,
    /// Labels and annotations of the pod.
    pub(super) metadata: Field<'n>,
    pub(super) spec: Field<'n>,
    /// Those that run at its side, too.
    pub(super) containers: Vec<Field<'n>>,
    pub(super) volumes: Vec<Field<'n>>,
}

/// All pods that Kubernetes makes of what was given.
pub(super) fn all<'i, 'n>(index: &'i Index<'n>) -> impl Iterator<Item = Pod<'n>> + use<'i, 'n> {
    let made =
        [DEPLOYMENT, STATEFUL_SET, DAEMON_SET, REPLICA_SET, ROLLOUT].into_iter().flat_map(|kind| index.all(kind));
    // What a Deployment makes is described there.
    let made =
        made.filter(|object| object.kind != REPLICA_SET || object.root.at("metadata.ownerReferences").is_empty());
    let made = made.map(|object| Pod::of(object, &object.spec().get("template")));
    made.chain(index.all(POD).map(|object| Pod::of(object, &object.root)))
}

/// All pods that hold a Tollgate, also those that Envoy Gateway makes.
pub(super) fn with_tollgate<'n>(index: &Index<'n>) -> Vec<Pod<'n>> {
    let proxies = index.all(ENVOY_PROXY).flat_map(Pod::of_proxy);
    all(index).chain(proxies).filter(|pod| pod.tollgate().is_some()).collect()
}

impl<'n> Pod<'n> {
    fn of(object: &Object<'n>, template: &Field<'n>) -> Self {
        let spec = template.get("spec");
        let containers = [spec.get("initContainers").items(), spec.get("containers").items()].concat();
        let volumes = spec.get("volumes").items();
        Self { object: object.clone(), metadata: template.get("metadata"), spec, containers, volumes }
    }

    /// Envoy Gateway's description of its own pods.
    fn of_proxy(object: &Object<'n>) -> Vec<Self> {
        let provider = object.spec().at("provider.kubernetes");
        let kinds = ["envoyDeployment", "envoyDaemonSet"].map(|kind| provider.get(kind));
        let pod = |kind: Field<'n>| {
            let mut containers = kind.get("initContainers").items();
            containers.push(kind.get("container"));
            let spec = kind.get("pod");
            let volumes = spec.get("volumes").items();
            Self { object: object.clone(), metadata: spec.clone(), spec, containers, volumes }
        };
        kinds.into_iter().filter(Field::exists).map(pod).collect()
    }

    /// The container in which Tollgate serves. The same binary tests a release and answers the API server, elsewhere.
    pub(super) fn tollgate(&self) -> Option<&Field<'n>> {
        self.containers.iter().find(|one| {
            let words = [one.get("command").texts(), one.get("args").texts()].concat();
            let serves = words.is_empty() || words.contains(&"serve");
            serves && is_of_tollgate(one)
        })
    }

    /// Whether a container is that one.
    pub(super) fn is_tollgate(&self, container: &Field<'_>) -> bool {
        self.tollgate().is_some_and(|tollgate| container.is_same(tollgate))
    }

    /// Whether something runs there that is not of Tollgate.
    pub(super) fn holds_others(&self) -> bool {
        self.containers.iter().any(|one| !is_of_tollgate(one))
    }

    /// Whether Istio's proxy is there already.
    pub(super) fn has_proxy(&self) -> bool {
        self.containers.iter().any(|one| one.get("name").is("istio-proxy"))
    }

    /// The values of a setting, by the name that it has on the command line. Empty where it is not set.
    pub(super) fn setting(&self, name: &str, index: &Index<'n>) -> Vec<&'n str> {
        let Some(container) = self.tollgate() else { return Vec::new() };
        let flag = format!("--{name}");
        let words = [container.get("command").texts(), container.get("args").texts()].concat();
        let mut values = Vec::new();
        for (at, word) in words.iter().enumerate() {
            match word.strip_prefix(&flag) {
                Some("") => values.extend(words.get(at + 1)),
                Some(rest) => values.extend(rest.strip_prefix('=')),
                None => {}
            }
        }
        if !values.is_empty() {
            return values;
        }
        let variable = format!("TOLLGATE_{}", name.to_uppercase().replace('-', "_"));
        let env = container.get("env").items();
        let value = env.iter().find(|one| one.get("name").is(&variable)).and_then(|one| one.get("value").text());
        if let Some(value) = value {
            return value.split(',').map(str::trim).collect();
        }
        let setting = self.settings_file(index).map(|file| file.root.get(&name.replace('-', "_")));
        let Some(setting) = setting.filter(Field::exists) else { return Vec::new() };
        setting.text().into_iter().chain(setting.texts()).collect()
    }

    /// Whether settings stand in a file that was not given.
    pub(super) fn is_set_elsewhere(&self, index: &Index<'n>) -> bool {
        let names_one = self.tollgate().is_some_and(|one| {
            let words = [one.get("command").texts(), one.get("args").texts()].concat();
            let variable = one.get("env").items().iter().any(|one| one.get("name").is("TOLLGATE_CONFIG"));
            variable || words.iter().any(|word| *word == "--config" || word.starts_with("--config="))
        });
        names_one && self.settings_file(index).is_none()
    }

    /// The file that Tollgate is started with, where it stands in a ConfigMap that was given.
    fn settings_file<'i>(&self, index: &'i Index<'n>) -> Option<&'i Object<'n>> {
        let mut names = self.volumes.iter().flat_map(config_maps);
        names.find_map(|name| index.named(SETTINGS, self.object.namespace, name))
    }

    /// The folder of the Unix socket that Tollgate listens on.
    pub(super) fn socket_folder(&self, index: &Index<'n>) -> Option<&'n str> {
        let listens = self.setting("listen", index);
        let path = listens.iter().find_map(|listen| listen.strip_prefix("unix:"))?;
        let path = path.strip_prefix("//").unwrap_or(path);
        path.rsplit_once('/').map(|(folder, _)| folder)
    }
}

/// Whether a container is of Tollgate, whatever it does there.
fn is_of_tollgate(container: &Field<'_>) -> bool {
    let image = container.get("image").text().unwrap_or_default();
    let image = image.rsplit('/').next().unwrap_or_default();
    let image = image.split([':', '@']).next().unwrap_or_default();
    container.get("name").is("tollgate") || image == "tollgate"
}

/// The names of the ConfigMaps that a volume shows.
pub(super) fn config_maps<'n>(volume: &Field<'n>) -> Vec<&'n str> {
    let sources = volume.at("projected.sources").items();
    let projected = sources.iter().filter_map(|source| source.at("configMap.name").text());
    volume.at("configMap.name").text().into_iter().chain(projected).collect()
}

//! The manifests that attach Tollgate to Istio, Envoy Gateway or a plain Envoy, from the templates of the chart.
//!
//! What is asked for is checked and becomes a context, the same one that the chart makes of its values; the templates do the
//! rest. Every form has a timeout, answers 503 where Tollgate cannot be asked, and never lets a request pass unjudged.

pub mod envoy;
pub mod envoy_gateway;
pub mod istio;
mod template;
pub mod value;

use std::collections::BTreeMap;

use serde::Serialize;
use value::{Host, Label, Name, SocketPath, Wait};

/// Where checks are answered. The chart has the same.
pub const PORT: u16 = 9000;
/// Where bodies will be looked at.
const EXT_PROC_PORT: u16 = 9001;
/// What is asked for its health: the service that Envoy uses.
const HEALTH_SERVICE: &str = "envoy.service.auth.v3.Authorization";
/// Names of objects that become labels or hosts have at most this.
const MAX_NAME: usize = 63;

/// What all forms have.
#[derive(Debug, Clone)]
pub struct Tollgate {
    /// Its Service, which is called like the release.
    pub service: Name,
    /// The namespace that it is in.
    pub namespace: Name,
    /// What names of Services end in.
    pub cluster_domain: Host,
    /// How long Envoy waits for an answer.
    pub timeout: Wait,
    /// How much of a body Envoy sends along. 0: nothing.
    pub max_request_bytes: u32,
    /// Whether responses are handed over, too.
    pub ext_proc: ExtProc,
    /// Labels of all objects, besides those that all have.
    pub labels: Vec<Label>,
}

/// Whether responses are handed over, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExtProc {
    /// They go by.
    Without,
    /// They are handed to a service that comes with a later version.
    With,
}

/// A Tollgate in the pod of the proxy that asks it.
#[derive(Debug, Clone)]
pub struct Sidecar {
    /// The socket that both see.
    pub socket: SocketPath,
    /// The image of its container.
    pub image: String,
    /// The ConfigMap with its policies.
    pub policies: Name,
}

/// What is printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifests {
    /// What `kubectl apply` takes.
    pub objects: String,
    /// What belongs into something that is there already.
    pub fragments: Vec<Fragment>,
}

/// A part of something that is there already, such as the mesh configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fragment {
    /// What it is called on the command line.
    pub name: &'static str,
    /// Its text, with a comment that says where it belongs.
    pub text: String,
}

/// Why there are no manifests.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// What was asked for cannot be.
    #[error("{asked}: {why}; {instead}")]
    Impossible {
        /// What cannot be, in the words of the command line.
        asked: &'static str,
        /// Why.
        why: &'static str,
        /// What can be done.
        instead: &'static str,
    },
    /// A name that is made of others is too long.
    #[error("an object would be called `{0}`, which has more than {MAX_NAME} characters: name it with --name")]
    TooLong(String),
    /// A template of ours is wrong.
    #[error("a template cannot be rendered: {0}")]
    Template(#[from] gotmpl::TemplateError),
}

/// What all templates are given about Tollgate.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Common {
    service: Service,
    labels: BTreeMap<String, String>,
    timeout: String,
    timeout_seconds: String,
    max_request_bytes: u32,
    ext_proc: bool,
    ext_proc_port: u16,
    health_service: &'static str,
}

#[derive(Debug, Serialize)]
struct Service {
    name: String,
    namespace: String,
    host: String,
    port: u16,
}

/// An object that a policy is for.
#[derive(Debug, Clone, Serialize)]
struct TargetRef {
    group: &'static str,
    kind: &'static str,
    name: String,
}

impl TargetRef {
    fn of_gateway_api(kind: &'static str, name: &Host) -> Self {
        Self { group: "gateway.networking.k8s.io", kind, name: name.to_string() }
    }
}

impl Tollgate {
    fn common(&self) -> Common {
        let labels = [("app.kubernetes.io/name", "tollgate"), ("app.kubernetes.io/instance", self.service.as_str())];
        let mut labels: BTreeMap<_, _> = labels.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        labels.extend(self.labels.iter().cloned().map(Label::into_pair));
        Common {
            service: Service {
                name: self.service.to_string(),
                namespace: self.namespace.to_string(),
                host: format!("{}.{}.svc.{}", self.service, self.namespace, self.cluster_domain),
                port: PORT,
            },
            labels,
            timeout: self.timeout.to_string(),
            timeout_seconds: self.timeout.seconds(),
            max_request_bytes: self.max_request_bytes,
            ext_proc: self.ext_proc == ExtProc::With,
            ext_proc_port: EXT_PROC_PORT,
            health_service: HEALTH_SERVICE,
        }
    }

    /// What an attachment is called: like Tollgate and what it is for, unless it was named.
    fn name_for(&self, named: Option<&Name>, parts: &[&str]) -> Result<String, Error> {
        if let Some(name) = named {
            return Ok(name.to_string());
        }
        let parts = [&[self.service.as_str()], parts].concat();
        let parts: Vec<_> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        let whole = parts.join("-").to_lowercase().replace(['_', '.'], "-");
        if whole.len() > MAX_NAME { Err(Error::TooLong(whole)) } else { Ok(whole) }
    }
}

/// Labels by which pods or routes are found. Of two values of one label the last would win, and what has the other one would
/// go unjudged.
fn pairs(labels: &[Label]) -> Result<BTreeMap<String, String>, Error> {
    let mut pairs = BTreeMap::new();
    for (key, value) in labels.iter().cloned().map(Label::into_pair) {
        if pairs.insert(key, value.clone()).is_some_and(|earlier| earlier != value) {
            return Err(Error::Impossible {
                asked: "two values of one label",
                why: "nothing has both, and each selector is for what has all of its labels",
                instead: "name one of them, and attach to the other in another run",
            });
        }
    }
    Ok(pairs)
}

/// What labels say, in a word each: their value, or of `tollgate.dev/enforce=true` the key.
fn says(labels: &BTreeMap<String, String>) -> Vec<&str> {
    labels.iter().map(|(key, value)| if value == "true" { name_of(key) } else { value.as_str() }).collect()
}

/// The key of a label without the host before it.
fn name_of(key: &str) -> &str {
    key.rsplit_once('/').map_or(key, |(_, name)| name)
}

/// Pods that have Tollgate in them.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Pods {
    socket_folder: String,
    namespace: String,
    container: String,
    volumes: String,
}

impl Pods {
    fn try_new(sidecar: &Sidecar, namespace: &Name) -> Result<Self, Error> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Context<'a> {
            image: &'a str,
            socket: &'a str,
            socket_folder: &'a str,
            policies_config_map: &'a str,
        }
        let context = Context {
            image: &sidecar.image,
            socket: sidecar.socket.as_str(),
            socket_folder: sidecar.socket.folder(),
            policies_config_map: sidecar.policies.as_str(),
        };
        Ok(Self {
            socket_folder: context.socket_folder.to_owned(),
            namespace: namespace.to_string(),
            container: template::render(template::SIDECAR_CONTAINER, &context)?,
            volumes: template::render(template::SIDECAR_VOLUMES, &context)?,
        })
    }
}

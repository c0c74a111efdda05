//! The manifests that attach Tollgate to Istio, Envoy Gateway or a plain Envoy, from the templates of the chart.
//!
//! What is asked for is checked and becomes a context, the same one that the chart makes of its values; the templates do the
//! rest. Every form has a timeout, answers 503 where Tollgate cannot be asked, and never lets a request pass unjudged.

pub mod envoy;
pub mod envoy_gateway;
pub mod istio;
mod name;
mod template;
pub mod value;

use std::collections::BTreeMap;
use std::time::Duration;

use name::Purpose;
use serde::Serialize;
use value::{DnsName, Host, Image, Label, Name, SocketPath, Wait};

/// Where checks are answered. The chart has the same.
pub const PORT: u16 = 9000;
/// Where bodies will be looked at.
const EXT_PROC_PORT: u16 = 9001;
/// What is asked for its health: the service that Envoy uses.
const HEALTH_SERVICE: &str = "envoy.service.auth.v3.Authorization";
/// What a name of a host has at most.
const MAX_HOST: usize = 253;
/// What one part of it has at most.
const MAX_PART: usize = 63;
/// How long a check takes at most, where `serve` is not told otherwise.
pub const MAX_CHECK_TIME: Duration = Duration::from_millis(150);
/// How much it may have.
const MAX_CHECK_BYTES: u32 = 16 << 20;
/// What is put behind the name of the Service for the one whose name has each replica as an address.
const HEADLESS: &str = "-headless";

/// What all forms have.
#[derive(Debug, Clone)]
pub struct Tollgate {
    /// Its Service, which is called like the release.
    pub service: Name,
    /// The namespace that it is in.
    pub namespace: Name,
    /// What names of Services end in.
    pub cluster_domain: DnsName,
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
    pub image: Image,
    /// The ConfigMap with its policies.
    pub policies: Host,
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
    /// A name of a host that is made of others is too long.
    #[error(
        "`{host}` would be asked, and a name of a host has at most {MAX_PART} characters between two dots and {MAX_HOST} in all; {instead}"
    )]
    TooLong {
        /// The name.
        host: String,
        /// What can be done.
        instead: &'static str,
    },
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
    fn common(&self) -> Result<Common, Error> {
        let labels = [("app.kubernetes.io/name", "tollgate"), ("app.kubernetes.io/instance", self.service.as_str())];
        let mut labels: BTreeMap<_, _> = labels.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        labels.extend(one_value_each(&self.labels, "an object has one", "leave one of them out")?);
        Ok(Common {
            service: Service {
                name: self.service.to_string(),
                namespace: self.namespace.to_string(),
                host: self.host("", "shorten --cluster-domain")?,
                port: PORT,
            },
            labels,
            timeout: self.timeout.to_string(),
            timeout_seconds: self.timeout.seconds(),
            max_request_bytes: self.max_request_bytes,
            ext_proc: self.ext_proc == ExtProc::With,
            ext_proc_port: EXT_PROC_PORT,
            health_service: HEALTH_SERVICE,
        })
    }

    /// What an attachment is called, unless it was named.
    fn name_for(&self, named: Option<&Name>, purpose: &Purpose) -> String {
        named.map_or_else(|| purpose.name(&self.service), ToString::to_string)
    }

    /// In the pod of a proxy its container has no settings for time and size, and so what `serve` has by itself.
    fn check_beside(&self) -> Result<(), Error> {
        let impossible = |asked, why, instead| Err(Error::Impossible { asked, why, instead });
        if self.timeout.time() <= MAX_CHECK_TIME {
            return impossible(
                "--sidecar with a --timeout of 150ms or less",
                "Tollgate takes up to its --max-check-time, 150ms, and Envoy would not wait for what it then says",
                "give more time",
            );
        }
        if self.max_request_bytes >= MAX_CHECK_BYTES {
            return impossible(
                "--sidecar with --max-request-bytes of 16MiB or more",
                "Tollgate refuses what is above its --max-check-bytes, 16MiB, and so each request with such a body",
                "send less",
            );
        }
        Ok(())
    }

    /// The host of its Service, or of that with this behind its name.
    fn host(&self, suffix: &str, instead: &'static str) -> Result<String, Error> {
        let name = format!("{}{suffix}", self.service);
        let host = format!("{name}.{}.svc.{}", self.namespace, self.cluster_domain);
        if name.len() > MAX_PART || host.len() > MAX_HOST { Err(Error::TooLong { host, instead }) } else { Ok(host) }
    }
}

/// Labels by which pods or routes are found. Of two values of one label the last would win, and what has the other one would
/// go unjudged. One without a value is rather an empty variable of a script.
fn pairs(labels: &[Label]) -> Result<BTreeMap<String, String>, Error> {
    let why = "nothing has both, and each selector is for what has all of its labels";
    let pairs = one_value_each(labels, why, "name one of them, and attach to the other in another run")?;
    if pairs.values().any(String::is_empty) {
        return Err(Error::Impossible {
            asked: "--selector with a label without a value",
            why: "it is for what has this label and nothing in it, and whatever has a value would go unjudged",
            instead: "give the value, as key=value",
        });
    }
    Ok(pairs)
}

/// Labels by their keys.
fn one_value_each(
    labels: &[Label],
    why: &'static str,
    instead: &'static str,
) -> Result<BTreeMap<String, String>, Error> {
    let mut pairs = BTreeMap::new();
    for (key, value) in labels.iter().cloned().map(Label::into_pair) {
        if pairs.insert(key, value.clone()).is_some_and(|earlier| earlier != value) {
            return Err(Error::Impossible { asked: "two values of one label", why, instead });
        }
    }
    Ok(pairs)
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
    fn try_new(sidecar: &Sidecar, tollgate: &Tollgate, namespace: &Name) -> Result<Self, Error> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Context<'a> {
            image: &'a str,
            socket: &'a str,
            socket_folder: &'a str,
            policies_config_map: &'a str,
        }
        tollgate.check_beside()?;
        let context = Context {
            image: sidecar.image.as_str(),
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

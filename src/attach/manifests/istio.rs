//! Istio: a policy and the provider that it names, or an `EnvoyFilter` for who does not own the mesh configuration.
//!
//! The provider is a part of the mesh configuration, which is no object. It cannot hand over what Istio verified of a token; the
//! `EnvoyFilter` can. A Tollgate in the pod itself is a service of the mesh whose only endpoint is a socket.

use std::collections::BTreeMap;

use serde::Serialize;

use super::name::Purpose;
use super::value::{ExactPath, Host, Label, Name};
use super::{Common, Error, ExtProc, Fragment, Manifests, Pods, Sidecar, TargetRef, Tollgate, pairs, template};

/// How one workload is attached.
#[derive(Debug, Clone)]
pub struct Attachment {
    /// What is asked.
    pub tollgate: Tollgate,
    /// Where the workload is.
    pub namespace: Name,
    /// What the objects are called. None: like what they are for.
    pub name: Option<Name>,
    /// Through which of Istio's doors.
    pub mode: Mode,
    /// What the provider is called. None: like Tollgate.
    pub provider: Option<Name>,
    /// Whose requests are asked about.
    pub target: Target,
    /// Where Tollgate is in the same pod.
    pub sidecar: Option<Sidecar>,
    /// What is not asked about.
    pub except: Vec<ExactPath>,
}

/// Through which of Istio's doors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// A provider in the mesh configuration, and a policy that names it.
    Provider,
    /// The filter itself, put into the configuration of Envoy.
    EnvoyFilter,
}

/// Whose requests are asked about.
#[derive(Debug, Clone)]
pub enum Target {
    /// Those of every workload in the namespace.
    Namespace,
    /// Those of pods with these labels.
    Pods(Vec<Label>),
    /// Those of pods with these labels, which are a gateway.
    GatewayPods(Vec<Label>),
    /// Those of a Gateway of the Gateway API.
    Gateway(Host),
    /// Those of an ambient waypoint.
    Waypoint(Host),
}

/// The root namespace: a policy without a selector holds for the whole mesh there.
const ROOT: &str = "istio-system";

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Context {
    #[serde(flatten)]
    common: Common,
    name: String,
    namespace: String,
    mode: &'static str,
    provider: String,
    referenced_service: String,
    selector: BTreeMap<String, String>,
    target_refs: Vec<TargetRef>,
    listeners: &'static str,
    except_paths: Vec<String>,
    waypoint: String,
    socket: String,
    cluster: String,
    ext_proc_cluster: String,
    authority: String,
    ext_authz: String,
    ext_proc_filter: String,
    once_for_namespace: bool,
    once_for_service: bool,
}

impl Attachment {
    /// Its manifests.
    pub fn render(&self) -> Result<Manifests, Error> {
        self.check()?;
        let mut context = self.context()?;
        context.ext_authz = template::render(template::EXT_AUTHZ, &context)?;
        context.ext_proc_filter = template::render(template::EXT_PROC, &context)?;
        let mut fragments = Vec::new();
        if self.mode == Mode::Provider {
            let text = template::render(template::ISTIO_PROVIDER, &context)?;
            fragments.push(Fragment { name: "provider", text });
        }
        if let Some(sidecar) = &self.sidecar {
            let pods = Pods::try_new(sidecar, &self.tollgate, &self.namespace)?;
            fragments.push(Fragment { name: "pod", text: template::render(template::ISTIO_POD, &pods)? });
        }
        Ok(Manifests { objects: template::render(template::ISTIO, &context)?, fragments })
    }

    fn check(&self) -> Result<(), Error> {
        let impossible = |asked, why, instead| Err(Error::Impossible { asked, why, instead });
        let is_whole_namespace = matches!(self.target, Target::Namespace);
        if self.sidecar.is_some() && !matches!(self.target, Target::Pods(_)) {
            return impossible(
                "--sidecar without --selector",
                "only pods that have Tollgate in them can ask it there, and all others would refuse everything",
                "name these pods by their labels with --selector",
            );
        }
        if self.sidecar.is_some() && self.tollgate.ext_proc == ExtProc::With {
            return impossible(
                "--sidecar with --ext-proc",
                "a socket of the mesh has one port, which is for checks",
                "leave one of them out",
            );
        }
        if is_whole_namespace && self.namespace == self.tollgate.namespace {
            return impossible(
                "the whole namespace of Tollgate",
                "it would be asked whether it may be asked",
                "name a workload with --selector, --gateway or --waypoint",
            );
        }
        if is_whole_namespace && self.namespace.as_str() == ROOT {
            return impossible(
                "the whole namespace istio-system",
                "what holds there holds for the whole mesh, and so for Tollgate itself",
                "name a gateway with --selector or --gateway",
            );
        }
        if self.mode == Mode::EnvoyFilter && !self.except.is_empty() {
            return impossible(
                "--except with --mode envoy-filter",
                "the filter knows no paths",
                "use --mode provider, or let a policy leave the path open",
            );
        }
        if self.mode == Mode::EnvoyFilter && self.provider.is_some() {
            return impossible(
                "--provider with --mode envoy-filter",
                "the filter asks Tollgate itself, and names no provider",
                "leave one of them out",
            );
        }
        Ok(())
    }

    fn context(&self) -> Result<Context, Error> {
        let mut common = self.tollgate.common()?;
        if self.sidecar.is_some() {
            common.service.host = format!("{}.local", self.tollgate.service);
            common.service.namespace = self.namespace.to_string();
        }
        let (service, namespace) = (&self.tollgate.service, self.namespace.as_str());
        let provider = match (&self.provider, &self.sidecar) {
            (Some(provider), _) => provider.to_string(),
            (None, None) => service.to_string(),
            // The socket of each namespace is another service, and so another provider.
            (None, Some(_)) => self.tollgate.name_for(None, &Purpose::of_namespace(&[], &self.namespace)),
        };
        let (mut selector, mut target_refs) = (BTreeMap::new(), Vec::new());
        let purpose = match &self.target {
            Target::Namespace => Purpose::whole(),
            Target::Pods(labels) | Target::GatewayPods(labels) => {
                selector = pairs(labels)?;
                Purpose::labels(&selector)
            }
            Target::Gateway(name) | Target::Waypoint(name) => {
                target_refs.push(TargetRef::of_gateway_api("Gateway", name));
                Purpose::gateway(name)
            }
        };
        // Istio takes a waypoint's listeners for those of a sidecar.
        let is_gateway = matches!(self.target, Target::GatewayPods(_) | Target::Gateway(_));
        let listeners = if is_gateway { "GATEWAY" } else { "SIDECAR_INBOUND" };
        let host = common.service.host.clone();
        Ok(Context {
            name: self.tollgate.name_for(self.name.as_ref(), &purpose),
            namespace: namespace.to_owned(),
            mode: if self.mode == Mode::Provider { "provider" } else { "envoyFilter" },
            provider,
            referenced_service: format!("{}/{host}", common.service.namespace),
            selector: selector.clone(),
            target_refs,
            listeners,
            except_paths: self.except.iter().map(ToString::to_string).collect(),
            waypoint: if let Target::Waypoint(name) = &self.target { name.to_string() } else { String::new() },
            socket: self.sidecar.as_ref().map(|sidecar| sidecar.socket.to_string()).unwrap_or_default(),
            cluster: format!("outbound|{}||{host}", common.service.port),
            ext_proc_cluster: format!("outbound|{}||{host}", common.ext_proc_port),
            authority: host,
            ext_authz: String::new(),
            ext_proc_filter: String::new(),
            once_for_namespace: true,
            once_for_service: true,
            common,
        })
    }
}

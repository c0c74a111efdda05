//! Envoy Gateway: a policy on routes or on a Gateway, with what lets it name a Service of another namespace.
//!
//! A Tollgate in Envoy's own pods is a backend whose only endpoint is a socket.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::name::Purpose;
use super::value::{DnsName, Host, Label, Name};
use super::{Common, Error, ExtProc, Manifests, Pods, Sidecar, TargetRef, Tollgate, pairs, template};

/// How routes are attached.
#[derive(Debug, Clone)]
pub struct Attachment {
    /// What is asked.
    pub tollgate: Tollgate,
    /// Where the routes are.
    pub namespace: Name,
    /// What the objects are called. None: like what they are for.
    pub name: Option<Name>,
    /// Which requests are asked about.
    pub target: Target,
    /// What happens to paths before that.
    pub client_traffic: ClientTraffic,
    /// Where Tollgate has certificates.
    pub tls: Option<Tls>,
    /// Where Tollgate is in Envoy's pods.
    pub sidecar: Option<Sidecar>,
}

/// Which requests are asked about.
#[derive(Debug, Clone)]
pub enum Target {
    /// Those of routes with these labels.
    Labels(Vec<Label>),
    /// Those of these routes, in whichever order they were named.
    Routes {
        /// HTTP ones.
        http: BTreeSet<Host>,
        /// gRPC ones.
        grpc: BTreeSet<Host>,
    },
    /// All of a Gateway.
    Gateway(Host),
}

/// What happens to paths before Tollgate is asked. Only a Gateway as a whole can be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientTraffic {
    /// They get one spelling.
    Set,
    /// What is there stays.
    Leave,
}

/// What Envoy must see of Tollgate's certificate.
#[derive(Debug, Clone, Serialize)]
pub struct Tls {
    /// The name in it.
    #[serde(serialize_with = "as_text")]
    pub name: DnsName,
    /// The ConfigMap with `ca.crt`, beside Tollgate's Service.
    #[serde(serialize_with = "as_text")]
    pub authority: Host,
}

fn as_text<S: serde::Serializer>(host: &impl ToString, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&host.to_string())
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Context<'a> {
    #[serde(flatten)]
    common: Common,
    name: String,
    namespace: &'a str,
    grant: String,
    selector: BTreeMap<String, String>,
    target_refs: Vec<TargetRef>,
    client_traffic: bool,
    tls: Option<&'a Tls>,
    socket: &'a str,
    socket_folder: String,
    container: String,
    volumes: String,
    once_for_namespace: bool,
    once_for_service: bool,
}

impl Attachment {
    /// Its manifests.
    pub fn render(&self) -> Result<Manifests, Error> {
        self.check()?;
        let common = self.tollgate.common()?;
        let (mut selector, mut target_refs) = (BTreeMap::new(), Vec::new());
        let purpose = match &self.target {
            Target::Labels(labels) => {
                selector = pairs(labels)?;
                Purpose::labels(&selector)
            }
            Target::Routes { http, grpc } => {
                target_refs.extend(http.iter().map(|name| TargetRef::of_gateway_api("HTTPRoute", name)));
                target_refs.extend(grpc.iter().map(|name| TargetRef::of_gateway_api("GRPCRoute", name)));
                Purpose::routes(http, grpc)
            }
            Target::Gateway(name) => {
                target_refs.push(TargetRef::of_gateway_api("Gateway", name));
                Purpose::gateway(name)
            }
        };
        let is_gateway = matches!(self.target, Target::Gateway(_));
        let pods =
            self.sidecar.as_ref().map(|sidecar| Pods::try_new(sidecar, &self.tollgate, &self.namespace)).transpose()?;
        let (socket_folder, container, volumes) =
            pods.map(|pods| (pods.socket_folder, pods.container, pods.volumes)).unwrap_or_default();
        let context = Context {
            name: self.tollgate.name_for(self.name.as_ref(), &purpose),
            namespace: self.namespace.as_str(),
            grant: self.tollgate.name_for(None, &Purpose::of_namespace(&["from"], &self.namespace)),
            selector: selector.clone(),
            target_refs,
            client_traffic: is_gateway && self.client_traffic == ClientTraffic::Set,
            tls: self.tls.as_ref(),
            socket: self.sidecar.as_ref().map(|sidecar| sidecar.socket.as_str()).unwrap_or_default(),
            socket_folder,
            container,
            volumes,
            once_for_namespace: true,
            once_for_service: true,
            common,
        };
        Ok(Manifests { objects: template::render(template::ENVOY_GATEWAY, &context)?, fragments: Vec::new() })
    }

    fn check(&self) -> Result<(), Error> {
        let impossible = |asked, why, instead| Err(Error::Impossible { asked, why, instead });
        match (&self.sidecar, &self.tls, self.tollgate.ext_proc) {
            (Some(_), Some(_), _) => {
                impossible("--sidecar with --tls", "a socket in the pod has no certificates", "leave one of them out")
            }
            (Some(_), _, ExtProc::With) => impossible(
                "--sidecar with --ext-proc",
                "the backend has one socket, which is for checks",
                "leave one of them out",
            ),
            _ => Ok(()),
        }
    }
}

//! A plain Envoy: a whole configuration with Tollgate in it, or the cluster alone.

use serde::Serialize;

use super::value::{Peer, SocketPath};
use super::{Common, Error, HEADLESS, Tollgate, template};

/// How an Envoy is attached.
#[derive(Debug, Clone)]
pub struct Attachment {
    /// What is asked.
    pub tollgate: Tollgate,
    /// Where it is.
    pub address: Address,
    /// How much is printed.
    pub part: Part,
}

/// Where Tollgate is.
#[derive(Debug, Clone)]
pub enum Address {
    /// Behind a name, each address of which is a replica.
    Host {
        /// The name. None: that of the headless Service.
        host: Option<Peer>,
        /// The port.
        port: u16,
        /// How both prove who they are.
        tls: Option<Tls>,
    },
    /// On the same machine, or in the same pod.
    Socket(SocketPath),
}

/// How Envoy and Tollgate prove who they are.
#[derive(Debug, Clone)]
pub struct Tls {
    /// The name or the address in Tollgate's certificate. None: that of the host.
    pub name: Option<Peer>,
    /// Who shows a certificate.
    pub shown: Shown,
}

/// Who shows a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// Tollgate alone.
    ByServer,
    /// Both.
    ByBoth,
}

/// How much is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// A listener, its filters and the clusters.
    Whole,
    /// The cluster of Tollgate.
    Cluster,
}

/// What is asked for its health where bodies will be looked at.
const EXT_PROC_SERVICE: &str = "envoy.service.ext_proc.v3.ExternalProcessor";

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct TlsContext {
    name: String,
    is_address: bool,
    mutual: bool,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Context {
    #[serde(flatten)]
    common: Common,
    cluster: &'static str,
    ext_proc_cluster: &'static str,
    authority: &'static str,
    host: String,
    port: u16,
    socket: String,
    tls: Option<TlsContext>,
    ext_authz: String,
    ext_proc_filter: String,
    cluster_config: String,
    ext_proc_cluster_config: String,
}

impl Attachment {
    /// Its configuration, as a file.
    pub fn render(&self) -> Result<String, Error> {
        let mut context = self.context()?;
        let mut other = Context {
            cluster: context.ext_proc_cluster,
            port: context.common.ext_proc_port,
            socket: if context.socket.is_empty() { String::new() } else { format!("{}.ext-proc", context.socket) },
            ..self.context()?
        };
        other.common.health_service = EXT_PROC_SERVICE;
        context.ext_authz = template::render(template::EXT_AUTHZ, &context)?;
        context.ext_proc_filter = template::render(template::EXT_PROC, &context)?;
        context.cluster_config = template::render(template::ENVOY_CLUSTER, &context)?;
        context.ext_proc_cluster_config = template::render(template::ENVOY_CLUSTER, &other)?;
        let source = match self.part {
            Part::Whole => template::ENVOY,
            Part::Cluster => template::ENVOY_ONLY_CLUSTER,
        };
        Ok(template::render(source, &context)?)
    }

    fn context(&self) -> Result<Context, Error> {
        let common = self.tollgate.common()?;
        let (host, port, socket, tls) = match &self.address {
            Address::Host { host, port, tls } => {
                // Each replica is an address of its own there. The other Service has one address, and would keep to one replica.
                let headless = || self.tollgate.host(HEADLESS, "name it with --host");
                let name = host.as_ref().map_or_else(headless, |host| Ok(host.to_string()))?;
                let tls = tls.as_ref().map(|tls| {
                    let proven = tls.name.as_ref().or(host.as_ref());
                    TlsContext {
                        name: proven.map_or_else(|| name.clone(), ToString::to_string),
                        is_address: matches!(proven, Some(Peer::Address(_))),
                        mutual: tls.shown == Shown::ByBoth,
                    }
                });
                (name, *port, String::new(), tls)
            }
            Address::Socket(path) => (String::new(), 0, path.to_string(), None),
        };
        Ok(Context {
            common,
            cluster: "tollgate",
            ext_proc_cluster: "tollgate_ext_proc",
            // The name of the cluster, as Envoy does by itself.
            authority: "",
            host,
            port,
            socket,
            tls,
            ext_authz: String::new(),
            ext_proc_filter: String::new(),
            cluster_config: String::new(),
            ext_proc_cluster_config: String::new(),
        })
    }
}

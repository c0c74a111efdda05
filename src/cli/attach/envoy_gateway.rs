//! `tollgate attach envoy-gateway`.

use std::io::Write;

use anyhow::Result;

use super::{Asked, Beside, Objects, print};
use crate::attach::manifests::envoy_gateway::{Attachment, ClientTraffic, Target, Tls};
use crate::attach::manifests::value::{BodyBytes, DnsName, Host, Label, Name};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The namespace of the routes or the Gateway
    #[arg(long, short = 'n', value_name = "NAMESPACE")]
    namespace: Name,
    /// Ask about requests to routes with this label, as `key=value`; all must match where it is repeated
    #[arg(long = "selector", value_name = "LABEL", default_value = "tollgate.dev/enforce=true", conflicts_with_all = ["routes", "grpc_routes", "gateway"])]
    selectors: Vec<Label>,
    /// Ask about requests to this `HTTPRoute`; may be repeated
    #[arg(long = "route", value_name = "NAME", conflicts_with = "gateway")]
    routes: Vec<Host>,
    /// Ask about requests to this `GRPCRoute`; may be repeated
    #[arg(long = "grpc-route", value_name = "NAME", conflicts_with = "gateway")]
    grpc_routes: Vec<Host>,
    /// Ask about all requests to this Gateway
    #[arg(long, value_name = "NAME")]
    gateway: Option<Host>,
    /// Leave out the `ClientTrafficPolicy` that gives paths one spelling: a Gateway takes one, and may have it
    #[arg(long, requires = "gateway")]
    no_client_traffic: bool,
    /// How much of a body Envoy sends along; a longer one is a 413 for every action. 0 for nothing
    #[arg(long, value_name = "BYTES", default_value = "0")]
    max_request_bytes: BodyBytes,
    /// Tollgate has certificates: print what Envoy must see of them
    #[arg(long)]
    tls: bool,
    /// The name in Tollgate's certificate; by default `SERVICE.NAMESPACE.svc`
    #[arg(long, value_name = "NAME", requires = "tls")]
    san: Option<DnsName>,
    /// The ConfigMap beside Tollgate with the authority of its certificate, as `ca.crt`
    #[arg(long, value_name = "NAME", default_value = "tollgate-ca", requires = "tls")]
    ca: Host,
    /// What the objects are called; by default like the Service and what they are for
    #[arg(long, value_name = "NAME")]
    name: Option<Name>,
    #[command(flatten)]
    objects: Objects,
    #[command(flatten)]
    beside: Beside,
    #[command(flatten)]
    pub(super) asked: Asked,
}

pub(super) fn run(args: Args, out: &mut impl Write) -> Result<()> {
    print(&attachment(args)?.render()?, out)
}

fn attachment(args: Args) -> Result<Attachment> {
    let tollgate = args.asked.tollgate(args.max_request_bytes, args.objects.labels);
    let target = match args.gateway {
        Some(gateway) => Target::Gateway(gateway),
        None if args.routes.is_empty() && args.grpc_routes.is_empty() => Target::Labels(args.selectors),
        None => {
            Target::Routes { http: args.routes.into_iter().collect(), grpc: args.grpc_routes.into_iter().collect() }
        }
    };
    let tls = if args.tls {
        let name = format!("{}.{}.svc", tollgate.service, tollgate.namespace);
        let name = args.san.map_or_else(|| name.parse().map_err(anyhow::Error::msg), Ok)?;
        Some(Tls { name, authority: args.ca })
    } else {
        None
    };
    Ok(Attachment {
        tollgate,
        namespace: args.namespace,
        name: args.name,
        target,
        client_traffic: if args.no_client_traffic { ClientTraffic::Leave } else { ClientTraffic::Set },
        tls,
        sidecar: args.beside.sidecar(),
    })
}

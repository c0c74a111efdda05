//! `tollgate attach istio`.

use std::io::Write;

use anyhow::Result;
use clap::ValueEnum;

use super::{Asked, Beside, Objects, print};
use crate::attach::manifests::Error;
use crate::attach::manifests::istio::{self, Attachment, Target};
use crate::attach::manifests::value::{BodyBytes, ExactPath, Host, Label, Name};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The namespace of the workload, gateway or waypoint
    #[arg(long, short = 'n', value_name = "NAMESPACE")]
    namespace: Name,
    /// Ask about requests to pods with this label, as `key=value`; all must match where it is repeated. Without this, --gateway and
    /// --waypoint: to all pods of the namespace
    #[arg(long = "selector", value_name = "LABEL", conflicts_with_all = ["gateway", "waypoint"])]
    selectors: Vec<Label>,
    /// The pods of --selector are an ingress or egress gateway of Istio's own API
    #[arg(long, requires = "selectors")]
    gateway_pods: bool,
    /// Ask about requests to this Gateway of the Gateway API
    #[arg(long, value_name = "NAME", conflicts_with = "waypoint")]
    gateway: Option<Host>,
    /// Ask about requests through this waypoint of the ambient mode
    #[arg(long, value_name = "NAME")]
    waypoint: Option<Host>,
    /// How Istio is told
    #[arg(long, value_enum, default_value = "provider")]
    mode: Mode,
    /// What the provider is called; by default like the Service, with --sidecar also like the namespace
    #[arg(long, value_name = "NAME")]
    provider: Option<Name>,
    /// A path that is not asked about, exactly; may be repeated, only with --mode provider
    #[arg(long = "except", value_name = "PATH")]
    except: Vec<ExactPath>,
    /// How much of a body Envoy sends along; what is longer arrives cut off. It must be below Tollgate's --max-check-bytes. 0 for nothing
    #[arg(long, value_name = "BYTES", default_value = "65536")]
    max_request_bytes: BodyBytes,
    /// What the objects are called; by default like the Service and what they are for
    #[arg(long, value_name = "NAME")]
    name: Option<Name>,
    /// Print one part alone
    #[arg(long, value_enum, value_name = "PART")]
    only: Option<Only>,
    #[command(flatten)]
    objects: Objects,
    #[command(flatten)]
    beside: Beside,
    #[command(flatten)]
    pub(super) asked: Asked,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Mode {
    /// By a provider in the mesh configuration and a policy that names it. What Istio verified of a token does not arrive
    Provider,
    /// By an `EnvoyFilter` alone, for who does not own the mesh configuration. Tokens arrive
    EnvoyFilter,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Only {
    /// What `kubectl apply` takes
    Objects,
    /// The part of the mesh configuration
    Provider,
    /// The patch of the pods that have Tollgate in them
    Pod,
}

pub(super) fn run(args: Args, out: &mut impl Write) -> Result<()> {
    let only = args.only;
    let manifests = attachment(args).render()?;
    let name = match only {
        None => return print(&manifests, out),
        Some(Only::Objects) => {
            writeln!(out, "{}", manifests.objects)?;
            return Ok(());
        }
        Some(Only::Provider) => "provider",
        Some(Only::Pod) => "pod",
    };
    let fragment = manifests.fragments.iter().find(|fragment| fragment.name == name).ok_or(match only {
        Some(Only::Provider) => Error::Impossible {
            asked: "--only provider with --mode envoy-filter",
            why: "the filter asks Tollgate itself",
            instead: "leave one of them out",
        },
        _ => Error::Impossible {
            asked: "--only pod without --sidecar",
            why: "pods stay as they are where Tollgate is elsewhere",
            instead: "add --sidecar, or leave this out",
        },
    })?;
    writeln!(out, "{}", fragment.text)?;
    Ok(())
}

fn attachment(args: Args) -> Attachment {
    let target = match (args.gateway, args.waypoint) {
        (Some(gateway), _) => Target::Gateway(gateway),
        (_, Some(waypoint)) => Target::Waypoint(waypoint),
        _ if args.selectors.is_empty() => Target::Namespace,
        _ if args.gateway_pods => Target::GatewayPods(args.selectors),
        _ => Target::Pods(args.selectors),
    };
    Attachment {
        tollgate: args.asked.tollgate(args.max_request_bytes, args.objects.labels),
        namespace: args.namespace,
        name: args.name,
        mode: match args.mode {
            Mode::Provider => istio::Mode::Provider,
            Mode::EnvoyFilter => istio::Mode::EnvoyFilter,
        },
        provider: args.provider,
        target,
        sidecar: args.beside.sidecar(),
        except: args.except,
    }
}

//! `tollgate attach`: the manifests that put Tollgate into the way of requests.
//!
//! Prints and nothing else: the output goes to `kubectl apply --server-side -f -`, or into a file that is kept. What is no object
//! stands in it as a comment, and alone with `--only`.

mod envoy;
mod envoy_gateway;
mod istio;

use std::io::Write;

use anyhow::Result;

use super::Outcome;
use crate::attach::manifests::value::{BodyBytes, DnsName, Host, Image, Label, Name, SocketPath, Wait};
use crate::attach::manifests::{Error, ExtProc, MAX_CHECK_TIME, Manifests, Sidecar, Tollgate};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    mesh: Mesh,
}

#[derive(Debug, clap::Subcommand)]
enum Mesh {
    /// Istio: sidecars, gateways and waypoints
    Istio(istio::Args),
    /// Envoy Gateway: routes and Gateways
    EnvoyGateway(envoy_gateway::Args),
    /// An Envoy with a configuration of its own
    Envoy(envoy::Args),
}

pub(super) fn run(args: Args, out: &mut impl Write) -> Result<Outcome> {
    let warnings = args.mesh.asked().warnings();
    let printed = match args.mesh {
        Mesh::Istio(args) => istio::run(args, out),
        Mesh::EnvoyGateway(args) => envoy_gateway::run(args, out),
        Mesh::Envoy(args) => envoy::run(args, out),
    };
    match printed {
        Err(error) if matches!(error.downcast_ref(), Some(Error::Impossible { .. } | Error::TooLong { .. })) => {
            writeln!(std::io::stderr(), "error: {error}")?;
            Ok(Outcome::BadUsage)
        }
        Err(error) => Err(error),
        Ok(()) => {
            for warning in warnings {
                writeln!(std::io::stderr(), "warning: {warning}")?;
            }
            Ok(Outcome::Good)
        }
    }
}

impl Mesh {
    const fn asked(&self) -> &Asked {
        match self {
            Self::Istio(args) => &args.asked,
            Self::EnvoyGateway(args) => &args.asked,
            Self::Envoy(args) => &args.asked,
        }
    }
}

/// The Tollgate that is asked.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Tollgate")]
struct Asked {
    /// The namespace that Tollgate is in
    #[arg(long, value_name = "NAMESPACE", default_value = "tollgate-system")]
    tollgate_namespace: Name,
    /// The Service of Tollgate, which the chart calls like the release
    #[arg(long, value_name = "NAME", default_value = "tollgate")]
    service: Name,
    /// What names of Services end in
    #[arg(long, value_name = "DOMAIN", default_value = "cluster.local")]
    cluster_domain: DnsName,
    /// How long Envoy waits for an answer; set Tollgate's --max-check-time below it
    #[arg(long, value_name = "TIME", default_value = "250ms")]
    timeout: Wait,
    /// Hand over responses too; the service for it comes with a later version, and until then everything is 503
    #[arg(long)]
    ext_proc: bool,
}

/// What all objects have.
#[derive(Debug, clap::Args)]
struct Objects {
    /// Label of all objects, as `key=value`; may be repeated
    #[arg(long = "label", value_name = "LABEL")]
    labels: Vec<Label>,
}

impl Asked {
    /// What can be printed and is seldom meant.
    fn warnings(&self) -> Vec<String> {
        let own = humantime::format_duration(MAX_CHECK_TIME);
        let is_late = self.timeout.time() <= MAX_CHECK_TIME;
        let late = format!(
            "Envoy waits {}, and Tollgate takes up to {own}: set its --max-check-time below that",
            self.timeout
        );
        let unserved = "with --ext-proc everything is 503 until a later version serves what it asks for".to_owned();
        is_late.then_some(late).into_iter().chain(self.ext_proc.then_some(unserved)).collect()
    }

    fn tollgate(self, max_request_bytes: BodyBytes, labels: Vec<Label>) -> Tollgate {
        Tollgate {
            service: self.service,
            namespace: self.tollgate_namespace,
            cluster_domain: self.cluster_domain,
            timeout: self.timeout,
            max_request_bytes: max_request_bytes.0,
            ext_proc: if self.ext_proc { ExtProc::With } else { ExtProc::Without },
            labels,
        }
    }
}

/// A Tollgate in the pod of the proxy that asks it.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Tollgate in the same pod")]
struct Beside {
    /// Tollgate is in the pod of the proxy that asks it, behind a Unix socket
    #[arg(long)]
    sidecar: bool,
    /// The socket that both see
    #[arg(long, value_name = "PATH", default_value = "/run/tollgate/tollgate.sock", requires = "sidecar")]
    socket: SocketPath,
    /// The image of Tollgate
    #[arg(long, value_name = "IMAGE", default_value = concat!("ghcr.io/tollgate-dev/tollgate:", env!("CARGO_PKG_VERSION")), requires = "sidecar")]
    image: Image,
    /// The ConfigMap with the policies, in the namespace of these pods
    #[arg(long, value_name = "NAME", default_value = "tollgate-policies", requires = "sidecar")]
    policies_config_map: Host,
}

impl Beside {
    fn sidecar(self) -> Option<Sidecar> {
        let Self { sidecar, socket, image, policies_config_map: policies } = self;
        sidecar.then_some(Sidecar { socket, image, policies })
    }
}

/// Prints the objects, and what is none of them in comments.
fn print(manifests: &Manifests, out: &mut impl Write) -> Result<()> {
    for fragment in &manifests.fragments {
        writeln!(out, "# ── {}: no object; printed alone with `--only {}` ──", fragment.name, fragment.name)?;
        for line in fragment.text.lines() {
            writeln!(out, "{}", format!("# {line}").trim_end())?;
        }
        writeln!(out)?;
    }
    writeln!(out, "{}", manifests.objects)?;
    Ok(())
}

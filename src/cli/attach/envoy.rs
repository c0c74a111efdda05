//! `tollgate attach envoy`.

use std::io::Write;

use anyhow::Result;
use clap::ValueEnum;

use super::Asked;
use crate::attach::manifests::PORT;
use crate::attach::manifests::envoy::{Address, Attachment, Part, Shown, Tls};
use crate::attach::manifests::value::{BodyBytes, Peer, SocketPath};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Where Tollgate is, a name or an address; each address behind the name is a replica. By default the headless Service in Kubernetes
    #[arg(long, value_name = "HOST", conflicts_with = "socket")]
    host: Option<Peer>,
    /// Its port
    #[arg(long, value_name = "PORT", default_value_t = PORT, value_parser = clap::value_parser!(u16).range(1..), conflicts_with = "socket")]
    port: u16,
    /// Tollgate has certificates: who shows one
    #[arg(long, value_enum, value_name = "WHO", conflicts_with = "socket")]
    tls: Option<Who>,
    /// The name or the address in Tollgate's certificate; by default the host
    #[arg(long, value_name = "NAME", requires = "tls")]
    san: Option<Peer>,
    /// Tollgate is on the same machine or in the same pod, at this Unix socket
    #[arg(long, value_name = "PATH")]
    socket: Option<SocketPath>,
    /// How much of a body Envoy sends along; what is longer arrives cut off. It must be below Tollgate's --max-check-bytes. 0 for nothing
    #[arg(long, value_name = "BYTES", default_value = "65536")]
    max_request_bytes: BodyBytes,
    /// Print one part alone
    #[arg(long, value_enum, value_name = "PART")]
    only: Option<Only>,
    #[command(flatten)]
    pub(super) asked: Asked,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Who {
    /// Tollgate alone: anybody who reaches the port may ask
    Server,
    /// Envoy too: Tollgate asks for it with --tls-client-ca
    Both,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Only {
    /// The cluster of Tollgate
    Cluster,
}

pub(super) fn run(args: Args, out: &mut impl Write) -> Result<()> {
    let address = match args.socket {
        Some(path) => Address::Socket(path),
        None => {
            let shown = args.tls.map(|who| if who == Who::Both { Shown::ByBoth } else { Shown::ByServer });
            let tls = shown.map(|shown| Tls { name: args.san, shown });
            Address::Host { host: args.host, port: args.port, tls }
        }
    };
    let part = if args.only == Some(Only::Cluster) { Part::Cluster } else { Part::Whole };
    let attachment = Attachment { tollgate: args.asked.tollgate(args.max_request_bytes, Vec::new()), address, part };
    writeln!(out, "{}", attachment.render()?)?;
    Ok(())
}

//! `tollgate health`: does a Tollgate say that it serves?
//!
//! For `helm test`, for health checks of containers, and for people: an image without a shell has nothing else to ask with. It
//! asks in plain gRPC, as the kubelet does, and believes the answer.

use std::io::Write;
use std::time::Duration;

use anyhow::{Context, Result};
use tonic::Code;
use tonic::transport::Endpoint;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use super::Outcome;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Where to ask: `HOST:PORT` of the port for health, or `unix:/path` of a socket for checks
    #[arg(default_value = "127.0.0.1:9099")]
    address: String,
    /// Whose health: `readiness`, `liveness`, or the name of a gRPC service
    #[arg(long, value_name = "NAME", default_value = "readiness")]
    service: String,
    /// How long to wait for an answer
    #[arg(long, value_name = "TIME", default_value = "3s", value_parser = humantime::parse_duration)]
    timeout: Duration,
}

/// What was said.
enum Said {
    Serving,
    NotServing,
    /// It answers, and knows no such name.
    Unknown,
}

pub(super) fn run(args: &Args, out: &mut impl Write) -> Result<Outcome> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot start the runtime")?;
    // The wait for a name to be looked up, for a connection and for the answer, together.
    let asked = runtime.block_on(async { tokio::time::timeout(args.timeout, ask(args)).await });
    let said = match asked {
        Ok(said) => said,
        Err(_) => Err(anyhow::anyhow!("no answer within {}", humantime::format_duration(args.timeout))),
    };
    let (address, service) = (&args.address, &args.service);
    match said {
        Ok(Said::Serving) => {
            writeln!(out, "serving")?;
            Ok(Outcome::Good)
        }
        Ok(Said::NotServing) => {
            writeln!(out, "not serving")?;
            Ok(Outcome::Finding)
        }
        Ok(Said::Unknown) => {
            writeln!(out, "`{address}` knows no service `{service}`: `readiness` and `liveness` are known")?;
            Ok(Outcome::CouldNotTell)
        }
        Err(error) => {
            writeln!(out, "cannot ask `{address}`: {error:#}")?;
            Ok(Outcome::CouldNotTell)
        }
    }
}

async fn ask(args: &Args) -> Result<Said> {
    let uri = match args.address.strip_prefix("unix:") {
        Some(path) => format!("unix:{path}"),
        None => format!("http://{}", args.address),
    };
    let endpoint = Endpoint::from_shared(uri).context("this is neither `HOST:PORT` nor `unix:/path`")?;
    let channel = endpoint.connect().await?;
    let request = HealthCheckRequest { service: args.service.clone() };
    match HealthClient::new(channel).check(request).await {
        Ok(answer) => Ok(match answer.into_inner().status() {
            ServingStatus::Serving => Said::Serving,
            _ => Said::NotServing,
        }),
        Err(status) if status.code() == Code::NotFound => Ok(Said::Unknown),
        Err(status) => Err(status.into()),
    }
}

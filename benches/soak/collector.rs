//! A collector of traces that comes and goes, as collectors do. Nobody else must feel it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{TraceService, TraceServiceServer};
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use tokio::net::{TcpListener, TcpSocket};
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

use crate::tally::{Sort, Tally};

/// Where it listens, whenever it does.
pub(crate) struct Collector {
    address: SocketAddr,
    listener: TcpListener,
}

struct Spans(Arc<Tally>);

impl Collector {
    pub(crate) fn bind() -> anyhow::Result<Self> {
        let listener = listen(([127, 0, 0, 1], 0).into())?;
        Ok(Self { address: listener.local_addr()?, listener })
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Is there for a while, is not, and is again.
    pub(crate) async fn come_and_go(
        self,
        (there, gone): (Duration, Duration),
        tally: Arc<Tally>,
    ) -> anyhow::Result<()> {
        let mut listener = self.listener;
        loop {
            let server = Server::builder().add_service(TraceServiceServer::new(Spans(Arc::clone(&tally))));
            let leaves = tokio::time::sleep(there);
            // Connections are told to end, and nobody can connect.
            server.serve_with_incoming_shutdown(TcpIncoming::from(listener), leaves).await?;
            tally.count(Sort::Collector, "went away");
            tokio::time::sleep(gone).await;
            listener = listen(self.address)?;
        }
    }
}

/// At the same address again: what is left of old connections must not be in the way.
fn listen(address: SocketAddr) -> anyhow::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(address).context("can't bind the collector's port")?;
    Ok(socket.listen(64)?)
}

#[tonic::async_trait]
impl TraceService for Spans {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let spans = request.into_inner().resource_spans.into_iter().flat_map(|one| one.scope_spans);
        spans.flat_map(|one| one.spans).for_each(|_| self.0.count(Sort::Collector, "spans received"));
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

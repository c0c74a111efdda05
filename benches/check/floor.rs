//! The floor: a stock tonic server with the stock types, that answers OK without looking.
//!
//! It runs as a child, from this same binary, with as many runtime threads as Tollgate and the same allocator. It decodes
//! the whole request, since the stock codec does, and reads nothing of it. What Tollgate costs beyond it is Tollgate's own.

use std::io::{self, Write as _};
use std::path::PathBuf;

use anyhow::Context as _;
use envoy_types::ext_authz::v3::pb::{
    Authorization, AuthorizationServer, CheckRequest, CheckResponse, HttpResponse, OkHttpResponse,
};
use envoy_types::pb::google::rpc;
use tokio::net::{TcpListener, UnixListener};
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::UnixListenerStream;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

mod tls;

struct Floor;

#[tonic::async_trait]
impl Authorization for Floor {
    async fn check(&self, _request: Request<CheckRequest>) -> Result<Response<CheckResponse>, Status> {
        Ok(Response::new(CheckResponse {
            status: Some(rpc::Status::default()),
            http_response: Some(HttpResponse::OkResponse(OkHttpResponse::default())),
            dynamic_metadata: None,
        }))
    }
}

/// Says where it listens, then serves until it is killed.
pub(crate) fn serve(workers: usize, listen: &str, tls: &[PathBuf]) -> anyhow::Result<()> {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    runtime.worker_threads(workers).enable_all().build().context("cannot start the runtime")?.block_on(async {
        let server = tonic::transport::Server::builder().add_service(AuthorizationServer::new(Floor));
        if let Some(path) = listen.strip_prefix("unix:") {
            let listener = UnixListener::bind(path)?;
            say(listen)?;
            return Ok(server.serve_with_incoming(UnixListenerStream::new(listener)).await?);
        }
        let listener = TcpListener::bind(listen).await?;
        say(&listener.local_addr()?.to_string())?;
        // As Tollgate does it: answers are small.
        let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
        let [server_folder, client_authority] = tls else {
            return Ok(server.serve_with_incoming(incoming).await?);
        };
        let acceptor = tls::acceptor(server_folder, client_authority)?;
        let incoming = incoming.then(move |stream| tls::secure(acceptor.clone(), stream));
        Ok(server.serve_with_incoming(incoming).await?)
    })
}

fn say(address: &str) -> io::Result<()> {
    writeln!(io::stdout(), "listening on {address}")
}

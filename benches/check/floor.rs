//! The floor: a stock tonic server with the stock types, that answers OK without looking.
//!
//! It runs as a child, from this same binary, with as many runtime threads as Tollgate and the same allocator. It decodes
//! the whole request, since the stock codec does, and reads nothing of it. What Tollgate costs beyond it is Tollgate's own.

use std::io::{self, Write as _};
use std::net::Ipv4Addr;

use anyhow::Context as _;
use envoy_types::ext_authz::v3::pb::{
    Authorization, AuthorizationServer, CheckRequest, CheckResponse, HttpResponse, OkHttpResponse,
};
use envoy_types::pb::google::rpc;
use serde_json::json;
use tokio::net::TcpListener;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

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

/// Says where it listens as Tollgate does, then serves until it is killed.
pub(crate) fn serve(workers: usize) -> anyhow::Result<()> {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    runtime.worker_threads(workers).enable_all().build().context("cannot start the runtime")?.block_on(async {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?.to_string();
        writeln!(io::stdout(), "{}", json!({ "message": "listening", "port": "ext_authz", "address": address }))?;
        // As Tollgate does it: answers are small.
        let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
        let server = tonic::transport::Server::builder().add_service(AuthorizationServer::new(Floor));
        Ok(server.serve_with_incoming(incoming).await?)
    })
}

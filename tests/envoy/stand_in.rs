//! Somebody who answers Envoy in Tollgate's place, says yes to everything, and keeps what was asked.
//!
//! It shows what the real Envoy sends, whatever Tollgate makes of it.

use std::sync::{Arc, Mutex};

use envoy_types::ext_authz::v3::CheckResponseExt as _;
use envoy_types::ext_authz::v3::pb::{Authorization, AuthorizationServer, CheckRequest, CheckResponse};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::TcpListenerStream;
use tollgate::demo::tollgate::Address;
use tonic::{Request, Response, Status};

#[derive(Clone, Default)]
struct Yes {
    asked: Arc<Mutex<Vec<CheckRequest>>>,
}

pub struct StandIn {
    pub address: Address,
    yes: Yes,
    server: JoinHandle<()>,
}

impl StandIn {
    pub async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = Address::Tcp(listener.local_addr().unwrap());
        let yes = Yes::default();
        let service = AuthorizationServer::new(yes.clone());
        let server = tokio::spawn(async move {
            let incoming = TcpListenerStream::new(listener);
            tonic::transport::Server::builder().add_service(service).serve_with_incoming(incoming).await.unwrap();
        });
        Self { address, yes, server }
    }

    /// What was asked last.
    pub fn last(&self) -> CheckRequest {
        self.yes.asked.lock().unwrap().last().cloned().expect("nothing was asked")
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.server.abort();
    }
}

#[tonic::async_trait]
impl Authorization for Yes {
    async fn check(&self, request: Request<CheckRequest>) -> Result<Response<CheckResponse>, Status> {
        self.asked.lock().unwrap().push(request.into_inner());
        Ok(Response::new(CheckResponse::with_status(Status::ok("yes"))))
    }
}

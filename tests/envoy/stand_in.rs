//! Somebody who answers Envoy in Tollgate's place, always with the same answer, and keeps what was asked.
//!
//! It shows what the real Envoy sends, and what it does with an answer, whatever Tollgate makes of it.

use std::sync::{Arc, Mutex};

use envoy_types::ext_authz::v3::CheckResponseExt as _;
use envoy_types::ext_authz::v3::pb::{Authorization, AuthorizationServer, CheckRequest, CheckResponse};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::TcpListenerStream;
use tollgate::demo::service::Address;
use tonic::{Request, Response, Status};

#[derive(Clone)]
struct Same {
    answer: CheckResponse,
    asked: Arc<Mutex<Vec<CheckRequest>>>,
    /// `grpc-timeout` of what was asked last.
    timeout: Arc<Mutex<Option<String>>>,
}

pub(crate) struct StandIn {
    pub(crate) address: Address,
    same: Same,
    server: JoinHandle<()>,
}

impl StandIn {
    /// Says yes to everything.
    pub(crate) async fn start() -> Self {
        Self::answering(CheckResponse::with_status(Status::ok("yes"))).await
    }

    pub(crate) async fn answering(answer: CheckResponse) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = Address::Tcp(listener.local_addr().unwrap());
        let same = Same { answer, asked: Arc::default(), timeout: Arc::default() };
        let service = AuthorizationServer::new(same.clone());
        let server = tokio::spawn(async move {
            let incoming = TcpListenerStream::new(listener);
            tonic::transport::Server::builder().add_service(service).serve_with_incoming(incoming).await.unwrap();
        });
        Self { address, same, server }
    }

    /// What was asked last.
    pub(crate) fn last(&self) -> CheckRequest {
        self.same.asked.lock().unwrap().last().cloned().expect("nothing was asked")
    }

    /// How long Envoy said that it would wait for the last answer.
    pub(crate) fn last_timeout(&self) -> Option<String> {
        self.same.timeout.lock().unwrap().clone()
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.server.abort();
    }
}

#[tonic::async_trait]
impl Authorization for Same {
    async fn check(&self, request: Request<CheckRequest>) -> Result<Response<CheckResponse>, Status> {
        let timeout = request.metadata().get("grpc-timeout").map(|value| value.to_str().unwrap().to_owned());
        *self.timeout.lock().unwrap() = timeout;
        self.asked.lock().unwrap().push(request.into_inner());
        Ok(Response::new(self.answer.clone()))
    }
}

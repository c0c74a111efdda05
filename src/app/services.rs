//! What is answered on the port of checks: they, and Envoy's own health checks, which come over the port that they check.

use http::{Request, Response};
use tonic::Status;
use tonic::body::Body;
use tonic_health::pb::health_server::HealthServer;
use tonic_health::server::HealthService;
use tower::Service as _;

use crate::ext_authz;
use crate::transport::{Answer, Asked, Incoming, Shed};

/// How the paths of health checks begin.
const HEALTH_PATH: &str = "/grpc.health.v1.Health/";

/// The services of one port.
pub(super) struct Services {
    pub(super) checks: ext_authz::Service,
    pub(super) health: HealthServer<HealthService>,
}

impl Answer for Services {
    const METHOD: &'static str = ext_authz::CHECK;

    async fn unary(&self, asked: Asked) -> Result<Vec<u8>, Status> {
        self.checks.check(&asked.message, &asked.headers, asked.arrived).await
    }

    fn shed(&self, why: Shed) -> Status {
        self.checks.shed(why)
    }

    fn panicked(&self) {
        self.checks.count_panic();
    }

    async fn other(&self, request: Request<Incoming>) -> Response<Body> {
        if request.uri().path().starts_with(HEALTH_PATH) {
            // It cannot fail.
            let Ok(response) = self.health.clone().call(request).await;
            return response;
        }
        Status::unimplemented("there is no such method").into_http()
    }
}

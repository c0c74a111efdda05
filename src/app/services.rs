//! What is answered on the port of checks: they, and Envoy's own health checks, which come over the port that they check. And on
//! the port of health: that alone.

use http::{Request, Response};
use tonic::Status;
use tonic::body::Body;
use tonic_health::pb::health_server::HealthServer;
use tonic_health::server::{HealthReporter, HealthService};
use tower::Service as _;

use crate::ext_authz;
use crate::transport::{Answer, Asked, Incoming, Shed};

/// How the paths of health checks begin.
const HEALTH_PATH: &str = "/grpc.health.v1.Health/";

/// The largest question: a name.
const MAX_QUESTION: usize = 1024;

/// The services of one port.
pub(super) struct Services {
    pub(super) checks: ext_authz::Service,
    pub(super) health: Health,
}

/// The service that says whether we are well.
#[derive(Clone)]
pub(super) struct Health(HealthServer<HealthService>);

impl Health {
    /// As the reporter says.
    pub(super) fn new(reporter: &HealthReporter) -> Self {
        let service = HealthServer::new(HealthService::from_health_reporter(reporter.clone()));
        // The library's own bound is 4 MiB, for each question that is under way.
        Self(service.max_decoding_message_size(MAX_QUESTION))
    }
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
        self.health.other(request).await
    }
}

/// Here nothing is asked often: the library answers all of it.
impl Answer for Health {
    const METHOD: &'static str = "";

    async fn unary(&self, _: Asked) -> Result<Vec<u8>, Status> {
        Err(no_such_method())
    }

    fn shed(&self, _: Shed) -> Status {
        no_such_method()
    }

    fn panicked(&self) {}

    async fn other(&self, request: Request<Incoming>) -> Response<Body> {
        if request.uri().path().starts_with(HEALTH_PATH) {
            // It cannot fail.
            let Ok(response) = self.0.clone().call(request).await;
            return response;
        }
        no_such_method().into_http()
    }
}

fn no_such_method() -> Status {
    Status::unimplemented("there is no such method")
}

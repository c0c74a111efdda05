//! The service as gRPC has it: `envoy.service.auth.v3.Authorization/Check`, whose messages stay bytes.
//!
//! Framing, limits of size and statuses are tonic's; generated code would decode and encode what is read and written here
//! directly.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, BufMut, Bytes};
use http_body::Body;
use tonic::body::Body as AnyBody;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::StdError;
use tonic::server::{Grpc, NamedService, UnaryService};
use tonic::{Request, Response, Status};

use super::{SERVICE, Service};

/// The service, to be added to a server.
#[derive(Clone)]
pub struct Server(Service);

const CHECK: &str = "/envoy.service.auth.v3.Authorization/Check";

type Answering<T, E> = Pin<Box<dyn Future<Output = Result<T, E>> + Send>>;

impl Server {
    pub(super) const fn new(service: Service) -> Self {
        Self(service)
    }
}

impl NamedService for Server {
    const NAME: &'static str = SERVICE;
}

impl<B> tower::Service<http::Request<B>> for Server
where
    B: Body + Send + 'static,
    B::Error: Into<StdError> + Send + 'static,
{
    type Response = http::Response<AnyBody>;
    type Error = Infallible;
    type Future = Answering<Self::Response, Infallible>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        let service = self.clone();
        Box::pin(async move {
            if request.uri().path() != CHECK {
                return Ok(Status::unimplemented("there is no such method").into_http());
            }
            let max_bytes = service.0.0.config.max_bytes;
            let mut grpc = Grpc::new(Raw).apply_max_message_size_config(Some(max_bytes), None);
            Ok(grpc.unary(service, request).await)
        })
    }
}

impl UnaryService<Bytes> for Server {
    type Response = Vec<u8>;
    type Future = Answering<Response<Vec<u8>>, Status>;

    fn call(&mut self, request: Request<Bytes>) -> Self::Future {
        let service = self.0.clone();
        Box::pin(async move {
            let (metadata, _, asked) = request.into_parts();
            service.check(asked, &metadata).await.map(Response::new)
        })
    }
}

/// Messages as they are on the wire.
#[derive(Debug, Clone, Copy)]
struct Raw;

impl Codec for Raw {
    type Encode = Vec<u8>;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, message: Vec<u8>, to: &mut EncodeBuf<'_>) -> Result<(), Status> {
        to.put_slice(&message);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        // The buffer holds one message, and gives it away without a copy.
        Ok(Some(from.copy_to_bytes(from.remaining())))
    }
}

//! The service as gRPC has it: `envoy.service.auth.v3.Authorization/Check`, whose messages stay bytes.
//!
//! Framing, limits of size and statuses are tonic's; generated code would decode and encode what is read and written here
//! directly.

use std::pin::Pin;

use bytes::{Buf, BufMut, Bytes};
use http_body::Body;
use tonic::body::Body as AnyBody;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::StdError;
use tonic::server::{Grpc, UnaryService};
use tonic::{Request, Response, Status};

use super::Service;

/// The service as requests of gRPC are answered.
#[derive(Clone)]
pub struct Server(Service);

const CHECK: &str = "/envoy.service.auth.v3.Authorization/Check";

impl Server {
    pub(super) const fn new(service: Service) -> Self {
        Self(service)
    }

    /// Answers a request of gRPC.
    pub async fn answer<B>(&self, request: http::Request<B>) -> http::Response<AnyBody>
    where
        B: Body + Send + 'static,
        B::Error: Into<StdError> + Send + 'static,
    {
        if request.uri().path() != CHECK {
            return Status::unimplemented("there is no such method").into_http();
        }
        let max_bytes = self.0.0.config.max_bytes;
        let mut grpc = Grpc::new(Raw).apply_max_message_size_config(Some(max_bytes), None);
        grpc.unary(self.clone(), request).await
    }
}

impl UnaryService<Bytes> for Server {
    type Response = Vec<u8>;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Vec<u8>>, Status>> + Send>>;

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

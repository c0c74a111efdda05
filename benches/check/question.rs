//! What a server is asked by gRPC, and what it must say.

use bytes::Bytes;
use tollgate::demo::service::Address;

use crate::answer::Compare;
use crate::grpc;
use crate::load::Target;
use crate::parties::Tls;

/// A call by gRPC, and what must come back.
pub(crate) struct Question {
    /// `/package.Service/Method`.
    pub(crate) path: &'static str,
    /// With the five bytes that gRPC puts before it.
    pub(crate) frame: Bytes,
    pub(crate) expected: Compare,
}

impl Question {
    pub(crate) fn new(path: &'static str, message: &impl prost::Message, expected: Compare) -> Self {
        Self { path, frame: grpc::framed(&message.encode_to_vec()), expected }
    }

    /// Asks it by gRPC.
    pub(crate) fn target(self, address: Address, tls: Option<Tls>) -> anyhow::Result<Target> {
        // As Envoy's own client writes it.
        let head = http::Request::post(format!("http://localhost{}", self.path))
            .header("te", "trailers")
            .header("content-type", "application/grpc")
            .header("grpc-timeout", "10000m")
            .header("user-agent", "envoy")
            .body(())?;
        Ok(Target { address, tls, head, body: Some(self.frame), expected: self.expected })
    }
}

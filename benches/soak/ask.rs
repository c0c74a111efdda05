//! A check as Envoy asks it over gRPC, and what came back, whichever way it was asked.

use bytes::Bytes;
use envoy_types::ext_authz::v3::pb::{CheckRequest, CheckResponse, HeaderValue, HttpResponse};
use envoy_types::pb::envoy::config::core::v3::HeaderMap;
use envoy_types::pb::envoy::service::auth::v3::AttributeContext;
use envoy_types::pb::envoy::service::auth::v3::attribute_context::{HttpRequest, Peer, Request};
use prost::Message as _;

use crate::{claims, grpc};

const CHECK: &str = "/envoy.service.auth.v3.Authorization/Check";

/// A request that somebody makes through Envoy.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ask {
    pub(crate) method: &'static str,
    pub(crate) host: &'static str,
    pub(crate) path: String,
    pub(crate) workload: &'static str,
    pub(crate) claims: serde_json::Value,
    pub(crate) body: &'static str,
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Got {
    Allowed,
    /// Status and reason.
    Refused(i32, String),
    /// No answer: what Envoy would count as an error.
    Failed(String),
}

/// The head of a check, as Envoy's own gRPC client writes it.
pub(crate) fn head() -> http::Result<http::Request<()>> {
    let head = http::Request::post(format!("http://tollgate{CHECK}"));
    head.header("te", "trailers").header("content-type", "application/grpc").body(())
}

impl Ask {
    /// With the five bytes that gRPC puts before a message: not compressed, and the length.
    pub(crate) fn to_wire(&self) -> Bytes {
        grpc::framed(&self.message())
    }

    /// Without them.
    pub(crate) fn message(&self) -> Vec<u8> {
        self.check().encode_to_vec()
    }

    fn check(&self) -> CheckRequest {
        let header = |name: &str, value: &str| HeaderValue {
            key: name.to_owned(),
            raw_value: value.as_bytes().to_vec(),
            ..HeaderValue::default()
        };
        let length = self.body.len().to_string();
        let mut headers = vec![
            (":method", self.method),
            (":authority", self.host),
            (":path", self.path.as_str()),
            (":scheme", "https"),
            ("user-agent", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0"),
            ("accept", "application/json"),
            ("x-request-id", "9f2c6a52-4d0e-4a37-9d7e-0c2f1f0d7a11"),
        ];
        if !self.body.is_empty() {
            headers.extend([("content-type", "application/json"), ("content-length", length.as_str())]);
        }
        let http = HttpRequest {
            method: self.method.into(),
            host: self.host.into(),
            path: self.path.clone(),
            scheme: "https".into(),
            protocol: "HTTP/2".into(),
            raw_body: self.body.as_bytes().to_vec(),
            size: i64::try_from(self.body.len()).unwrap_or_default(),
            header_map: Some(HeaderMap { headers: headers.into_iter().map(|(n, v)| header(n, v)).collect() }),
            ..HttpRequest::default()
        };
        CheckRequest {
            attributes: Some(AttributeContext {
                source: Some(Peer { principal: self.workload.into(), ..Peer::default() }),
                request: Some(Request { http: Some(http), ..Request::default() }),
                metadata_context: claims::metadata(&self.claims),
                ..AttributeContext::default()
            }),
        }
    }
}

impl Got {
    /// What Envoy would make of an answer over gRPC.
    pub(crate) fn over_grpc(headers: &http::HeaderMap, body: &[u8], trailers: Option<&http::HeaderMap>) -> Self {
        // An error without a message has its status in the headers.
        let status = trailers.unwrap_or(headers);
        let text = |name| status.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
        let code = text("grpc-status").unwrap_or_else(|| "none".to_owned());
        if code != "0" {
            return Self::Failed(format!("gRPC status {code}: {}", text("grpc-message").unwrap_or_default()));
        }
        let response = body.get(5..).map(CheckResponse::decode);
        let Some(Ok(response)) = response else { return Self::Failed("no CheckResponse".to_owned()) };
        let (code, reason) = response.status.map(|status| (status.code, status.message)).unwrap_or_default();
        match response.http_response {
            Some(HttpResponse::OkResponse(ok)) if code == 0 => {
                let mut keys = ok.headers.iter().filter_map(|option| Some(&option.header.as_ref()?.key));
                // To Envoy nothing else than an allow, and to us something that nobody decided.
                if keys.any(|key| key == "tollgate-receipt") {
                    Self::Allowed
                } else {
                    Self::Refused(200, "an allow without a receipt".to_owned())
                }
            }
            Some(HttpResponse::DeniedResponse(denied)) if code != 0 => {
                Self::Refused(denied.status.map_or(0, |status| status.code), reason)
            }
            other => Self::Refused(code, format!("Envoy would make of it what it likes: {other:?}")),
        }
    }

    /// What a client of Envoy makes of its answer.
    pub(crate) fn over_http(status: u16, headers: &http::HeaderMap, body: &[u8]) -> Self {
        let receipt = headers.get("tollgate-receipt").is_some();
        let body: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
        let reason = body.get("reason").and_then(|reason| reason.as_str()).unwrap_or("none is given");
        match status {
            200 if receipt => Self::Allowed,
            503 | 504 => Self::Failed(format!("HTTP status {status}: {reason}")),
            _ => Self::Refused(status.into(), reason.to_owned()),
        }
    }
}

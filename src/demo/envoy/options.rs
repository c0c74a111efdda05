//! What an Envoy of the laboratory can be: each switch of the proxy that changes what Tollgate sees, or what becomes of
//! its answers.
//!
//! Defaults are what we ship to operators. A test turns one switch and says why.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Map, Value};

use crate::demo::service::Address;

/// One Envoy.
#[derive(Debug, Clone)]
pub struct Options {
    /// Its ports.
    pub listeners: Vec<Listener>,
    /// Where Tollgate is asked.
    pub tollgate: Replicas,
    /// Where requests go in the end.
    pub upstream: SocketAddr,
    /// Worker threads.
    pub concurrency: u32,
}

/// The Tollgates that it asks.
#[derive(Debug, Clone)]
pub struct Replicas {
    /// Where they are.
    pub addresses: Vec<Address>,
    /// None: plain text.
    pub tls: Option<UpstreamTls>,
    /// How often each is asked whether it is well, as operators are told to do. One that does not answer is left alone before
    /// that is noticed. None: it is found out by asking.
    pub health_checks: Option<Duration>,
}

/// Envoy's side of TLS with Tollgate, as files of PEM.
#[derive(Debug, Clone)]
pub struct UpstreamTls {
    /// Envoy's own certificate.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
    /// Who signs Tollgate's certificates.
    pub authority: PathBuf,
    /// The name in them.
    pub name: String,
}

impl From<Address> for Replicas {
    /// A single one, in plain text.
    fn from(address: Address) -> Self {
        Self { addresses: vec![address], tls: None, health_checks: None }
    }
}

/// One port of it, on loopback, chosen by the kernel. It speaks HTTP/1 and HTTP/2.
#[derive(Debug, Clone)]
pub struct Listener {
    /// Names it in statistics, and for whoever asks where it listens.
    pub name: String,
    /// None: plain text.
    pub tls: Option<Tls>,
    /// None: tokens are not looked at.
    pub jwt: Option<Jwt>,
    /// None: requests pass without Tollgate being asked. That is what the added latency is measured against.
    pub ext_authz: Option<ExtAuthz>,
    /// What happens to paths before that.
    pub normalisation: Normalisation,
    /// What happens to `x-forwarded-client-cert`.
    pub xfcc: Xfcc,
    /// A line of JSON for each request, with what Tollgate said as dynamic metadata.
    pub access_log: Option<PathBuf>,
}

impl Listener {
    /// A plain port that asks Tollgate for everything, and normalises as shipped.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            tls: None,
            jwt: None,
            ext_authz: Some(ExtAuthz::default()),
            normalisation: Normalisation::Shipped,
            xfcc: Xfcc::Sanitise,
            access_log: None,
        }
    }
}

/// Envoy's side of TLS, as files of PEM.
#[derive(Debug, Clone)]
pub struct Tls {
    /// Envoy's own certificate.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
    /// Who signs the clients' certificates.
    pub client_authority: PathBuf,
    /// Whether clients must show one.
    pub client_certificate: PeerCertificate,
}

/// Whether a client must show a certificate. One that is shown must be good in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PeerCertificate {
    /// No certificate, no connection.
    Required,
    /// Who shows none is nobody.
    Optional,
}

/// Envoy's own check of tokens: one may be missing, one that is there must be good.
#[derive(Debug, Clone)]
pub struct Jwt {
    /// The `iss` claim.
    pub issuer: String,
    /// A JSON Web Key Set.
    pub jwks: String,
}

/// What Envoy does to a path before anybody looks at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Normalisation {
    /// As we ship it: dot segments resolved, slashes merged, escaped slashes and underscores in header names refused.
    /// (Refused, not unescaped and redirected: a redirect tells who tried it which spelling gets further.)
    Shipped,
    /// Nothing: what the client sent is what Tollgate gets.
    Bare,
}

/// What becomes of `x-forwarded-client-cert`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Xfcc {
    /// Taken away, whoever wrote it.
    Sanitise,
    /// Replaced by what Envoy knows of the client's certificate.
    SetFromCertificate,
}

/// How headers arrive at Tollgate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeaderForm {
    /// `encode_raw_headers: true`: one entry for each header, bytes as sent.
    Raw,
    /// A map: values of one name joined by commas, what is not UTF-8 replaced.
    Map,
}

/// `with_request_body`.
#[derive(Debug, Clone, Copy)]
pub struct BodyLimit {
    /// `max_request_bytes`.
    pub max_bytes: u32,
    /// `allow_partial_message`: a longer body is cut off. Without it, it is refused with 413.
    pub allow_partial: bool,
    /// Bytes as they came. Without it, what is not UTF-8 is replaced.
    pub pack_as_bytes: bool,
}

/// The filter that asks Tollgate.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "they are Envoy's own switches, under Envoy's own names")]
pub struct ExtAuthz {
    /// How headers arrive.
    pub headers: HeaderForm,
    /// None: bodies are not sent.
    pub body: Option<BodyLimit>,
    /// Exact names. Empty: all.
    pub allowed_headers: Vec<String>,
    /// Exact names that are hidden from Tollgate and sent upstream all the same.
    pub disallowed_headers: Vec<String>,
    /// How long Envoy waits for an answer.
    pub timeout: Duration,
    /// How often Envoy asks again where no answer came. An answer that is an error is an answer.
    pub retries: u32,
    /// What a client gets when Tollgate errs or cannot be reached.
    pub status_on_error: u16,
    /// Lets requests pass when Tollgate errs or cannot be reached.
    pub failure_mode_allow: bool,
    /// Lets Envoy check what we ask it to change.
    pub validate_mutations: bool,
    /// Sends the client's certificate.
    pub include_peer_certificate: bool,
    /// Sends the server name that the client asked for.
    pub include_tls_session: bool,
    /// `metadata_context_namespaces`: whose dynamic metadata is sent.
    pub metadata_namespaces: Vec<String>,
    /// What the route says to Tollgate.
    pub context_extensions: BTreeMap<String, String>,
    /// Fields of Envoy's filter that have no name here; they win over those that have.
    pub others: Map<String, Value>,
}

impl Default for ExtAuthz {
    fn default() -> Self {
        Self {
            headers: HeaderForm::Raw,
            body: Some(BodyLimit { max_bytes: 65_536, allow_partial: true, pack_as_bytes: true }),
            allowed_headers: Vec::new(),
            disallowed_headers: Vec::new(),
            // Envoy's own default is 200 ms. A build machine that stops for half a second must not fail a test.
            timeout: Duration::from_secs(2),
            retries: 1,
            status_on_error: 503,
            failure_mode_allow: false,
            // On, Envoy 1.40 refuses every query parameter that holds an escape, ours too, and the client gets a 500.
            validate_mutations: false,
            include_peer_certificate: true,
            include_tls_session: true,
            metadata_namespaces: vec!["envoy.filters.http.jwt_authn".to_owned()],
            context_extensions: BTreeMap::new(),
            others: Map::new(),
        }
    }
}

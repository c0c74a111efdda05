//! A small HTTP/1.1 client that sends exactly what it is told: `//`, `..`, `%2f`, `;`, two headers of one name, bytes
//! that are not text. A well-bred client tidies such requests up, and so hides what an attacker would send.
//!
//! It is not a general client: no redirects, no cookies, no HTTP/2, one request at a time on a connection. Every step
//! has a time limit, and heads and bodies have a size limit.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::pki::{Authority, Credentials};

mod response;

pub use response::Response;

const TIMEOUT: Duration = Duration::from_secs(10);

/// What is sent, byte for byte.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// The method, as it goes on the wire.
    pub method: String,
    /// The `host` header, which is sent first.
    pub host: String,
    /// The request target as it goes on the wire.
    pub target: Vec<u8>,
    /// Names and values, in order.
    pub headers: Vec<(String, Vec<u8>)>,
    /// Sent with its length.
    pub body: Vec<u8>,
}

impl Request {
    /// Without headers and body.
    pub fn new(method: &str, host: &str, target: impl Into<Vec<u8>>) -> Self {
        Self { method: method.to_owned(), host: host.to_owned(), target: target.into(), ..Self::default() }
    }

    /// A GET without headers.
    pub fn get(host: &str, target: impl Into<Vec<u8>>) -> Self {
        Self::new("GET", host, target)
    }

    /// Adds a header; a second one of the same name stays a second one.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<Vec<u8>>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// Replaces the body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    fn to_wire(&self) -> Vec<u8> {
        let mut wire = Vec::with_capacity(512 + self.body.len());
        let mut push = |parts: &[&[u8]]| parts.iter().for_each(|part| wire.extend_from_slice(part));
        push(&[self.method.as_bytes(), b" ", &self.target, b" HTTP/1.1\r\nhost: ", self.host.as_bytes(), b"\r\n"]);
        for (name, value) in &self.headers {
            push(&[name.as_bytes(), b": ", value, b"\r\n"]);
        }
        if !self.body.is_empty() || !matches!(self.method.as_str(), "GET" | "HEAD") {
            push(&[b"content-length: ", self.body.len().to_string().as_bytes(), b"\r\n"]);
        }
        push(&[b"\r\n", &self.body]);
        wire
    }
}

/// Where to, and as whom.
#[derive(Clone)]
pub struct Client {
    address: SocketAddr,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    timeout: Duration,
}

impl Client {
    /// Without TLS.
    pub fn plain(address: SocketAddr) -> Self {
        Self { address, tls: None, timeout: TIMEOUT }
    }

    /// With TLS, and with a client certificate where one is given. `server` is the name in the server's certificate.
    pub fn tls(
        address: SocketAddr,
        server: &str,
        authority: &Authority,
        credentials: Option<&Credentials>,
    ) -> anyhow::Result<Self> {
        let config = tls_config(authority.certificate(), credentials)?;
        let server =
            ServerName::try_from(server.to_owned()).with_context(|| format!("`{server}` is not a server name"))?;
        Ok(Self { tls: Some((TlsConnector::from(Arc::new(config)), server)), ..Self::plain(address) })
    }

    /// How long each step may take: the connection, and each exchange on it.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Opens a connection that can carry several requests, one after the other.
    pub async fn connect(&self) -> anyhow::Result<Connection> {
        let stream = tokio::time::timeout(self.timeout, self.open())
            .await
            .with_context(|| format!("no connection to {} within {:?}", self.address, self.timeout))??;
        Ok(Connection { stream, unread: Vec::new(), timeout: self.timeout })
    }

    /// One request on a connection of its own.
    pub async fn send(&self, request: &Request) -> anyhow::Result<Response> {
        self.connect().await?.send(request).await
    }

    async fn open(&self) -> anyhow::Result<Box<dyn Stream>> {
        let context = || format!("can't connect to {}", self.address);
        let stream = TcpStream::connect(self.address).await.with_context(context)?;
        stream.set_nodelay(true).with_context(context)?;
        Ok(match &self.tls {
            None => Box::new(stream),
            Some((connector, server)) => {
                let stream = connector.connect(server.clone(), stream).await;
                Box::new(stream.with_context(|| format!("no TLS with {}", self.address))?)
            }
        })
    }
}

/// A connection to Envoy or to its admin port.
pub struct Connection {
    stream: Box<dyn Stream>,
    unread: Vec<u8>,
    timeout: Duration,
}

impl Connection {
    /// Sends the request and reads the whole response. After an error the connection is of no more use.
    pub async fn send(&mut self, request: &Request) -> anyhow::Result<Response> {
        let exchange = self.exchange(&request.to_wire(), request.method == "HEAD").await;
        exchange.with_context(|| format!("{} {}", request.method, request.shown_target()))
    }

    /// Sends these bytes, whatever they are, and reads one whole response; `to_head` where none of its body comes.
    pub async fn exchange(&mut self, wire: &[u8], to_head: bool) -> anyhow::Result<Response> {
        let started = Instant::now();
        let exchange = async {
            self.stream.write_all(wire).await.context("can't send the request")?;
            self.stream.flush().await.context("can't send the request")?;
            response::read(&mut self.stream, &mut self.unread, to_head).await
        };
        let within = self.timeout;
        let answer = tokio::time::timeout(within, exchange).await;
        let mut response = answer.with_context(|| format!("no answer within {within:?}"))??;
        response.elapsed = started.elapsed();
        Ok(response)
    }
}

impl Request {
    /// The target for people: what is not text is shown lossily.
    pub fn shown_target(&self) -> String {
        String::from_utf8_lossy(&self.target).into_owned()
    }
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

fn tls_config(authority: &CertificateDer<'static>, credentials: Option<&Credentials>) -> anyhow::Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(authority.clone()).context("the authority's certificate is of no use")?;
    // Named, since a process with two crypto libraries in its tree has no default one.
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .context("the crypto library knows no TLS version")?
        .with_root_certificates(roots);
    Ok(match credentials {
        None => builder.with_no_client_auth(),
        Some(credentials) => builder
            .with_client_auth_cert(vec![credentials.certificate().clone()], credentials.key())
            .context("the client certificate is of no use")?,
    })
}

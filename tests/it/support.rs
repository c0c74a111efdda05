//! A Tollgate in this process, on ports that the system chose, and a client that asks as Envoy does.

#[path = "../../benches/shared/claims.rs"]
mod claims;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use envoy_types::ext_authz::v3::pb::{CheckRequest, CheckResponse, HeaderValue, HttpResponse};
use envoy_types::pb::envoy::config::core::v3::HeaderMap;
use envoy_types::pb::envoy::service::auth::v3::AttributeContext;
use envoy_types::pb::envoy::service::auth::v3::attribute_context::{HttpRequest, Peer, Request};
use envoy_types::pb::envoy::service::auth::v3::authorization_client::AuthorizationClient;
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tollgate::app::{self, Running, Threads};
use tollgate::clock::{Clock, System};
use tollgate::config::{Config, Drain};
use tollgate::telemetry::Logs;
use tollgate::transport::{self, Listen, SocketFileConfig};
use tollgate::{ext_authz, ledger, sources};
use tonic::Status;
use tonic::transport::{Channel, Endpoint};

pub const DESK: &str = "spiffe://cluster.local/ns/support/sa/agent-desktop";

/// A running Tollgate with a policy folder and a ledger of its own.
pub struct Gate {
    pub folder: TempDir,
    pub listen: Vec<Listen>,
    pub health: std::net::SocketAddr,
    pub metrics: std::net::SocketAddr,
    pub admin: std::net::SocketAddr,
    end: Option<oneshot::Sender<()>>,
    running: JoinHandle<(Threads, anyhow::Result<()>)>,
}

/// What a test wants otherwise than usual.
pub struct Setup {
    pub clock: Arc<dyn Clock>,
    pub change: Box<dyn FnOnce(&mut Config)>,
    pub policies: Option<PathBuf>,
}

impl Default for Setup {
    fn default() -> Self {
        Self { clock: Arc::new(System), change: Box::new(|_| {}), policies: Some(shipped()) }
    }
}

/// The policies that are shipped.
pub fn shipped() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("policies")
}

impl Gate {
    pub async fn start() -> Self {
        Self::start_with(Setup::default()).await
    }

    pub async fn start_with(setup: Setup) -> Self {
        let folder = TempDir::new().unwrap();
        let policies = folder.path().join("policies");
        std::fs::create_dir(&policies).unwrap();
        for file in setup.policies.iter().flat_map(|from| std::fs::read_dir(from).unwrap()) {
            let file = file.unwrap().path();
            std::fs::copy(&file, policies.join(file.file_name().unwrap())).unwrap();
        }
        let local = ([127, 0, 0, 1], 0).into();
        let mut config = Config {
            transport: transport::Config {
                max_age: Duration::from_mins(5),
                max_connections: 100,
                max_streams: transport::Config::MAX_STREAMS,
                max_pending: 1000,
                max_pending_bytes: 32 << 20,
                max_message: 16 << 20,
                max_time: Duration::from_secs(6),
                greeting: transport::Config::GREETING,
                ping_every: transport::Config::PING_EVERY,
            },
            socket_file: SocketFileConfig { mode: 0o660, group: None },
            tls: None,
            // On the test's own runtime.
            workers: 0,
            max_stall: Duration::from_secs(10),
            listen: vec![Listen::Tcp(local)],
            health: local,
            metrics: local,
            admin: Some(local),
            decisions: None,
            log_level: "info".into(),
            effective: Vec::new(),
            policies: sources::Config { folder: policies, poll: Duration::from_millis(50) },
            ledger: ledger::Config::new(folder.path().join("ledger")),
            pseudonym_key: None,
            check: ext_authz::Config::new(Duration::from_secs(5)),
            traces: None,
            drain: Drain { delay: Duration::ZERO, timeout: Duration::from_secs(5) },
        };
        (setup.change)(&mut config);
        // Nobody reads the log of a test.
        let (logs, _) = Logs::to_stderr("off").unwrap();
        let running: Running = app::start_with(config, setup.clock, &logs).await.unwrap();
        let (listen, health, metrics) = (running.listen.clone(), running.health, running.metrics);
        let admin = running.admin.unwrap();
        let (end, ended) = oneshot::channel();
        let running = tokio::spawn(running.until(async move {
            let _ = ended.await;
            "the test"
        }));
        let gate = Self { folder, listen, health, metrics, admin, end: Some(end), running };
        if setup.policies.is_some() {
            gate.until_ready().await;
        }
        gate
    }

    pub fn policies(&self) -> PathBuf {
        self.folder.path().join("policies")
    }

    pub async fn client(&self) -> AuthorizationClient<Channel> {
        let endpoint = match &self.listen[0] {
            Listen::Tcp(address) => Endpoint::from_shared(format!("http://{address}")).unwrap(),
            Listen::Unix(path) => Endpoint::from_shared(format!("unix://{}", path.display())).unwrap(),
        };
        AuthorizationClient::new(endpoint.connect().await.unwrap()).max_encoding_message_size(64 * 1024 * 1024)
    }

    pub async fn check(&self, ask: &Ask) -> Result<CheckResponse, Status> {
        self.client().await.check(ask.to_wire()).await.map(tonic::Response::into_inner)
    }

    pub async fn health(&self, name: &str) -> i32 {
        let endpoint = Endpoint::from_shared(format!("http://{}", self.health)).unwrap();
        let mut client = tonic_health::pb::health_client::HealthClient::new(endpoint.connect().await.unwrap());
        let request = tonic_health::pb::HealthCheckRequest { service: name.to_owned() };
        client.check(request).await.unwrap().into_inner().status
    }

    pub async fn until_ready(&self) {
        until("ready", || async { self.health("readiness").await == SERVING }).await;
    }

    /// The text of `/metrics`.
    pub async fn metrics(&self) -> String {
        get(self.metrics, "/metrics").await
    }

    /// Begins its end as a signal would.
    pub fn begin_end(&mut self) {
        if let Some(end) = self.end.take() {
            let _ = end.send(());
        }
    }

    /// Ends it, and gives all records.
    pub async fn end(mut self) -> Vec<tollgate::pb::Decision> {
        self.begin_end();
        let (threads, ended) = self.running.await.unwrap();
        ended.unwrap();
        tokio::task::spawn_blocking(|| threads.join()).await.unwrap();
        records(&self.folder.path().join("ledger"))
    }
}

/// The body of a page.
pub async fn get(address: std::net::SocketAddr, path: &str) -> String {
    let answer = send(address, "GET", path, "").await;
    answer.split_once("\r\n\r\n").unwrap().1.to_owned()
}

/// An answer as it comes, head and body.
pub async fn send(address: std::net::SocketAddr, method: &str, path: &str, body: &str) -> String {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let head =
        format!("{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", body.len());
    stream.write_all((head + body).as_bytes()).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    text
}

pub const SERVING: i32 = 1;
pub const NOT_SERVING: i32 = 2;

/// All records of a ledger.
pub fn records(dir: &Path) -> Vec<tollgate::pb::Decision> {
    let records = ledger::read(dir).unwrap();
    records.map(|record| tollgate::receipt::decode(&record.unwrap()).unwrap()).collect()
}

/// Waits until something is so, at most ten seconds.
pub async fn until<F: Future<Output = bool>>(what: &str, mut is_so: impl FnMut() -> F) {
    for _ in 0..500 {
        if is_so().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("waited ten seconds for: {what}");
}

/// A request as Envoy describes it.
#[derive(Clone)]
pub struct Ask {
    pub method: &'static str,
    pub host: &'static str,
    pub path: String,
    pub workload: &'static str,
    pub claims: serde_json::Value,
    pub headers: Vec<(&'static str, &'static str)>,
    /// As a list (`encode_raw_headers`), or joined in a map.
    pub raw: bool,
}

impl Ask {
    /// The desk and its agent read an order: granted.
    pub fn order() -> Self {
        Self {
            method: "GET",
            host: "api.shop.example",
            path: "/v1/orders/7".into(),
            workload: DESK,
            claims: serde_json::json!({ "sub": "agent-7", "roles": ["support-agent"] }),
            headers: vec![],
            raw: true,
        }
    }

    /// The desk and its agent reset credentials, signed in this many seconds ago.
    pub fn reset(seconds_ago: i64) -> Self {
        let auth_time = jiff::Timestamp::now().as_second() - seconds_ago;
        let claims =
            serde_json::json!({ "sub": "agent-7", "roles": ["support-agent"], "acr": "mfa", "auth_time": auth_time });
        Self {
            method: "POST",
            host: "id.shop.example",
            path: "/v1/accounts/4/credentials/reset".into(),
            claims,
            ..Self::order()
        }
    }

    pub fn to_wire(&self) -> CheckRequest {
        let mut http = HttpRequest {
            method: self.method.into(),
            host: self.host.into(),
            path: self.path.clone(),
            ..HttpRequest::default()
        };
        if self.raw {
            let header = |(key, value): &(&str, &str)| HeaderValue {
                key: (*key).into(),
                raw_value: value.as_bytes().to_vec(),
                ..HeaderValue::default()
            };
            http.header_map = Some(HeaderMap { headers: self.headers.iter().map(header).collect() });
        } else {
            let mut joined: HashMap<String, String> = HashMap::new();
            for (name, value) in &self.headers {
                let entry = joined.entry((*name).to_owned());
                entry.and_modify(|all| all.extend([",", value])).or_insert_with(|| (*value).to_owned());
            }
            http.headers = joined;
        }
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

/// What Envoy would do with an answer.
#[derive(Debug, PartialEq, Eq)]
pub enum Seen {
    Allowed,
    /// Status, and reason.
    Denied(i32, String),
    /// An error, as `error_response`.
    Failed(i32),
    /// An error, as a gRPC status: its code and message.
    Status(tonic::Code, String),
}

pub fn seen(answer: &Result<CheckResponse, Status>) -> Seen {
    let answer = match answer {
        Ok(answer) => answer,
        Err(status) => return Seen::Status(status.code(), status.message().to_owned()),
    };
    let code = answer.status.as_ref().map_or(0, |status| status.code);
    match &answer.http_response {
        Some(HttpResponse::OkResponse(_)) | None if code == 0 => Seen::Allowed,
        Some(HttpResponse::DeniedResponse(denied)) if code != 0 => {
            let reason = answer.status.as_ref().map(|status| status.message.clone());
            Seen::Denied(denied.status.as_ref().unwrap().code, reason.unwrap())
        }
        Some(HttpResponse::ErrorResponse(failed)) if code != 0 => Seen::Failed(failed.status.as_ref().unwrap().code),
        other => panic!("Envoy would make of this what it likes: {other:?} with status {code}"),
    }
}

pub fn denied(status: i32, reason: &str) -> Seen {
    Seen::Denied(status, reason.to_owned())
}

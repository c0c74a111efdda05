//! One test's laboratory: certificates, tokens, services, an Envoy, in a folder that goes with it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::json;
use tempfile::TempDir;
use tollgate::demo::client::Client;
use tollgate::demo::envoy::{self, Envoy, Jwt, Listener, Options, PeerCertificate, Tls};
use tollgate::demo::pki::{Authority, Credentials};
use tollgate::demo::service::{self, Address, Tollgate};
use tollgate::demo::tokens::TokenIssuer;
use tollgate::demo::upstream::Upstream;

pub(crate) const HOST: &str = "api.shop.example";
pub(crate) const DESK: &str = "spiffe://cluster.local/ns/support/sa/agent-desktop";

/// All but Envoy, which is started when the test has said how.
pub(crate) struct Lab {
    pub(crate) folder: TempDir,
    pub(crate) authority: Authority,
    pub(crate) tokens: TokenIssuer,
    pub(crate) upstream: Upstream,
    tls: Tls,
}

impl Lab {
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::try_new().unwrap();
        let server = authority.server(&[HOST]).unwrap().write(folder.path(), "envoy").unwrap();
        let ca = folder.path().join("ca.pem");
        std::fs::write(&ca, authority.pem()).unwrap();
        let tls = Tls {
            certificate: server.certificate,
            key: server.key,
            client_authority: ca,
            client_certificate: PeerCertificate::Required,
        };
        let tokens = TokenIssuer::try_new("https://id.shop.example").unwrap();
        Self { folder, authority, tokens, upstream: Upstream::start().await.unwrap(), tls }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// A socket that nothing listens on yet.
    pub(crate) fn socket(&self) -> Address {
        Address::Unix(self.path().join("tollgate.sock"))
    }

    pub(crate) fn tls(&self) -> Tls {
        self.tls.clone()
    }

    pub(crate) fn jwt(&self) -> Jwt {
        Jwt { issuer: self.tokens.name().to_owned(), jwks: self.tokens.jwks().to_owned() }
    }

    /// The listener that operators get: mTLS, tokens, Tollgate.
    pub(crate) fn front(&self) -> Listener {
        Listener { tls: Some(self.tls()), jwt: Some(self.jwt()), ..Listener::new("front") }
    }

    pub(crate) fn options(&self, tollgate: Address, listeners: Vec<Listener>) -> Options {
        Options { listeners, tollgate: tollgate.into(), upstream: self.upstream.address(), concurrency: 1 }
    }

    pub(crate) async fn envoy(&self, tollgate: Address, listeners: Vec<Listener>) -> Envoy {
        Envoy::start(&binary(), &self.options(tollgate, listeners), self.path()).await.unwrap()
    }

    /// A real Tollgate with the shipped policies, on a socket.
    pub(crate) async fn tollgate(&self, arguments: &[&str]) -> Tollgate {
        self.tollgate_with(Path::new(env!("CARGO_MANIFEST_DIR")).join("policies"), arguments).await
    }

    /// The same at another address.
    pub(crate) async fn tollgate_at(&self, listen: Address, arguments: &[&str]) -> Tollgate {
        let policies = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies");
        Tollgate::start(&service::Options { listen, ..self.tollgate_options(policies, arguments) }).await.unwrap()
    }

    /// The same with other policies.
    pub(crate) async fn tollgate_with(&self, policies: PathBuf, arguments: &[&str]) -> Tollgate {
        Tollgate::start(&self.tollgate_options(policies, arguments)).await.unwrap()
    }

    fn tollgate_options(&self, policies: PathBuf, arguments: &[&str]) -> service::Options {
        service::Options {
            binary: env!("CARGO_BIN_EXE_tollgate").into(),
            policies,
            policies_poll: Duration::from_millis(200),
            listen: self.socket(),
            ledger: self.path().join("ledger"),
            log: self.path().join("tollgate.log"),
            arguments: arguments.iter().map(|one| (*one).to_owned()).collect(),
        }
    }

    /// A token of somebody on the support desk who signed in this many seconds ago.
    pub(crate) fn agent(&self, seconds_ago: i64) -> String {
        let auth_time = jiff::Timestamp::now().as_second() - seconds_ago;
        let claims = json!({ "sub": "agent-7", "roles": ["support-agent"], "acr": "mfa", "auth_time": auth_time });
        format!("Bearer {}", self.tokens.token(claims).unwrap())
    }

    pub(crate) fn workload(&self, spiffe_id: &str) -> Credentials {
        self.authority.workload(spiffe_id).unwrap()
    }

    pub(crate) fn client(&self, envoy: &Envoy, listener: &str, credentials: Option<&Credentials>) -> Client {
        Client::tls(envoy.address(listener).unwrap(), HOST, &self.authority, credentials).unwrap()
    }
}

pub(crate) fn binary() -> PathBuf {
    let named = std::env::var_os("TOLLGATE_ENVOY").map(PathBuf::from);
    let path = named.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join(".tools/envoy"));
    envoy::locate(&path).unwrap()
}

//! All that runs: Tollgate with certificates, policies and a collector, an Envoy before it, services behind that.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio_rustls::TlsConnector;
use tollgate::demo::envoy::{Envoy, ExtAuthz, Jwt, Listener, Options, PeerCertificate, Replicas, Tls, locate};
use tollgate::demo::files;
use tollgate::demo::pki::Authority;
use tollgate::demo::service::{self, Address, Tollgate};
use tollgate::demo::tokens::TokenIssuer;
use tollgate::demo::upstream::Upstream;

use crate::args::Settings;
use crate::cases::{API, BOT, DESK, Edited};
use crate::certificates::{self, Current, Rotation, connector};
use crate::collector::Collector;
use crate::edits::Editor;
use crate::tally::{Sort, Tally};

/// What runs. Dropping it stops everything.
pub(crate) struct Stage {
    pub(crate) tollgate: Tollgate,
    pub(crate) envoy: Envoy,
    pub(crate) upstream: Upstream,
    pub(crate) tokens: Arc<TokenIssuer>,
    /// Where checks are asked over TLS, and over a Unix socket.
    pub(crate) tcp: SocketAddr,
    pub(crate) socket: PathBuf,
    pub(crate) front: SocketAddr,
    /// As the desk and as the bot, to Envoy.
    pub(crate) desk: TlsConnector,
    pub(crate) bot: TlsConnector,
    pub(crate) current: Current,
    pub(crate) edited: Arc<Edited>,
    pub(crate) ledger: PathBuf,
    /// Taken by those who use them.
    pub(crate) rotation: Option<Rotation>,
    pub(crate) editor: Option<Editor>,
    pub(crate) collector: Option<Collector>,
}

/// How it ended.
#[derive(Debug, serde::Serialize)]
pub(crate) struct Ended {
    /// Requests that reached the services, and those that Envoy let pass.
    pub(crate) reached: u64,
    pub(crate) passed: u64,
    /// Warnings and errors of Tollgate's log, by message.
    pub(crate) logged: std::collections::BTreeMap<String, u64>,
}

const ENDS_WITHIN: Duration = Duration::from_mins(1);
/// A machine that stands still for a moment is no wrong answer; Envoy waits longer than Tollgate does.
const CHECK_TIME: &str = "5s";
const ENVOY_WAITS: Duration = Duration::from_secs(10);

impl Stage {
    pub(crate) async fn build(settings: &Settings, work: &Path) -> anyhow::Result<Self> {
        let work = work.canonicalize().context("no folder to work in")?;
        let rotation = Rotation::new(&work)?;
        let collector = Collector::bind()?;
        let policies = work.join("policies");
        let editor = Editor::new(&Path::new(env!("CARGO_MANIFEST_DIR")).join("policies"), &policies)?;
        let (socket, ledger) = (work.join("tollgate.sock"), work.join("ledger"));
        let tls = rotation.folder();
        let [folder, ca] = [tls, &tls.join("ca.crt")].map(|path| path.display().to_string());
        let key = work.join("pseudonym.key");
        files::write_secret(&key, [7; 32])?;
        let listen = format!("unix:{}", socket.display());
        let arguments = [
            ["--listen", &listen],
            ["--tls", &folder],
            ["--tls-client-ca", &ca],
            ["--tls-client-san", certificates::ALLOWED],
            ["--tls-poll", "1s"],
            ["--otlp-endpoint", &collector.url()],
            ["--trace-ratio", "0.05"],
            ["--pseudonym-key", &key.display().to_string()],
            ["--max-check-time", CHECK_TIME],
            ["--max-connections", "1024"],
            // Young, so that many of them end in an hour.
            ["--max-connection-age", "60s"],
            ["--drain-delay", "1s"],
            ["--log-level", "warn,tollgate=info"],
        ];
        let options = service::Options {
            binary: env!("CARGO_BIN_EXE_tollgate").into(),
            policies,
            policies_poll: Duration::from_secs(1),
            listen: Address::Tcp(([127, 0, 0, 1], 0).into()),
            ledger: ledger.clone(),
            log: work.join("tollgate.log"),
            arguments: arguments.concat().into_iter().map(ToOwned::to_owned).collect(),
        };
        let tollgate = Tollgate::start(&options).await?;
        let tcp = tcp_port(&tollgate)?;
        let (upstream, tokens) = (Upstream::start().await?, Arc::new(TokenIssuer::try_new("https://id.shop.example")?));
        let authority = Authority::try_new()?;
        let listener = Listener {
            tls: Some(front_tls(&authority, &work)?),
            jwt: Some(Jwt { issuer: tokens.name().to_owned(), jwks: tokens.jwks().to_owned() }),
            ext_authz: Some(ExtAuthz { timeout: ENVOY_WAITS, ..ExtAuthz::default() }),
            ..Listener::new("front")
        };
        let replicas = Replicas {
            addresses: vec![Address::Tcp(tcp)],
            tls: Some(rotation.of_envoy()?),
            health_checks: Some(Duration::from_secs(1)),
        };
        let options =
            Options { listeners: vec![listener], tollgate: replicas, upstream: upstream.address(), concurrency: 1 };
        let envoy = Envoy::start(&locate(&settings.envoy)?, &options, &work).await?;
        Ok(Self {
            front: envoy.address("front")?,
            desk: connector(&authority, Some(&authority.workload(DESK)?))?,
            bot: connector(&authority, Some(&authority.workload(BOT)?))?,
            current: rotation.current(),
            edited: editor.edited(),
            rotation: Some(rotation),
            editor: Some(editor),
            collector: Some(collector),
            tollgate,
            envoy,
            upstream,
            tokens,
            tcp,
            socket,
            ledger,
        })
    }

    pub(crate) fn still_runs(&mut self) -> anyhow::Result<()> {
        self.tollgate.still_runs()?;
        self.envoy.still_runs()
    }

    /// Ends Tollgate as the kubelet would.
    pub(crate) async fn end(&mut self, tally: &Tally) -> anyhow::Result<Ended> {
        let status = self.tollgate.terminate(ENDS_WITHIN).await?;
        if !status.success() {
            tally.wrong(format!("tollgate ended with {status}"));
        }
        let mut logged = std::collections::BTreeMap::new();
        let text = |line: &serde_json::Value, name| line.get(name).and_then(|v| v.as_str()).unwrap_or("").to_owned();
        for line in self.tollgate.log_lines()? {
            if text(&line, "level") != "INFO" {
                *logged.entry(text(&line, "message")).or_default() += 1;
            }
        }
        let passed = tally.passed_by_envoy.load(std::sync::atomic::Ordering::Relaxed);
        let reached = self.upstream.count();
        // What was under way when the time was over has no answer here.
        if reached < passed {
            tally.wrong(format!("{passed} passed Envoy with a receipt, and {reached} reached the services"));
        }
        tally.count(Sort::Noticed, "ends of Tollgate at a signal");
        Ok(Ended { reached, passed, logged })
    }
}

/// Its log names the Unix socket last, so that is what it says it listens on: the TCP port stands before it.
fn tcp_port(tollgate: &Tollgate) -> anyhow::Result<SocketAddr> {
    let lines = tollgate.log_lines()?;
    let text = |line: &serde_json::Value, name| line.get(name).and_then(|v| v.as_str()).unwrap_or("").to_owned();
    let mut ports = lines.iter().filter(|line| text(line, "port") == "ext_authz").map(|line| text(line, "address"));
    let port = ports.find(|address| !address.starts_with("unix:")).context("tollgate listens on no TCP port")?;
    port.parse().with_context(|| format!("`{port}` is no address"))
}

/// The SNI of the front is that of Tollgate: all clients of the soak ask for one name.
pub(crate) fn front_tls(authority: &Authority, work: &Path) -> anyhow::Result<Tls> {
    let server = authority.server(&[API, certificates::SERVER])?.write(work, "front")?;
    let client_authority = work.join("front-ca.pem");
    files::write(&client_authority, authority.pem())?;
    Ok(Tls {
        certificate: server.certificate,
        key: server.key,
        client_authority,
        client_certificate: PeerCertificate::Required,
    })
}

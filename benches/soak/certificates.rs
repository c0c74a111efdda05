//! The certificates, and how they are exchanged while everything runs.
//!
//! Tollgate's own certificate is new each time, of an authority that stays. Those of direct clients come from an authority
//! that is new each time, too: it is announced beside the one before it, and the one before that is dropped. Envoy's client
//! certificate stays good throughout. New connections must see the new certificate; a dropped authority must be of no use.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tollgate::demo::envoy::UpstreamTls;
use tollgate::demo::files;
use tollgate::demo::pki::{Authority, Credentials};

use crate::tally::{Sort, Tally};
use crate::until;
use crate::volume::{Payload, Volume};

/// The name of Tollgate's port.
pub(crate) const SERVER: &str = "tollgate.internal";
/// Who may connect, and the pattern that this matches.
const EDGE: &str = "spiffe://cluster.local/ns/edge/sa/envoy";
pub(crate) const ALLOWED: &str = "spiffe://cluster.local/ns/edge/*";
const STRANGER: &str = "spiffe://cluster.local/ns/elsewhere/sa/someone";
/// The files are looked at every second and must be seen twice; the rest is what a busy machine may add.
const IN_FORCE_WITHIN: Duration = Duration::from_secs(30);
const CONNECTS_WITHIN: Duration = Duration::from_secs(10);

/// Those who connect, as they would do it now.
#[derive(Clone)]
pub(crate) struct Connectors {
    /// As a well-behaved client.
    pub(crate) good: TlsConnector,
    /// Vouched for, and its name is not allowed.
    pub(crate) stranger: TlsConnector,
    /// Without a certificate.
    pub(crate) nobody: TlsConnector,
    /// Vouched for by an authority that was never known.
    pub(crate) forged: TlsConnector,
    /// Vouched for by one that is not known any more.
    pub(crate) dropped: Option<TlsConnector>,
}

/// What all who connect share.
pub(crate) type Current = Arc<Mutex<Connectors>>;

/// Whoever exchanges certificates.
pub(crate) struct Rotation {
    server: Authority,
    edge: Authority,
    /// Of direct clients: the one in use, and before it the one before.
    clients: Vec<Authority>,
    current: Current,
    work: PathBuf,
    volume: Volume,
}

impl Rotation {
    pub(crate) fn new(work: &Path) -> anyhow::Result<Self> {
        let (server, edge, client) = (Authority::try_new()?, Authority::try_new()?, Authority::try_new()?);
        // A key is for its owner alone.
        let mut volume = Volume::new(&work.join("tls"))?.with_mode(0o600);
        volume.write(&content(&server.server(&[SERVER])?, [&edge, &client], work)?)?;
        let current = Arc::new(Mutex::new(connectors(&server, &client, None)?));
        Ok(Self { server, edge, clients: vec![client], current, work: work.to_owned(), volume })
    }

    /// The folder that Tollgate is given.
    pub(crate) fn folder(&self) -> &Path {
        self.volume.folder()
    }

    pub(crate) fn current(&self) -> Current {
        Arc::clone(&self.current)
    }

    /// Envoy's side of it.
    pub(crate) fn of_envoy(&self) -> anyhow::Result<UpstreamTls> {
        let own = self.edge.workload(EDGE)?.write(&self.work, "edge")?;
        let authority = self.work.join("tollgate-ca.pem");
        files::write(&authority, self.server.pem())?;
        Ok(UpstreamTls { certificate: own.certificate, key: own.key, authority, name: SERVER.to_owned() })
    }

    /// Exchanges them again and again.
    pub(crate) async fn keep_on(mut self, every: Duration, to: SocketAddr, tally: Arc<Tally>) -> anyhow::Result<()> {
        loop {
            tokio::time::sleep(every).await;
            self.rotate(to, &tally).await?;
        }
    }

    async fn rotate(&mut self, to: SocketAddr, tally: &Tally) -> anyhow::Result<()> {
        let (client, credentials) = (Authority::try_new()?, self.server.server(&[SERVER])?);
        let next = connectors(&self.server, &client, None)?;
        let dropped = if self.clients.len() > 1 { Some(self.clients.remove(0)) } else { None };
        self.clients.push(client);
        let trusted = [&self.edge].into_iter().chain(&self.clients);
        self.volume.write(&content(&credentials, trusted, &self.work)?)?;
        let (before, expected) = (now(&self.current).good, credentials.certificate().clone());
        let sees_it = || async { shown(&before, to).await.is_ok_and(|shown| shown == expected) };
        match until(IN_FORCE_WITHIN, sees_it).await {
            Some(took) => {
                tally.count(Sort::Certificates, "exchanged, and seen by new connections");
                let millis = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
                tally.most(Sort::Certificates, "longest time until they were seen, in ms", millis);
            }
            None => tally.wrong(format!("new certificates were not in force after {IN_FORCE_WITHIN:?}")),
        }
        // Clients are given theirs once their authority is known.
        let dropped = dropped.map(|dropped| connector(&self.server, Some(&dropped.workload(EDGE)?))).transpose()?;
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = Connectors { dropped, ..next };
        Ok(())
    }
}

/// Those of the moment.
pub(crate) fn now(current: &Current) -> Connectors {
    current.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// A connection with TLS on it.
pub(crate) async fn connect(connector: &TlsConnector, to: SocketAddr) -> anyhow::Result<TlsStream<TcpStream>> {
    let connecting = async {
        let stream = TcpStream::connect(to).await?;
        stream.set_nodelay(true)?;
        Ok(connector.connect(ServerName::try_from(SERVER)?, stream).await?)
    };
    tokio::time::timeout(CONNECTS_WITHIN, connecting).await?
}

/// The certificate that a new connection is shown.
async fn shown(connector: &TlsConnector, to: SocketAddr) -> anyhow::Result<CertificateDer<'static>> {
    let stream = connect(connector, to).await?;
    let (_, session) = stream.get_ref();
    let shown = session.peer_certificates().and_then(|chain| chain.first());
    Ok(shown.map_or_else(|| CertificateDer::from_slice(&[]), |shown| shown.clone().into_owned()))
}

fn content<'a>(
    credentials: &Credentials,
    trusted: impl IntoIterator<Item = &'a Authority>,
    work: &Path,
) -> anyhow::Result<Payload> {
    let written = credentials.write(work, "new")?;
    let authorities = trusted.into_iter().map(Authority::pem).collect();
    Ok([
        ("tls.crt".to_owned(), std::fs::read_to_string(written.certificate)?),
        ("tls.key".to_owned(), std::fs::read_to_string(written.key)?),
        ("ca.crt".to_owned(), authorities),
    ]
    .into())
}

fn connectors(server: &Authority, client: &Authority, dropped: Option<TlsConnector>) -> anyhow::Result<Connectors> {
    Ok(Connectors {
        good: connector(server, Some(&client.workload(EDGE)?))?,
        stranger: connector(server, Some(&client.workload(STRANGER)?))?,
        nobody: connector(server, None)?,
        forged: connector(server, Some(&Authority::try_new()?.workload(EDGE)?))?,
        dropped,
    })
}

/// Trusts this authority, and shows these.
pub(crate) fn connector(server: &Authority, credentials: Option<&Credentials>) -> anyhow::Result<TlsConnector> {
    let mut roots = RootCertStore::empty();
    roots.add(server.certificate().clone())?;
    // Named, since a process with two crypto libraries in its tree has no default one.
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let config = config.with_root_certificates(roots);
    let mut config = match credentials {
        Some(own) => config.with_client_auth_cert(vec![own.certificate().clone()], own.key())?,
        None => config.with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(TlsConnector::from(Arc::new(config)))
}

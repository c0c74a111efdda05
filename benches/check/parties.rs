//! Who has which certificate: a server that is asked over mTLS, Envoy in front of it, the desk in front of Envoy.
//!
//! One throw-away authority for all of them. Where the load generator asks directly, it stands in Envoy's place.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio_rustls::TlsConnector;
use tollgate::demo::files;
use tollgate::demo::pki::{Authority, CredentialFiles, Credentials};

use crate::bundle::{DESK, HOST};

/// Whom a server that is asked over mTLS lets in.
pub(crate) const EDGE: &str = "spiffe://cluster.local/ns/edge/sa/envoy";
/// The name of its certificate.
pub(crate) const AUTHORIZER: &str = "authorizer.shop.example";

/// The authority, and what it has issued.
pub(crate) struct Parties {
    authority: Authority,
    /// PEM.
    pub(crate) authority_file: PathBuf,
    /// A folder with `tls.crt` and `tls.key`, as Kubernetes mounts a secret.
    pub(crate) server: PathBuf,
    /// Envoy's own, for its clients.
    pub(crate) envoy: CredentialFiles,
    /// Envoy's own, for whom it asks.
    pub(crate) edge: CredentialFiles,
}

/// How to reach a server by TLS.
pub(crate) type Tls = (TlsConnector, ServerName<'static>);

impl Parties {
    pub(crate) fn try_new(folder: &Path) -> anyhow::Result<Self> {
        let authority = Authority::try_new()?;
        let authority_file = folder.join("ca.pem");
        files::write(&authority_file, authority.pem())?;
        let server = folder.join("server");
        files::private_folder(&server)?;
        let written = authority.server(&[AUTHORIZER])?.write(&server, "tls")?;
        fs::rename(written.certificate, server.join("tls.crt"))?;
        let envoy = authority.server(&[HOST])?.write(folder, "envoy")?;
        let edge = authority.workload(EDGE)?.write(folder, "edge")?;
        Ok(Self { authority, authority_file, server, envoy, edge })
    }

    /// As Envoy reaches a server.
    pub(crate) fn to_server(&self) -> anyhow::Result<Tls> {
        Ok((self.connector(&self.authority.workload(EDGE)?)?, ServerName::try_from(AUTHORIZER)?))
    }

    /// As the desk reaches Envoy.
    pub(crate) fn to_envoy(&self) -> anyhow::Result<Tls> {
        Ok((self.connector(&self.authority.workload(DESK)?)?, ServerName::try_from(HOST)?))
    }

    fn connector(&self, credentials: &Credentials) -> anyhow::Result<TlsConnector> {
        let mut roots = RootCertStore::empty();
        roots.add(self.authority.certificate().clone())?;
        // Named, since a process with two crypto libraries in its tree has no default one.
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
        let certificates = vec![credentials.certificate().clone()];
        let mut config = config.with_root_certificates(roots).with_client_auth_cert(certificates, credentials.key())?;
        config.alpn_protocols = vec![b"h2".to_vec()];
        Ok(TlsConnector::from(Arc::new(config)))
    }
}

//! TLS on a port: the certificates in force, and the handshake.
//!
//! Which certificates these are, and who may connect, is decided where they are read. They are swapped whole: a connection
//! keeps those that it began with.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls::{CertificateError, ServerConfig};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// The certificates in force.
#[derive(Debug, Clone)]
pub struct Tls(Arc<ArcSwap<ServerConfig>>);

/// Why a handshake failed: a word for metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// No certificate was shown.
    NoCertificate,
    /// No authority that is known vouches for it.
    NotTrusted,
    /// None of its names may connect.
    NotAllowed,
    /// It was not finished in time.
    Timeout,
    /// Something that is no TLS, or no common version of it.
    Other,
}

impl Tls {
    /// What is in this place when a connection comes.
    pub const fn new(in_force: Arc<ArcSwap<ServerConfig>>) -> Self {
        Self(in_force)
    }

    /// Makes the handshake, within a bound of time.
    pub async fn accept(&self, stream: TcpStream, within: Duration) -> Result<TlsStream<TcpStream>, Refused> {
        let acceptor = TlsAcceptor::from(self.0.load_full());
        let accepted = tokio::time::timeout(within, acceptor.accept(stream)).await;
        accepted.map_err(|_| Refused::Timeout)?.map_err(|error| {
            let refused = Refused::from(&error);
            tracing::debug!(%error, reason = refused.as_str(), "a handshake failed");
            refused
        })
    }
}

impl Refused {
    pub(super) const ALL: [Self; 5] =
        [Self::NoCertificate, Self::NotTrusted, Self::NotAllowed, Self::Timeout, Self::Other];

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::NoCertificate => "no_certificate",
            Self::NotTrusted => "not_trusted",
            Self::NotAllowed => "not_allowed",
            Self::Timeout => "timeout",
            Self::Other => "other",
        }
    }
}

impl From<&io::Error> for Refused {
    fn from(error: &io::Error) -> Self {
        match error.get_ref().and_then(|inner| inner.downcast_ref()) {
            Some(rustls::Error::NoCertificatesPresented) => Self::NoCertificate,
            // What whoever checks names says of one that is not on the list.
            Some(rustls::Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure)) => {
                Self::NotAllowed
            }
            Some(rustls::Error::InvalidCertificate(_)) => Self::NotTrusted,
            _ => Self::Other,
        }
    }
}

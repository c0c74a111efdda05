//! From the bytes of files to what a port serves with.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::allowed::AllowList;
use super::{Config, Error, Protocol, Seen};

/// What came out of it.
pub(super) struct Loaded {
    pub(super) server: ServerConfig,
    /// When each sort of certificate ends, in seconds since the epoch: the first of its sort.
    pub(super) expiries: Vec<(&'static str, i64)>,
}

pub(super) fn load(config: &Config, protocol: Protocol, seen: &Seen) -> Result<Loaded, Error> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let chain = certificates(&seen.chain, &config.chain())?;
    let key = PrivateKeyDer::from_pem_slice(&seen.key)
        .map_err(|_| Error::NotPem { path: config.key(), expected: "private key" })?;
    let mut expiries = vec![("server", first_end(&chain, &config.chain())?)];
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions();
    let builder = builder.map_err(Error::Unusable)?;
    let builder = match (&config.client_ca, &seen.client_ca) {
        (Some(path), Some(bytes)) => {
            let authorities = certificates(bytes, path)?;
            expiries.push(("client_ca", first_end(&authorities, path)?));
            let mut roots = RootCertStore::empty();
            for authority in authorities {
                roots.add(authority).map_err(Error::Unusable)?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            let verifier = verifier.map_err(Error::Authorities)?;
            builder.with_client_cert_verifier(AllowList::new(verifier, config.allowed.clone()))
        }
        _ => builder.with_no_client_auth(),
    };
    let mut server = builder.with_single_cert(chain, key).map_err(Error::Unusable)?;
    server.alpn_protocols = vec![protocol.alpn().to_vec()];
    Ok(Loaded { server, expiries })
}

impl Protocol {
    /// As a handshake names it.
    const fn alpn(self) -> &'static [u8] {
        match self {
            Self::Http2 => b"h2",
            Self::Http1 => b"http/1.1",
        }
    }
}

pub(super) fn certificates(bytes: &[u8], path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let not_pem = || Error::NotPem { path: path.to_owned(), expected: "certificate" };
    let certificates: Vec<_> =
        CertificateDer::pem_slice_iter(bytes).collect::<Result<_, _>>().map_err(|_| not_pem())?;
    if certificates.is_empty() { Err(not_pem()) } else { Ok(certificates) }
}

fn first_end(certificates: &[CertificateDer<'_>], path: &Path) -> Result<i64, Error> {
    let ends = certificates.iter().map(|certificate| {
        let (_, certificate) = X509Certificate::from_der(certificate).map_err(|_| Error::Malformed(path.to_owned()))?;
        Ok(certificate.validity().not_after.timestamp())
    });
    let ends: Vec<_> = ends.collect::<Result<_, Error>>()?;
    ends.into_iter().min().ok_or_else(|| Error::Malformed(path.to_owned()))
}

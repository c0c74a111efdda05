//! From the bytes of files to what a port serves with.

use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};

use super::allowed::AllowList;
use super::validity::{self, OutOfForce};
use super::{Config, Error, Protocol, Seen};

/// What came out of it.
pub(super) struct Loaded {
    pub(super) server: ServerConfig,
    /// When each sort of certificate ends, in seconds since the epoch: the first of its sort that is in force.
    pub(super) expiries: Vec<(&'static str, i64)>,
    /// How many authorities vouch for nobody, since they have ended or are early.
    pub(super) left_out: usize,
    /// When the first of those that are early begins.
    pub(super) begins: Option<Timestamp>,
}

/// The authorities of clients that are in force.
struct Authorities {
    roots: RootCertStore,
    first_end: i64,
    left_out: Vec<OutOfForce>,
}

pub(super) fn load(config: &Config, protocol: Protocol, seen: &Seen, now: Timestamp) -> Result<Loaded, Error> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let chain = certificates(&seen.chain, &config.chain())?;
    let mut expiries = vec![("server", first_end(&chain, &config.chain(), now)?)];
    let mut left_out = Vec::new();
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions();
    let builder = builder.map_err(unusable(&config.folder))?;
    let builder = match (&config.client_ca, &seen.client_ca) {
        (Some(path), Some(bytes)) => {
            let authorities = Authorities::in_force(bytes, path, now)?;
            expiries.push(("client_ca", authorities.first_end));
            left_out = authorities.left_out;
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(authorities.roots), provider).build();
            let verifier = verifier.map_err(|cause| Error::Authorities { path: path.clone(), cause })?;
            builder.with_client_cert_verifier(AllowList::new(verifier, config.allowed.clone()))
        }
        _ => builder.with_no_client_auth(),
    };
    let key = PrivateKeyDer::from_pem_slice(&seen.key)
        .map_err(|_| Error::NotPem { path: config.key(), expected: "private key" })?;
    let mut server = builder.with_single_cert(chain, key).map_err(|cause| match cause {
        rustls::Error::InconsistentKeys(_) => Error::OtherKey { key: config.key(), chain: config.chain() },
        rustls::Error::InvalidCertificate(_) => unusable(&config.chain())(cause),
        _ => unusable(&config.key())(cause),
    })?;
    server.alpn_protocols = vec![protocol.alpn().to_vec()];
    let begins = first_begin(&left_out);
    Ok(Loaded { server, expiries, left_out: left_out.len(), begins })
}

fn unusable(path: &Path) -> impl FnOnce(rustls::Error) -> Error {
    |cause| Error::Unusable { path: path.to_owned(), cause }
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

impl Authorities {
    /// Some of a bundle have ended, or are early, whenever authorities are exchanged: the others are good.
    fn in_force(bytes: &[u8], path: &Path, now: Timestamp) -> Result<Self, Error> {
        let (mut roots, mut ends, mut left_out) = (RootCertStore::empty(), Vec::new(), Vec::new());
        for authority in certificates(bytes, path)? {
            match validity::end(&authority, path, now)? {
                Ok(end) => {
                    roots.add(authority).map_err(unusable(path))?;
                    ends.push(end);
                }
                Err(why) => left_out.push(why),
            }
        }
        let nearest = first_begin(&left_out).map(OutOfForce::Early).or_else(|| left_out.iter().copied().max());
        match (ends.into_iter().min(), nearest) {
            (Some(first_end), _) => Ok(Self { roots, first_end, left_out }),
            (None, Some(nearest)) => Err(Error::NoAuthority { path: path.to_owned(), nearest }),
            (None, None) => Err(Error::Malformed(path.to_owned())),
        }
    }
}

fn first_begin(left_out: &[OutOfForce]) -> Option<Timestamp> {
    left_out.iter().filter_map(|why| why.begins()).min()
}

/// All of a chain must be in force: any of them may be the one that a client needs.
fn first_end(chain: &[CertificateDer<'_>], path: &Path, now: Timestamp) -> Result<i64, Error> {
    let ends = (1..).zip(chain).map(|(number, certificate)| {
        let end = validity::end(certificate, path, now)?;
        end.map_err(|why| Error::OutOfForce { number, path: path.to_owned(), why })
    });
    let ends: Vec<_> = ends.collect::<Result<_, _>>()?;
    ends.into_iter().min().ok_or_else(|| Error::Malformed(path.to_owned()))
}

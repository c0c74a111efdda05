//! Where the certificates of the ports come from: files that are exchanged while we run.
//!
//! The files are read again and again; what counts is their content. A certificate, its key and the authorities of clients
//! come into force together or not at all: a pair that does not fit (seen in the middle of an exchange), a file that is gone,
//! an authority that cannot be read or a certificate that is not in force by its dates change nothing but a metric and, once
//! for each bad content, the log. What ends while it is in force stays: there is nothing else to serve with.

mod allowed;
mod metrics;
mod pem;
mod validity;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

pub use allowed::AllowedName;
use arc_swap::ArcSwap;
use jiff::Timestamp;
pub use metrics::Metrics;
use rustls::{RootCertStore, ServerConfig};
use sha2::{Digest, Sha256};
pub use validity::OutOfForce;

use crate::clock::Clock;

/// Which files, and who may connect.
#[derive(Debug, Clone)]
pub struct Config {
    /// The folder with `tls.crt` and `tls.key`, as a Secret of Kubernetes has them.
    pub folder: PathBuf,
    /// The authorities that clients' certificates must come from; without it clients need none.
    pub client_ca: Option<PathBuf>,
    /// The names of which a client's certificate must have one; without any all are welcome that the authorities vouch for.
    pub allowed: Vec<AllowedName>,
    /// How often the files are looked at.
    pub poll: Duration,
}

/// What is spoken behind the handshake: no client may take one for the other (RFC 7301).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// Checks (RFC 9113, section 3.2).
    Http2,
    /// Pages, and the webhook: the API server offers nothing else to webhooks.
    Http1,
}

/// Why certificates cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The system refused.
    #[error("cannot read `{}`: {cause}", path.display())]
    Io {
        /// What was to be read.
        path: PathBuf,
        /// What the system said. It stands in the message, and so is no cause of its own.
        cause: std::io::Error,
    },
    /// A file is not what it should be.
    #[error("`{}` holds no {expected} in PEM", path.display())]
    NotPem {
        /// The file.
        path: PathBuf,
        /// What should be in it.
        expected: &'static str,
    },
    /// A certificate cannot be read.
    #[error("`{}` holds a certificate that cannot be read", .0.display())]
    Malformed(PathBuf),
    /// A certificate that is shown is not in force by its dates.
    #[error("certificate {number} in `{}` {why}", path.display())]
    OutOfForce {
        /// Which one of the file, from 1.
        number: usize,
        /// The file.
        path: PathBuf,
        /// In which way, and the date.
        why: OutOfForce,
    },
    /// None of the authorities of clients is in force by its dates.
    #[error("no authority in `{}` is in force: the nearest {nearest}", path.display())]
    NoAuthority {
        /// The file.
        path: PathBuf,
        /// The first that begins, or else the last that ended.
        nearest: OutOfForce,
    },
    /// Key and certificate are no pair.
    #[error("the key in `{}` is not the one of the certificate in `{}`", key.display(), chain.display())]
    OtherKey {
        /// The file with the key.
        key: PathBuf,
        /// The file with the certificate.
        chain: PathBuf,
    },
    /// What was read cannot be used.
    #[error("`{}` cannot be used: {cause}", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What the library said.
        cause: rustls::Error,
    },
    /// The authorities of clients cannot be used.
    #[error("the authorities in `{}` cannot be used: {cause}", path.display())]
    Authorities {
        /// The file.
        path: PathBuf,
        /// What the library said.
        cause: rustls::server::VerifierBuilderError,
    },
}

/// Looks at the files, and swaps what is in force.
pub struct Watcher {
    config: Config,
    protocol: Protocol,
    in_force: Arc<ArcSwap<ServerConfig>>,
    metrics: Metrics,
    clock: Arc<dyn Clock>,
    /// What was looked at last, good or bad.
    last_seen: [u8; 32],
    /// When something of it begins that was early. It is then looked at again: an issuer's clock may be ahead of ours.
    begins: Option<Timestamp>,
    /// What is seen since. A pair is exchanged file by file, so it counts once it is seen again.
    moving: Option<[u8; 32]>,
}

/// What the files hold.
struct Seen {
    chain: Vec<u8>,
    key: Vec<u8>,
    client_ca: Option<Vec<u8>>,
}

/// A chain of certificates has some kilobytes, a bundle of authorities some hundreds.
const MAX_FILE: u64 = 4 * 1024 * 1024;

/// Reads the files, which must be good at the start, and gives the place where what is in force stands.
pub fn watch(
    config: Config,
    protocol: Protocol,
    clock: Arc<dyn Clock>,
) -> Result<(Arc<ArcSwap<ServerConfig>>, Watcher), Error> {
    let seen = Seen::at(&config)?;
    let loaded = pem::load(&config, protocol, &seen, clock.now())?;
    let metrics = Metrics::default();
    metrics.accepted(&loaded.expiries);
    loaded.log_left_out(&config);
    let in_force = Arc::new(ArcSwap::from_pointee(loaded.server));
    let (last_seen, begins, moving) = (seen.digest(), loaded.begins, None);
    let watcher =
        Watcher { config, protocol, in_force: Arc::clone(&in_force), metrics, clock, last_seen, begins, moving };
    Ok((in_force, watcher))
}

/// Reads the authorities of those whom we connect to, once, in PEM. A system's list is long: one in it that cannot be read
/// vouches for nobody, and the others are good.
pub fn authorities(path: &Path) -> Result<Vec<u8>, Error> {
    let pem = read(path)?;
    let (good, _) = RootCertStore::empty().add_parsable_certificates(pem::certificates(&pem, path)?);
    if good == 0 { Err(Error::Malformed(path.to_owned())) } else { Ok(pem) }
}

impl Watcher {
    /// What the watcher counts.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Looks until the other end of `stop` is dropped. Blocks.
    pub fn run(mut self, stop: &Receiver<()>) {
        while stop.recv_timeout(self.config.poll) == Err(RecvTimeoutError::Timeout) {
            self.look();
        }
    }

    fn look(&mut self) {
        let seen = Seen::at(&self.config);
        let digest = match &seen {
            Ok(seen) => seen.digest(),
            Err(error) => Sha256::digest(error.to_string()).into(),
        };
        let now = self.clock.now();
        if !self.counts(digest, now) {
            return;
        }
        self.last_seen = digest;
        match seen.and_then(|seen| pem::load(&self.config, self.protocol, &seen, now)) {
            Ok(loaded) => {
                self.begins = loaded.begins;
                self.metrics.accepted(&loaded.expiries);
                loaded.log_left_out(&self.config);
                self.in_force.store(Arc::new(loaded.server));
                tracing::info!(folder = %self.config.folder.display(), "certificates in force for new connections");
            }
            Err(error) => {
                self.begins = error.begins();
                self.metrics.refused();
                tracing::error!(%error, "certificates refused: those before stay in force");
            }
        }
    }

    /// Whether what was seen is to be looked at: it is new and stands still, or something of it begins.
    fn counts(&mut self, digest: [u8; 32], now: Timestamp) -> bool {
        if digest == self.last_seen {
            self.moving = None;
            return self.begins.is_some_and(|begins| begins <= now);
        }
        self.moving.replace(digest) == Some(digest)
    }
}

impl pem::Loaded {
    fn log_left_out(&self, config: &Config) {
        if let (Some(file), 1..) = (&config.client_ca, self.left_out) {
            let (file, count) = (file.display(), self.left_out);
            tracing::warn!(%file, count, "authorities of clients have ended, or are early: they vouch for nobody");
        }
    }
}

impl Error {
    /// When that which was early begins.
    const fn begins(&self) -> Option<Timestamp> {
        match self {
            Self::OutOfForce { why, .. } | Self::NoAuthority { nearest: why, .. } => why.begins(),
            _ => None,
        }
    }
}

impl Config {
    fn chain(&self) -> PathBuf {
        self.folder.join("tls.crt")
    }

    fn key(&self) -> PathBuf {
        self.folder.join("tls.key")
    }
}

impl Seen {
    fn at(config: &Config) -> Result<Self, Error> {
        let client_ca = config.client_ca.as_deref().map(read).transpose()?;
        Ok(Self { chain: read(&config.chain())?, key: read(&config.key())?, client_ca })
    }

    fn digest(&self) -> [u8; 32] {
        let parts = [Some(&self.chain), Some(&self.key), self.client_ca.as_ref()];
        // Each part by a digest of its own, so that nothing can move from one to the next unseen.
        let parts = parts.into_iter().flatten().map(Sha256::digest);
        parts.fold(Sha256::new(), Sha256::chain_update).finalize().into()
    }
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    use std::io::Read as _;
    let failed = |cause| Error::Io { path: path.to_owned(), cause };
    let mut bytes = Vec::new();
    fs::File::open(path).and_then(|file| file.take(MAX_FILE).read_to_end(&mut bytes)).map_err(failed)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests;

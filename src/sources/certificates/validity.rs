//! When a certificate holds, and what it is outside of that time.
//!
//! The library asks this of certificates that are shown in a handshake. It asks it neither of what a server shows nor of
//! authorities: whoever trusts one trusts it for ever, unless it is left out.

use std::fmt;
use std::path::Path;

use jiff::Timestamp;
use rustls::pki_types::CertificateDer;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::Error;

/// Why a certificate is not in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum OutOfForce {
    /// It was, until then.
    Ended(Timestamp),
    /// It will be, from then on.
    Early(Timestamp),
}

impl OutOfForce {
    /// When it comes into force by itself.
    pub(super) const fn begins(self) -> Option<Timestamp> {
        match self {
            Self::Ended(_) => None,
            Self::Early(begins) => Some(begins),
        }
    }
}

impl fmt::Display for OutOfForce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ended(end) => write!(f, "ended at {end}"),
            Self::Early(begins) => write!(f, "begins only at {begins}"),
        }
    }
}

/// When a certificate ends, in seconds since the epoch, or why it is not in force. Both its first and its last second are
/// part of its time (RFC 5280, section 4.1.2.5).
pub(super) fn end(
    certificate: &CertificateDer<'_>,
    path: &Path,
    now: Timestamp,
) -> Result<Result<i64, OutOfForce>, Error> {
    let (_, certificate) = X509Certificate::from_der(certificate).map_err(|_| Error::Malformed(path.to_owned()))?;
    let validity = certificate.validity();
    let (begins, end) = (validity.not_before.timestamp(), validity.not_after.timestamp());
    Ok(if now.as_second() > end {
        Err(OutOfForce::Ended(timestamp(end)))
    } else if now.as_second() < begins {
        Err(OutOfForce::Early(timestamp(begins)))
    } else {
        Ok(end)
    })
}

/// Certificates know the last day of the year 9999, and timestamps do not.
fn timestamp(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX)
}

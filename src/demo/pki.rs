//! A throw-away certificate authority: one server certificate for Envoy, and client certificates that carry a SPIFFE
//! id as their URI SAN, as a mesh would issue them.
//!
//! It is for the demo, the tests and the benchmarks: keys live as long as the run and its folder, certificates for a
//! week, and nothing here can be used to issue certificates for production.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    SanType,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use super::files;
use crate::clock::{self, Clock as _};

/// A demo that was left running over a long weekend still works.
const VALID_FOR: Duration = Duration::from_hours(7 * 24);

/// Clocks in containers and virtual machines may be behind.
const CLOCK_SKEW: Duration = Duration::from_hours(1);

/// The authority that everybody in one laboratory trusts.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
    pem: String,
}

/// A certificate with its key.
pub struct Credentials {
    certificate: CertificateDer<'static>,
    key: Vec<u8>,
    certificate_pem: String,
    key_pem: String,
}

/// Where a certificate and its key were written.
#[derive(Debug, Clone)]
pub struct CredentialFiles {
    /// PEM.
    pub certificate: PathBuf,
    /// PEM, PKCS #8, mode 0600.
    pub key: PathBuf,
}

impl Authority {
    /// A new authority with a new key.
    pub fn try_new() -> anyhow::Result<Self> {
        let mut params = params("Tollgate demo CA")?;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().context("can't generate the authority's key")?;
        let certificate = params.self_signed(&key).context("can't sign the authority's certificate")?;
        let (der, pem) = (certificate.der().clone(), certificate.pem());
        Ok(Self { issuer: Issuer::new(params, key), certificate: der, pem })
    }

    /// A certificate for a server that is known by these DNS names, and at 127.0.0.1.
    pub fn server(&self, dns_names: &[&str]) -> anyhow::Result<Credentials> {
        let mut params = params("envoy")?;
        for name in dns_names {
            let name = (*name).try_into().with_context(|| format!("`{name}` is not a DNS name"))?;
            params.subject_alt_names.push(SanType::DnsName(name));
        }
        params.subject_alt_names.push(SanType::IpAddress(std::net::Ipv4Addr::LOCALHOST.into()));
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.issue(params)
    }

    /// A workload's certificate: its only name is its SPIFFE id.
    pub fn workload(&self, spiffe_id: &str) -> anyhow::Result<Credentials> {
        let mut params = params("workload")?;
        let uri = spiffe_id.try_into().with_context(|| format!("`{spiffe_id}` is not a URI"))?;
        params.subject_alt_names = vec![SanType::URI(uri)];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.issue(params)
    }

    /// The authority's own certificate, as DER.
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// The authority's own certificate, which those who check a peer are given.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    fn issue(&self, mut params: CertificateParams) -> anyhow::Result<Credentials> {
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate().context("can't generate a key")?;
        let certificate = params.signed_by(&key, &self.issuer).context("can't sign a certificate")?;
        Ok(Credentials {
            certificate: certificate.der().clone(),
            key: key.serialize_der(),
            certificate_pem: certificate.pem(),
            key_pem: key.serialize_pem(),
        })
    }
}

impl Credentials {
    /// Writes `NAME.pem` and `NAME.key` (mode 0600) to the folder.
    pub fn write(&self, folder: &Path, name: &str) -> anyhow::Result<CredentialFiles> {
        let found = CredentialFiles {
            certificate: folder.join(format!("{name}.pem")),
            key: folder.join(format!("{name}.key")),
        };
        files::write(&found.certificate, &self.certificate_pem)?;
        files::write_secret(&found.key, &self.key_pem)?;
        Ok(found)
    }

    /// The certificate, as DER.
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// Its key.
    pub fn key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.key.clone()))
    }
}

/// Seconds since the epoch, for certificates and tokens that Envoy checks against the machine's clock.
pub(super) fn now() -> u64 {
    clock::System.now().as_second().try_into().unwrap_or_default()
}

fn params(common_name: &str) -> anyhow::Result<CertificateParams> {
    let mut params = CertificateParams::new(Vec::new()).context("can't describe a certificate")?;
    params.distinguished_name.push(DnType::CommonName, common_name);
    let now = rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(now());
    params.not_before = now - CLOCK_SKEW;
    params.not_after = now + VALID_FOR;
    Ok(params)
}

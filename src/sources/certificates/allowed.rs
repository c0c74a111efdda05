//! Who may connect: a list of names, of which a client's certificate must have one.
//!
//! An authority vouches for everybody in a mesh; asking for decisions is a proxy's right and nobody else's. The list is
//! looked at in the handshake, behind everything that makes a certificate good.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};
use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate};

/// A subject alternative name: `spiffe://cluster.local/ns/shop/sa/orders`, `envoy.shop.example`, and with `/*` at its end a
/// whole folder of URIs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllowedName(String);

impl FromStr for AllowedName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_name =
            |text: &str| !text.is_empty() && !text.contains('*') && text.bytes().all(|b| b.is_ascii_graphic());
        let is_good = match text.split_once("://") {
            // `spiffe://*` would be everybody.
            Some((scheme, rest)) => is_name(scheme) && is_name(rest.strip_suffix("/*").unwrap_or(rest)),
            None => is_name(text) && !text.contains(['/', ':']),
        };
        if !is_good {
            return Err(format!(
                "`{text}` is no name of a certificate: a DNS name, or a URI, which may end in `/*` behind its authority"
            ));
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for AllowedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AllowedName {
    fn covers(&self, name: &GeneralName<'_>) -> bool {
        match name {
            GeneralName::URI(uri) => match self.0.strip_suffix('*') {
                // The slash before the star is part of what must be there, and something behind it.
                Some(folder) => uri.strip_prefix(folder).is_some_and(|rest| !rest.is_empty()),
                None => *uri == self.0,
            },
            // DNS names are compared without case (RFC 4343); a wildcard of the certificate's own covers nothing here.
            GeneralName::DNSName(host) => host.eq_ignore_ascii_case(&self.0),
            _ => false,
        }
    }
}

/// A verifier with a list of names behind it. An empty list lets everybody in whom the verifier lets in.
#[derive(Debug)]
pub(super) struct AllowList {
    verifier: Arc<dyn ClientCertVerifier>,
    names: Vec<AllowedName>,
}

impl AllowList {
    pub(super) fn new(verifier: Arc<dyn ClientCertVerifier>, names: Vec<AllowedName>) -> Arc<Self> {
        Arc::new(Self { verifier, names })
    }

    fn allows(&self, certificate: &CertificateDer<'_>) -> bool {
        if self.names.is_empty() {
            return true;
        }
        let Ok((_, certificate)) = X509Certificate::from_der(certificate) else { return false };
        let Ok(Some(san)) = certificate.subject_alternative_name() else { return false };
        san.value.general_names.iter().any(|name| self.names.iter().any(|allowed| allowed.covers(name)))
    }
}

impl ClientCertVerifier for AllowList {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.verifier.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let verified = self.verifier.verify_client_cert(end_entity, intermediates, now)?;
        if self.allows(end_entity) {
            return Ok(verified);
        }
        Err(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_covers_itself_and_a_folder_what_is_in_it() {
        let covers = |allowed: &str, name: GeneralName<'_>| allowed.parse::<AllowedName>().unwrap().covers(&name);
        let uri = GeneralName::URI;
        assert!(covers("spiffe://a/ns/x/sa/y", uri("spiffe://a/ns/x/sa/y")));
        assert!(!covers("spiffe://a/ns/x/sa/y", uri("spiffe://a/ns/x/sa/yy")));
        assert!(covers("spiffe://a/ns/x/*", uri("spiffe://a/ns/x/sa/y")));
        assert!(!covers("spiffe://a/ns/x/*", uri("spiffe://a/ns/xx/sa/y")));
        assert!(!covers("spiffe://a/ns/x/*", uri("spiffe://a/ns/x/")));
        assert!(covers("Envoy.shop.example", GeneralName::DNSName("envoy.SHOP.example")));
        assert!(!covers("envoy.shop.example", GeneralName::DNSName("*.shop.example")));
        assert!(!covers("spiffe://a/b", GeneralName::DNSName("a")));
    }

    #[test]
    fn what_would_be_everybody_is_no_name() {
        for bad in ["", "*", "spiffe://*", "spiffe:///*", "spiffe://a/*/b", "*.shop.example", "a b", "spiffe://"] {
            assert!(bad.parse::<AllowedName>().is_err(), "{bad:?}");
        }
    }
}

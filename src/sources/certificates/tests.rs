//! Certificates as they are exchanged: whole, half, and badly.

#![allow(clippy::string_slice, reason = "tests take text apart as they like")]

use std::fs;

use rcgen::{CertificateParams, CertifiedIssuer, KeyPair, SanType};
use tempfile::TempDir;

use super::*;

struct Ca(CertifiedIssuer<'static, KeyPair>);

impl Ca {
    fn new() -> Self {
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// A certificate and its key, as PEM.
    fn issue(&self, year: i32) -> (String, String) {
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.subject_alt_names = vec![SanType::DnsName("tollgate.test".try_into().unwrap())];
        params.not_after = rcgen::date_time_ymd(year, 1, 1);
        let key = KeyPair::generate().unwrap();
        (params.signed_by(&key, &self.0).unwrap().pem(), key.serialize_pem())
    }
}

struct Files(TempDir);

impl Files {
    fn with(pair: &(String, String), ca: &Ca) -> Self {
        let files = Self(TempDir::new().unwrap());
        files.put("tls.crt", &pair.0);
        files.put("tls.key", &pair.1);
        files.put("ca.crt", &ca.0.pem());
        files
    }

    fn put(&self, name: &str, text: &str) {
        fs::write(self.0.path().join(name), text).unwrap();
    }

    fn config(&self) -> Config {
        let folder = self.0.path().to_owned();
        let client_ca = Some(folder.join("ca.crt"));
        Config { folder, client_ca, allowed: vec![], poll: Duration::from_secs(1) }
    }
}

/// Looks as often as it takes for what stands still to count.
fn look(watcher: &mut Watcher) {
    watcher.look();
    watcher.look();
}

#[test]
fn an_exchanged_pair_is_in_force_and_half_of_it_is_not() {
    let ca = Ca::new();
    let files = Files::with(&ca.issue(2030), &ca);
    let (in_force, mut watcher) = watch(files.config(), Protocol::Http2).unwrap();
    let first = in_force.load_full();
    look(&mut watcher);
    assert!(Arc::ptr_eq(&first, &in_force.load()), "nothing changed");

    let (chain, key) = ca.issue(2031);
    files.put("tls.crt", &chain);
    look(&mut watcher);
    assert!(Arc::ptr_eq(&first, &in_force.load()), "a pair that does not fit");
    assert!(!watcher.metrics().is_last_reload_successful());
    files.put("tls.key", &key);
    watcher.look();
    assert!(Arc::ptr_eq(&first, &in_force.load()), "it was seen once");
    watcher.look();
    assert!(!Arc::ptr_eq(&first, &in_force.load()));
    assert!(watcher.metrics().is_last_reload_successful());
}

#[test]
fn what_cannot_be_used_changes_nothing() {
    let ca = Ca::new();
    let pair = ca.issue(2030);
    for (name, text) in [
        ("tls.crt", "none"),
        ("tls.key", ""),
        ("ca.crt", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
    ] {
        let files = Files::with(&pair, &ca);
        let (in_force, mut watcher) = watch(files.config(), Protocol::Http2).unwrap();
        let first = in_force.load_full();
        files.put(name, text);
        look(&mut watcher);
        assert!(Arc::ptr_eq(&first, &in_force.load()), "{name}");
        assert!(!watcher.metrics().is_last_reload_successful(), "{name}");
        fs::remove_file(files.0.path().join(name)).unwrap();
        look(&mut watcher);
        assert!(Arc::ptr_eq(&first, &in_force.load()), "{name} is gone");
        assert!(watch(files.config(), Protocol::Http2).is_err(), "{name}");
    }
}

#[test]
fn what_is_wrong_is_said_with_its_file() {
    let ca = Ca::new();
    let files = Files::with(&ca.issue(2030), &ca);
    let path = files.0.path().display().to_string();
    let said = |files: &Files| watch(files.config(), Protocol::Http2).err().unwrap().to_string();
    files.put("tls.key", "");
    assert_eq!(said(&files), format!("`{path}/tls.key` holds no private key in PEM"));
    files.put("tls.key", &ca.issue(2030).1);
    assert!(said(&files).starts_with("the certificates cannot be used: "), "{}", said(&files));
    fs::remove_file(files.0.path().join("tls.crt")).unwrap();
    assert!(said(&files).starts_with(&format!("cannot read `{path}/tls.crt`: ")), "{}", said(&files));
}

#[test]
fn the_end_of_each_certificate_is_a_metric() {
    let ca = Ca::new();
    let files = Files::with(&ca.issue(2031), &ca);
    let (_, watcher) = watch(files.config(), Protocol::Http2).unwrap();
    let mut registry = prometheus_client::registry::Registry::default();
    watcher.metrics().register(&mut registry);
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
    // The first second of 2031.
    assert!(text.contains("tls_certificate_expiry_timestamp_seconds{certificate=\"server\"} 1924992000"), "{text}");
    assert!(text.contains("tls_certificate_expiry_timestamp_seconds{certificate=\"client_ca\"}"), "{text}");
}

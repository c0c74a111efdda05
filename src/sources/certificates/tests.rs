//! Certificates as they are exchanged: whole, half, badly, too late and too early.

#![allow(clippy::string_slice, reason = "tests take text apart as they like")]

use std::fs;
use std::ops::Range;

use rcgen::{CertificateParams, CertifiedIssuer, KeyPair, SanType};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, ClientConnection, ServerConnection};
use tempfile::TempDir;

use super::*;
use crate::clock::Fixed;

struct Ca(CertifiedIssuer<'static, KeyPair>);

impl Ca {
    fn new() -> Self {
        Self::of(2000..2100)
    }

    /// From the first second of a year to that of another one.
    fn of(years: Range<i32>) -> Self {
        let mut params = params(years);
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// A certificate and its key, as PEM.
    fn issue(&self, end: i32) -> (String, String) {
        self.issue_for(2000..end)
    }

    fn issue_for(&self, years: Range<i32>) -> (String, String) {
        let mut params = params(years);
        params.subject_alt_names = vec![SanType::DnsName("tollgate.test".try_into().unwrap())];
        let key = KeyPair::generate().unwrap();
        (params.signed_by(&key, &self.0).unwrap().pem(), key.serialize_pem())
    }
}

fn params(years: Range<i32>) -> CertificateParams {
    let mut params = CertificateParams::new(vec![]).unwrap();
    params.not_before = rcgen::date_time_ymd(years.start, 1, 1);
    params.not_after = rcgen::date_time_ymd(years.end, 1, 1);
    params
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

type Started = (Arc<ArcSwap<ServerConfig>>, Watcher);

/// In the first second of a year.
fn start_in(year: i16, files: &Files) -> Result<Started, Error> {
    watch(files.config(), Protocol::Http2, clock(year))
}

fn start(files: &Files) -> Result<Started, Error> {
    start_in(2026, files)
}

fn clock(year: i16) -> Arc<dyn Clock> {
    Arc::new(Fixed(format!("{year}-01-01T00:00:00Z").parse().unwrap()))
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
    let (in_force, mut watcher) = start(&files).unwrap();
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
        let (in_force, mut watcher) = start(&files).unwrap();
        let first = in_force.load_full();
        files.put(name, text);
        look(&mut watcher);
        assert!(Arc::ptr_eq(&first, &in_force.load()), "{name}");
        assert!(!watcher.metrics().is_last_reload_successful(), "{name}");
        fs::remove_file(files.0.path().join(name)).unwrap();
        look(&mut watcher);
        assert!(Arc::ptr_eq(&first, &in_force.load()), "{name} is gone");
        assert!(start(&files).is_err(), "{name}");
    }
}

#[test]
fn what_is_wrong_is_said_with_its_file() {
    let ca = Ca::new();
    let files = Files::with(&ca.issue(2030), &ca);
    let path = files.0.path().display().to_string();
    let said = |files: &Files| start(files).err().unwrap().to_string();
    files.put("tls.key", "");
    assert_eq!(said(&files), format!("`{path}/tls.key` holds no private key in PEM"));
    files.put("tls.key", &ca.issue(2030).1);
    let other = format!("the key in `{path}/tls.key` is not the one of the certificate in `{path}/tls.crt`");
    assert_eq!(said(&files), other);
    files.put("tls.key", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n");
    assert!(said(&files).starts_with(&format!("`{path}/tls.key` cannot be used: ")), "{}", said(&files));
    files.put("ca.crt", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    assert_eq!(said(&files), format!("`{path}/ca.crt` holds a certificate that cannot be read"));
    fs::remove_file(files.0.path().join("tls.crt")).unwrap();
    assert!(said(&files).starts_with(&format!("cannot read `{path}/tls.crt`: ")), "{}", said(&files));
}

/// What is told of both sorts of certificates: when the first one ends.
fn told(watcher: &Watcher) -> [String; 2] {
    let mut registry = prometheus_client::registry::Registry::default();
    watcher.metrics().register(&mut registry);
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
    ["server", "client_ca"].map(|sort| {
        let name = format!("tls_certificate_expiry_timestamp_seconds{{certificate=\"{sort}\"}} ");
        text.lines().find_map(|line| line.strip_prefix(&name)).unwrap().to_owned()
    })
}

/// The first second of a year, as metrics have it.
fn seconds(year: i16) -> String {
    clock(year).now().as_second().to_string()
}

#[test]
fn the_end_of_each_certificate_is_a_metric() {
    let ca = Ca::of(2000..2040);
    let files = Files::with(&ca.issue(2031), &ca);
    let (_, watcher) = start(&files).unwrap();
    assert_eq!(told(&watcher), [seconds(2031), seconds(2040)]);
    // Of a chain and of a bundle it is the first end.
    let (leaf, key) = ca.issue(2033);
    let files = Files::with(&(leaf + &Ca::of(2000..2032).0.pem(), key), &ca);
    files.put("ca.crt", &(ca.0.pem() + &Ca::of(2000..2035).0.pem()));
    let (_, watcher) = start(&files).unwrap();
    assert_eq!(told(&watcher), [seconds(2032), seconds(2035)]);
}

#[test]
fn what_has_ended_or_is_early_is_refused_with_its_file_and_its_date() {
    let ca = Ca::new();
    let good = ca.issue(2030);
    let (leaf, key) = ca.issue(2030);
    let with = |other: &Ca| (leaf.clone() + &other.0.pem(), key.clone());
    for (pair, number, why) in [
        (ca.issue(2020), 1, "ended at 2020-01-01T00:00:00Z"),
        (ca.issue_for(2027..2030), 1, "begins only at 2027-01-01T00:00:00Z"),
        (with(&Ca::of(2000..2021)), 2, "ended at 2021-01-01T00:00:00Z"),
        (with(&Ca::of(2028..2030)), 2, "begins only at 2028-01-01T00:00:00Z"),
    ] {
        let files = Files::with(&good, &ca);
        let (in_force, mut watcher) = start(&files).unwrap();
        let (first, end) = (in_force.load_full(), told(&watcher));
        files.put("tls.crt", &pair.0);
        files.put("tls.key", &pair.1);
        look(&mut watcher);
        assert!(Arc::ptr_eq(&first, &in_force.load()), "{why}");
        assert!(!watcher.metrics().is_last_reload_successful(), "{why}");
        assert_eq!(told(&watcher), end, "of those in force");
        let path = files.config().chain();
        let said = start(&files).err().unwrap().to_string();
        assert_eq!(said, format!("certificate {number} in `{}` {why}", path.display()));
    }
}

#[test]
fn the_first_and_the_last_second_of_a_certificate_are_its_own() {
    let ca = Ca::new();
    let files = Files::with(&ca.issue_for(2027..2030), &ca);
    for (time, is_good) in [
        ("2026-12-31T23:59:59.999Z", false),
        ("2027-01-01T00:00:00Z", true),
        ("2030-01-01T00:00:00.999Z", true),
        ("2030-01-01T00:00:01Z", false),
    ] {
        let clock = Arc::new(Fixed(time.parse().unwrap()));
        assert_eq!(watch(files.config(), Protocol::Http2, clock).is_ok(), is_good, "{time}");
    }
}

/// An issuer's clock may be ahead of ours, and nobody writes the files again.
#[test]
fn what_was_early_comes_into_force_when_it_begins() {
    let ca = Ca::new();
    let files = Files::with(&ca.issue(2030), &ca);
    let (in_force, mut watcher) = start(&files).unwrap();
    let first = in_force.load_full();
    let (chain, key) = ca.issue_for(2027..2031);
    files.put("tls.crt", &chain);
    files.put("tls.key", &key);
    look(&mut watcher);
    look(&mut watcher);
    assert!(Arc::ptr_eq(&first, &in_force.load()));
    watcher.clock = clock(2027);
    watcher.look();
    assert!(!Arc::ptr_eq(&first, &in_force.load()), "its content stood still all the time");
    assert!(watcher.metrics().is_last_reload_successful());
    let second = in_force.load_full();
    look(&mut watcher);
    assert!(Arc::ptr_eq(&second, &in_force.load()), "once is enough");
}

#[test]
fn what_ends_while_it_is_in_force_stays() {
    let ca = Ca::of(2000..2027);
    let files = Files::with(&ca.issue(2027), &ca);
    let (in_force, mut watcher) = start(&files).unwrap();
    let first = in_force.load_full();
    watcher.clock = clock(2028);
    look(&mut watcher);
    assert!(Arc::ptr_eq(&first, &in_force.load()));
    assert!(watcher.metrics().is_last_reload_successful());
    assert_eq!(told(&watcher), [seconds(2027), seconds(2027)]);
}

/// Whether one is let in whom this authority vouches for, in a handshake without a socket.
fn lets_in(in_force: &ArcSwap<ServerConfig>, ours: &Ca, theirs: &Ca) -> bool {
    let mut roots = RootCertStore::empty();
    roots.add(ours.0.der().clone()).unwrap();
    let (chain, key) = theirs.issue(2100);
    let chain = pem::certificates(chain.as_bytes(), Path::new("")).unwrap();
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_root_certificates(roots).with_client_auth_cert(chain, key).unwrap();
    let mut client = ClientConnection::new(Arc::new(config), "tollgate.test".try_into().unwrap()).unwrap();
    let mut server = ServerConnection::new(in_force.load_full()).unwrap();
    while server.is_handshaking() {
        let (mut asked, mut answered) = (Vec::new(), Vec::new());
        while client.wants_write() {
            client.write_tls(&mut asked).unwrap();
        }
        server.read_tls(&mut asked.as_slice()).unwrap();
        if server.process_new_packets().is_err() {
            return false;
        }
        while server.wants_write() {
            server.write_tls(&mut answered).unwrap();
        }
        client.read_tls(&mut answered.as_slice()).unwrap();
        client.process_new_packets().unwrap();
    }
    true
}

/// The library would let in whom an authority vouches for that has ended.
#[test]
fn an_authority_that_has_ended_or_is_early_vouches_for_nobody() {
    let (ended, good, early) = (Ca::of(2000..2020), Ca::new(), Ca::of(2027..2035));
    let files = Files::with(&good.issue(2100), &good);
    files.put("ca.crt", &(ended.0.pem() + &good.0.pem() + &early.0.pem()));
    let (in_force, mut watcher) = start(&files).unwrap();
    let who = || [&ended, &good, &early].map(|theirs| lets_in(&in_force, &good, theirs));
    assert_eq!(who(), [false, true, false]);
    watcher.clock = clock(2027);
    watcher.look();
    assert_eq!(who(), [false, true, true]);
    // To the clock of the library this one has ended, too.
    let (in_force, _) = start_in(2010, &files).unwrap();
    assert!(lets_in(&in_force, &good, &ended), "that it is left out is what keeps it from vouching");
}

#[test]
fn of_a_bundle_those_count_that_are_in_force() {
    let (ended, good, early) = (Ca::of(2000..2020), Ca::of(2000..2040), Ca::of(2027..2035));
    let files = Files::with(&good.issue(2030), &good);
    files.put("ca.crt", &(ended.0.pem() + &good.0.pem() + &early.0.pem()));
    let (_, mut watcher) = start(&files).unwrap();
    assert_eq!(told(&watcher), [seconds(2030), seconds(2040)], "the first end of those in force");
    watcher.clock = clock(2027);
    watcher.look();
    assert_eq!(told(&watcher), [seconds(2030), seconds(2035)], "one of them has begun");

    let path = files.config().client_ca.unwrap();
    for (bundle, nearest) in [
        (ended.0.pem() + &Ca::of(2000..2010).0.pem(), "ended at 2020-01-01T00:00:00Z"),
        (ended.0.pem() + &early.0.pem(), "begins only at 2027-01-01T00:00:00Z"),
    ] {
        files.put("ca.crt", &good.0.pem());
        let (in_force, mut watcher) = start(&files).unwrap();
        let first = in_force.load_full();
        files.put("ca.crt", &bundle);
        look(&mut watcher);
        assert!(Arc::ptr_eq(&first, &in_force.load()), "{nearest}");
        assert!(!watcher.metrics().is_last_reload_successful(), "{nearest}");
        let said = start(&files).err().unwrap().to_string();
        assert_eq!(said, format!("no authority in `{}` is in force: the nearest {nearest}", path.display()));
    }
    assert!(start_in(2027, &files).is_ok());
}

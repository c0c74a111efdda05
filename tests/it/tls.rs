//! TLS on the port of checks: who gets in, and with which certificates.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use prost::Message as _;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tollgate::demo::pki::{Authority, Credentials};
use tollgate::sources::certificates;
use tollgate::transport::Listen;

use crate::process::serve;
use crate::support::{Ask, Gate, Seen, Setup, get, seen, until};

pub const NAME: &str = "tollgate.shop.svc";
const GATEWAY: &str = "spiffe://cluster.local/ns/gateway/sa/envoy";

/// Certificates as a volume has them.
pub struct Files {
    folder: TempDir,
    pub authority: Authority,
}

impl Files {
    pub fn new() -> Self {
        let files = Self { folder: TempDir::new().unwrap(), authority: Authority::try_new().unwrap() };
        files.put_pair(&files.authority);
        std::fs::write(files.path().join("ca.crt"), files.authority.pem()).unwrap();
        files
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Certificate and key, one after the other.
    pub fn put_pair(&self, by: &Authority) {
        let written = by.server(&[NAME]).unwrap().write(self.path(), "server").unwrap();
        std::fs::rename(written.certificate, self.path().join("tls.crt")).unwrap();
        std::fs::rename(written.key, self.path().join("tls.key")).unwrap();
    }

    /// A certificate in the place of the one that is there.
    fn put_certificate(&self, text: &str) {
        let file = self.path().join("new");
        std::fs::write(&file, text).unwrap();
        std::fs::rename(file, self.path().join("tls.crt")).unwrap();
    }

    pub fn config(&self, allowed: &[&str]) -> certificates::Config {
        let folder = self.path().to_owned();
        let client_ca = Some(folder.join("ca.crt"));
        let allowed = allowed.iter().map(|name| name.parse().unwrap()).collect();
        certificates::Config { folder, client_ca, allowed, poll: Duration::from_millis(30) }
    }

    /// What somebody is answered who may ask.
    pub async fn ask(&self, gate: &Gate) -> Result<Seen, String> {
        ask(gate, &self.authority, Some(&self.authority.workload(GATEWAY).unwrap())).await
    }

    async fn gate(&self, allowed: &[&str]) -> Gate {
        let tls = self.config(allowed);
        Gate::start_with(Setup { change: Box::new(|config| config.tls = Some(tls)), ..Setup::default() }).await
    }
}

fn address(gate: &Gate) -> SocketAddr {
    let Listen::Tcp(address) = gate.listen[0] else { panic!("TCP") };
    address
}

async fn connect(gate: &Gate, trusts: &Authority, shows: Option<&Credentials>) -> io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(trusts.certificate().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let builder = builder.with_root_certificates(roots);
    let mut config = match shows {
        Some(shows) => builder.with_client_auth_cert(vec![shows.certificate().clone()], shows.key()).unwrap(),
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"h2".to_vec()];
    let stream = TcpStream::connect(address(gate)).await?;
    TlsConnector::from(Arc::new(config)).connect(ServerName::try_from(NAME).unwrap(), stream).await
}

/// Asks once over a connection of its own. With TLS 1.3 a client learns only then that it was turned away.
async fn ask(gate: &Gate, trusts: &Authority, shows: Option<&Credentials>) -> Result<Seen, String> {
    let stream = connect(gate, trusts, shows).await.map_err(|error| error.to_string())?;
    let (sender, connection) = h2::client::handshake(stream).await.map_err(|error| error.to_string())?;
    let driving = tokio::spawn(connection);
    let asked = async {
        let mut sender = sender.ready().await?;
        let head = http::Request::post("https://tollgate/envoy.service.auth.v3.Authorization/Check");
        let head = head.header("content-type", "application/grpc").header("te", "trailers").body(()).unwrap();
        let (answer, mut body) = sender.send_request(head, false)?;
        let message = Ask::order().to_wire().encode_to_vec();
        let prefix = [&[0][..], &u32::try_from(message.len()).unwrap().to_be_bytes()].concat();
        body.send_data(Bytes::from([prefix, message].concat()), true)?;
        let mut answer = answer.await?.into_body();
        let mut all = Vec::new();
        while let Some(part) = answer.data().await {
            all.extend_from_slice(&part?);
        }
        Ok(all)
    };
    let all = asked.await.map_err(|error: h2::Error| error.to_string());
    driving.abort();
    let answer = envoy_types::ext_authz::v3::pb::CheckResponse::decode(&all?[5..]).unwrap();
    Ok(seen(&Ok(answer)))
}

#[tokio::test]
async fn who_has_an_allowed_certificate_is_answered_and_nobody_else() {
    let files = Files::new();
    let gate = files.gate(&["spiffe://cluster.local/ns/gateway/*"]).await;
    let ours = &files.authority;
    assert_eq!(files.ask(&gate).await, Ok(Seen::Allowed));

    let elsewhere = ours.workload("spiffe://cluster.local/ns/shop/sa/orders").unwrap();
    let theirs = Authority::try_new().unwrap().workload(GATEWAY).unwrap();
    for (shows, reason) in [(None, "no_certificate"), (Some(&elsewhere), "not_allowed"), (Some(&theirs), "not_trusted")]
    {
        assert!(ask(&gate, ours, shows).await.is_err(), "{reason}");
        let line = format!("tollgate_tls_failed_handshakes_total{{reason=\"{reason}\"}} 1");
        until(&line, || async { gate.metrics().await.contains(&line) }).await;
    }
    // Who does not speak TLS at all is turned away, too.
    let plain = TcpStream::connect(address(&gate)).await.unwrap();
    let greeted = h2::client::handshake(plain).await;
    let ended = match greeted {
        Ok((_sender, connection)) => connection.await.is_err(),
        Err(_) => true,
    };
    assert!(ended);
    let left = gate.end().await;
    assert_eq!(left.len(), 1, "only one was judged");
}

#[tokio::test]
async fn exchanged_certificates_are_used_for_new_connections_and_old_ones_go_on() {
    let files = Files::new();
    let gate = files.gate(&[]).await;
    let (ours, next) = (&files.authority, Authority::try_new().unwrap());
    let gateway = ours.workload(GATEWAY).unwrap();
    let before = connect(&gate, ours, Some(&gateway)).await.unwrap();
    let (sender, connection) = h2::client::handshake(before).await.unwrap();
    let driving = tokio::spawn(connection);

    files.put_pair(&next);
    // The authority of clients is the one before: both sides are exchanged one after the other.
    until("the new certificate is shown", || async { ask(&gate, &next, Some(&gateway)).await == Ok(Seen::Allowed) })
        .await;
    assert!(ask(&gate, ours, Some(&gateway)).await.is_err(), "the old one is no longer shown");
    assert!(sender.ready().await.is_ok(), "an old connection goes on");
    assert!(!driving.is_finished());

    // A pair that does not fit changes nothing.
    std::fs::write(files.path().join("tls.key"), "gone").unwrap();
    let refused = "tollgate_tls_last_reload_successful 0";
    until(refused, || async { gate.metrics().await.contains(refused) }).await;
    assert_eq!(ask(&gate, &next, Some(&gateway)).await, Ok(Seen::Allowed));

    // Other authorities: who was welcome is not any more.
    files.put_pair(&next);
    std::fs::write(files.path().join("ca.crt"), next.pem()).unwrap();
    let theirs = next.workload(GATEWAY).unwrap();
    until("the new authority", || async { ask(&gate, &next, Some(&theirs)).await == Ok(Seen::Allowed) }).await;
    assert!(ask(&gate, &next, Some(&gateway)).await.is_err());
    driving.abort();
    gate.end().await;
}

/// A certificate that was good until the first second of 2020, or will be from then on in 2190.
fn out_of_force() -> [(String, &'static str); 2] {
    let certificate = |from, until| {
        let mut params = rcgen::CertificateParams::new(vec![NAME.to_owned()]).unwrap();
        params.not_before = rcgen::date_time_ymd(from, 1, 1);
        params.not_after = rcgen::date_time_ymd(until, 1, 1);
        params.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap().pem()
    };
    [
        (certificate(2000, 2020), "ended at 2020-01-01T00:00:00Z"),
        (certificate(2190, 2200), "begins only at 2190-01-01T00:00:00Z"),
    ]
}

#[tokio::test]
async fn a_certificate_out_of_its_time_is_refused_in_one_line_and_the_one_before_is_shown() {
    let (folder, files) = (TempDir::new().unwrap(), Files::new());
    let tls = files.path().to_str().unwrap();
    let mut process = serve(&folder, &["--drain-delay", "0s", "--tls-poll", "30ms", "--tls", tls]);
    let metrics = process.address("metrics").parse().unwrap();
    let certificate = std::fs::read_to_string(files.path().join("tls.crt")).unwrap();
    let is_refused = |line: &serde_json::Value| line["message"] == "certificates refused: those before stay in force";
    for (text, why) in out_of_force() {
        files.put_certificate(&text);
        let said = format!("certificate 1 in `{tls}/tls.crt` {why}");
        process.line(&said, |line| is_refused(line) && line["error"] == said.as_str());
        assert!(get(metrics, "/metrics").await.contains("tollgate_tls_last_reload_successful 0"));
    }
    files.put_certificate(&certificate);
    let accepted = "tollgate_tls_last_reload_successful 1";
    until(accepted, || async { get(metrics, "/metrics").await.contains(accepted) }).await;
    process.terminate();
    let (status, lines) = process.ended();
    assert_eq!((status, lines.iter().filter(|line| is_refused(line)).count()), (Some(0), 2));
}

#[test]
fn with_a_certificate_out_of_its_time_nothing_starts() {
    let files = Files::new();
    let ledger = files.path().join("ledger").display().to_string();
    let tls = files.path().to_str().unwrap();
    let ports = ["--listen", "127.0.0.1:0", "--health", "127.0.0.1:0", "--metrics", "127.0.0.1:0", "--tls", tls];
    let start = |args: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_tollgate")).args(args).args(ports).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let serve: &[&str] = &["serve", "--policies", "policies", "--ledger", &ledger];
    for (text, why) in out_of_force() {
        files.put_certificate(&text);
        for args in [serve, &["webhook"]] {
            let (status, said) = start(args);
            assert_eq!(status, Some(1), "{said}");
            assert!(said.contains(&format!("certificate 1 in `{tls}/tls.crt` {why}")), "{said}");
        }
        files.put_pair(&files.authority);
        std::fs::write(files.path().join("ca.crt"), text).unwrap();
        let ca = format!("{tls}/ca.crt");
        let (status, said) = start(&[serve, &["--tls-client-ca", &ca]].concat());
        assert_eq!(status, Some(1), "{said}");
        assert!(said.contains(&format!("no authority in `{ca}` is in force: the nearest {why}")), "{said}");
    }
}

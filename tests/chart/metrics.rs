//! What alerts, dashboard and runbooks name is what the program exposes: each metric, and each label that one is chosen by.
//!
//! Envoy's names are held against the real Envoy in tests/envoy/statistics.rs.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use envoy_types::ext_authz::v3::pb::CheckRequest;
use envoy_types::pb::envoy::service::auth::v3::AttributeContext;
use envoy_types::pb::envoy::service::auth::v3::attribute_context::{HttpRequest, Request};
use envoy_types::pb::envoy::service::auth::v3::authorization_client::AuthorizationClient;
use tempfile::TempDir;
use tollgate::demo::pki::Authority;
use tonic::transport::Endpoint;

use crate::helm::{chart, root};

/// Labels that Prometheus and its operator put on everything, and what stands for labels in the file of alerts.
const FROM_OUTSIDE: [&str; 6] = ["namespace", "job", "pod", "<tollgate>", "<both>", "le"];

/// The program, ended with the test.
struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// `tollgate serve` with all that has metrics of its own, and where it shows them.
fn serve(folder: &Path) -> (Program, String) {
    let written = Authority::try_new().unwrap().server(&["tollgate"]).unwrap().write(folder, "tls").unwrap();
    std::fs::rename(written.certificate, folder.join("tls.crt")).unwrap();
    let socket = format!("unix:{}", folder.join("socket").display());
    let mut command = Command::new(env!("CARGO_BIN_EXE_tollgate"));
    command.args(["serve", "--admin", "off", "--listen", "127.0.0.1:0", "--listen", &socket]);
    command.args(["--health", "127.0.0.1:0", "--metrics", "127.0.0.1:0"]);
    command.arg("--tls").arg(folder).arg("--policies").arg(root().join("policies"));
    command.arg("--ledger").arg(folder.join("ledger"));
    let mut program = Program(command.stderr(Stdio::piped()).spawn().unwrap());
    let mut address = None;
    let mut lines = BufReader::new(program.0.stderr.take().unwrap()).lines().map(Result::unwrap);
    for line in lines.by_ref() {
        let line: serde_json::Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("{line}"));
        if line["port"] == "metrics" {
            address = Some(line["address"].as_str().unwrap().to_owned());
        }
        if line["message"] == "ready" {
            break;
        }
    }
    // It must always find somebody who takes its lines.
    std::thread::spawn(move || lines.for_each(drop));
    (program, address.expect("it says where its metrics are"))
}

/// A question that has an answer: a family has no line before its first series.
async fn ask(socket: &Path) {
    let endpoint = Endpoint::from_shared(format!("unix://{}", socket.display())).unwrap();
    let http = HttpRequest {
        method: "GET".into(),
        host: "api.shop.example".into(),
        path: "/v1/orders/7".into(),
        ..HttpRequest::default()
    };
    let request = Some(Request { http: Some(http), ..Request::default() });
    let attributes = Some(AttributeContext { request, ..AttributeContext::default() });
    let mut client = AuthorizationClient::new(endpoint.connect().await.unwrap());
    client.check(CheckRequest { attributes }).await.unwrap();
}

fn read(address: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

/// The labels of each series, by the name that is queried.
fn exposed(text: &str) -> BTreeMap<String, BTreeSet<String>> {
    // A gauge may have no series yet, as long as nothing is unmapped.
    let gauges = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.strip_suffix(" gauge"));
    let mut found: BTreeMap<_, _> = gauges.map(|name| (name.to_owned(), BTreeSet::new())).collect();
    for line in text.lines().filter(|line| line.starts_with("tollgate_")) {
        let name = line.split(['{', ' ']).next().unwrap();
        let labels = found.entry(name.to_owned()).or_default();
        if let Some((_, inside)) = line.split_once('{') {
            let inside = inside.split('}').next().unwrap();
            labels
                .extend(inside.split("\",").filter_map(|pair| pair.split_once('=')).map(|(label, _)| label.to_owned()));
        }
    }
    found
}

/// What is named in a text, and what it is chosen by.
fn named(text: &str) -> Vec<(String, Vec<String>)> {
    let text = text.replace("\\\"", "\"");
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let parts: Vec<_> = text.split("tollgate_").collect();
    let mut found = Vec::new();
    for pair in parts.windows(2) {
        let [before, rest] = pair else { continue };
        // A part of an Envoy's name, or of a file's.
        if before.ends_with(|c: char| is_part(c) || ['/', '-'].contains(&c)) {
            continue;
        }
        let name: String = rest.chars().take_while(|c| is_part(*c)).collect();
        let inside = rest.strip_prefix(&name).and_then(|rest| rest.strip_prefix('{'));
        let inside = inside.and_then(|rest| rest.split('}').next()).unwrap_or_default();
        let labels = inside.split(',').map(|one| one.split(['=', '!']).next().unwrap().trim().to_owned());
        let labels = labels.filter(|label| !label.is_empty() && label != "…").collect();
        found.push((format!("tollgate_{name}"), labels));
    }
    found
}

#[tokio::test]
async fn every_metric_that_is_named_exists_and_has_the_labels_that_it_is_chosen_by() {
    let folder = TempDir::new().unwrap();
    let (_program, address) = serve(folder.path());
    ask(&folder.path().join("socket")).await;
    let real = exposed(&read(&address));
    let mut files = vec![chart().join("rules/tollgate.yaml"), chart().join("dashboards/tollgate.json")];
    let runbooks = std::fs::read_dir(root().join("docs/runbooks")).unwrap();
    files.extend(runbooks.map(|entry| entry.unwrap().path()));
    let (mut wrong, mut count) = (Vec::new(), 0);
    for file in files {
        for (name, labels) in named(&std::fs::read_to_string(&file).unwrap()) {
            count += 1;
            match real.get(&name) {
                None => wrong.push(format!("{}: there is no {name}", file.display())),
                Some(known) => wrong.extend(
                    labels
                        .iter()
                        .filter(|label| !known.contains(*label) && !FROM_OUTSIDE.contains(&label.as_str()))
                        .map(|label| format!("{}: {name} has no label {label}, only {known:?}", file.display())),
                ),
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(count > 150, "only {count} names were found: they are not looked for as they are written");
}

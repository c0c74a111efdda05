//! Writes what the fuzz targets begin with, from the corpus, the policies and the documentation: seeds FOLDER

use std::collections::BTreeSet;
use std::path::Path;
use std::{env, fs};

use envoy_types::ext_authz::v3::pb::{CheckRequest, HeaderValue};
use envoy_types::pb::envoy::config::core::v3::{HeaderMap, Metadata};
use envoy_types::pb::envoy::service::auth::v3::attribute_context::{self, HttpRequest, Peer};
use envoy_types::pb::envoy::service::auth::v3::AttributeContext;
use envoy_types::pb::google::protobuf::value::Kind;
use envoy_types::pb::google::protobuf::{ListValue, Struct, Value};
use prost::Message as _;

// The targets' instrumentation needs the library's runtime in every binary.
use libfuzzer_sys as _;
use tollgate_fuzz as _;

#[path = "../../../tests/corpus/corpus.rs"]
#[allow(dead_code, reason = "only the requests are needed here")]
mod corpus;

fn main() {
    let to = env::args().nth(1).expect("the folder to write to");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the repository");
    let write = |target: &str, seeds: BTreeSet<Vec<u8>>| {
        let folder = Path::new(&to).join(target);
        fs::create_dir_all(&folder).unwrap();
        println!("{target}: {} seeds", seeds.len());
        for (number, seed) in seeds.iter().enumerate() {
            fs::write(folder.join(format!("seed-{number:03}")), seed).unwrap();
        }
    };
    let cases = corpus::read(&root.join("tests/corpus"));
    let bodies = || cases.iter().map(|case| case.request.body.clone()).filter(|body| !body.is_empty());
    write("check", cases.iter().map(|case| check(&case.request)).collect());
    write("request", cases.iter().map(|case| request(&case.request)).collect());
    write("json_body", bodies().collect());
    write("graphql", bodies().filter_map(|body| graphql(&body)).collect());

    let read = |path: &str| fs::read_to_string(root.join(path)).unwrap();
    let mut policies: Vec<String> =
        yaml_files(&root.join("policies")).chain(yaml_files(&root.join("tests/corpus/policies"))).collect();
    policies.extend(
        read("docs/policies.md")
            .split("```yaml\n")
            .skip(1)
            .filter_map(|block| Some(block.split_once("```")?.0.to_owned())),
    );
    let documents = policies.iter().flat_map(|text| text.split("\n---\n")).map(str::to_owned);
    let documents: BTreeSet<_> = documents.chain(policies.iter().cloned()).map(String::into_bytes).collect();
    write("bundle", documents);

    let mut conditions: BTreeSet<Vec<u8>> = BTreeSet::new();
    for text in policies.iter().flat_map(|text| text.split("when: \"").skip(1)) {
        conditions.extend(text.split_once('"').map(|(condition, _)| condition.as_bytes().to_vec()));
    }
    let page = read("docs/conditions.md");
    let shown =
        page.split('`').filter(|text| text.contains("inputs.") || text.contains("caller.") || text.contains("purpose"));
    conditions.extend(shown.flat_map(str::lines).map(|line| line.as_bytes().to_vec()));
    write("condition", conditions);
}

/// As Envoy asks about it, with what filters before it wrote.
fn check(request: &corpus::Request) -> Vec<u8> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let header = |(name, value): &(Vec<u8>, Vec<u8>)| HeaderValue {
        key: text(name),
        raw_value: value.clone(),
        ..HeaderValue::default()
    };
    let http = HttpRequest {
        method: text(&request.method),
        path: text(&request.target),
        host: text(&request.host),
        header_map: Some(HeaderMap { headers: request.headers.iter().map(header).collect() }),
        raw_body: request.body.clone(),
        size: -1,
        ..HttpRequest::default()
    };
    let claim = |kind| Value { kind: Some(kind) };
    let roles = ListValue { values: vec![claim(Kind::StringValue("support-agent".into()))] };
    let claims = [("iat".into(), claim(Kind::NumberValue(1.5))), ("roles".into(), claim(Kind::ListValue(roles)))];
    let claims = Struct { fields: claims.into() };
    let claims = Struct { fields: [("claims".to_owned(), claim(Kind::StructValue(claims)))].into() };
    let filter_metadata = [("envoy.filters.http.jwt_authn".to_owned(), claims)].into();
    let attributes = AttributeContext {
        source: Some(Peer { principal: "spiffe://cluster.local/ns/a/sa/b".into(), ..Peer::default() }),
        request: Some(attribute_context::Request { http: Some(http), ..attribute_context::Request::default() }),
        metadata_context: Some(Metadata { filter_metadata, ..Metadata::default() }),
        ..AttributeContext::default()
    };
    CheckRequest { attributes: Some(attributes) }.encode_to_vec()
}

/// As `Request::read` of the targets takes it.
fn request(request: &corpus::Request) -> Vec<u8> {
    let mut text = [&request.method[..], b" ", &request.target, b" HTTP/1.1\nhost: ", &request.host].concat();
    for (name, value) in &request.headers {
        text.extend([b"\n", &name[..], b": ", value].concat());
    }
    [&text[..], b"\n\n", &request.body].concat()
}

/// The document, and behind an empty line the operation's name and the variables.
fn graphql(body: &[u8]) -> Option<Vec<u8>> {
    let body: serde_json::Value = serde_json::from_slice(body).ok()?;
    let query = body.get("query")?.as_str()?;
    let name = body.get("operationName").and_then(|name| name.as_str()).unwrap_or_default();
    let variables = body.get("variables").map(ToString::to_string).unwrap_or_default();
    Some(format!("{query}\n\n{name}\n{variables}").into_bytes())
}

fn yaml_files(folder: &Path) -> impl Iterator<Item = String> {
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
        .into_iter()
        .filter(|path| path.extension().is_some_and(|end| end == "yaml"))
        .map(|path| fs::read_to_string(path).unwrap())
}

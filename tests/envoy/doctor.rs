//! `tollgate doctor` on what the real Envoy says of itself, and on what the real Envoy takes without a word.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use tollgate::attach::doctor::{Report, examine};
use tollgate::demo::service::Address;
use tollgate::yaml::SourceFile;

use crate::lab::{Lab, binary};
use crate::shipped_config::{front_text, replaced, start};

fn look(text: String) -> Report {
    let report = examine(&[SourceFile { name: "config_dump.json".to_owned(), text }]);
    assert!(report.unread.is_empty(), "{}", report.unread);
    assert_eq!(report.looked_at.get("configuration of Envoy"), Some(&1));
    report
}

fn codes(report: &Report) -> BTreeSet<&str> {
    report.findings.iter().map(|one| one.code.name).collect()
}

#[tokio::test]
async fn nothing_is_found_in_the_dump_of_an_envoy_with_the_shipped_configuration() {
    let lab = Lab::new().await;
    for (cluster, tollgate) in
        [(None, Address::Tcp(([127, 0, 0, 1], 9).into())), (Some("unix-socket.yaml"), lab.socket())]
    {
        let envoy = start(&lab, &front_text(&lab, &tollgate, cluster)).await;
        let report = look(envoy.config_dump().await.unwrap());
        assert_eq!(codes(&report), BTreeSet::new(), "{:#?}", report.findings);
        assert!(report.notes.is_empty(), "{:?}", report.notes);
    }
}

#[tokio::test]
async fn what_opens_the_gate_is_found_in_the_dump_of_a_running_envoy() {
    let lab = Lab::new().await;
    let text = front_text(&lab, &lab.socket(), Some("unix-socket.yaml"));
    let text = replaced(&text, "failure_mode_allow: false", "failure_mode_allow: true");
    let open = "- match: { prefix: /public }\n                          route: { cluster: app }\n                          typed_per_filter_config:\n                            envoy.filters.http.ext_authz:\n                              \"@type\": type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute\n                              disabled: true\n                        - match: { prefix: / }\n                          route";
    let text = replaced(&text, "- match: { prefix: / }\n                          route", open);
    let text = replaced(&text, "forward_client_cert_details: SANITIZE", "forward_client_cert_details: FORWARD_ONLY");
    let envoy = start(&lab, &text).await;
    let report = look(envoy.config_dump().await.unwrap());
    let expected = ["envoy.disabled-by-prefix", "envoy.failure-mode-allow", "envoy.xfcc-forwarded"];
    assert_eq!(codes(&report), BTreeSet::from(expected), "{:#?}", report.findings);
    for one in &report.findings {
        assert!(one.problem.place.is_some() && one.field.starts_with("configs["), "{one:?}");
    }
}

/// These Envoy refuses itself, the first because of the health check that speaks gRPC. All others it takes without a word,
/// which is why they have to be looked for.
const REFUSED: &[&str] = &["envoy.cluster-not-http2", "envoy.filter-after-router"];

#[tokio::test]
async fn envoy_takes_what_is_planted_without_a_word() {
    let lab = Lab::new().await;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/doctor/bad");
    let tls = lab.tls();
    let keys = lab.path().join("keys.json");
    std::fs::write(&keys, lab.jwt().jwks).unwrap();
    let mut wrong = Vec::new();
    for file in std::fs::read_dir(folder).unwrap() {
        let file = file.unwrap().path();
        let code = file.file_stem().unwrap().to_str().unwrap().to_owned();
        let text = std::fs::read_to_string(&file).unwrap();
        if !text.contains("static_resources:") {
            continue;
        }
        // Policies stand behind it, where they matter.
        let mut text = text.split("\n---\n").next().unwrap().to_owned();
        let files = [
            ("/tls.crt", &tls.certificate),
            ("/tls.key", &tls.key),
            ("/ca.crt", &tls.client_authority),
            ("/keys.json", &keys),
        ];
        for (from, to) in files {
            text = text.replace(from, &to.display().to_string());
        }
        let config = lab.path().join(format!("{code}.yaml"));
        std::fs::write(&config, text).unwrap();
        let arguments = ["--mode", "validate", "--log-level", "warning", "--config-path"];
        let output = Command::new(binary()).args(arguments).arg(&config).output().unwrap();
        if output.status.success() == REFUSED.contains(&code.as_str()) {
            wrong.push(format!("{code}: {}", String::from_utf8_lossy(&output.stderr)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

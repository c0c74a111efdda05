//! The demo, run as `make demo` runs it, and that it would notice.

use std::path::Path;

use tollgate::demo::{Afterwards, Config, Outcome, files};

use crate::lab::binary;

const POLICIES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/policies");

async fn run(policies: &Path, work: &Path) -> (anyhow::Result<Outcome>, String) {
    let config = Config {
        envoy: binary(),
        tollgate: env!("CARGO_BIN_EXE_tollgate").into(),
        policies: policies.to_owned(),
        work: work.to_owned(),
        afterwards: Afterwards::End,
    };
    let mut out = Vec::new();
    let outcome = tollgate::demo::run(config, &mut out).await;
    (outcome, String::from_utf8(out).unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_demo_is_as_it_claims() {
    let folder = tempfile::tempdir().unwrap();
    let (outcome, out) = run(POLICIES.as_ref(), &folder.path().join("work")).await;
    let outcome = outcome.unwrap_or_else(|error| panic!("{error:#}\n{out}"));
    assert!(outcome.is_as_claimed(), "{out}");
    assert!(out.contains(" 0 passed unjudged"), "{out}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_demo_fails_and_names_the_call_when_a_policy_decides_otherwise() {
    let folder = tempfile::tempdir().unwrap();
    let policies = folder.path().join("policies");
    files::copy_folder(POLICIES.as_ref(), &policies).unwrap();
    let contracts = policies.join("contracts.yaml");
    let text = std::fs::read_to_string(&contracts).unwrap();
    std::fs::write(&contracts, text.replacen("{ count: 20 }", "{ count: 60 }", 1)).unwrap();

    let (outcome, out) = run(&policies, &folder.path().join("work")).await;
    let outcome = outcome.unwrap_or_else(|error| panic!("{error:#}\n{out}"));
    assert!(outcome.differences.iter().all(|what| what.starts_with("support lists 50 orders at once: ")), "{out}");
    assert!(!outcome.is_as_claimed(), "{out}");
    assert!(out.contains("tollgate.log"), "{out}");
}

#[tokio::test]
async fn policies_that_cannot_be_loaded_end_the_demo_with_tollgates_own_words() {
    let folder = tempfile::tempdir().unwrap();
    let policies = folder.path().join("policies");
    std::fs::create_dir(&policies).unwrap();
    std::fs::write(policies.join("typo.yaml"), "apiVersion: tollgate.dev/v1alpha1\nkind: Contrakt\n").unwrap();
    let (outcome, out) = run(&policies, &folder.path().join("work")).await;
    let error = format!("{:#}", outcome.unwrap_err());
    assert!(error.contains("typo.yaml:2:") && error.contains("tollgate.log"), "{error}\n{out}");
}

#[tokio::test]
async fn policies_in_the_folder_that_the_demo_empties_are_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let policies = folder.path().join("policies");
    files::copy_folder(POLICIES.as_ref(), &policies).unwrap();
    for work in [folder.path().to_owned(), policies.join("work"), policies.clone()] {
        let error = run(&policies, &work).await.0.unwrap_err().to_string();
        assert!(error.contains("in one another"), "{error}");
        assert!(policies.join("contracts.yaml").exists());
    }
}

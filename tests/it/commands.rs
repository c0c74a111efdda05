//! The commands that people type, on the shipped policies and on broken ones.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

use crate::support::{Ask, DESK, Gate, shipped};

fn tollgate(args: &[&str]) -> Output {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    Command::new(env!("CARGO_BIN_EXE_tollgate")).args(args).current_dir(root).output().unwrap()
}

#[track_caller]
fn says(args: &[&str], status: i32, parts: &[&str]) -> String {
    let output = tollgate(args);
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(status), "{args:?}: {said}");
    for part in parts {
        assert!(said.contains(part), "{part:?} in what {args:?} says: {said}");
    }
    said
}

fn broken() -> TempDir {
    let folder = TempDir::new().unwrap();
    for file in fs::read_dir(shipped()).unwrap() {
        let file = file.unwrap().path();
        let mut text = fs::read_to_string(&file).unwrap();
        if file.ends_with("contracts.yaml") {
            text = text.replace("  ticket.reply:\n", "  ticket.repyl:\n");
        }
        fs::write(folder.path().join(file.file_name().unwrap()), text).unwrap();
    }
    folder
}

#[test]
fn validate_says_good_or_everything_that_is_wrong() {
    says(&["validate"], 0, &["good: actions 35, contracts 21, cases 112, files 12", "digest"]);
    says(&["validate", "--output", "json"], 0, &["\"good\": true"]);
    let folder = broken();
    let path = folder.path().to_str().unwrap();
    says(
        &["validate", path],
        1,
        &["no service has an action `ticket.repyl`", "contracts.yaml:", "help: did you mean `ticket.reply`?"],
    );
    says(&["validate", path, "--output", "json"], 1, &["\"line\"", "\"help\": \"did you mean"]);
    says(&["validate", "/nowhere"], 3, &["cannot read `/nowhere`", "help: name a folder"]);
}

/// The shipped policies as they would stand in Git, all in one ConfigMap.
fn manifest(change: impl Fn(&str) -> String) -> String {
    let mut text =
        String::from("apiVersion: v1\nkind: ConfigMap\nmetadata: { name: policies, namespace: shop }\ndata:\n");
    for file in tollgate::sources::read(&shipped()).unwrap() {
        text.extend(["  ", &file.name.replace('/', "."), ": |\n"]);
        for line in change(&file.text).lines() {
            text.extend([format!("    {line}").trim_end(), "\n"]);
        }
    }
    text
}

#[test]
fn policies_are_taken_from_manifests_and_problems_stand_at_their_lines() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("policies.yaml");
    let name = path.to_str().unwrap();
    fs::write(&path, manifest(str::to_owned)).unwrap();
    let digest = |said: &str| said.split("digest ").nth(1).map(|digest| digest.trim().to_owned());
    let plain = says(&["validate"], 0, &["good"]);
    let good = says(&["validate", "--configmap", name], 0, &["taken: contracts.yaml of ConfigMap shop/policies"]);
    assert_eq!(digest(&good), digest(&plain), "it is the same bundle");
    says(&["test", "--configmap", name, "--require-coverage"], 0, &["0 failed"]);
    says(&["diff", "--configmap", name, name], 0, &["nothing changes"]);

    let typo = |text: &str| match text.contains("kind: Contract") {
        true => text.replace("  ticket.reply:\n", "  ticket.repyl:\n"),
        false => text.to_owned(),
    };
    fs::write(&path, manifest(typo)).unwrap();
    let line = 1 + fs::read_to_string(&path).unwrap().lines().position(|line| line.contains("ticket.repyl:")).unwrap();
    let place = format!("{name}:{line}:7");
    let parts = ["did you mean `ticket.reply`?", &place, "in contracts.yaml of ConfigMap shop/policies"];
    says(&["validate", "--configmap", name], 1, &parts);
    says(&["validate", "--configmap", name, "--output", "json"], 1, &["\"configMap\": \"shop/policies\""]);
    fs::write(&path, "kind: ConfigMap\ndata: { a.yaml: x }\n").unwrap();
    says(&["validate", "--configmap", name], 3, &["no ConfigMap holds policies", "help: policies are keys"]);
    says(&["validate", "--configmap", "/nowhere"], 3, &["help: name a file or a folder with manifests"]);
}

#[test]
fn who_can_names_contracts_limits_conditions_and_guardrails() {
    let refund = [
        "contract support-desk",
        "limits   amount at most 200.00 EUR",
        "when     caller.automation == 'human'",
        "guardrail refunds-need-a-fresh-sign-in: require a sign-in with mfa or phr at most 2m ago",
    ];
    says(&["who-can", "refund.issue"], 0, &refund);
    says(&["who-can", "refund.issue", "--output", "json"], 0, &["\"contract\": \"support-desk\""]);
    says(&["who-can", "refund.isue"], 1, &["did you mean `refund.issue`?"]);
}

#[test]
fn diff_says_who_gains_and_who_loses() {
    says(&["diff", "policies", "policies"], 0, &["nothing changes"]);
    let folder = TempDir::new().unwrap();
    for file in fs::read_dir(shipped()).unwrap() {
        let path = file.unwrap().path();
        let text = fs::read_to_string(&path).unwrap().replace("  ticket.reply:\n  profile.read:", "  profile.read:");
        fs::write(
            folder.path().join(path.file_name().unwrap()),
            text.replace("amount: 50.00 EUR", "amount: 60.00 EUR"),
        )
        .unwrap();
    }
    let new = folder.path().to_str().unwrap();
    let changes = [
        "contract support-desk loses ticket.reply",
        "contract returns-agent: limit of refund.quote: amount at most 50.00 EUR -> amount at most 60.00 EUR",
    ];
    says(&["diff", "policies", new], 1, &changes);
    says(&["diff", "policies", new, "--output", "json"], 1, &["\"turn\": \"loses\""]);
}

#[test]
fn explain_reads_a_body() {
    let asked = ["explain", "POST", "billing.shop.example/v1/orders/7/refunds", "--body", "[1]", "--workload", DESK];
    says(&asked, 0, &["body.batch: the action is one call, and the body holds a list"]);
}

#[test]
fn test_runs_the_cases_and_names_what_none_touches() {
    says(
        &["test", "policies", "--require-coverage"],
        0,
        &[
            "0 failed",
            "touched: 35 of 35 actions, 21 of 21 contracts",
            "touched: 14 of 14 outcomes of conditions, 11 of 11 guardrails",
        ],
    );
    let folder = TempDir::new().unwrap();
    for name in ["00-ground.yaml", "services.yaml", "contracts.yaml"] {
        fs::copy(shipped().join(name), folder.path().join(name)).unwrap();
    }
    let path = folder.path().to_str().unwrap();
    says(
        &["test", path],
        1,
        &[
            "0 passed, 0 failed",
            "no case asks for: contact.update",
            "no case shows both outcomes of the condition of: support-desk for refund.issue: it never holds",
            "no case is granted by: support-desk",
            "add a `Test` document",
        ],
    );
    let case = "apiVersion: tollgate.dev/v1alpha1\nkind: Test\nmetadata: { name: t }\ncases:\n  - name: wrong on purpose\n    request: { method: GET, host: api.shop.example, path: /v1/orders/7 }\n    expect: { verdict: deny, reason: contract.none }\n";
    fs::write(folder.path().join("t.yaml"), case).unwrap();
    says(
        &["test", path],
        1,
        &["FAILED  wrong on purpose", "t.yaml:5:11", "reason: expected `contract.none`, found `caller.unknown`"],
    );
    fs::write(folder.path().join("t.yaml"), case.replace("contract.none", "caller.unknown")).unwrap();
    says(&["test", path], 0, &["1 passed, 0 failed"]);
    says(&["test", path, "--require-coverage"], 1, &["no case asks for"]);
    says(&["test", path, "--output", "json"], 0, &["\"untouched\"", "\"passed\": true"]);
}

#[test]
fn explain_shows_every_rule_that_was_looked_at() {
    let claims = r#"{"sub":"a","roles":["support-agent"]}"#;
    let target = "api.shop.example/v1/orders/7";
    says(
        &["explain", "GET", target, "--workload", DESK, "--claims", claims],
        0,
        &[
            "allow (granted)",
            "contract `support-desk` of cx-platform@shop.example",
            "does not apply",
            "it covers workload, user",
        ],
    );
    says(
        &["explain", "GET", target, "--workload", DESK, "-H", "tollgate-purpose: marketing", "--claims", claims],
        0,
        &["deny (contract.purpose)"],
    );
    says(&["explain", "GET", "api.shop.example/v1//x"], 0, &["deny (path.empty_segment)", "canonical request"]);
    says(
        &["explain", "--case", "what is on trial passes, and is recorded"],
        0,
        &["only observed: the call would pass"],
    );
    says(&["explain", "GET", target, "--output", "json"], 0, &["\"reason\": \"caller.unknown\""]);
    says(&["explain", "--case", "no such"], 1, &["there is no case named `no such`"]);
    says(&["explain", "GET", "api.shop.example"], 1, &["has no path"]);
    let url = format!("https://{target}?next=http://shop.example/");
    says(&["explain", "GET", &url], 1, &["is a URL", "`api.shop.example/v1/orders/7?next=http://shop.example/`"]);
    let next = format!("{target}?next=http://shop.example/");
    says(&["explain", "GET", &next], 0, &["deny (caller.unknown)"]);
    says(&["explain"], 2, &["HOST/PATH"]);
}

#[test]
fn schema_and_completions_and_help_are_printed() {
    let schema = tollgate(&["schema"]).stdout;
    let schema: serde_json::Value = serde_json::from_slice(&schema).unwrap();
    assert_eq!(schema["oneOf"].as_array().unwrap().len(), 8);
    for shell in ["bash", "zsh", "fish"] {
        says(&["completions", shell], 0, &["validate"]);
    }
    says(&["--help"], 0, &["serve", "validate", "test", "explain", "schema", "completions"]);
    says(&[], 2, &["Usage"]);
    says(&["valdate"], 2, &["validate"]);
}

#[tokio::test]
async fn explain_says_why_a_recorded_decision_was_made() {
    let gate = Gate::start().await;
    let bot = Ask { workload: "spiffe://cluster.local/ns/bots/sa/chat", ..Ask::reset(10) };
    for ask in [&bot, &Ask::reset(10)] {
        gate.check(ask).await.unwrap();
    }
    let ledger = gate.folder.path().join("ledger");
    let ids: Vec<_> = crate::support::records(&ledger).into_iter().map(|record| record.id).collect();
    let ledger = ledger.to_str().unwrap();
    let denied = [
        "time            20",
        "route           POST /v1/accounts/{account}/credentials/reset",
        "kept            write-ahead",
        "they are those in `policies`",
        "fails  every party is covered  ",
        "contract.none: no contract grants this action",
        "deny (contract.none)",
        "action credentials.reset, tier critical",
    ];
    let said = says(&["explain", "--receipt", &ids[0], "--ledger", ledger], 0, &denied);
    assert!(!said.contains("agent-7"), "people are pseudonyms: {said}");
    let granted = ["contracts       support-desk", "allow (granted): granted"];
    says(&["explain", "--receipt", &ids[1], "--ledger", ledger], 0, &granted);
    let json = ["\"bundleIsCurrent\": true", "\"rule\": \"every party is covered\""];
    says(&["explain", "--receipt", &ids[0], "--ledger", ledger, "--output", "json"], 0, &json);
    says(&["explain", "--receipt", "x", "--ledger", ledger], 3, &["no record", "help: it is the value of the header"]);
    says(&["explain", "--receipt", "x", "--ledger", "/nowhere"], 3, &["cannot read `/nowhere`"]);
    says(&["explain", "--receipt", "x", "GET"], 2, &["cannot be used with"]);
    gate.end().await;
}

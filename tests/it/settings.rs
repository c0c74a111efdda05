//! Settings as an operator gives them, and what is shown of a running process.

use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;
use tollgate::config::Config;
use tollgate::telemetry::Decisions;

use crate::support::{Ask, Gate, Seen, Setup, get, seen, shipped, until};

fn tollgate(arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tollgate"));
    command.args(arguments).envs(environment.iter().copied()).env("NO_COLOR", "1").output().unwrap()
}

#[test]
fn the_file_the_environment_and_the_command_line_are_shown_with_their_origins() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("tollgate.yaml");
    let text =
        format!("policies: {}\nmaxStall: 3s\nlisten:\n  - 127.0.0.1:9000\n  - unix:/run/t.sock\n", shipped().display());
    std::fs::write(&file, text).unwrap();
    let file = file.to_str().unwrap();
    let environment = [("TOLLGATE_OTLP_HEADER", "x-key=hunter2"), ("TOLLGATE_OTLP_ENDPOINT", "http://c:4317")];
    let output = tollgate(&["config", "--config", file, "--drain-delay", "1s", "--output", "json"], &environment);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let all: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    let shown = |name: &str| {
        let one = all.iter().find(|one| one["setting"] == name).unwrap();
        format!("{} {}", one["value"].as_str().unwrap_or("-"), one["origin"].as_str().unwrap())
    };
    assert_eq!(shown("maxStall"), format!("3s {file}:2:11"));
    assert_eq!(shown("listen"), format!("127.0.0.1:9000, unix:/run/t.sock {file}:4:3"));
    assert_eq!(shown("drainDelay"), "1s --drain-delay");
    assert_eq!(shown("otlpHeader"), "*** TOLLGATE_OTLP_HEADER");
    assert_eq!(shown("drainTimeout"), "30s default");
}

#[test]
fn a_typing_error_is_shown_where_it_is() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("tollgate.yaml");
    std::fs::write(&file, "policies: /nowhere\nmaxStal: 3s\n").unwrap();
    let output = tollgate(&["serve", "--config", file.to_str().unwrap()], &[("TOLLGATE_WORKERS", "many")]);
    assert_eq!(output.status.code(), Some(64));
    let said = String::from_utf8(output.stderr).unwrap();
    for part in [
        "there is no setting `maxStal`",
        "tollgate.yaml:2:1",
        "did you mean `maxStall`?",
        "TOLLGATE_WORKERS `many` is no whole number",
    ] {
        assert!(said.contains(part), "{part} in {said}");
    }
    let output = tollgate(&["serve", "--config", "/nowhere.yaml"], &[]);
    assert_eq!(output.status.code(), Some(64));
    assert!(String::from_utf8(output.stderr).unwrap().contains("cannot read `/nowhere.yaml`"));
}

#[test]
fn help_shows_no_value_of_the_environment() {
    let output = tollgate(&["serve", "--help"], &[("TOLLGATE_OTLP_HEADER", "x-key=hunter2")]);
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("TOLLGATE_OTLP_HEADER") && !said.contains("hunter2"), "{said}");
}

#[tokio::test]
async fn what_is_in_force_is_shown_on_this_machine() {
    let change = Box::new(|config: &mut Config| {
        config.effective = vec![tollgate::config::Effective {
            setting: "maxStall".into(),
            value: Some("1s".into()),
            origin: "--max-stall".into(),
        }];
    });
    let gate = Gate::start_with(Setup { change, ..Setup::default() }).await;
    let json = async |path: &str| serde_json::from_str::<Value>(&get(gate.admin, path).await).unwrap();
    assert_eq!(json("/config").await[0]["origin"], "--max-stall");
    let before = json("/policies").await;
    assert!(before["actions"].as_u64().unwrap() > 30 && before["problems"].as_array().unwrap().is_empty(), "{before}");
    assert!(before["files"].as_array().unwrap().iter().any(|file| file == "00-ground.yaml"), "{before}");
    std::fs::write(gate.policies().join("zz.yaml"), "kind: Nothing\n").unwrap();
    until("the problem is shown", || async {
        json("/policies").await["problems"][0].as_str().is_some_and(|said| said.contains("zz.yaml"))
    })
    .await;
    assert_eq!(json("/policies").await["digest"], before["digest"], "the last good bundle is in force");
    gate.end().await;
}

#[tokio::test]
async fn decisions_are_told_on_a_stream_of_their_own_without_any_person() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("decisions.jsonl");
    let to = Decisions::File(file.clone());
    let gate =
        Gate::start_with(Setup { change: Box::new(|config| config.decisions = Some(to)), ..Setup::default() }).await;
    assert_eq!(seen(&gate.check(&Ask::order()).await), Seen::Allowed);
    let stranger = Ask { workload: "spiffe://cluster.local/ns/bots/sa/chat", ..Ask::reset(0) };
    let _ = gate.check(&stranger).await;
    let records = gate.end().await;
    let text = std::fs::read_to_string(&file).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let told: Vec<_> =
        lines.iter().map(|line| (line["receipt"].as_str().unwrap(), line["reason"].as_str().unwrap())).collect();
    let recorded: Vec<_> = records.iter().map(|record| (record.id.as_str(), record.reason.as_str())).collect();
    assert_eq!(told, recorded);
    assert_eq!(
        (&lines[0]["action"], &lines[0]["tier"], &lines[1]["verdict"]),
        (&"order.read".into(), &"personal".into(), &"deny".into())
    );
    for personal in ["agent-7", "spiffe", "/v1/orders", "4711"] {
        assert!(!text.contains(personal), "{personal} in {text}");
    }
}

#[test]
fn the_log_level_changes_while_it_runs() {
    let folder = TempDir::new().unwrap();
    let mut process = crate::process::serve(&folder, &["--drain-delay", "0s"]);
    process.line("ready", |line| line["message"] == "ready");
    let admin = process.address("admin").parse().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let put = |body: &str| runtime.block_on(crate::support::send(admin, "PUT", "/log-level", body));
    assert!(runtime.block_on(get(admin, "/log-level")).contains("info"));
    assert!(put("tollgate=sideways").starts_with("HTTP/1.1 400"));
    assert!(put("tollgate=debug").starts_with("HTTP/1.1 200"));
    process.line("it is changed", |line| line["message"] == "the log level was changed");
    // Who breaks the protocol is news at this level.
    let address: std::net::SocketAddr = process.address("ext_authz").parse().unwrap();
    std::io::Write::write_all(&mut std::net::TcpStream::connect(address).unwrap(), b"GET / HTTP/1.1\r\n\r\n........")
        .unwrap();
    process.line("a line of debugging", |line| line["level"] == "DEBUG" && line["message"] == "a connection ended");
}

//! `tollgate serve` as a process: its signals, its log, its end.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use envoy_types::pb::envoy::service::auth::v3::authorization_client::AuthorizationClient;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::{Ask, Seen, records, seen, shipped, until};

pub struct Process {
    child: Child,
    lines: mpsc::Receiver<Value>,
    seen: Vec<Value>,
}

pub fn serve(folder: &TempDir, more: &[&str]) -> Process {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tollgate"));
    command
        .args(["serve", "--listen", "127.0.0.1:0", "--health", "127.0.0.1:0", "--metrics", "127.0.0.1:0"])
        .args(["--admin", "127.0.0.1:0"])
        .arg("--policies")
        .arg(shipped())
        .arg("--ledger")
        .arg(folder.path().join("ledger"))
        .args(more);
    Process::start(&mut command)
}

impl Process {
    /// Starts something that logs lines of JSON.
    pub fn start(command: &mut Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                let parsed =
                    serde_json::from_str(&line).unwrap_or_else(|_| panic!("a line of the log is JSON: {line}"));
                if sender.send(parsed).is_err() {
                    return;
                }
            }
        });
        Self { child, lines, seen: Vec::new() }
    }

    /// The first line, from the beginning, of which this is so.
    pub fn line(&mut self, what: &str, is: impl Fn(&Value) -> bool) -> Value {
        if let Some(line) = self.seen.iter().find(|line| is(line)) {
            return line.clone();
        }
        loop {
            let line = self
                .lines
                .recv_timeout(Duration::from_secs(10))
                .unwrap_or_else(|_| panic!("waited for {what} among {:#?}", self.seen));
            self.seen.push(line.clone());
            if is(&line) {
                return line;
            }
        }
    }

    pub fn address(&mut self, port: &str) -> String {
        let line = self.line(port, |line| line["message"] == "listening" && line["port"] == port);
        line["address"].as_str().unwrap().to_owned()
    }

    /// Ends it, and gives every line that it wrote.
    fn into_lines(mut self) -> Vec<Value> {
        self.terminate();
        self.ended().1
    }

    /// How it ended, and all lines that it logged.
    pub fn ended(&mut self) -> (Option<i32>, Vec<Value>) {
        let status = self.child.wait().unwrap();
        // The reader ends with the process.
        self.seen.extend(self.lines.iter());
        (status.code(), self.seen.clone())
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn terminate(&self) {
        assert!(Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap().success());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn sigterm_is_followed_by_not_ready_then_serving_on_then_a_good_end() {
    let folder = TempDir::new().unwrap();
    let mut process = serve(&folder, &["--drain-delay", "600ms"]);
    process.line("ready", |line| line["message"] == "ready");
    let (address, health) = (process.address("ext_authz"), process.address("health"));
    let mut client = AuthorizationClient::connect(format!("http://{address}")).await.unwrap();
    let mut healths = {
        let endpoint = tonic::transport::Endpoint::from_shared(format!("http://{health}")).unwrap();
        tonic_health::pb::health_client::HealthClient::new(endpoint.connect().await.unwrap())
    };
    assert_eq!(seen(&client.check(Ask::reset(0).to_wire()).await.map(tonic::Response::into_inner)), Seen::Allowed);
    process.terminate();
    process.line("draining", |line| line["message"] == "draining");
    tokio::time::sleep(Duration::from_millis(100)).await;
    let status = healths
        .check(tonic_health::pb::HealthCheckRequest { service: "readiness".into() })
        .await
        .unwrap()
        .into_inner()
        .status;
    assert_eq!(status, crate::support::NOT_SERVING);
    // Those who have not heard of it yet are still served, on new connections too.
    let mut late = AuthorizationClient::connect(format!("http://{address}")).await.unwrap();
    for client in [&mut client, &mut late] {
        assert_eq!(seen(&client.check(Ask::order().to_wire()).await.map(tonic::Response::into_inner)), Seen::Allowed);
    }
    assert_eq!(process.child.wait().unwrap().code(), Some(0));
    assert_eq!(records(&folder.path().join("ledger")).len(), 3);
}

#[tokio::test]
async fn what_is_in_force_is_said_at_start_and_again_after_a_restart_the_log_reads_on() {
    let folder = TempDir::new().unwrap();
    let key = folder.path().join("key");
    std::fs::write(&key, [7; 32]).unwrap();
    for round in 1..=2 {
        let mut process = serve(&folder, &["--drain-delay", "0s", "--pseudonym-key", key.to_str().unwrap()]);
        let said = process.line("effective configuration", |line| line["message"] == "effective configuration");
        let set = said["set"].as_str().unwrap();
        assert!(set.contains("drainDelay=0s (--drain-delay)") && set.contains("pseudonymKey="), "{set}");
        process.line("ready", |line| line["message"] == "ready");
        let address = process.address("ext_authz");
        let mut client = AuthorizationClient::connect(format!("http://{address}")).await.unwrap();
        client.check(Ask::reset(0).to_wire()).await.unwrap();
        // Killed for real: what was answered as durable is there.
        process.child.kill().unwrap();
        process.child.wait().unwrap();
        let records = records(&folder.path().join("ledger"));
        assert_eq!(records.len(), round);
        let users: std::collections::BTreeSet<_> =
            records.iter().map(|record| record.caller.as_ref().unwrap().user.clone()).collect();
        assert_eq!(users.len(), 1, "under one key a person has one name");
    }
}

#[test]
fn a_client_that_floods_writes_no_line_of_the_log_unless_the_operator_wants_to_hear_of_it() {
    use std::io::{Read as _, Write as _};
    let of_h2 = |line: &Value| line["target"].as_str().is_some_and(|target| target.starts_with("h2"));
    for (level, is_heard) in [("info", false), ("debug", false), ("warn,h2=debug", true)] {
        let folder = TempDir::new().unwrap();
        let mut process = serve(&folder, &["--drain-delay", "0s", "--log-level", "info"]);
        process.line("ready", |line| line["message"] == "ready");
        let admin = process.address("admin").parse().unwrap();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        if level != "info" {
            let put = runtime.block_on(crate::support::send(admin, "PUT", "/log-level", level));
            assert!(put.starts_with("HTTP/1.1 200"), "{put}");
        }
        assert_eq!(runtime.block_on(crate::support::get(admin, "/log-level")).trim(), level, "as it was set");
        let mut flood = std::net::TcpStream::connect(process.address("ext_authz")).unwrap();
        // The other end may be gone before all of it is sent; it is gone for sure when nothing more can be read.
        let _ = flood.write_all(&crate::hostile::greeting_and_resets());
        flood.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let _ = flood.read_to_end(&mut Vec::new());
        let lines = process.into_lines();
        assert_eq!(lines.iter().any(of_h2), is_heard, "{level}: {lines:#?}");
    }
}

#[test]
fn a_configuration_that_makes_no_sense_is_refused_whole_with_64() {
    let folder = TempDir::new().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_tollgate"));
    command.args([
        "serve",
        "--policies",
        "/nowhere",
        "--trace-ratio",
        "7",
        "--max-check-time",
        "0s",
        "--otlp-endpoint",
        "collector",
    ]);
    let output = command.arg("--ledger").arg(folder.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(64));
    let said = String::from_utf8(output.stderr).unwrap();
    for wrong in ["`/nowhere`, which is not there", "--trace-ratio", "--max-check-time", "--otlp-endpoint"] {
        assert!(said.contains(wrong), "{wrong} in {said}");
    }
}

#[test]
fn a_collector_that_nobody_vouches_for_or_with_credentials_is_refused_and_not_named() {
    let folder = TempDir::new().unwrap();
    for (url, wrong) in [
        ("https://collector:4317", "--otlp-endpoint with `https://` needs `otlpCa`"),
        ("grpc://collector:4317", "begins with `http://` or `https://`, such as `http://otel-collector:4317`"),
        ("http://ada:swordfish@collector:4317", "--otlp-endpoint holds no credentials"),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tollgate"));
        let output = command
            .args(["serve", "--otlp-endpoint", url, "--policies"])
            .arg(shipped())
            .arg("--ledger")
            .arg(folder.path())
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(64), "{url}");
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains(wrong) && !said.contains("swordfish"), "{wrong} in {said}");
    }
}

#[test]
fn what_the_system_refuses_is_said_once() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "in the way").unwrap();
    let file = file.to_str().unwrap();
    for (flag, said) in [("--ledger", "cannot open the ledger"), ("--tls", "cannot read")] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tollgate"));
        command.args(["serve", "--listen", "127.0.0.1:0", "--health", "127.0.0.1:0", "--metrics", "127.0.0.1:0"]);
        command.args(["--admin", "off", "--policies"]).arg(shipped());
        if flag != "--ledger" {
            command.arg("--ledger").arg(folder.path().join("ledger"));
        }
        let output = command.args([flag, file]).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        let text = String::from_utf8(output.stderr).unwrap();
        let line = text.lines().last().unwrap();
        assert!(line.starts_with(&format!("error: {said}")) && line.matches("os error").count() == 1, "{line}");
    }
}

#[tokio::test]
async fn who_compiles_policies_leaves_the_processor_to_those_who_answer() {
    let folder = TempDir::new().unwrap();
    let mut process = serve(&folder, &["--workers", "2"]);
    process.line("ready", |line| line["message"] == "ready");
    let nice = |name: &str| -> Vec<i32> {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", process.id())).unwrap();
        let stats = tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("stat")).ok());
        let of_thread = stats.filter_map(|stat| {
            let (thread, fields) = stat.rsplit_once(") ")?;
            // The 19th field (proc_pid_stat(5)); the name is the second.
            thread.split_once('(')?.1.starts_with(name).then(|| fields.split(' ').nth(16)?.parse().ok())?
        });
        of_thread.collect()
    };
    let checks = nice("check-");
    assert!(checks.len() == 2 && checks[0] == checks[1], "{checks:?}");
    until("policies give way", || async { nice("policies")[0] == (checks[0] + 10).min(19) }).await;
    assert_eq!(nice("check-"), checks);
}

#[test]
fn two_processes_never_share_a_ledger() {
    let folder = TempDir::new().unwrap();
    let mut first = serve(&folder, &[]);
    first.line("ready", |line| line["message"] == "ready");
    let output = Command::new(env!("CARGO_BIN_EXE_tollgate"))
        .args([
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--health",
            "127.0.0.1:0",
            "--metrics",
            "127.0.0.1:0",
            "--admin",
            "off",
            "--policies",
        ])
        .arg(shipped())
        .arg("--ledger")
        .arg(folder.path().join("ledger"))
        .output()
        .unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8(output.stderr).unwrap().contains("in use by another process"));
}

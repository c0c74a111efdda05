//! Cerbos, a policy decision point with an API of its own: the same condition, asked with its `CheckResources`.
//!
//! It is given what Tollgate has to find out: which kind of resource it is about, which role, tenant and amount. So it
//! neither reads an HTTP request nor keeps a record. It runs as it comes: no decision log, no watch on its policies.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use prost::Message as _;
use serde_json::{Value, json};
use tollgate::clock::{Clock as _, System};
use tollgate::demo::files;
use tollgate::demo::process::{POLL, Process, last_words};
use tollgate::demo::service::Address;

use super::{Contender, Stage, Started, grouped, short};
use crate::answer::{self, Answer, Compare};
use crate::args::Form;
use crate::bundle::MOST;
use crate::cell::{Body, Cell, Transport, Way};
use crate::question::Question;

mod messages;

use messages::{ALLOW, DENY, Principal, Request, Resource, ResourceEntry, Response, number, text};

const METHOD: &str = "/cerbos.svc.v1.CerbosService/CheckResources";
const KIND: &str = "refund";
const ACTION: &str = "quote";
/// Ten thousand policies take seconds, and a busy machine makes more of them.
const STARTS_WITHIN: Duration = Duration::from_mins(2);

pub(super) struct Cerbos {
    binary: PathBuf,
    policies: usize,
}

impl Cerbos {
    pub(super) fn try_new(binary: &Path, policies: usize) -> anyhow::Result<Self> {
        Ok(Self { binary: std::path::absolute(binary)?, policies })
    }

    fn folder(&self, run: &Path) -> PathBuf {
        run.join(format!("cerbos-{}", self.policies))
    }
}

#[tonic::async_trait(?Send)]
impl Contender for Cerbos {
    fn name(&self) -> String {
        format!("cerbos-{}", short(self.policies))
    }

    fn title(&self) -> String {
        format!("Cerbos, {} policies", grouped(self.policies))
    }

    fn can(&self, cell: Cell) -> bool {
        cell.way == Way::Direct && cell.transport != Transport::Mtls && cell.body == Body::Bare
    }

    fn is_usual(&self, cell: Cell) -> bool {
        cell.transport == Transport::Tcp
    }

    fn prepare(&self, run: &Path) -> anyhow::Result<()> {
        anyhow::ensure!(
            self.binary.is_file(),
            "there is no Cerbos at `{}`: fetch the pinned one with `make cerbos`, name another with --cerbos or \
             TOLLGATE_CERBOS, or leave it out with --no-peers",
            self.binary.display()
        );
        let folder = self.folder(run);
        files::private_folder(&folder)?;
        for number in 0..self.policies {
            let kind = if number == 0 { KIND.to_owned() } else { format!("kind-{number}") };
            files::write(&folder.join(format!("{kind}.yaml")), policy(&kind))?;
        }
        Ok(())
    }

    async fn start(&self, stage: &Stage<'_>) -> anyhow::Result<Started> {
        let address = match stage.listen() {
            // It does not say which port it was given.
            Address::Tcp(any) => Address::Tcp(TcpListener::bind(any)?.local_addr()?),
            unix @ Address::Unix(_) => unix,
        };
        let config = stage.folder.join("cerbos.json");
        files::write(&config, configuration(&address, &self.folder(stage.run)).to_string())?;
        let log = stage.folder.join("cerbos.log");
        let mut command = Command::new(stage.program(&self.binary)?);
        command.args(["server", "--log-level=info", "--debug-listen-addr="]).arg("--config").arg(&config);
        // A thread for each core that a server gets, as Tollgate's workers.
        command.env("GOMAXPROCS", stage.workers.to_string());
        let (began, deadline) = (System.now(), Instant::now() + STARTS_WITHIN);
        let mut process = Process::start("cerbos", &mut command, &log)?;
        let ready = loop {
            process.still_runs()?;
            if let Some(time) = serves_since(&process.logged()?)? {
                break Duration::try_from(time.duration_since(began))?;
            }
            anyhow::ensure!(Instant::now() < deadline, "cerbos did not start; {}", last_words(&log));
            tokio::time::sleep(POLL).await;
        };
        Ok(Started { process: Box::new(process), address, ready, metrics: None })
    }

    fn question(&self, _form: Form, _body: Body) -> Question {
        Question::new(METHOD, &request(f64::from(MOST) - 50.0), |answer| effect_is(answer, ALLOW))
    }

    fn forbidden(&self, _form: Form, _body: Body) -> Option<Question> {
        Some(Question::new(METHOD, &request(f64::from(MOST) + 1.0), |answer| effect_is(answer, DENY)))
    }

    fn behind_envoy(&self) -> Option<Compare> {
        None
    }
}

fn configuration(address: &Address, policies: &Path) -> Value {
    json!({
        "server": { "grpcListenAddr": address.to_string(), "httpListenAddr": "127.0.0.1:0" },
        "storage": { "driver": "disk", "disk": { "directory": policies.display().to_string() } },
        "telemetry": { "disabled": true },
    })
}

/// The last thing that it says before it can be asked.
fn serves_since(log: &str) -> anyhow::Result<Option<jiff::Timestamp>> {
    let mut lines = log.split_inclusive('\n').filter(|line| line.ends_with('\n'));
    let Some(line) = lines.find(|line| line.contains("Starting HTTP server")) else { return Ok(None) };
    let event: Value = serde_json::from_str(line)?;
    let time = event.get("@timestamp").and_then(Value::as_str).context("a line of its log has no time")?;
    Ok(Some(time.parse()?))
}

/// The condition that Tollgate's contracts have.
fn policy(kind: &str) -> String {
    format!(
        "apiVersion: api.cerbos.dev/v1\nresourcePolicy:\n  version: default\n  resource: {kind}\n  rules:\n    \
         - actions: [{ACTION}]\n      effect: EFFECT_ALLOW\n      roles: [support-agent]\n      condition:\n        \
         match:\n          expr: request.resource.attr.amount <= {MOST}.0 && request.principal.attr.tenant == \"eu\"\n"
    )
}

fn request(amount: f64) -> Request {
    Request {
        id: "9f2c6a52-4d0e-4a37-9d7e-0c2f1f0d7a11".to_owned(),
        principal: Some(Principal {
            id: "agent-7".to_owned(),
            roles: vec!["support-agent".to_owned()],
            attr: [("tenant".to_owned(), text("eu"))].into(),
        }),
        resources: vec![ResourceEntry {
            actions: vec![ACTION.to_owned()],
            resource: Some(Resource {
                kind: KIND.to_owned(),
                id: "1042".to_owned(),
                attr: [("amount".to_owned(), number(amount)), ("currency".to_owned(), text("EUR"))].into(),
            }),
        }],
    }
}

fn effect_is(answer: &Answer, expected: i32) -> Result<(), String> {
    let response = Response::decode(answer::message(answer)?).map_err(|error| format!("no response: {error}"))?;
    let effects: Vec<_> = response.results.iter().flat_map(|result| &result.actions).collect();
    match *effects.as_slice() {
        [(action, effect)] if action == ACTION && *effect == expected => Ok(()),
        _ => Err(format!("the effects are {effects:?}")),
    }
}

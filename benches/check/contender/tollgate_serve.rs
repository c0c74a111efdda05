//! Tollgate itself, started as an operator would start it, with a bundle of so many actions.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use serde_json::Value;
use tollgate::clock::{Clock as _, System};
use tollgate::demo::service::{Options, Tollgate};

use super::{Contender, Stage, Started, grouped, short};
use crate::answer::{self, Compare};
use crate::args::Form;
use crate::bundle::{self, Beside};
use crate::cell::{Body, Cell, Transport, Way};
use crate::parties::EDGE;
use crate::question::Question;
use crate::request;

const BINARY: &str = env!("CARGO_BIN_EXE_tollgate");
/// How often policies are looked at: as it comes, and where what is counted must be a check's alone.
const BY_DEFAULT: Duration = Duration::from_secs(1);
const NEVER: Duration = Duration::from_hours(1);

pub(super) struct TollgateServe {
    pub(super) actions: usize,
    pub(super) answers: Answers,
}

/// How much an answer asks of Envoy.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Answers {
    /// As it comes.
    Whole,
    /// As little as an operator can choose.
    Short,
}

#[tonic::async_trait(?Send)]
impl Contender for TollgateServe {
    fn name(&self) -> String {
        let actions = short(self.actions);
        match self.answers {
            Answers::Whole => format!("tollgate-{actions}"),
            Answers::Short => format!("tollgate-{actions}-short"),
        }
    }

    fn title(&self) -> String {
        let actions = grouped(self.actions);
        match self.answers {
            Answers::Whole => format!("Tollgate, {actions} actions"),
            Answers::Short => format!("Tollgate, {actions} actions, short answers"),
        }
    }

    /// A short answer differs for Envoy alone.
    fn can(&self, cell: Cell) -> bool {
        self.answers == Answers::Whole || cell.way == Way::Envoy
    }

    fn is_usual(&self, cell: Cell) -> bool {
        match self.answers {
            // In the middle there is nothing to be seen that is not seen at both ends.
            Answers::Whole => self.actions != 1_000 || cell.id().starts_with("direct/tcp/bare/"),
            Answers::Short => cell.id().starts_with("envoy/tcp/bare/"),
        }
    }

    fn prepare(&self, run: &Path) -> anyhow::Result<()> {
        bundle::write(self.actions, Beside::Alike, &self.folder(run))
    }

    fn policies(&self, run: &Path) -> Option<PathBuf> {
        (self.answers == Answers::Whole).then(|| self.folder(run))
    }

    async fn start(&self, stage: &Stage<'_>) -> anyhow::Result<Started> {
        let mut arguments = [
            "--workers",
            &stage.workers.to_string(),
            // What it says at its start is needed; nothing is logged for a check.
            "--log-level",
            "warn,tollgate=info",
            // A machine that stands still for a moment is no wrong answer.
            "--max-check-time",
            "2s",
        ]
        .map(str::to_owned)
        .to_vec();
        if self.answers == Answers::Short {
            arguments.extend(["--header-removal", "seen", "--answer-metadata", "none"].map(str::to_owned));
        }
        if stage.transport == Transport::Mtls {
            let path = |path: &Path| path.display().to_string();
            arguments.extend(["--tls".to_owned(), path(&stage.parties.server)]);
            arguments.extend(["--tls-client-ca".to_owned(), path(&stage.parties.authority_file)]);
            arguments.extend(["--tls-client-san".to_owned(), EDGE.to_owned()]);
        }
        let options = Options {
            binary: stage.program(Path::new(BINARY))?,
            policies: self.folder(stage.run),
            policies_poll: if stage.callgrind.is_some() { NEVER } else { BY_DEFAULT },
            listen: stage.listen(),
            ledger: stage.folder.join("ledger"),
            log: stage.folder.join("tollgate.log"),
            arguments,
        };
        let began = System.now();
        let tollgate = Tollgate::start(&options).await?;
        let ready = Duration::try_from(timestamp(&said(&tollgate, "ready")?)?.duration_since(began))?;
        let actions = said(&tollgate, "bundle in force")?.get("actions").and_then(Value::as_u64);
        anyhow::ensure!(actions == Some(u64::try_from(self.actions)?), "it has {actions:?} actions");
        let (address, metrics) = (tollgate.listen().clone(), Some(tollgate.metrics()));
        Ok(Started { process: Box::new(tollgate), address, ready, metrics })
    }

    fn question(&self, form: Form, body: Body) -> Question {
        let expected = match body {
            Body::Bare => answer::quote_granted,
            Body::Json => answer::issue_granted,
        };
        request::check(form, body, request::ALLOWED, expected)
    }

    fn forbidden(&self, form: Form, body: Body) -> Option<Question> {
        Some(request::check(form, body, request::FORBIDDEN, answer::denied))
    }

    fn behind_envoy(&self) -> Option<Compare> {
        Some(answer::passed_with_receipt)
    }
}

impl TollgateServe {
    fn folder(&self, run: &Path) -> PathBuf {
        run.join(format!("policies-{}", self.actions))
    }
}

fn said(tollgate: &Tollgate, message: &str) -> anyhow::Result<Value> {
    let lines = tollgate.log_lines()?;
    let mut found = lines.into_iter().filter(|line| line.get("message").and_then(Value::as_str) == Some(message));
    found.next().with_context(|| format!("its log has no line `{message}`"))
}

fn timestamp(line: &Value) -> anyhow::Result<jiff::Timestamp> {
    let text = line.get("timestamp").and_then(Value::as_str).context("a line of its log has no time")?;
    text.parse().with_context(|| format!("`{text}` is not a time"))
}

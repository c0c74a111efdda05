//! The floor as a child: this same binary again, as the server that answers without looking.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use tollgate::demo::process::{POLL, Process};
use tollgate::demo::service::Address;

use super::{Contender, Stage, Started};
use crate::answer::{self, Compare};
use crate::args::Form;
use crate::cell::{Body, Cell, Transport};
use crate::question::Question;
use crate::request;

pub(crate) const NAME: &str = "floor";
const STARTS_WITHIN: Duration = Duration::from_secs(20);

pub(super) struct Floor;

#[tonic::async_trait(?Send)]
impl Contender for Floor {
    fn name(&self) -> String {
        NAME.to_owned()
    }

    fn title(&self) -> String {
        "stock tonic, looks at nothing".to_owned()
    }

    fn can(&self, _cell: Cell) -> bool {
        true
    }

    async fn start(&self, stage: &Stage<'_>) -> anyhow::Result<Started> {
        let own = std::env::current_exe().context("can't tell the path of this binary")?;
        let mut command = Command::new(stage.program(&own)?);
        command.args(["floor", &stage.workers.to_string(), &stage.listen().to_string()]);
        if stage.transport == Transport::Mtls {
            command.arg(&stage.parties.server).arg(&stage.parties.authority_file);
        }
        let began = Instant::now();
        let mut process = Process::start("the floor", &mut command, &stage.folder.join("floor.log"))?;
        loop {
            process.still_runs()?;
            if let Some(said) = process.logged()?.lines().find_map(|line| line.strip_prefix("listening on ")) {
                let address = match said.strip_prefix("unix:") {
                    Some(path) => Address::Unix(path.into()),
                    None => Address::Tcp(said.parse()?),
                };
                return Ok(Started { process: Box::new(process), address, ready: began.elapsed(), metrics: None });
            }
            anyhow::ensure!(began.elapsed() < STARTS_WITHIN, "the floor did not start");
            tokio::time::sleep(POLL).await;
        }
    }

    fn question(&self, form: Form, body: Body) -> Question {
        request::check(form, body, request::ALLOWED, answer::allowed)
    }

    fn forbidden(&self, _form: Form, _body: Body) -> Option<Question> {
        None
    }

    fn behind_envoy(&self) -> Option<Compare> {
        Some(answer::passed)
    }
}

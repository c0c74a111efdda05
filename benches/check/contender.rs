//! Who can be measured. Each contender is a file in `contender/` and an entry in `all`: how it is started, what it is
//! asked, what it must say.
//!
//! Two kinds. A server of Envoy's `ext_authz` API has the same requests as Tollgate, directly and behind the same Envoy. A
//! peer with an API of its own is asked directly, the same question in its own words.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use tollgate::demo::process::Process;
use tollgate::demo::service::{Address, Tollgate};

use crate::answer::Compare;
use crate::args::{Form, Settings};
use crate::callgrind;
use crate::cell::{Body, Cell, Transport};
use crate::parties::Parties;
use crate::question::Question;

mod cerbos;
mod floor;
mod tollgate_serve;

use tollgate_serve::Answers;

/// The one that others are compared with.
pub(crate) use floor::NAME as FLOOR;

/// One that can be measured.
#[tonic::async_trait(?Send)]
pub(crate) trait Contender {
    /// One word, for `--subjects` and Envoy.
    fn name(&self) -> String;

    /// For people.
    fn title(&self) -> String;

    /// Whether it can be asked in this way at all.
    fn can(&self, cell: Cell) -> bool;

    /// Whether it is measured there where nobody chooses.
    fn is_usual(&self, _cell: Cell) -> bool {
        true
    }

    /// What it needs on disk, once, before it is started the first time.
    fn prepare(&self, _run: &Path) -> anyhow::Result<()> {
        Ok(())
    }

    /// The folder of policies that it follows while it runs. None: there is nothing to edit, or another shows the same.
    fn policies(&self, _run: &Path) -> Option<PathBuf> {
        None
    }

    /// Starts it, and waits until it is ready.
    async fn start(&self, stage: &Stage<'_>) -> anyhow::Result<Started>;

    /// What is asked directly, and what must come back.
    fn question(&self, form: Form, body: Body) -> Question;

    /// What it must refuse, or it would not be judging. None: it never refuses.
    fn forbidden(&self, form: Form, body: Body) -> Option<Question>;

    /// What must come back from an Envoy that asks it. None: Envoy cannot.
    fn behind_envoy(&self) -> Option<Compare>;
}

/// All of them, in the order of the tables. The floor is the first.
pub(crate) fn all(settings: &Settings) -> anyhow::Result<Vec<Rc<dyn Contender>>> {
    let mut all: Vec<Rc<dyn Contender>> = vec![Rc::new(floor::Floor)];
    for actions in [10, 1_000, 10_000] {
        all.push(Rc::new(tollgate_serve::TollgateServe { actions, answers: Answers::Whole }));
    }
    all.push(Rc::new(tollgate_serve::TollgateServe { actions: 10_000, answers: Answers::Short }));
    if let Some(binary) = &settings.cerbos {
        for policies in [10, 10_000] {
            all.push(Rc::new(cerbos::Cerbos::try_new(binary, policies)?));
        }
    }
    Ok(all)
}

/// Where one is started.
pub(crate) struct Stage<'a> {
    /// The folder of the whole run, where `prepare` has left what it needs.
    pub(crate) run: &'a Path,
    /// For this start alone, and empty.
    pub(crate) folder: &'a Path,
    pub(crate) transport: Transport,
    pub(crate) workers: usize,
    pub(crate) parties: &'a Parties,
    /// Runs it under callgrind, which leaves its counts here.
    pub(crate) callgrind: Option<&'a Path>,
}

impl Stage<'_> {
    /// What is to be started for this program: itself, or a script that runs it under callgrind.
    pub(crate) fn program(&self, program: &Path) -> anyhow::Result<PathBuf> {
        let Some(out) = self.callgrind else { return Ok(program.to_owned()) };
        callgrind::script(program, out, self.folder)
    }

    /// Where to listen: a port of the kernel's choice, or a socket in the folder.
    pub(crate) fn listen(&self) -> Address {
        match self.transport {
            Transport::Tcp | Transport::Mtls => Address::Tcp(([127, 0, 0, 1], 0).into()),
            Transport::Unix => Address::Unix(self.folder.join("socket")),
        }
    }
}

/// One that is ready.
pub(crate) struct Started {
    pub(crate) process: Box<dyn Running>,
    pub(crate) address: Address,
    /// From the start of the process to its word that it is ready.
    pub(crate) ready: Duration,
    /// Where Tollgate counts its records.
    pub(crate) metrics: Option<SocketAddr>,
}

/// A child of ours. Dropping it ends it.
pub(crate) trait Running {
    fn pid(&self) -> u32;
    /// Fails, with the end of its log, if it has ended.
    fn still_runs(&mut self) -> anyhow::Result<()>;
}

impl Running for Process {
    fn pid(&self) -> u32 {
        self.pid()
    }

    fn still_runs(&mut self) -> anyhow::Result<()> {
        self.still_runs()
    }
}

impl Running for Tollgate {
    fn pid(&self) -> u32 {
        self.pid()
    }

    fn still_runs(&mut self) -> anyhow::Result<()> {
        self.still_runs()
    }
}

/// 10,000 as `10k`.
fn short(count: usize) -> String {
    if count.is_multiple_of(1_000) { format!("{}k", count / 1_000) } else { count.to_string() }
}

/// 10,000 as `10,000`.
fn grouped(count: usize) -> String {
    if count < 1_000 { count.to_string() } else { format!("{},{:03}", count / 1_000, count % 1_000) }
}

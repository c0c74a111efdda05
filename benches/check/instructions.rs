//! How many instructions a check takes, counted by valgrind's callgrind: a figure that no neighbour on the machine moves.
//!
//! The whole server is counted, all its threads, outside the kernel: from a connection that is ready to read to the answer
//! that is written, the record too. It is started without counting, warmed up, and then counted over the same number of
//! checks several times, one check after another on one connection. What it does on its own in the meantime is counted
//! with it, and is little: it does not look at its policies.

use std::io::{self, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::rc::Rc;
use std::sync::Arc;

use anyhow::Context as _;
use serde::Serialize;
use serde_json::json;

use crate::args::Settings;
use crate::cell::{Body, Transport};
use crate::contender::{self, Contender, FLOOR, Stage};
use crate::figures::{count as number, median};
use crate::parties::Parties;
use crate::report::{show, table, whole};
use crate::rounds::say;

/// How often so many checks are counted.
const COUNTS: usize = 3;
/// Until nothing is done for the first time any more.
const WARM_UP: usize = 200;

/// What one server came to.
#[derive(Debug, Serialize)]
struct Counted {
    subject: String,
    title: String,
    body: Body,
    /// Instructions for each check, each time that it was counted.
    each: Vec<f64>,
}

/// Counts the floor, and Tollgate with few and many actions.
pub(crate) async fn count(settings: &Settings, checks: usize) -> anyhow::Result<()> {
    anyhow::ensure!((1..=100_000).contains(&checks), "--checks is between 1 and 100000");
    let results = crate::run::results()?;
    let run = tempfile::Builder::new().prefix("count-").tempdir_in(&results)?;
    let parties = Parties::try_new(run.path())?;
    let mut all = Vec::new();
    // Those that have the same requests; a peer's own would say nothing beside them.
    for contender in contender::all(settings)?.iter().filter(|one| one.behind_envoy().is_some()) {
        say(&format!("counting {}", contender.title()))?;
        all.extend(count_one(settings, checks, contender, run.path(), &parties).await?);
    }
    let mut out = io::stdout().lock();
    writeln!(out, "instructions for each check, medians of {COUNTS} counts of {checks} checks, one at a time")?;
    for body in [Body::Bare, Body::Json] {
        print(&all, body, &mut out)?;
    }
    let path = results.join("instructions.json");
    let text = json!({ "checks": checks, "headers": settings.headers, "counted": all });
    tollgate::demo::files::write(&path, format!("{text:#}\n"))?;
    writeln!(out, "\nevery count: {}", path.display())?;
    Ok(())
}

async fn count_one(
    settings: &Settings,
    checks: usize,
    contender: &Rc<dyn Contender>,
    run: &Path,
    parties: &Parties,
) -> anyhow::Result<Vec<Counted>> {
    let folder = run.join(contender.name());
    tollgate::demo::files::private_folder(&folder)?;
    let out = folder.join("callgrind");
    let (transport, workers) = (Transport::Tcp, settings.workers);
    let stage = Stage { run, folder: &folder, transport, workers, parties, callgrind: Some(&out) };
    contender.prepare(run)?;
    let mut started = contender.start(&stage).await?;
    let pid = started.process.pid();
    control(pid, &["-i", "on"])?;
    let (mut all, mut dumps) = (Vec::new(), 0);
    for body in [Body::Bare, Body::Json] {
        let question = contender.question(settings.headers, body);
        let connections = Arc::new(question.target(started.address.clone(), None)?).connect(1).await?;
        for _ in 0..WARM_UP {
            connections.once().await.map_err(anyhow::Error::msg)?;
        }
        let mut each = Vec::new();
        for _ in 0..COUNTS {
            control(pid, &["-z"])?;
            for _ in 0..checks {
                connections.once().await.map_err(anyhow::Error::msg)?;
            }
            control(pid, &["-d"])?;
            dumps += 1;
            let dumped = out.with_extension(dumps.to_string());
            each.push(total(&dumped)? / number(u64::try_from(checks)?));
        }
        all.push(Counted { subject: contender.name(), title: contender.title(), body, each });
    }
    started.process.still_runs()?;
    Ok(all)
}

/// Tells callgrind what to do.
fn control(pid: u32, what: &[&str]) -> anyhow::Result<()> {
    let mut command = Command::new("callgrind_control");
    command.args(what).arg(pid.to_string()).stdout(Stdio::null()).stderr(Stdio::null());
    let status =
        command.status().context("no `callgrind_control`: install valgrind (Debian: `apt install valgrind`)")?;
    anyhow::ensure!(status.success(), "callgrind does not do {what:?}");
    Ok(())
}

/// The total of one dump.
fn total(dump: &Path) -> anyhow::Result<f64> {
    let text = std::fs::read_to_string(dump).with_context(|| format!("callgrind left no `{}`", dump.display()))?;
    let totals = text.lines().find_map(|line| line.strip_prefix("totals: ").or_else(|| line.strip_prefix("summary: ")));
    Ok(totals.context("a count has no total")?.trim().parse()?)
}

fn print(all: &[Counted], body: Body, out: &mut impl Write) -> anyhow::Result<()> {
    let here: Vec<_> = all.iter().filter(|one| one.body == body).collect();
    let of = |name: &str| here.iter().find(|one| one.subject == name).map_or(f64::NAN, |one| median(one.each.clone()));
    let ten = here.iter().find(|one| one.subject != FLOOR).map_or(f64::NAN, |one| median(one.each.clone()));
    let mut table = table(&["", "instructions", "least", "most", "× floor", "against the fewest actions"]);
    for one in &here {
        let each = median(one.each.clone());
        let against =
            if one.subject == FLOOR { "–".to_owned() } else { format!("{:+.2} %", (each / ten - 1.0) * 100.0) };
        table.add_row([
            one.title.clone(),
            whole(each),
            whole(one.each.iter().copied().fold(f64::INFINITY, f64::min)),
            whole(one.each.iter().copied().fold(0.0, f64::max)),
            format!("{:.2}", each / of(FLOOR)),
            against,
        ]);
    }
    show(if body == Body::Bare { "no body" } else { "1 KB of JSON" }, table, out)
}

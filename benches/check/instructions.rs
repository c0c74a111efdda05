//! How many instructions a check takes, counted by valgrind's callgrind: a figure that no neighbour on the machine moves.
//!
//! The whole server is counted, all its threads, outside the kernel: from a connection that is ready to read to the answer
//! that is written, the record too. It is started without counting, warmed up, and then counted over the same number of
//! checks several times, one check after another on one connection. What it does on its own in the meantime is counted
//! with it, and is little: it does not look at its policies. Envoy is counted in the same way: what it takes to ask, and to
//! do what the answer says.

use std::io::{self, Write};
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use serde::Serialize;
use serde_json::json;
use tollgate::demo::envoy::locate;

use crate::answer;
use crate::args::Settings;
use crate::callgrind::{self, Counter};
use crate::cell::{Body, Transport};
use crate::contender::{self, Contender, FLOOR, Stage};
use crate::figures::{count as number, median};
use crate::load::Target;
use crate::machine::Machine;
use crate::parties::Parties;
use crate::proxy::{NOBODY, Proxy};
use crate::report::{show, table, whole};
use crate::rounds::say;
use crate::subject::Subject;

/// How often so many checks are counted.
const COUNTS: usize = 3;
/// Until nothing is done for the first time any more.
const WARM_UP: usize = 200;
const BODIES: [Body; 2] = [Body::Bare, Body::Json];

/// What one process came to.
#[derive(Debug, Serialize)]
struct Counted {
    subject: String,
    title: String,
    body: Body,
    /// Instructions for each check, each time that it was counted.
    each: Vec<f64>,
}

/// Counts the floor, and Tollgate with few and many actions; then Envoy, which asks them.
pub(crate) async fn count(settings: &Settings, checks: usize) -> anyhow::Result<()> {
    anyhow::ensure!((1..=100_000).contains(&checks), "--checks is between 1 and 100000");
    let results = crate::run::results()?;
    let run = tempfile::Builder::new().prefix("count-").tempdir_in(&results)?;
    let parties = Parties::try_new(run.path())?;
    // Those that have the same requests; a peer's own would say nothing beside them.
    let mut contenders = contender::all(settings)?;
    contenders.retain(|one| one.behind_envoy().is_some());
    // Said before minutes of counting, and not after them.
    let envoy = settings.envoy.as_deref().map(locate).transpose()?;
    let mut all = Vec::new();
    for contender in &contenders {
        say(&format!("counting {}", contender.title()))?;
        contender.prepare(run.path())?;
        all.extend(count_one(settings, checks, contender, run.path(), &parties).await?);
    }
    let mut of_envoy = Vec::new();
    if let Some(binary) = &envoy {
        say("counting Envoy")?;
        of_envoy = count_envoy(settings, checks, &contenders, binary, run.path(), &parties).await?;
    }
    let mut out = io::stdout().lock();
    writeln!(out, "instructions for each check, medians of {COUNTS} counts of {checks} checks, one at a time")?;
    for body in BODIES {
        print(&all, body, &mut out)?;
    }
    for body in BODIES.into_iter().filter(|_| !of_envoy.is_empty()) {
        print_envoy(&of_envoy, body, &mut out)?;
    }
    let path = results.join("instructions.json");
    let text = json!({ "checks": checks, "headers": settings.headers, "counted": all, "envoy": of_envoy });
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
    let mut started = contender.start(&stage).await?;
    let mut counter = Counter::start(started.process.pid(), &out)?;
    let mut all = Vec::new();
    for body in BODIES {
        let question = contender.question(settings.headers, body);
        let each = counts(question.target(started.address.clone(), None)?, checks, &mut counter).await?;
        all.push(Counted { subject: contender.name(), title: contender.title(), body, each });
    }
    started.process.still_runs()?;
    Ok(all)
}

async fn count_envoy(
    settings: &Settings,
    checks: usize,
    contenders: &[Rc<dyn Contender>],
    binary: &Path,
    run: &Path,
    parties: &Parties,
) -> anyhow::Result<Vec<Counted>> {
    let folder = run.join("envoy");
    tollgate::demo::files::private_folder(&folder)?;
    let machine = Machine::take(settings)?;
    let once = Settings { starts: 1, ..settings.clone() };
    let mut subjects = Vec::new();
    for contender in contenders {
        subjects.push(Subject::start(contender, Transport::Tcp, run, parties, &once, &machine).await?);
    }
    let out = folder.join("callgrind");
    let counted = callgrind::script(binary, &out, &folder)?;
    let proxy =
        Proxy::start(&counted, settings, &subjects.iter().collect::<Vec<_>>(), parties, &folder, &machine).await?;
    let mut counter = Counter::start(proxy.envoy.pid(), &out)?;
    let mut all = Vec::new();
    for body in BODIES {
        let each = counts(proxy.target(NOBODY, body, answer::passed)?, checks, &mut counter).await?;
        all.push(Counted { subject: NOBODY.to_owned(), title: "asks nobody".to_owned(), body, each });
        for subject in &mut subjects {
            let expected = subject.contender.behind_envoy().unwrap_or(answer::passed);
            subject.wake()?;
            let each = counts(proxy.target(&subject.at_envoy(), body, expected)?, checks, &mut counter).await?;
            subject.rest()?;
            let title = format!("asks {}", subject.contender.title());
            all.push(Counted { subject: subject.name.clone(), title, body, each });
        }
    }
    Ok(all)
}

/// Instructions for each of so many requests, several times.
async fn counts(target: Target, checks: usize, counter: &mut Counter) -> anyhow::Result<Vec<f64>> {
    let connections = Arc::new(target).connect(1).await?;
    for _ in 0..WARM_UP {
        connections.once().await.map_err(anyhow::Error::msg)?;
    }
    let mut each = Vec::new();
    for _ in 0..COUNTS {
        counter.reset()?;
        for _ in 0..checks {
            connections.once().await.map_err(anyhow::Error::msg)?;
        }
        each.push(counter.read()? / number(u64::try_from(checks)?));
    }
    Ok(each)
}

fn of(all: &[&Counted], subject: &str) -> f64 {
    all.iter().find(|one| one.subject == subject).map_or(f64::NAN, |one| median(one.each.clone()))
}

fn print(all: &[Counted], body: Body, out: &mut impl Write) -> anyhow::Result<()> {
    let here: Vec<_> = all.iter().filter(|one| one.body == body).collect();
    let ten = here.iter().find(|one| one.subject != FLOOR).map_or(f64::NAN, |one| median(one.each.clone()));
    let mut table = table(&["", "instructions", "least", "most", "× floor", "against the fewest actions"]);
    for one in &here {
        let each = median(one.each.clone());
        let against =
            if one.subject == FLOOR { "–".to_owned() } else { format!("{:+.2} %", (each / ten - 1.0) * 100.0) };
        let [least, most] = ends(one);
        table.add_row([
            one.title.clone(),
            whole(each),
            least,
            most,
            format!("{:.2}", each / of(&here, FLOOR)),
            against,
        ]);
    }
    show(title(body), table, out)
}

fn print_envoy(all: &[Counted], body: Body, out: &mut impl Write) -> anyhow::Result<()> {
    let here: Vec<_> = all.iter().filter(|one| one.body == body).collect();
    let added = |subject: &str| of(&here, subject) - of(&here, NOBODY);
    let mut table = table(&["Envoy", "instructions", "least", "most", "added", "× floor's"]);
    for one in &here {
        let [least, most] = ends(one);
        let [more, ratio] = if one.subject == NOBODY {
            ["–".to_owned(), "–".to_owned()]
        } else {
            [whole(added(&one.subject)), format!("{:.2}", added(&one.subject) / added(FLOOR))]
        };
        table.add_row([one.title.clone(), whole(median(one.each.clone())), least, most, more, ratio]);
    }
    show(&format!("Envoy itself, {}", title(body)), table, out)
}

fn ends(one: &Counted) -> [String; 2] {
    [one.each.iter().copied().fold(f64::INFINITY, f64::min), one.each.iter().copied().fold(0.0, f64::max)].map(whole)
}

const fn title(body: Body) -> &'static str {
    match body {
        Body::Bare => "no body",
        Body::Json => "1 KB of JSON",
    }
}

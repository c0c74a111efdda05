//! What an exchange of policies is to those who are served meanwhile: the same constant load with policies that stand still,
//! and with an edit of them every second.
//!
//! An edit changes a comment, which makes it another bundle: it is read, compiled and swapped whole. The server has one core, so
//! whoever compiles takes it from whoever answers: there is nothing worse. Both halves of a round are neighbours in time, the
//! one or the other first. Where policies stand still, the same files are renamed beside them, so that what that costs the machine
//! is in both.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use anyhow::Context as _;
use serde::Serialize;
use serde_json::json;

use crate::args::Settings;
use crate::cell::{Body, Cell, Load, Transport, Way};
use crate::contender;
use crate::figures::{Figures, Spent, count, median};
use crate::machine::{Machine, cpu_time};
use crate::parties::Parties;
use crate::report::{show, table, whole};
use crate::rounds::{run, say};
use crate::subject::Subject;

/// One half of a round.
#[derive(Debug, Serialize)]
struct Half {
    #[serde(flatten)]
    figures: Figures,
    is_edited: bool,
    /// Bundles that came into force in it.
    bundles: u64,
}

const EDITED: &str = "contracts.yaml";
const EVERY: Duration = Duration::from_secs(1);
/// What was edited last is in force by then, so that the next half has nothing left to do for this one.
const AFTERWARDS: Duration = Duration::from_secs(5);
/// Of what a cell is measured elsewhere: a bundle of ten thousand actions takes a good second to be seen and be in force.
const LONGER: f64 = 2.0;

/// Measures Tollgate with few and many actions.
pub(crate) async fn measure(settings: &Settings) -> anyhow::Result<()> {
    let rate = *settings.rates.first().context("--rates names none")?;
    let results = crate::run::results()?;
    let folder = tempfile::Builder::new().prefix("reload-").tempdir_in(&results)?;
    let parties = Parties::try_new(folder.path())?;
    let machine = Machine::take(settings)?;
    let once = Settings { starts: 1, seconds: settings.seconds * LONGER, cerbos: None, ..settings.clone() };
    let cell = Cell { way: Way::Direct, transport: Transport::Tcp, body: Body::Bare, load: Load::Rate(rate) };
    let mut all = Vec::new();
    let mut titles = Vec::new();
    for contender in contender::all(&once)?.into_iter().filter(|one| once.may_be(&one.name())) {
        let Some(policies) = contender.policies(folder.path()) else { continue };
        say(&format!("starting {}", contender.title()))?;
        contender.prepare(folder.path())?;
        let mut subject = Subject::start(&contender, cell.transport, folder.path(), &parties, &once, &machine).await?;
        titles.push((contender.name(), contender.title()));
        let mut edits = Edits::new(&policies, folder.path())?;
        for round in 0..once.rounds {
            say(&format!("round {} of {}", round + 1, once.rounds))?;
            for is_edited in [round % 2 == 1, round % 2 == 0] {
                all.push(half(&once, (round, cell), &mut subject, &parties, (&mut edits, is_edited)).await?);
            }
        }
    }
    anyhow::ensure!(!all.is_empty(), "none of --subjects has policies that can be edited");
    let mut out = io::stdout().lock();
    print(&once, rate, &titles, &all, &mut out)?;
    let path = results.join("reload.json");
    tollgate::demo::files::write(
        &path,
        format!("{:#}\n", json!({ "machine": machine, "settings": once, "measured": all })),
    )?;
    writeln!(out, "\nevery figure of every round: {}", path.display())?;
    Ok(())
}

async fn half(
    settings: &Settings,
    (round, cell): (usize, Cell),
    subject: &mut Subject,
    parties: &Parties,
    (edits, is_edited): (&mut Edits, bool),
) -> anyhow::Result<Half> {
    let question = subject.contender.question(settings.headers, cell.body);
    let target = Arc::new(subject.target(question, parties)?);
    let waiting = edits.write(settings.time(cell.load))?;
    subject.wake()?;
    let bundles = subject.bundles().await?;
    let connections = target.connect(settings.connections).await?;
    run(&connections, settings, cell.load, settings.warm_up(cell.load)).await?;
    let editing = edits.start(waiting, is_edited)?;
    let before = cpu_time(subject.pid())?;
    let sample = run(&connections, settings, cell.load, settings.time(cell.load)).await?;
    let spent = cpu_time(subject.pid())?.saturating_sub(before);
    editing.end()?;
    drop(connections);
    tokio::time::sleep(AFTERWARDS).await;
    let bundles = subject.bundles().await? - bundles;
    anyhow::ensure!((bundles > 0) == is_edited, "{bundles} bundles came into force, edited: {is_edited}");
    subject.rest()?;
    let spent = Spent { subject: spent, envoy: Duration::ZERO };
    Ok(Half { figures: Figures::new(round, cell, &subject.name, &sample, spent), is_edited, bundles })
}

/// The edits of one folder of policies.
struct Edits {
    file: PathBuf,
    text: String,
    /// Where they wait, and where they end that are not to be seen. They are written before the load, since they are large, and only
    /// renamed during it.
    beside: PathBuf,
    made: usize,
}

/// A thread that edits.
struct Editing {
    stop: Sender<()>,
    thread: thread::JoinHandle<io::Result<()>>,
}

impl Edits {
    fn new(policies: &Path, run: &Path) -> anyhow::Result<Self> {
        let file = policies.join(EDITED);
        let text = fs::read_to_string(&file).with_context(|| format!("can't read `{}`", file.display()))?;
        let beside = run.join("edits");
        fs::create_dir_all(&beside)?;
        Ok(Self { file, text, beside, made: 0 })
    }

    /// Writes as many as are made in so long.
    fn write(&mut self, time: Duration) -> anyhow::Result<Vec<PathBuf>> {
        let mut waiting = Vec::new();
        for _ in 0..time.as_secs().max(1) {
            self.made += 1;
            let path = self.beside.join(format!("{}.yaml", self.made));
            let mut file = fs::File::create(&path)?;
            writeln!(file, "{}# edit {}", self.text, self.made)?;
            // Or the system would write it to the disk at a time of its own choice.
            file.sync_all()?;
            waiting.push(path);
        }
        Ok(waiting)
    }

    /// Begins to edit, every second, where it is seen or beside it.
    fn start(&self, waiting: Vec<PathBuf>, is_seen: bool) -> anyhow::Result<Editing> {
        let (stop, stopped) = channel();
        let file = if is_seen { self.file.clone() } else { self.beside.join(EDITED) };
        let edit = move || rename_each(&waiting, &file, &stopped);
        Ok(Editing { stop, thread: thread::Builder::new().name("edit".to_owned()).spawn(edit)? })
    }
}

fn rename_each(waiting: &[PathBuf], file: &Path, stopped: &Receiver<()>) -> io::Result<()> {
    for path in waiting {
        fs::rename(path, file)?;
        if stopped.recv_timeout(EVERY) != Err(RecvTimeoutError::Timeout) {
            break;
        }
    }
    Ok(())
}

impl Editing {
    fn end(self) -> anyhow::Result<()> {
        drop(self.stop);
        let edited = self.thread.join().map_err(|_| anyhow::anyhow!("the editor panicked"))?;
        edited.context("can't edit the policies")
    }
}

fn print(
    settings: &Settings,
    rate: u32,
    titles: &[(String, String)],
    all: &[Half],
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let mut table =
        table(&["µs", "p50", "×", "p99", "×", "p99.9", "×", "most", "CPU each", "sent late, p99", "bundles each time"]);
    for (name, title) in titles {
        for is_edited in [false, true] {
            let of = |is_edited: bool, figure: fn(&Figures) -> f64| -> Vec<f64> {
                let halves = all.iter().filter(|half| half.figures.subject == *name && half.is_edited == is_edited);
                halves.map(|half| figure(&half.figures)).collect()
            };
            // Both halves of a round stand at the same place.
            let times = |figure: fn(&Figures) -> f64| {
                let ratios = of(is_edited, figure).into_iter().zip(of(false, figure)).map(|(one, still)| one / still);
                format!("{:.2}", median(ratios.collect()))
            };
            let figure = |figure| whole(median(of(is_edited, figure)));
            let halves = all.iter().filter(|half| half.figures.subject == *name && half.is_edited == is_edited);
            table.add_row([
                format!("{title}, {}", if is_edited { "an edit every second" } else { "policies stand still" }),
                figure(|f| f.p50_us),
                times(|f| f.p50_us),
                figure(|f| f.p99_us),
                times(|f| f.p99_us),
                figure(|f| f.p999_us),
                times(|f| f.p999_us),
                figure(|f| f.max_us),
                figure(|f| f.cpu_us_each),
                figure(|f| f.lag_p99_us),
                format!("{:.0}", median(halves.map(|half| count(half.bundles)).collect())),
            ]);
        }
    }
    let (rounds, seconds) = (settings.rounds, settings.seconds);
    show(&format!("{rate} checks a second, medians of {rounds} rounds, {seconds} s for each half"), table, out)
}

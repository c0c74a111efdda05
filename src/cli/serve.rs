//! `tollgate serve` and `tollgate config`: what can be set, and the life of the process.

use std::io::{self, IsTerminal as _, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use annotate_snippets::Renderer;
use anyhow::{Context, Result};
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command, FromArgMatches};
use tokio::signal::unix::{SignalKind, signal};

use super::{Outcome, Output};
use crate::app::{self, Running};
use crate::config::{Config, Layers, Origin, SETTINGS};
use crate::telemetry::Logs;
use crate::yaml::{Problem, Problems, SourceFile};

/// What was typed, and what the environment says: texts, each with its origin. The file is still to be read.
#[derive(Debug)]
pub(super) struct Args {
    file: Option<PathBuf>,
    given: Vec<(String, Vec<String>, Origin)>,
}

/// What `tollgate config` is given besides.
#[derive(Debug, clap::Args)]
pub(super) struct ConfigArgs {
    #[command(flatten)]
    settings: Args,
    /// How the settings are printed
    #[arg(long, value_name = "FORM", default_value = "text")]
    output: Output,
}

/// How long the runtime may take to let go of what it still runs.
const RUNTIME_SHUTDOWN: Duration = Duration::from_secs(2);
const CONFIG: &str = "config";
const CONFIG_VARIABLE: &str = "TOLLGATE_CONFIG";

impl clap::Args for Args {
    fn augment_args(command: Command) -> Command {
        let file = Arg::new(CONFIG).long(CONFIG).env(CONFIG_VARIABLE).value_name("FILE").hide_env_values(true);
        let file = file.help("YAML file with settings, each under its key; the environment and the command line win");
        SETTINGS.iter().fold(command.arg(file), |command, setting| {
            let flag = setting.flag();
            let action = if setting.many { ArgAction::Append } else { ArgAction::Set };
            let arg = Arg::new(flag.clone()).long(flag).env(setting.variable()).value_name(setting.value_name);
            // What stands in the environment may be a secret.
            let arg = arg.action(action).help(setting.help()).hide_env_values(true).allow_hyphen_values(false);
            command.arg(match setting.default {
                Some(default) => arg.default_value(default),
                None => arg,
            })
        })
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Args {
    fn from_arg_matches(matches: &ArgMatches) -> std::result::Result<Self, clap::Error> {
        let given = SETTINGS.iter().filter_map(|setting| {
            let flag = setting.flag();
            let origin = match matches.value_source(&flag)? {
                ValueSource::CommandLine => Origin::CommandLine(format!("--{flag}")),
                ValueSource::EnvVariable => Origin::Environment(setting.variable()),
                _ => return None,
            };
            Some((setting.key(), matches.get_many(&flag)?.cloned().collect(), origin))
        });
        Ok(Self { given: given.collect(), file: matches.get_one::<String>(CONFIG).map(PathBuf::from) })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> std::result::Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Args {
    /// What is in force, or everything that is wrong with it.
    fn check(self) -> std::result::Result<Config, Problems> {
        let mut problems = Problems::default();
        let mut layers = Layers::new(SETTINGS);
        if let Some(path) = self.file {
            match read(&path) {
                Ok(file) => layers.read(file, &mut problems),
                Err(error) => problems.push(Problem::of_whole(format!("cannot read `{}`: {error}", path.display()))),
            }
        }
        for (key, texts, origin) in self.given {
            layers.set(key, texts, origin);
        }
        Config::try_new(&layers, problems, Path::exists)
    }
}

fn read(path: &Path) -> io::Result<SourceFile> {
    Ok(SourceFile { name: path.display().to_string(), text: std::fs::read_to_string(path)? })
}

/// Prints everything that is wrong, each with its place.
fn say(problems: &Problems) -> Result<Outcome> {
    let mut err = io::stderr().lock();
    let renderer = if io::stderr().is_terminal() { Renderer::styled() } else { Renderer::plain() };
    for problem in problems.iter() {
        writeln!(err, "{}\n", problem.render(&renderer))?;
    }
    Ok(Outcome::BadConfiguration)
}

/// Prints what would be in force.
pub(super) fn show(args: ConfigArgs, out: &mut impl Write) -> Result<Outcome> {
    let config = match args.settings.check() {
        Ok(config) => config,
        Err(problems) => return say(&problems),
    };
    match args.output {
        Output::Json => writeln!(out, "{:#}", serde_json::to_value(&config.effective)?)?,
        Output::Text => {
            let width = config.effective.iter().map(|one| one.setting.len()).max().unwrap_or_default();
            for one in &config.effective {
                let value = one.value.as_deref().unwrap_or("-");
                writeln!(out, "{:width$}  {value}  ({})", one.setting, one.origin)?;
            }
        }
    }
    Ok(Outcome::Good)
}

pub(super) fn run(args: Args) -> Result<Outcome> {
    let config = match args.check() {
        Ok(config) => config,
        Err(problems) => return say(&problems),
    };
    let log_level = config.log_level.clone();
    until_a_signal(&log_level, async |logs| app::start(config, logs).await)
}

/// Runs what is started until a signal ends it, and ends it well.
pub(super) fn until_a_signal(log_level: &str, start: impl AsyncFnOnce(&Logs) -> Result<Running>) -> Result<Outcome> {
    let (logs, guard) = Logs::to_stderr(log_level)?;
    // Health, metrics and accepting; those who answer have threads of their own.
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot start the runtime")?;
    let (threads, ended) = runtime.block_on(async {
        // As process 1 of a container the default for SIGTERM is to ignore it: the handler comes first.
        let end = end()?;
        let running = start(&logs).await?;
        anyhow::Ok(running.until(end).await)
    })?;
    // Lets go of what was cut off, and so of the last handles on the ledger.
    runtime.shutdown_timeout(RUNTIME_SHUTDOWN);
    threads.join();
    tracing::info!(lost_log_lines = logs.lost(), "ended");
    drop(guard);
    ended.map(|()| Outcome::Good)
}

/// Resolves with the signal that ends the process.
fn end() -> Result<impl Future<Output = &'static str>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
        }
    })
}

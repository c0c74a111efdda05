//! The command line: what a person types, and what is printed.
//!
//! Each command is a file. Results go to stdout, progress and errors to stderr. The exit status says what came of it: 0 good,
//! 1 a finding, 2 a command line that makes no sense, 3 could not tell, 64 a configuration that makes no sense.

mod attach;
mod diff;
mod doctor;
mod explain;
mod health;
mod policies;
mod serve;
mod test;
mod validate;
mod webhook;
mod who_can;

#[cfg(feature = "demo")]
mod demo;

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::Result;
use clap::{CommandFactory, Parser, Subcommand, ValueEnum};

use crate::bundle;

/// The checkpoint for customer data in motion: an external authorizer for Envoy that decides by action.
#[derive(Debug, Parser)]
#[command(name = "tollgate", version, arg_required_else_help = true, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Answer Envoy's checks
    Serve(serve::Args),
    /// Print the settings as `serve` would have them, and where each was set
    Config(serve::ConfigArgs),
    /// Say whether a running Tollgate is ready, or alive
    Health(health::Args),
    /// Say whether policies can be loaded, and everything that is wrong with them
    Validate(validate::Args),
    /// Run the policies' own cases, and name what no case touches
    Test(test::Args),
    /// Say what the policies decide about one request, and why
    Explain(explain::Args),
    /// Say what changes from one policy folder to another: who gains, who loses, which rules are others
    Diff(diff::Args),
    /// Say who may do an action, within which limits, and what stands above that
    WhoCan(who_can::Args),
    /// Look at manifests, or at a configuration of Envoy, for what makes the gate silently ineffective
    Doctor(doctor::Args),
    /// Answer the API server of Kubernetes, which asks whether a ConfigMap with policies may be stored
    Webhook(webhook::Args),
    /// Print the JSON Schema of policy documents, for editors
    Schema,
    /// Print the manifests that attach Tollgate to a mesh or an Envoy
    Attach(attach::Args),
    /// Start Envoy, sample services and Tollgate, and drive journeys through them
    #[cfg(feature = "demo")]
    Demo(demo::Args),
    /// Print the completions of a shell
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
}

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    /// For people
    Text,
    /// For programs
    Json,
}

/// What came of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Good,
    /// Something is not as it should be, and was said.
    Finding,
    /// The command line makes no sense.
    BadUsage,
    /// Something that is needed could not be read.
    CouldNotTell,
    /// The configuration makes no sense.
    BadConfiguration,
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli.command) {
        Ok(outcome) => outcome.code(),
        // Whoever read our output has seen enough (`| head`).
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "error: {error:#}");
            Outcome::Finding.code()
        }
    }
}

fn run(command: Command) -> Result<Outcome> {
    let mut out = io::stdout().lock();
    match command {
        Command::Serve(args) => {
            // Decisions may be told there.
            drop(out);
            serve::run(args)
        }
        Command::Config(args) => serve::show(args, &mut out),
        Command::Health(args) => health::run(&args, &mut out),
        Command::Validate(args) => validate::run(&args, &mut out),
        Command::Test(args) => test::run(&args, &mut out),
        Command::Explain(args) => explain::run(&args, &mut out),
        Command::Diff(args) => diff::run(&args, &mut out),
        Command::WhoCan(args) => who_can::run(&args, &mut out),
        Command::Doctor(args) => doctor::run(&args, &mut out),
        Command::Webhook(args) => {
            drop(out);
            webhook::run(args)
        }
        Command::Schema => {
            writeln!(out, "{:#}", bundle::schema())?;
            Ok(Outcome::Good)
        }
        Command::Attach(args) => attach::run(args, &mut out),
        #[cfg(feature = "demo")]
        Command::Demo(args) => {
            drop(out);
            demo::run(args)
        }
        Command::Completions { shell } => {
            let mut text = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "tollgate", &mut text);
            out.write_all(&text)?;
            Ok(Outcome::Good)
        }
    }
}

impl Outcome {
    fn code(self) -> ExitCode {
        match self {
            Self::Good => ExitCode::SUCCESS,
            Self::Finding => ExitCode::from(1),
            Self::BadUsage => ExitCode::from(2),
            Self::CouldNotTell => ExitCode::from(3),
            // `EX_USAGE` of sysexits.h, as other servers exit on a bad configuration.
            Self::BadConfiguration => ExitCode::from(64),
        }
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

/// The whole command line, for the reference page and its test.
pub fn command() -> clap::Command {
    Cli::command()
}

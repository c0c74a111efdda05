//! `tollgate validate`: can these policies be loaded?

use std::io::Write;
use std::path::PathBuf;

use anyhow::Result;
use serde_json::json;

use super::{Outcome, Output, policies};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The folder with the policies, or one file
    #[arg(default_value = "policies", env = "TOLLGATE_POLICIES")]
    folder: PathBuf,
    #[command(flatten)]
    kept: policies::Kept,
    /// How to print what is found
    #[arg(long, value_enum, default_value = "text")]
    output: Output,
}

pub(super) fn run(args: &Args, out: &mut impl Write) -> Result<Outcome> {
    let policies = match policies::load(&args.folder, args.kept, args.output, out)? {
        Ok(policies) => policies,
        Err(outcome) => return Ok(outcome),
    };
    let bundle = &policies.loaded.bundle;
    let (actions, contracts, cases) =
        (bundle.catalog.actions().count(), bundle.contracts.iter().count(), policies.loaded.cases.len());
    match args.output {
        Output::Json => {
            let facts = json!({ "good": true, "digest": bundle.digest, "files": policies.files, "actions": actions, "contracts": contracts, "cases": cases, "notes": policies.notes });
            writeln!(out, "{facts:#}")?;
        }
        Output::Text => {
            writeln!(out, "good: actions {actions}, contracts {contracts}, cases {cases}, files {}", policies.files)?;
            for note in &policies.notes {
                writeln!(out, "{note}")?;
            }
            writeln!(out, "mode {}, digest {}", bundle.mode, bundle.digest)?;
        }
    }
    Ok(Outcome::Good)
}

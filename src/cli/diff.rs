//! `tollgate diff`: what changes from one policy folder to another?

use std::io::Write;
use std::path::PathBuf;

use anyhow::Result;
use serde_json::json;

use super::{Outcome, Output, policies};
use crate::bundle;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The folder with the policies as they are
    old: PathBuf,
    /// The folder with the policies as they would be
    new: PathBuf,
    #[command(flatten)]
    kept: policies::Kept,
    /// How to print it
    #[arg(long, value_enum, default_value = "text")]
    output: Output,
}

/// Ends with a finding where anything changes, as `diff` does.
pub(super) fn run(args: &Args, out: &mut impl Write) -> Result<Outcome> {
    let mut bundles = Vec::new();
    for folder in [&args.old, &args.new] {
        match policies::load(folder, args.kept, args.output, out)? {
            Ok(policies) => bundles.push(policies.loaded.bundle),
            Err(outcome) => return Ok(outcome),
        }
    }
    let [old, new] = bundles.as_slice() else { return Ok(Outcome::CouldNotTell) };
    let changes = bundle::diff(old, new);
    match args.output {
        Output::Json => {
            let list: Vec<_> = changes
                .iter()
                .map(|one| {
                    json!({ "turn": one.turn.as_str(), "about": one.about, "part": one.part, "old": one.old, "new": one.new })
                })
                .collect();
            writeln!(out, "{:#}", json!({ "old": old.digest, "new": new.digest, "changes": list }))?;
        }
        Output::Text if changes.is_empty() => writeln!(out, "nothing changes")?,
        Output::Text => {
            for change in &changes {
                writeln!(out, "{change}")?;
            }
        }
    }
    Ok(if changes.is_empty() { Outcome::Good } else { Outcome::Finding })
}

//! t
use anyhow::Result;

use super::Outcome;

#[derive(Debug, clap::Args)]
pub(super) struct Args {}

pub(super) fn run(_: Args) -> Result<Outcome> {
    Ok(Outcome::Good)
}

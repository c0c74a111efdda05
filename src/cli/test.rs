//! `tollgate test`: does what must come out come out?

use std::io::Write;
use std::path::PathBuf;

use anyhow::Result;
use serde_json::json;

use super::{Outcome, Output, explain, policies};
use crate::bundle::Bundle;
use crate::gate::cases::{self, Checked, Coverage};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The folder with the policies and their cases
    #[arg(default_value = "policies", env = "TOLLGATE_POLICIES")]
    folder: PathBuf,
    #[command(flatten)]
    kept: policies::Kept,
    /// Fail also where an action, a contract, an outcome of a condition or a guardrail is touched by no case
    #[arg(long)]
    require_coverage: bool,
    /// Name the cases that passed, too
    #[arg(long, short)]
    verbose: bool,
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
    let checked: Vec<_> = policies.loaded.cases.iter().map(|case| cases::check(bundle, case)).collect();
    let coverage = cases::coverage(bundle, &checked);
    let failed = checked.iter().filter(|one| !one.differences.is_empty()).count();
    match args.output {
        Output::Json => print_json(&checked, &coverage, out)?,
        Output::Text => print_text(bundle, &checked, &coverage, args.verbose, out)?,
    }
    if checked.is_empty() && args.output == Output::Text {
        writeln!(out, "help: add a `Test` document with `cases`")?;
    }
    let uncovered = args.require_coverage && !coverage.is_whole();
    // Without a single case nothing was shown.
    Ok(if failed > 0 || uncovered || checked.is_empty() { Outcome::Finding } else { Outcome::Good })
}

fn print_text(
    bundle: &Bundle,
    checked: &[Checked<'_>],
    coverage: &Coverage,
    verbose: bool,
    out: &mut impl Write,
) -> Result<()> {
    for one in checked {
        if one.differences.is_empty() {
            if verbose {
                writeln!(out, "ok      {}", one.case.name)?;
            }
            continue;
        }
        writeln!(out, "FAILED  {}\n        {}", one.case.name, one.case.place)?;
        for difference in &one.differences {
            writeln!(out, "        {difference}")?;
        }
        let (_, trail) = cases::explain(bundle, &one.case.asked);
        explain::print_trail(&trail, "          ", out)?;
    }
    let failed = checked.iter().filter(|one| !one.differences.is_empty()).count();
    writeln!(out, "{} passed, {failed} failed", checked.len() - failed)?;
    let of = |all: usize, missing: &[String]| format!("{} of {all}", all - missing.len());
    writeln!(
        out,
        "touched: {} actions, {} contracts",
        of(coverage.all_actions, &coverage.actions),
        of(coverage.all_contracts, &coverage.contracts)
    )?;
    if coverage.all_conditions + coverage.all_guardrails > 0 {
        writeln!(
            out,
            "touched: {} outcomes of conditions, {} guardrails",
            of(coverage.all_conditions, &coverage.conditions),
            of(coverage.all_guardrails, &coverage.guardrails)
        )?;
    }
    for (what, names) in [
        ("no case asks for", &coverage.actions),
        ("no case is granted by", &coverage.contracts),
        ("no case shows both outcomes of the condition of", &coverage.conditions),
        ("no case is about the guardrail", &coverage.guardrails),
    ] {
        if !names.is_empty() {
            writeln!(out, "{what}: {}", names.join(", "))?;
        }
    }
    Ok(())
}

fn print_json(checked: &[Checked<'_>], coverage: &Coverage, out: &mut impl Write) -> Result<()> {
    let cases: Vec<_> = checked
        .iter()
        .map(|one| {
            let found = &one.plan.summary;
            json!({
                "name": one.case.name,
                "place": one.case.place.to_string(),
                "passed": one.differences.is_empty(),
                "differences": one.differences,
                "verdict": found.verdict.as_str(),
                "reason": found.reason.code(),
                "action": found.action,
                "mode": found.mode.as_str(),
            })
        })
        .collect();
    let untouched = json!({
        "actions": coverage.actions,
        "contracts": coverage.contracts,
        "conditions": coverage.conditions,
        "guardrails": coverage.guardrails,
    });
    writeln!(out, "{:#}", json!({ "cases": cases, "untouched": untouched }))?;
    Ok(())
}

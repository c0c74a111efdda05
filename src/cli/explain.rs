//! `tollgate explain`: what do the policies decide about one request, and why? Or: why was it decided so?

mod recorded;

use std::fs;
use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Outcome, Output, policies};
use crate::bundle::Asked;
use crate::gate::{Look, Plan, cases};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The method
    #[arg(value_name = "METHOD", required_unless_present_any = ["case", "receipt"])]
    method: Option<String>,
    /// Host and path with the query, exactly as on the wire: `api.shop.example/v1/orders/7`
    #[arg(value_name = "HOST/PATH", required_unless_present_any = ["case", "receipt"])]
    target: Option<String>,
    /// The folder with the policies
    #[arg(long, default_value = "policies", env = "TOLLGATE_POLICIES")]
    policies: PathBuf,
    #[command(flatten)]
    kept: policies::Kept,
    /// The SPIFFE id of the caller's certificate
    #[arg(long, value_name = "SPIFFE-ID", default_value = "")]
    workload: String,
    /// The payload of the verified token: JSON, or `@` and a file
    #[arg(long, value_name = "JSON")]
    claims: Option<String>,
    /// A further header: `name: value`; may be repeated
    #[arg(long = "header", short = 'H', value_name = "NAME: VALUE", value_parser = header)]
    headers: Vec<(String, String)>,
    /// The body: a text, or `@` and a file; JSON where no `content-type` header says otherwise
    #[arg(long, value_name = "BODY")]
    body: Option<String>,
    /// The time of the request (RFC 3339); now where this is left out
    #[arg(long, value_name = "TIME")]
    now: Option<Timestamp>,
    /// Explain the case of this name instead
    #[arg(long, value_name = "NAME", conflicts_with_all = ["method", "target", "workload", "claims", "headers", "body", "now"])]
    case: Option<String>,
    /// Explain the decision with this receipt instead, from its record: nothing is judged again
    #[arg(long, value_name = "ID", conflicts_with_all = ["method", "target", "case", "workload", "claims", "headers", "body", "now", "configmap"])]
    receipt: Option<String>,
    /// The folder with the records, for `--receipt`
    #[arg(long, value_name = "FOLDER", env = "TOLLGATE_LEDGER", default_value = "/var/lib/tollgate/ledger")]
    ledger: PathBuf,
    /// How to print it
    #[arg(long, value_enum, default_value = "text")]
    output: Output,
}

pub(super) fn run(args: &Args, out: &mut impl Write) -> Result<Outcome> {
    if let Some(id) = &args.receipt {
        return recorded::run(id, &args.ledger, &args.policies, args.output, out);
    }
    let policies = match policies::load(&args.policies, args.kept, args.output, out)? {
        Ok(policies) => policies,
        Err(outcome) => return Ok(outcome),
    };
    let asked = match &args.case {
        Some(name) => {
            let case = policies.loaded.cases.iter().find(|case| case.name == *name);
            case.with_context(|| format!("there is no case named `{name}`; `tollgate test --verbose` lists them"))?
                .asked
                .clone()
        }
        None => asked(args)?,
    };
    let (plan, trail) = cases::explain(&policies.loaded.bundle, &asked);
    match args.output {
        Output::Json => print_json(&plan, &trail, out)?,
        Output::Text => print_text(&asked, &plan, &trail, out)?,
    }
    Ok(Outcome::Good)
}

fn asked(args: &Args) -> Result<Asked> {
    let target = args.target.as_deref().unwrap_or_default();
    let at = target.find('/').with_context(|| {
        format!("`{target}` has no path: write host and path, such as `api.shop.example/v1/orders/7`")
    })?;
    let (host, path) = target.split_at(at);
    if let ("https:" | "http:", Some(rest)) = (host, path.strip_prefix("//")) {
        bail!("`{target}` is a URL: write host and path alone, `{rest}`");
    }
    let claims = args.claims.as_deref().map(read_claims).transpose()?;
    let body = args.body.as_deref().map(|text| read_argument(text, "body")).transpose()?;
    let mut headers = args.headers.clone();
    if body.is_some() && !headers.iter().any(|(name, _)| name == "content-type") {
        headers.push(("content-type".to_owned(), "application/json".to_owned()));
    }
    Ok(Asked {
        workload: args.workload.clone(),
        claims,
        now: Some(args.now.unwrap_or_else(|| crate::clock::Clock::now(&crate::clock::System))),
        method: args.method.clone().unwrap_or_default(),
        host: host.to_owned(),
        path: path.to_owned(),
        headers,
        body,
    })
}

fn read_claims(text: &str) -> Result<Value> {
    serde_json::from_str(&read_argument(text, "claims")?).context("the claims are not JSON")
}

/// An argument as it is, or what is in the file behind its `@`.
fn read_argument(text: &str, what: &str) -> Result<String> {
    match text.strip_prefix('@') {
        Some(path) => fs::read_to_string(path).with_context(|| format!("cannot read the {what} in `{path}`")),
        None => Ok(text.to_owned()),
    }
}

fn header(text: &str) -> std::result::Result<(String, String), String> {
    let (name, value) = text.split_once(':').ok_or_else(|| "write `name: value`".to_owned())?;
    Ok((name.trim().to_ascii_lowercase(), value.trim().to_owned()))
}

fn print_text(asked: &Asked, plan: &Plan<'_>, trail: &[Look], out: &mut impl Write) -> Result<()> {
    let found = &plan.summary;
    writeln!(out, "{} {}{}", asked.method, asked.host, asked.path)?;
    writeln!(out)?;
    print_trail(trail, "  ", out)?;
    writeln!(out)?;
    let is_relaxed = found.mode == crate::terms::Mode::Observe && found.verdict != crate::verdict::Verdict::Allow;
    let observed = if is_relaxed { ", only observed: the call would pass" } else { "" };
    writeln!(out, "{} ({}): {}{observed}", found.verdict, found.reason.code(), found.reason.detail())?;
    if !found.action.is_empty() {
        let contracts = plan.decision().contracts.join(", ");
        writeln!(
            out,
            "action {}, tier {}, granted by: {}",
            found.action,
            found.tier,
            if contracts.is_empty() { "none" } else { &contracts }
        )?;
    }
    Ok(())
}

/// One line for each rule: what came of it, which it is, what it looked at.
pub(super) fn print_trail(trail: &[Look], indent: &str, out: &mut impl Write) -> Result<()> {
    let width = trail.iter().map(|look| look.rule.chars().count()).max().unwrap_or_default();
    for look in trail {
        let line = format!("{indent}{:<15} {:<width$}  {}", look.outcome.as_str(), look.rule, look.detail);
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

fn print_json(plan: &Plan<'_>, trail: &[Look], out: &mut impl Write) -> Result<()> {
    let found = &plan.summary;
    let rules: Vec<_> = trail
        .iter()
        .map(|look| json!({ "rule": look.rule, "outcome": look.outcome.as_str(), "detail": look.detail }))
        .collect();
    let answer = json!({
        "verdict": found.verdict.as_str(),
        "reason": found.reason.code(),
        "detail": found.reason.detail(),
        "mode": found.mode.as_str(),
        "action": found.action,
        "tier": found.tier,
        "contracts": plan.decision().contracts,
        "purpose": plan.decision().purpose,
        "bundle": found.bundle,
        "rules": rules,
    });
    writeln!(out, "{answer:#}")?;
    Ok(())
}

//! `tollgate who-can`: who may do an action, within which limits, and what stands above that.

use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::{Outcome, Output, policies};
use crate::bundle::Bundle;
use crate::catalog::{Action, ActionId};
use crate::contract::{Contract, Grant, Then};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The action's name
    action: String,
    /// The folder with the policies
    #[arg(long, default_value = "policies", env = "TOLLGATE_POLICIES")]
    policies: PathBuf,
    #[command(flatten)]
    kept: policies::Kept,
    /// How to print it
    #[arg(long, value_enum, default_value = "text")]
    output: Output,
}

pub(super) fn run(args: &Args, out: &mut impl Write) -> Result<Outcome> {
    let policies = match policies::load(&args.policies, args.kept, args.output, out)? {
        Ok(policies) => policies,
        Err(outcome) => return Ok(outcome),
    };
    let bundle = &policies.loaded.bundle;
    let found = bundle.catalog.action_id(&args.action).and_then(|id| Some((id, bundle.catalog.action(id)?)));
    let (id, action) = found.with_context(|| unknown(bundle, &args.action))?;
    let answer = describe(bundle, id, action);
    match args.output {
        Output::Json => writeln!(out, "{answer:#}")?,
        Output::Text => print(&answer, out)?,
    }
    Ok(Outcome::Good)
}

fn unknown(bundle: &Bundle, name: &str) -> String {
    let known = bundle.catalog.actions().map(|(_, action)| action.name.as_str());
    match crate::terms::nearest(name, known) {
        Some(meant) => format!("no service has an action `{name}`; did you mean `{meant}`?"),
        None => format!("no service has an action `{name}`"),
    }
}

fn describe(bundle: &Bundle, id: ActionId, action: &Action) -> Value {
    let granted: Vec<_> = bundle
        .contracts
        .granting(id)
        .filter_map(|contract| Some(grant(contract, contract.grants.get(&action.name)?)))
        .collect();
    let guardrails: Vec<_> = bundle
        .guardrails
        .about(id)
        .map(|one| {
            json!({
                "guardrail": one.name.to_string(),
                "purposes": texts(&one.purposes),
                "when": one.when.as_ref().map(ToString::to_string),
                "then": match &one.then {
                    Then::Deny => "deny".to_owned(),
                    Then::Require(demands) => format!("require {demands}"),
                    Then::Never(classes) => format!("never {}", texts(classes).join(", ")),
                },
            })
        })
        .collect();
    json!({
        "action": action.name.to_string(),
        "description": action.description,
        "service": bundle.catalog.service(action.service).map(|service| service.name.to_string()),
        "tier": action.tier.as_str(),
        "demands": bundle.catalog.tiers().demands(action.tier).to_string(),
        "routes": bundle.catalog.routes_of(id).map(ToString::to_string).collect::<Vec<_>>(),
        "limits": texts(&action.limits),
        "granted": granted,
        "guardrails": guardrails,
    })
}

fn grant(contract: &Contract, grant: &Grant) -> Value {
    let exception = grant.exception.as_ref().map(|one| {
        json!({
            "override": one.name.to_string(),
            "owner": one.owner,
            "reason": one.reason,
            "expiresAt": one.expires_at.to_string(),
            "limits": one.limits.as_deref().map(texts),
            "when": one.when.as_ref().map(ToString::to_string),
            "mode": one.mode.map(crate::terms::Mode::as_str),
        })
    });
    json!({
        "contract": contract.name.to_string(),
        "owner": contract.owner,
        "who": contract.who.in_words(),
        "purposes": texts(&contract.purposes),
        "limits": texts(&grant.limits),
        "when": grant.when.as_ref().map(ToString::to_string),
        "sends": grant.sends.as_ref().map(|sends| json!({ "fields": texts(&sends.fields), "others": sends.others.as_str() })),
        "mode": contract.mode.map(crate::terms::Mode::as_str),
        "override": exception,
    })
}

fn texts<T: ToString>(list: &[T]) -> Vec<String> {
    list.iter().map(ToString::to_string).collect()
}

fn print(answer: &Value, out: &mut impl Write) -> Result<()> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let list = |value: &Value| value.as_array().into_iter().flatten().map(text).collect::<Vec<_>>().join(", ");
    writeln!(
        out,
        "{} (tier {}, service {})",
        text(&answer["action"]),
        text(&answer["tier"]),
        text(&answer["service"])
    )?;
    writeln!(out, "  routes   {}", list(&answer["routes"]))?;
    writeln!(out, "  demands  {}", text(&answer["demands"]))?;
    let line = |out: &mut dyn Write, name: &str, value: String| {
        if value.is_empty() { Ok(()) } else { writeln!(out, "  {name:<8} {value}") }
    };
    line(out, "limits", list(&answer["limits"]))?;
    let granted = answer["granted"].as_array().map_or(&[][..], Vec::as_slice);
    if granted.is_empty() {
        writeln!(out, "\nno contract grants it: nobody can")?;
    }
    for one in granted {
        writeln!(out, "\ncontract {}", text(&one["contract"]))?;
        line(out, "who", one["who"].as_array().into_iter().flatten().map(text).collect::<Vec<_>>().join(" and "))?;
        line(out, "for", list(&one["purposes"]))?;
        line(out, "limits", list(&one["limits"]))?;
        line(out, "when", text(&one["when"]))?;
        line(out, "sends", list(one.pointer("/sends/fields").unwrap_or(&Value::Null)))?;
        line(out, "mode", text(&one["mode"]))?;
        if one["override"].is_object() {
            let exception = &one["override"];
            let sets = [list(&exception["limits"]), text(&exception["when"]), text(&exception["mode"])];
            let sets: Vec<_> = sets.into_iter().filter(|set| !set.is_empty()).collect();
            let (name, until) = (text(&exception["override"]), text(&exception["expiresAt"]));
            writeln!(out, "  override {name} until {until}: {}", sets.join("; "))?;
        }
    }
    for one in answer["guardrails"].as_array().into_iter().flatten() {
        writeln!(out, "\nguardrail {}: {}", text(&one["guardrail"]), text(&one["then"]))?;
        line(out, "for", list(&one["purposes"]))?;
        line(out, "when", text(&one["when"]))?;
    }
    Ok(())
}

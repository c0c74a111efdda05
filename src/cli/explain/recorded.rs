//! A decision that was made: what its record says, in the words of `explain`.
//!
//! The record holds no request, so nothing is judged again: it names the rules that were against the call, the contracts
//! that covered it, and the bundle by its digest.

use std::io::{self, Write};
use std::path::Path;

use anyhow::Result;
use jiff::Timestamp;
use serde_json::json;

use crate::cli::{Outcome, Output};
use crate::terms::Reason;
use crate::{bundle, ledger, pb, receipt, sources};

/// Prints the record of a receipt, and the corrections under the same id.
pub(super) fn run(id: &str, dir: &Path, policies: &Path, output: Output, out: &mut impl Write) -> Result<Outcome> {
    let mut found = Vec::new();
    let records = match ledger::read(dir) {
        Ok(records) => records,
        Err(error) => {
            writeln!(io::stderr(), "error: {error}\nhelp: name the service's `--ledger`")?;
            return Ok(Outcome::CouldNotTell);
        }
    };
    for bytes in records {
        match bytes.map(|bytes| receipt::decode(&bytes)) {
            Ok(Ok(record)) if record.id == id => found.push(record),
            Ok(_) => {}
            // What is damaged may be what is looked for: that must be known.
            Err(error) => writeln!(io::stderr(), "warning: {error}")?,
        }
    }
    if found.is_empty() {
        writeln!(
            io::stderr(),
            "error: no record in `{}` has the id `{id}`\nhelp: it is the value of the header `tollgate-receipt`, and of \
             `receipt` in the answer; each replica has a ledger of its own",
            dir.display()
        )?;
        return Ok(Outcome::CouldNotTell);
    }
    let current = match sources::read(policies) {
        Ok(files) => Some(bundle::digest(&files)),
        Err(_) => None, // said below: there is nothing to compare with
    };
    for (number, record) in found.iter().enumerate() {
        match output {
            Output::Json => writeln!(out, "{:#}", as_json(record, current.as_deref()))?,
            Output::Text => {
                if number > 0 {
                    writeln!(out, "\nlater corrected to:\n")?;
                }
                print_text(record, current.as_deref(), policies, out)?;
            }
        }
    }
    Ok(Outcome::Good)
}

/// The word of a value: `DURABILITY_WRITE_AHEAD` is `write-ahead`.
fn word(name: &str) -> String {
    name.split_once('_').map_or(name, |(_, word)| word).to_ascii_lowercase().replace('_', "-")
}

fn time(record: &pb::Decision) -> String {
    Timestamp::from_nanosecond(record.time_unix_nano.into()).map(|time| time.to_string()).unwrap_or_default()
}

fn detail(code: &str) -> &'static str {
    code.parse().map_or("a reason of another version", Reason::detail)
}

fn print_text(record: &pb::Decision, current: Option<&str>, policies: &Path, out: &mut impl Write) -> Result<()> {
    let caller = record.caller.clone().unwrap_or_default();
    writeln!(out, "receipt {}", record.id)?;
    writeln!(out)?;
    let list = |names: &[String]| names.join(", ");
    let lines = [
        ("time", time(record)),
        ("route", record.route.clone()),
        ("service", record.service.clone()),
        ("actions", list(&record.actions)),
        ("workload", caller.workload.clone()),
        ("user", caller.user.clone()),
        ("agents", list(&caller.agents)),
        ("automation", word(caller.automation().as_str_name())),
        ("purpose", record.purpose.clone()),
        ("contracts", list(&record.contracts)),
        ("overrides", list(&record.overrides)),
        ("forged headers", list(&record.forged_headers)),
        ("trace", receipt::hex(&record.trace_id)),
        ("kept", word(record.durability().as_str_name())),
        ("bundle", record.bundle.clone()),
    ];
    for (name, value) in lines.iter().filter(|(_, value)| !value.is_empty()) {
        writeln!(out, "  {name:<14}  {value}")?;
    }
    let same = match current {
        Some(digest) if digest == record.bundle => format!("they are those in `{}`", policies.display()),
        Some(_) => format!("they are others than those in `{}`", policies.display()),
        None => format!("there are none in `{}` to compare them with", policies.display()),
    };
    writeln!(out, "  {:<14}  {same}", "policies")?;
    writeln!(out)?;
    let width = record.against.iter().map(|one| one.rule.chars().count()).max().unwrap_or_default();
    for one in &record.against {
        writeln!(out, "  fails  {:<width$}  {}: {}", one.rule, one.reason, detail(&one.reason))?;
    }
    if !record.against.is_empty() {
        writeln!(out)?;
    }
    let verdict = word(record.verdict().as_str_name());
    let relaxed = record.mode() == pb::Mode::Observe && record.verdict() != pb::Verdict::Allow;
    let observed = if relaxed { ", only observed: the call passed" } else { "" };
    writeln!(out, "{verdict} ({}): {}{observed}", record.reason, detail(&record.reason))?;
    if !record.action.is_empty() {
        writeln!(out, "action {}, tier {}", record.action, word(record.tier().as_str_name()))?;
    }
    Ok(())
}

fn as_json(record: &pb::Decision, current: Option<&str>) -> serde_json::Value {
    let caller = record.caller.clone().unwrap_or_default();
    let against: Vec<_> = record.against.iter().map(|one| json!({ "rule": one.rule, "reason": one.reason })).collect();
    json!({
        "receipt": record.id,
        "time": time(record),
        "verdict": word(record.verdict().as_str_name()),
        "reason": record.reason,
        "detail": detail(&record.reason),
        "mode": word(record.mode().as_str_name()),
        "service": record.service,
        "action": record.action,
        "actions": record.actions,
        "tier": word(record.tier().as_str_name()),
        "route": record.route,
        "caller": {
            "workload": caller.workload,
            "user": caller.user,
            "agents": caller.agents,
            "automation": word(caller.automation().as_str_name()),
        },
        "purpose": record.purpose,
        "contracts": record.contracts,
        "overrides": record.overrides,
        "forgedHeaders": record.forged_headers,
        "trace": receipt::hex(&record.trace_id),
        "against": against,
        "durability": word(record.durability().as_str_name()),
        "bundle": record.bundle,
        "bundleIsCurrent": current.map(|digest| digest == record.bundle),
    })
}

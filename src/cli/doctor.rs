//! `tollgate doctor`: is there something that makes the gate silently ineffective?

mod files;

use std::collections::BTreeMap;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;

use annotate_snippets::{Level, Renderer};
use anyhow::Result;
use serde_json::{Value, json};

use super::{Outcome, Output};
use crate::attach::doctor::{self, Finding, Report, Severity};
use crate::yaml::{Place, Problem};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Manifests, Envoy configurations, dumps of `/config_dump`, or folders with them; `-` reads stdin
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// A code that is known and accepted, or `warnings` for all that are no errors; may be repeated
    #[arg(long, value_name = "CODE", value_parser = code)]
    allow: Vec<String>,
    /// How to print what is found
    #[arg(long, value_enum, default_value = "text")]
    output: Output,
}

pub(super) fn run(args: &Args, out: &mut impl Write) -> Result<Outcome> {
    let files = match files::read(&args.files) {
        Ok(files) => files,
        Err(error) => {
            match args.output {
                Output::Text => {
                    writeln!(io::stderr(), "error: {error:#}\nhelp: name manifests, a folder of them, or `-`")?;
                }
                Output::Json => writeln!(out, "{:#}", json!({ "good": false, "error": format!("{error:#}") }))?,
            }
            return Ok(Outcome::CouldNotTell);
        }
    };
    let mut report = doctor::examine(&files);
    report.findings.retain(|one| !is_allowed(one, &args.allow));
    let counts = report.findings.iter().any(|one| one.code.severity != Severity::Note);
    match args.output {
        Output::Text => print(&report, out)?,
        Output::Json => writeln!(out, "{:#}", as_json(&report, !counts && could_tell(&report)))?,
    }
    Ok(match (could_tell(&report), counts) {
        (false, _) => Outcome::CouldNotTell,
        (true, true) => Outcome::Finding,
        (true, false) => Outcome::Good,
    })
}

/// Whether nothing found says anything: where a command before a pipe fails, nothing is there to be looked at.
fn could_tell(report: &Report) -> bool {
    report.unread.is_empty() && !report.looked_at.is_empty()
}

/// A code, or the word that stands for all that are no errors.
fn code(text: &str) -> Result<String, String> {
    if text == "warnings" || doctor::codes().any(|known| known.name == text) {
        return Ok(text.to_owned());
    }
    let meant = crate::terms::nearest(text, doctor::codes().map(|code| code.name));
    Err(meant.map_or_else(|| "there is no such code".to_owned(), |meant| format!("did you mean `{meant}`?")))
}

fn is_allowed(finding: &Finding, allowed: &[String]) -> bool {
    let by_severity = finding.code.severity == Severity::Warning && allowed.iter().any(|one| one == "warnings");
    by_severity || allowed.iter().any(|one| one == finding.code.name)
}

fn print(report: &Report, out: &mut impl Write) -> Result<()> {
    let renderer = if io::stdout().is_terminal() { Renderer::styled() } else { Renderer::plain() };
    for problem in report.unread.iter() {
        writeln!(out, "{}\n", problem.render(&renderer))?;
    }
    for one in &report.findings {
        let level = match one.code.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
            Severity::Note => Level::NOTE,
        };
        writeln!(out, "{}", one.problem.render_as(level, one.code.name, &renderer))?;
        writeln!(out, "in {}: {}\n", one.object, one.field)?;
    }
    for note in &report.notes {
        writeln!(out, "not told: {note}")?;
    }
    writeln!(out, "{}", summary(report))?;
    writeln!(out, "looked at: {}", counted(&report.looked_at))?;
    if !report.not_looked_at.is_empty() {
        writeln!(out, "not looked at: {}", counted(&report.not_looked_at))?;
    }
    Ok(())
}

fn summary(report: &Report) -> String {
    let of = |severity| report.findings.iter().filter(|one| one.code.severity == severity).count();
    let kinds = [(Severity::Error, "error"), (Severity::Warning, "warning"), (Severity::Note, "note")];
    let plural = |count: usize, word: &str| format!("{count} {word}{}", if count == 1 { "" } else { "s" });
    let mut parts: Vec<_> =
        kinds.into_iter().map(|(kind, word)| (of(kind), word)).filter(|(count, _)| *count > 0).collect();
    if !report.unread.is_empty() {
        parts.push((report.unread.len(), "unreadable place"));
    }
    if report.looked_at.is_empty() && parts.is_empty() {
        let help = "did the command before the pipe fail? values of a chart and templates are rendered first";
        return format!("no object and no configuration of Envoy was there to be looked at\nhelp: {help}");
    }
    if parts.is_empty() {
        return "nothing was found in what was looked at".to_owned();
    }
    let parts: Vec<_> = parts.into_iter().map(|(count, word)| plural(count, word)).collect();
    format!("{}; docs/doctor.md says what each code means", parts.join(", "))
}

fn counted(counts: &BTreeMap<String, usize>) -> String {
    let list: Vec<_> = counts.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
    if list.is_empty() { "nothing".to_owned() } else { list.join(", ") }
}

fn as_json(report: &Report, good: bool) -> Value {
    let place = |problem: &Problem| {
        let place = problem.place.as_ref();
        (place.map(Place::file).map(str::to_owned), place.map(Place::line), place.map(Place::column))
    };
    let finding = |one: &Finding| {
        let (file, line, column) = place(&one.problem);
        json!({
            "code": one.code.name,
            "severity": one.code.severity.as_str(),
            "file": file,
            "line": line,
            "column": column,
            "object": one.object,
            "field": one.field,
            "message": one.problem.message,
            "happens": one.code.happens,
            "help": one.problem.help,
        })
    };
    let unread = |problem: &Problem| {
        let (file, line, column) = place(problem);
        json!({ "file": file, "line": line, "column": column, "message": problem.message, "help": problem.help })
    };
    json!({
        "good": good,
        "findings": report.findings.iter().map(finding).collect::<Vec<_>>(),
        "notes": report.notes,
        "unread": report.unread.iter().map(unread).collect::<Vec<_>>(),
        "lookedAt": report.looked_at,
        "notLookedAt": report.not_looked_at,
    })
}

//! Reading policies for a command, from a folder or from manifests, and printing what is wrong with them.

use std::io::{self, IsTerminal, Read as _, Write};
use std::path::Path;

use annotate_snippets::Renderer;
use anyhow::Result;
use serde_json::{Value, json};

use super::{Outcome, Output};
use crate::bundle::{self, Loaded, Manifest, Packed};
use crate::sources::{self, ReadError};
use crate::yaml::{Place, Problem, Problems, SourceFile};

/// How policies are kept.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(super) struct Kept {
    /// Read Kubernetes manifests, as they are in Git or as they are rendered, and take the policies from the `data` of their
    /// ConfigMaps; `-` reads them from stdin
    #[arg(long)]
    configmap: bool,
}

/// Policies that were loaded.
pub(super) struct Policies {
    pub(super) loaded: Loaded,
    pub(super) files: usize,
    /// From where they were taken, and what was not looked at, where that is not plain from the path.
    pub(super) notes: Vec<String>,
}

/// Loads policies, or prints what is wrong and says with which status to end.
pub(super) fn load(
    path: &Path,
    kept: Kept,
    output: Output,
    out: &mut impl Write,
) -> Result<std::result::Result<Policies, Outcome>> {
    let files = match read(path, kept) {
        Ok(files) => files,
        Err(error) => {
            let help = if kept.configmap {
                "name a file or a folder with manifests, or `-`"
            } else {
                "name a folder with policies, such as `policies`"
            };
            return could_not_read(&error.to_string(), help, output, out).map(Err);
        }
    };
    if kept.configmap {
        return load_manifests(&files, output, out);
    }
    match bundle::load(&files) {
        Ok(loaded) => Ok(Ok(Policies { loaded, files: files.len(), notes: Vec::new() })),
        Err(problems) => print_problems(&problems, &[], output, out).map(Err),
    }
}

fn read(path: &Path, kept: Kept) -> Result<Vec<SourceFile>, ReadError> {
    if kept.configmap && path == Path::new("-") {
        let mut text = String::new();
        let failed = |source| ReadError::Io { path: "stdin".into(), source };
        io::stdin().lock().read_to_string(&mut text).map_err(failed)?;
        return Ok(vec![SourceFile { name: "stdin".to_owned(), text }]);
    }
    let mut files = sources::read(path)?;
    // The path as it can be opened from here; in a log it is the key of the ConfigMap.
    if path.is_dir() {
        for file in &mut files {
            file.name = path.join(&file.name).display().to_string();
        }
    }
    Ok(files)
}

fn load_manifests(
    files: &[SourceFile],
    output: Output,
    out: &mut impl Write,
) -> Result<std::result::Result<Policies, Outcome>> {
    let mut all = Manifest::default();
    for file in files {
        match bundle::read_manifest(file) {
            Ok(manifest) => {
                all.policies.extend(manifest.policies);
                all.left_out.extend(manifest.left_out);
            }
            Err(problems) => return print_problems(&problems, &[], output, out).map(Err),
        }
    }
    if all.policies.is_empty() {
        let help = format!("policies are keys that end in `.yaml` and hold `apiVersion: {}`", bundle::API_VERSION);
        return could_not_read("no ConfigMap holds policies", &help, output, out).map(Err);
    }
    let mut notes: Vec<_> =
        all.policies.iter().map(|one| format!("taken: {} of ConfigMap {}", one.key, one.config_map)).collect();
    notes.extend(all.left_out.iter().map(|what| format!("not policies: {what}")));
    match bundle::load_packed(&all.policies) {
        Ok(loaded) => Ok(Ok(Policies { loaded, files: all.policies.len(), notes })),
        Err(problems) => print_problems(&problems, &all.policies, output, out).map(Err),
    }
}

fn could_not_read(error: &str, help: &str, output: Output, out: &mut impl Write) -> Result<Outcome> {
    match output {
        Output::Text => writeln!(io::stderr(), "error: {error}\nhelp: {help}")?,
        Output::Json => writeln!(out, "{:#}", json!({ "good": false, "error": error }))?,
    }
    Ok(Outcome::CouldNotTell)
}

fn print_problems(problems: &Problems, packed: &[Packed], output: Output, out: &mut impl Write) -> Result<Outcome> {
    let origin = |problem: &Problem| {
        let place = problem.place.as_ref()?;
        packed.iter().find(|one| one.holds(place))
    };
    if output == Output::Json {
        let list: Vec<_> = problems.iter().map(|problem| problem_json(problem, origin(problem))).collect();
        writeln!(out, "{:#}", json!({ "good": false, "problems": list }))?;
        return Ok(Outcome::Finding);
    }
    let renderer = if io::stdout().is_terminal() { Renderer::styled() } else { Renderer::plain() };
    for problem in problems.iter() {
        writeln!(out, "{}", problem.render(&renderer))?;
        if let Some(packed) = origin(problem) {
            writeln!(out, "in {} of ConfigMap {}", packed.key, packed.config_map)?;
        }
        writeln!(out)?;
    }
    let count = problems.len();
    writeln!(out, "{count} problem{}: nothing of this would be put in force", if count == 1 { "" } else { "s" })?;
    Ok(Outcome::Finding)
}

fn problem_json(problem: &Problem, packed: Option<&Packed>) -> Value {
    let place = problem.place.as_ref();
    json!({
        "file": place.map(Place::file),
        "line": place.map(Place::line),
        "column": place.map(Place::column),
        "configMap": packed.map(|one| &one.config_map),
        "key": packed.map(|one| &one.key),
        "message": problem.message,
        "help": problem.help,
        "also": problem.also.as_ref().map(|(place, why)| format!("{why}: {place}")),
    })
}

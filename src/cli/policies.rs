//! Reading a policy folder for a command, and printing what is wrong with it.

use std::io::{self, IsTerminal, Write};
use std::path::Path;

use annotate_snippets::Renderer;
use anyhow::Result;
use serde_json::{Value, json};

use super::{Outcome, Output};
use crate::bundle::{self, Loaded, Problem, Problems};
use crate::sources;

/// A folder that was loaded.
pub(super) struct Policies {
    pub(super) loaded: Loaded,
    pub(super) files: usize,
}

/// Loads a folder, or prints what is wrong and says with which status to end.
pub(super) fn load(
    folder: &Path,
    output: Output,
    out: &mut impl Write,
) -> Result<std::result::Result<Policies, Outcome>> {
    let mut files = match sources::read(folder) {
        Ok(files) => files,
        Err(error) => {
            let help = "name a folder with policies, such as `policies`";
            match output {
                Output::Text => writeln!(io::stderr(), "error: {error}\nhelp: {help}")?,
                Output::Json => writeln!(out, "{:#}", json!({ "good": false, "error": error.to_string() }))?,
            }
            return Ok(Err(Outcome::CouldNotTell));
        }
    };
    // The path as it can be opened from here; in a log it is the key of the ConfigMap.
    if folder.is_dir() {
        files.iter_mut().for_each(|file| file.name = folder.join(&file.name).display().to_string());
    }
    match bundle::load(&files) {
        Ok(loaded) => Ok(Ok(Policies { loaded, files: files.len() })),
        Err(problems) => {
            print_problems(&problems, output, out)?;
            Ok(Err(Outcome::Finding))
        }
    }
}

fn print_problems(problems: &Problems, output: Output, out: &mut impl Write) -> Result<()> {
    if output == Output::Json {
        let list: Vec<_> = problems.iter().map(problem_json).collect();
        writeln!(out, "{:#}", json!({ "good": false, "problems": list }))?;
        return Ok(());
    }
    let renderer = if io::stdout().is_terminal() { Renderer::styled() } else { Renderer::plain() };
    for problem in problems.iter() {
        writeln!(out, "{}\n", problem.render(&renderer))?;
    }
    let count = problems.len();
    writeln!(out, "{count} problem{}: nothing of this would be put in force", if count == 1 { "" } else { "s" })?;
    Ok(())
}

fn problem_json(problem: &Problem) -> Value {
    let place = problem.place.as_ref();
    json!({
        "file": place.map(bundle::Place::file),
        "line": place.map(|place| place.line),
        "column": place.map(|place| place.column),
        "message": problem.message,
        "help": problem.help,
        "also": problem.also.as_ref().map(|(place, why)| format!("{why}: {place}")),
    })
}

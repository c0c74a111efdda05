//! The blocks of a page, tried in order: policies are loaded and their cases run, commands are run and their output is
//! compared, quotations are looked up.
//!
//! A page works in a folder of its own that looks like the repository's root, with the files that the page itself shows.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;
use tollgate::bundle;
use tollgate::gate::cases;
use tollgate::sources;
use tollgate::yaml::SourceFile;

use super::page::{Block, Page, root};

/// Tries all blocks of a page; gives what does not hold.
pub fn try_all(page: &Page) -> Vec<String> {
    let desk = Desk::new();
    let mut wrong = Vec::new();
    for block in page.blocks() {
        let tried = match block.info {
            "yaml" => desk.policies(&block),
            "yml" => foreign_yaml(&block),
            "console" => desk.commands(&block),
            "toml" => toml::from_str::<toml::Table>(&block.text).map(drop).map_err(|error| error.to_string()),
            // Nothing is claimed of these, but that a reader can see what they are.
            "" | "sh" | "json" | "text" | "promql" | "rust" => Ok(()),
            other => Err(format!("`{other}` is no kind of block that is known: see CONTRIBUTING.md")),
        };
        if let Err(why) = tried {
            wrong.push(format!("{}:{}: {why}", page.path.display(), block.line));
        }
    }
    wrong
}

/// Where a page's commands run and its files are put.
struct Desk(TempDir);

impl Desk {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        for entry in fs::read_dir(root()).unwrap() {
            let path = entry.unwrap().path();
            symlink(&path, folder.path().join(path.file_name().unwrap())).unwrap();
        }
        Self(folder)
    }

    fn policies(&self, block: &Block<'_>) -> Result<(), String> {
        let refused: Vec<_> = block.notes("refused").collect();
        let this = SourceFile { name: "this".to_owned(), text: block.text.clone() };
        let files = match (block.note("file"), block.note("beside")) {
            (Some(name), _) => files_of(&self.keep(name, &block.text)?)?,
            (None, Some(folder)) => {
                let mut files = files_of(&self.0.path().join(folder))?;
                files.push(this);
                files
            }
            (None, None) => vec![this],
        };
        match (bundle::load(&files), refused.as_slice()) {
            (Ok(_), [_, ..]) => Err("is said to be refused, and loads".to_owned()),
            (Err(problems), []) => Err(format!("does not load:\n{problems}")),
            (Err(problems), parts) => match parts.iter().find(|part| !problems.to_string().contains(**part)) {
                Some(part) => Err(format!("is refused, but nothing says {part:?}:\n{problems}")),
                None => Ok(()),
            },
            (Ok(loaded), []) => {
                let checked = loaded.cases.iter().map(|case| cases::check(&loaded.bundle, case));
                let failed: Vec<_> = checked.filter(|one| !one.differences.is_empty()).collect();
                let said = failed.iter().map(|one| format!("{}: {}", one.case.name, one.differences.join("; ")));
                if failed.is_empty() { Ok(()) } else { Err(said.collect::<Vec<_>>().join("\n")) }
            }
        }
    }

    /// Writes a file that the page shows; gives its folder.
    fn keep(&self, name: &str, text: &str) -> Result<std::path::PathBuf, String> {
        let path = self.0.path().join(name);
        let folder = path.parent().unwrap().to_owned();
        if folder == self.0.path() || folder.is_symlink() {
            return Err(format!("`{name}`: a page's files have a folder of their own"));
        }
        fs::create_dir_all(&folder).unwrap();
        fs::write(path, text).unwrap();
        Ok(folder)
    }

    fn commands(&self, block: &Block<'_>) -> Result<(), String> {
        for (command, shown) in read_commands(&block.text) {
            if !command.starts_with("tollgate ") {
                continue;
            }
            self.command(&command, &shown).map_err(|why| format!("$ {command}\n{why}"))?;
        }
        Ok(())
    }

    fn command(&self, command: &str, shown: &[&str]) -> Result<(), String> {
        if command.starts_with("tollgate serve") {
            // It would not end. What is typed must at least be understood.
            let parsed = tollgate::cli::command().try_get_matches_from(command.split_whitespace());
            return parsed.map(drop).map_err(|error| error.to_string());
        }
        let (_, status) = command.split_once("# exits ").unwrap_or(("", "0"));
        let bin = Path::new(env!("CARGO_BIN_EXE_tollgate")).parent().unwrap();
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("exec 2>&1\n{command}")]).current_dir(self.0.path());
        shell.env("PATH", format!("{}:{}", bin.display(), std::env::var("PATH").unwrap()));
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("TOLLGATE_")) {
            shell.env_remove(name);
        }
        let output = shell.output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        if output.status.code().map(|code| code.to_string()).as_deref() != Some(status.trim()) {
            return Err(format!("ends with {}, not with {status}, and says:\n{said}", output.status));
        }
        let said: Vec<_> = said.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
        if shown.is_empty() || agree(shown, &said) {
            return Ok(());
        }
        Err(format!("says:\n{}\nand not:\n{}", said.join("\n"), shown.join("\n")))
    }
}

fn files_of(folder: &Path) -> Result<Vec<SourceFile>, String> {
    sources::read(folder).map_err(|error| error.to_string())
}

/// The commands of a console block, each with the lines that are shown under it. A backslash goes on in the next line.
fn read_commands(text: &str) -> Vec<(String, Vec<&str>)> {
    let mut commands: Vec<(String, Vec<&str>)> = Vec::new();
    let mut goes_on = false;
    for line in text.lines().map(str::trim_end).filter(|line| !line.is_empty()) {
        let command = line.strip_prefix("$ ").or(goes_on.then_some(line));
        match (command, commands.last_mut()) {
            (Some(part), Some((command, _))) if goes_on => command.push_str(part.trim_start()),
            (Some(part), _) => commands.push((part.to_owned(), Vec::new())),
            (None, Some((_, shown))) => shown.push(line),
            (None, None) => {}
        }
        goes_on = command.is_some_and(|part| part.ends_with('\\'));
        if goes_on && let Some((command, _)) = commands.last_mut() {
            command.pop();
        }
    }
    commands
}

/// Whether what is shown is what was said. `…` stands for anything in a line; alone, for any lines.
fn agree(shown: &[&str], said: &[&str]) -> bool {
    match (shown.split_first(), said.split_first()) {
        (None, None) => true,
        (Some((first, rest)), _) if first.trim() == "…" => (0..=said.len()).any(|skip| agree(rest, &said[skip..])),
        (Some((pattern, rest)), Some((line, others))) => is_like(pattern, line) && agree(rest, others),
        _ => false,
    }
}

fn is_like(pattern: &str, line: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('…') else { return pattern == line };
    let Some(mut line) = line.strip_prefix(start) else { return false };
    let mut parts: Vec<_> = rest.split('…').collect();
    let end = parts.pop().unwrap_or_default();
    for part in parts {
        match line.split_once(part) {
            Some((_, behind)) => line = behind,
            None => return false,
        }
    }
    line.ends_with(end)
}

/// YAML of others: it must be YAML, and stand in the file that it is said to be from.
fn foreign_yaml(block: &Block<'_>) -> Result<(), String> {
    for event in saphyr_parser::Parser::new_from_str(&block.text) {
        event.map_err(|error| format!("is not YAML: {error}"))?;
    }
    let Some(name) = block.note("from") else { return Ok(()) };
    let file = fs::read_to_string(root().join(name)).map_err(|error| format!("`{name}`: {error}"))?;
    let indented = |by: usize| {
        let lines = block.text.lines().map(|line| if line.is_empty() { String::new() } else { " ".repeat(by) + line });
        lines.collect::<Vec<_>>().join("\n")
    };
    let is_there = (0..40).any(|by| file.contains(&format!("{}\n", indented(by))));
    if is_there { Ok(()) } else { Err(format!("does not stand in `{name}` like this")) }
}

//! The files that are to be looked at: whatever is named, and in folders what ends like YAML or JSON.
//!
//! Unlike policies they have no bound on their size: a dump of a large mesh has hundreds of megabytes.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};

use crate::yaml::SourceFile;

/// Charts within charts; more is a link that leads back.
const MAX_DEPTH: usize = 16;

pub(super) fn read(paths: &[PathBuf]) -> Result<Vec<SourceFile>> {
    let mut files = Vec::new();
    for path in paths {
        let before = files.len();
        if path == Path::new("-") {
            let mut text = String::new();
            io::stdin().lock().read_to_string(&mut text).context("cannot read stdin")?;
            files.push(SourceFile { name: "stdin".to_owned(), text });
        } else if path.is_dir() {
            walk(path, 0, &mut files)?;
        } else {
            files.push(read_file(path)?);
        }
        ensure!(files.len() > before, "`{}` has no file that ends in .yaml, .yml or .json", path.display());
    }
    Ok(files)
}

fn walk(folder: &Path, depth: usize, files: &mut Vec<SourceFile>) -> Result<()> {
    let shown = folder.display();
    ensure!(depth <= MAX_DEPTH, "`{shown}` is more than {MAX_DEPTH} folders deep, or a link that leads back");
    let entries = fs::read_dir(folder).with_context(|| format!("cannot read `{shown}`"))?;
    let paths = entries.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<Vec<_>>>();
    let mut paths = paths.with_context(|| format!("cannot read `{shown}`"))?;
    paths.sort();
    let is_hidden = |path: &Path| path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
    let is_meant = |path: &Path| {
        path.extension().is_some_and(|end| ["yaml", "yml", "json"].iter().any(|one| end.eq_ignore_ascii_case(one)))
    };
    for path in paths.iter().filter(|path| !is_hidden(path)) {
        if path.is_dir() {
            walk(path, depth + 1, files)?;
        } else if is_meant(path) {
            files.push(read_file(path)?);
        }
    }
    Ok(())
}

fn read_file(path: &Path) -> Result<SourceFile> {
    let name = path.display().to_string();
    let text = fs::read_to_string(path).with_context(|| format!("cannot read `{name}`"))?;
    Ok(SourceFile { name, text })
}

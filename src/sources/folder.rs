//! The files of a policy folder, as one consistent set.
//!
//! Read are all `.yaml` and `.yml` files, also in folders below, by their visible names: what begins with a dot is
//! the kubelet's own (`..data`, `..2026_11_23`). Links are followed. Where a volume is swapped while it is read, it is
//! read again.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use crate::bundle::is_policy_file;
use crate::yaml::SourceFile;

/// Why a folder could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The system refused.
    #[error("cannot read `{}`: {source}", path.display())]
    Io {
        /// What was to be read.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file is no text.
    #[error("`{}` is not UTF-8 text", .0.display())]
    NotText(PathBuf),
    /// A device, a pipe.
    #[error("`{}` is no plain file", .0.display())]
    NotAFile(PathBuf),
    /// A file is no policy.
    #[error("`{}` is larger than {MAX_FILE} bytes", .0.display())]
    TooLarge(PathBuf),
    /// Folders within folders within folders.
    #[error("`{}` is more than {MAX_DEPTH} folders deep, or a link that leads back", .0.display())]
    TooDeep(PathBuf),
    /// There is no policy in it.
    #[error("`{}` has no `.yaml` file", .0.display())]
    Empty(PathBuf),
    /// It was swapped again and again.
    #[error("`{}` changed while it was read", .0.display())]
    Unsteady(PathBuf),
}

/// A ConfigMap holds 1 MiB; a file from elsewhere may be larger.
const MAX_FILE: u64 = 16 * 1024 * 1024;
/// A folder for each ConfigMap of a projected volume, and some more.
const MAX_DEPTH: usize = 4;
/// How often a volume may be swapped under our eyes before it is a problem.
const MAX_TRIES: usize = 5;

/// Reads a folder's policies, or one file, sorted by name.
pub fn read(path: &Path) -> Result<Vec<SourceFile>, ReadError> {
    if path.is_file() {
        return Ok(vec![read_file(path, path.display().to_string())?]);
    }
    for _ in 0..MAX_TRIES {
        let before = swap_links(path, 0)?;
        let files = read_folder(path, Path::new(""), 0);
        if swap_links(path, 0)? == before {
            return files
                .and_then(|files| if files.is_empty() { Err(ReadError::Empty(path.to_owned())) } else { Ok(files) });
        }
    }
    Err(ReadError::Unsteady(path.to_owned()))
}

fn read_folder(root: &Path, below: &Path, depth: usize) -> Result<Vec<SourceFile>, ReadError> {
    let mut files = Vec::new();
    for name in names(&root.join(below), depth)? {
        let below = below.join(&name);
        let path = root.join(&below);
        if path.is_dir() {
            files.extend(read_folder(root, &below, depth + 1)?);
        } else if name.to_str().is_some_and(is_policy_file) {
            files.push(read_file(&path, below.display().to_string())?);
        }
    }
    Ok(files)
}

/// The visible names in a folder, sorted.
fn names(folder: &Path, depth: usize) -> Result<Vec<std::ffi::OsString>, ReadError> {
    let failed = |source| ReadError::Io { path: folder.to_owned(), source };
    if depth > MAX_DEPTH {
        return Err(ReadError::TooDeep(folder.to_owned()));
    }
    let entries = fs::read_dir(folder).map_err(failed)?;
    let names =
        entries.map(|entry| entry.map(|entry| entry.file_name())).collect::<Result<Vec<_>, _>>().map_err(failed)?;
    let mut visible: Vec<_> = names.into_iter().filter(|name| !name.as_encoded_bytes().starts_with(b".")).collect();
    visible.sort_unstable();
    Ok(visible)
}

fn read_file(path: &Path, name: String) -> Result<SourceFile, ReadError> {
    let failed = |source| ReadError::Io { path: path.to_owned(), source };
    // Follows links, as `metadata` of an entry would not. A pipe would be waited for, a device read for ever.
    if !fs::metadata(path).map_err(failed)?.is_file() {
        return Err(ReadError::NotAFile(path.to_owned()));
    }
    let mut bytes = Vec::new();
    fs::File::open(path).and_then(|file| file.take(MAX_FILE + 1).read_to_end(&mut bytes)).map_err(failed)?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(ReadError::TooLarge(path.to_owned()));
    }
    String::from_utf8(bytes).map(|text| SourceFile { name, text }).map_err(|_| ReadError::NotText(path.to_owned()))
}

/// Where each `..data` of the tree leads: the kubelet renames it to swap a volume.
fn swap_links(folder: &Path, depth: usize) -> Result<Vec<PathBuf>, ReadError> {
    let mut links: Vec<_> = fs::read_link(folder.join("..data")).into_iter().collect();
    for name in names(folder, depth)? {
        let path = folder.join(name);
        if path.is_dir() {
            links.extend(swap_links(&path, depth + 1)?);
        }
    }
    Ok(links)
}

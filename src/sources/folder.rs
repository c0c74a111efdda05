//! The files of a policy folder, as one consistent set.
//!
//! Read are all `.yaml` and `.yml` files, also in folders below, by their visible names: what begins with a dot is
//! the kubelet's own (`..data`, `..2026_11_23`). Links are followed. Where a volume is swapped while it is read, it is
//! read again. Whether the folder holds what it held is asked every second, so that needs no more than one small buffer.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use sha2::digest::Output;
use sha2::{Digest as _, Sha256};

use crate::bundle::{self, is_policy_file};
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

/// What is read at a time where a file is only looked at. It is more than the allocator keeps at hand for the next one who
/// asks (half a MiB): whenever it is let go of, pages that nobody has used for a second go back to the system. What
/// compiling left behind does so at the next look, and of itself not before many more allocations.
const CHUNK: usize = 1024 * 1024;

/// Reads a folder's policies, or one file, sorted by name.
pub fn read(path: &Path) -> Result<Vec<SourceFile>, ReadError> {
    each_file(path, read_file)
}

/// The digest of a folder's policies, which is that of the bundle they make. Fails as [`read`] does, for the same reason.
pub fn digest(path: &Path) -> Result<String, ReadError> {
    let mut buffer = Vec::with_capacity(CHUNK);
    each_file(path, |path, _| digest_file(path, &mut buffer)).map(bundle::digest_of)
}

/// What becomes of each file, in the order of their names.
pub(super) fn each_file<T>(
    path: &Path,
    mut take: impl FnMut(&Path, &Path) -> Result<T, ReadError>,
) -> Result<Vec<T>, ReadError> {
    if path.is_file() {
        return Ok(vec![take(path, path)?]);
    }
    for _ in 0..MAX_TRIES {
        let before = swap_links(path, 0)?;
        let mut files = Vec::new();
        let taken = walk(path, Path::new(""), 0, &mut |path, name| {
            files.push(take(path, name)?);
            Ok(())
        });
        if swap_links(path, 0)? == before {
            taken?;
            return if files.is_empty() { Err(ReadError::Empty(path.to_owned())) } else { Ok(files) };
        }
    }
    Err(ReadError::Unsteady(path.to_owned()))
}

/// Hands over each file by its path and its name below the root.
fn walk(
    root: &Path,
    below: &Path,
    depth: usize,
    take: &mut dyn FnMut(&Path, &Path) -> Result<(), ReadError>,
) -> Result<(), ReadError> {
    for name in names(&root.join(below), depth)? {
        let below = below.join(&name);
        let path = root.join(&below);
        if path.is_dir() {
            walk(root, &below, depth + 1, take)?;
        } else if name.to_str().is_some_and(is_policy_file) {
            take(&path, &below)?;
        }
    }
    Ok(())
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

fn read_file(path: &Path, name: &Path) -> Result<SourceFile, ReadError> {
    let (file, len) = open(path)?;
    // One more than there is: its end is seen without growing.
    let mut bytes = Vec::with_capacity(usize::try_from(len.min(MAX_FILE)).unwrap_or(0) + 1);
    file.take(MAX_FILE + 1)
        .read_to_end(&mut bytes)
        .map_err(|source| ReadError::Io { path: path.to_owned(), source })?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(ReadError::TooLarge(path.to_owned()));
    }
    let text = String::from_utf8(bytes).map_err(|_| ReadError::NotText(path.to_owned()))?;
    Ok(SourceFile { name: name.display().to_string(), text })
}

/// SHA-256 of a file that [`read_file`] would read; the same error where it would not. The buffer is empty, or
/// holds what is worth nothing.
fn digest_file(path: &Path, buffer: &mut Vec<u8>) -> Result<Output<Sha256>, ReadError> {
    let (mut file, _) = open(path)?;
    buffer.clear();
    let mut digest = Sha256::new();
    let (mut len, mut is_text) = (0, true);
    loop {
        // The bytes of a character that is not read to its end yet stay at the beginning of the buffer.
        let begun = buffer.len();
        let mut chunk = file.by_ref().take((CHUNK - begun) as u64);
        let read = chunk.read_to_end(buffer).map_err(|source| ReadError::Io { path: path.to_owned(), source })?;
        digest.update(buffer.get(begun..).unwrap_or_default());
        len += read as u64;
        if len > MAX_FILE {
            return Err(ReadError::TooLarge(path.to_owned()));
        }
        if read == 0 {
            let is_whole = is_text && begun == 0;
            return if is_whole { Ok(digest.finalize()) } else { Err(ReadError::NotText(path.to_owned())) };
        }
        let valid = match std::str::from_utf8(buffer) {
            Err(error) if error.error_len().is_none() => error.valid_up_to(),
            // It may be too large besides, which is what is said then.
            other => {
                is_text &= other.is_ok();
                buffer.len()
            }
        };
        buffer.drain(..valid);
    }
}

/// A plain file and its length. Follows links, as `metadata` of an entry would not. A pipe would be waited for, a device
/// read for ever.
fn open(path: &Path) -> Result<(fs::File, u64), ReadError> {
    let failed = |source| ReadError::Io { path: path.to_owned(), source };
    let metadata = fs::metadata(path).map_err(failed)?;
    if !metadata.is_file() {
        return Err(ReadError::NotAFile(path.to_owned()));
    }
    Ok((fs::File::open(path).map_err(failed)?, metadata.len()))
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

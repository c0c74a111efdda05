//! Writing the laboratory's files: certificates, keys, tokens, configurations.
//!
//! Keys and tokens are readable by their owner only, from the first byte on: the mode is given when the file is
//! created and not afterwards. Every error names the file.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

use anyhow::Context as _;

/// Creates the folder and its parents; others on the machine cannot look in.
pub fn private_folder(path: &Path) -> anyhow::Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .with_context(|| format!("can't create the folder `{}`", path.display()))
}

/// Writes a file that anybody on the machine may read.
pub fn write(path: &Path, contents: impl AsRef<[u8]>) -> anyhow::Result<()> {
    fs::write(path, contents).with_context(|| format!("can't write `{}`", path.display()))
}

/// Writes a file with mode 0600: a key or a token.
pub fn write_secret(path: &Path, contents: impl AsRef<[u8]>) -> anyhow::Result<()> {
    // An older file keeps its mode when it is opened for writing, so it goes first.
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("can't replace `{}`", path.display()));
        }
        _ => {}
    }
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| file.write_all(contents.as_ref()))
        .with_context(|| format!("can't write `{}`", path.display()))
}

/// Replaces a file in one step, so that a reader sees the old contents or the new ones and nothing between.
pub fn replace(path: &Path, contents: impl AsRef<[u8]>) -> anyhow::Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let beside = path.with_file_name(format!(".{name}.new"));
    write(&beside, contents)?;
    fs::rename(&beside, path).with_context(|| format!("can't replace `{}`", path.display()))
}

/// Copies the files of a folder, and of the folders in it, to another folder. What begins with a dot stays behind: an
/// editor's files, and the folders that the links of a mounted `ConfigMap` lead to.
pub fn copy_folder(from: &Path, to: &Path) -> anyhow::Result<()> {
    private_folder(to)?;
    let entries = fs::read_dir(from).with_context(|| format!("can't read the folder `{}`", from.display()))?;
    for entry in entries {
        let entry = entry.with_context(|| format!("can't read the folder `{}`", from.display()))?;
        if entry.file_name().as_encoded_bytes().starts_with(b".") {
            continue;
        }
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        // Followed when it is a link: a mounted ConfigMap is made of links.
        let kind = fs::metadata(&source).with_context(|| format!("can't read `{}`", source.display()))?;
        if kind.is_dir() {
            copy_folder(&source, &target)?;
        } else {
            let contents = fs::read(&source).with_context(|| format!("can't read `{}`", source.display()))?;
            write(&target, contents)?;
        }
    }
    Ok(())
}

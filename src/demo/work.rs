//! The demo's folder: everything that it writes, and nothing else.
//!
//! It is emptied at each start, so it must be ours: a folder with other people's files in it is refused, and so is one
//! that another demo is using.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::files;

/// Says that the folder is ours to empty. It is locked while a demo runs.
const MARKER: &str = ".tollgate-demo";

/// A socket's path has room for 104 bytes on macOS and 108 on Linux, its closing zero included.
const LONGEST_SOCKET_PATH: usize = 100;

/// The folder, while a demo uses it.
#[derive(Debug)]
pub(super) struct Work {
    /// Absolute, for the children.
    root: PathBuf,
    /// As it was given, for people.
    shown: PathBuf,
    _lock: File,
}

impl Work {
    /// Takes the folder, and empties it of an earlier demo.
    pub(super) fn take(folder: &Path) -> anyhow::Result<Self> {
        let root =
            std::path::absolute(folder).with_context(|| format!("can't make `{}` absolute", folder.display()))?;
        refuse_strange(&root)?;
        files::private_folder(&root)?;
        let marker = root.join(MARKER);
        let lock = File::create(&marker).with_context(|| format!("can't create `{}`", marker.display()))?;
        lock.try_lock().with_context(|| {
            format!("another demo is running in `{}`: stop it, or choose another folder", folder.display())
        })?;
        empty(&root)?;
        let work = Self { root, shown: folder.to_owned(), _lock: lock };
        for part in ["pki", "tokens", "envoy", "tollgate"] {
            files::private_folder(&work.path(part))?;
        }
        Ok(work)
    }

    /// The absolute path of something in the folder.
    pub(super) fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.root.join(name)
    }

    /// The same path as people should type it.
    pub(super) fn shown(&self, name: impl AsRef<Path>) -> PathBuf {
        self.shown.join(name)
    }

    /// Where a Unix socket can be, if the folder's path is short enough for one.
    pub(super) fn socket(&self) -> Option<PathBuf> {
        let path = self.path("tollgate/tollgate.sock");
        (path.as_os_str().len() <= LONGEST_SOCKET_PATH).then_some(path)
    }
}

fn entries(folder: &Path) -> anyhow::Result<Vec<fs::DirEntry>> {
    fs::read_dir(folder)
        .and_then(Iterator::collect)
        .with_context(|| format!("can't read the folder `{}`", folder.display()))
}

fn refuse_strange(root: &Path) -> anyhow::Result<()> {
    if !root.exists() {
        return Ok(());
    }
    let ours = root.join(MARKER).exists() || entries(root)?.is_empty();
    anyhow::ensure!(
        ours,
        "`{}` holds files that no demo wrote, and the demo empties its folder: choose one that is empty or new",
        root.display()
    );
    Ok(())
}

fn empty(root: &Path) -> anyhow::Result<()> {
    for entry in entries(root)? {
        let path = entry.path();
        if entry.file_name() == MARKER {
            continue;
        }
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        let removed = if is_folder { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        removed.with_context(|| format!("can't remove `{}` of an earlier demo", path.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_earlier_demo_is_removed_and_anything_else_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let ours = folder.path().join("demo");
        drop(Work::take(&ours).unwrap());
        fs::write(ours.join("tokens/old"), "x").unwrap();
        let work = Work::take(&ours).unwrap();
        assert!(!work.path("tokens/old").exists());
        let error = Work::take(&ours).unwrap_err().to_string();
        assert!(error.contains("another demo is running"), "{error}");

        let theirs = folder.path().join("theirs");
        fs::create_dir(&theirs).unwrap();
        fs::write(theirs.join("thesis.txt"), "x").unwrap();
        assert!(Work::take(&theirs).is_err());
        assert!(theirs.join("thesis.txt").exists());
    }
}

//! A folder whose content is exchanged as the kubelet exchanges that of a mounted `ConfigMap` or Secret: each file is a link
//! into `..data`, which is a link itself, and is replaced by an atomic rename.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use tollgate::demo::files;

/// Names and contents.
pub(crate) type Files = BTreeMap<String, String>;

/// The folder.
#[derive(Debug)]
pub(crate) struct Mount {
    folder: PathBuf,
    number: u64,
}

const DATA: &str = "..data";

impl Mount {
    /// Its files always have the same names.
    pub(crate) fn new(folder: &Path, content: &Files) -> anyhow::Result<Self> {
        files::private_folder(folder)?;
        let mut mount = Self { folder: folder.to_owned(), number: 0 };
        mount.publish(content)?;
        for name in content.keys() {
            symlink(Path::new(DATA).join(name), folder.join(name)).with_context(|| format!("can't link `{name}`"))?;
        }
        Ok(mount)
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Exchanges all of them in one step.
    pub(crate) fn publish(&mut self, content: &Files) -> anyhow::Result<()> {
        let before = format!("..{}", self.number);
        self.number += 1;
        let name = format!("..{}", self.number);
        let folder = self.folder.join(&name);
        files::private_folder(&folder)?;
        for (name, text) in content {
            files::write_secret(&folder.join(name), text)?;
        }
        let beside = self.folder.join("..data_tmp");
        symlink(&name, &beside).context("can't link the new content")?;
        fs::rename(&beside, self.folder.join(DATA)).context("can't exchange the content")?;
        if self.number > 1 {
            fs::remove_dir_all(self.folder.join(before)).context("can't remove the old content")?;
        }
        Ok(())
    }
}

/// The files of a folder.
pub(crate) fn read(folder: &Path) -> anyhow::Result<Files> {
    let mut content = Files::new();
    for entry in fs::read_dir(folder).with_context(|| format!("can't read `{}`", folder.display()))? {
        let entry = entry?;
        content.insert(entry.file_name().to_string_lossy().into_owned(), fs::read_to_string(entry.path())?);
    }
    Ok(content)
}

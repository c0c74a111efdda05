//! A volume that is written as the kubelet writes it: a ConfigMap, a Secret, or several of them projected into one.
//!
//! Step by step what its `AtomicWriter` does, so that a test can look between any two of them: a folder with the new content,
//! links to what was not there, one rename that exchanges everything, and only then the old links and the old content go.
//! Nothing is written where nothing has changed. It writes, and knows nothing of who reads.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Component, Path, PathBuf};

/// What is to stand in it: texts by their paths below the volume, such as `contracts.yaml` or `shop/contracts.yaml`.
pub type Payload = BTreeMap<String, String>;

/// The volume.
#[derive(Debug)]
pub struct Volume {
    folder: PathBuf,
    mode: u32,
    written: u32,
}

/// What was just done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The new content stands in a folder that nothing leads to.
    Written,
    /// Each new name is a link, which leads nowhere yet.
    Linked,
    /// `..data_tmp` leads to the new content.
    Announced,
    /// `..data` does: this is the moment of the exchange.
    Swapped,
    /// Links of names that are gone are gone.
    Tidied,
    /// So is the old content.
    Removed,
}

/// What a write came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// Everything stood there already, byte by byte: nothing was touched.
    Nothing,
    /// The content was exchanged.
    Swapped,
}

const DATA: &str = "..data";
const NEXT: &str = "..data_tmp";

impl Volume {
    /// An empty volume; its files will be readable by all, as `defaultMode` 0644 has it.
    pub fn new(folder: &Path) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        Ok(Self { folder: folder.to_owned(), mode: 0o644, written: 0 })
    }

    /// Another `defaultMode`.
    pub fn with_mode(mut self, mode: u32) -> Self {
        self.mode = mode;
        self
    }

    /// Where it is mounted.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Brings it to this content.
    pub fn write(&mut self, payload: &Payload) -> io::Result<Written> {
        self.write_step_by_step(payload, |_| {})
    }

    /// The same; `after` is called between the steps.
    pub fn write_step_by_step(&mut self, payload: &Payload, mut after: impl FnMut(Step)) -> io::Result<Written> {
        payload.keys().try_for_each(|path| check(path))?;
        let old = match fs::read_link(self.folder.join(DATA)) {
            Ok(name) => Some(self.folder.join(name)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        let before = old.as_deref().map(read).transpose()?;
        if before.as_ref() == Some(payload) {
            return Ok(Written::Nothing);
        }
        let name = self.new_folder(payload)?;
        after(Step::Written);
        for first in first_parts(payload) {
            if fs::symlink_metadata(self.folder.join(first)).is_err() {
                symlink(Path::new(DATA).join(first), self.folder.join(first))?;
            }
        }
        after(Step::Linked);
        symlink(name, self.folder.join(NEXT))?;
        after(Step::Announced);
        fs::rename(self.folder.join(NEXT), self.folder.join(DATA))?;
        after(Step::Swapped);
        let before = before.unwrap_or_default();
        for gone in first_parts(&before).difference(&first_parts(payload)) {
            fs::remove_file(self.folder.join(gone))?;
        }
        after(Step::Tidied);
        if let Some(old) = old {
            fs::remove_dir_all(old)?;
        }
        after(Step::Removed);
        Ok(Written::Swapped)
    }

    /// A folder with the content, which has the time in its name and so is always another one.
    fn new_folder(&mut self, payload: &Payload) -> io::Result<String> {
        self.written += 1;
        let name = format!("..2026_11_25_10_00_00.{:09}", self.written);
        let folder = self.folder.join(&name);
        fs::create_dir(&folder)?;
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o755))?;
        for (path, text) in payload {
            let path = folder.join(path);
            path.parent().map_or(Ok(()), fs::create_dir_all)?;
            fs::write(&path, text)?;
            fs::set_permissions(&path, fs::Permissions::from_mode(self.mode))?;
        }
        Ok(name)
    }
}

/// Several of them in one volume, each in a folder of its own: `items` of a `projected` volume with such paths.
pub fn projected<'p>(parts: impl IntoIterator<Item = (&'p str, &'p Payload)>) -> Payload {
    let all = parts
        .into_iter()
        .flat_map(|(part, payload)| payload.iter().map(move |(key, text)| (format!("{part}/{key}"), text.clone())));
    all.collect()
}

/// The files of a folder and of those below it, by their paths.
pub fn read(folder: &Path) -> io::Result<Payload> {
    let mut payload = Payload::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() {
            payload.extend(read(&path)?.into_iter().map(|(below, text)| (format!("{name}/{below}"), text)));
        } else {
            payload.insert(name, fs::read_to_string(path)?);
        }
    }
    Ok(payload)
}

/// What stands in the volume itself: a link for each of these.
fn first_parts(payload: &Payload) -> BTreeSet<&str> {
    payload.keys().filter_map(|path| path.split('/').next()).collect()
}

/// A path stays in the volume, and is nothing that could be taken for the kubelet's own.
fn check(path: &str) -> io::Result<()> {
    let plain = Path::new(path).components().all(|part| matches!(part, Component::Normal(_)));
    if plain && !path.is_empty() && !path.starts_with("..") {
        return Ok(());
    }
    Err(io::Error::new(io::ErrorKind::InvalidInput, format!("the kubelet writes no `{path}`")))
}

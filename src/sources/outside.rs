//! What the files of a folder look like from outside: names, sizes, inodes and times.
//!
//! It never says that content has changed; content alone does. It says that nothing can have changed, so that content need not be
//! read every second: every way of changing a file, its links or its folder also changes its time of change, which nobody can
//! set. That holds where the file was at rest: a clock ticks, and what happens within one tick has the same time.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};

use super::folder::{ReadError, each_file};

/// What was seen of each file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Outside(Vec<File>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct File {
    name: PathBuf,
    place: (u64, u64),
    len: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

/// How long files must have been at rest. The coarsest file systems tell two seconds apart.
const AT_REST: SignedDuration = SignedDuration::from_secs(3);

/// Looks at a folder whose files have been at rest. Nothing where one has just changed, or cannot be looked at.
pub(super) fn look(folder: &Path, now: Timestamp) -> Option<Outside> {
    let files = each_file(folder, |path, name| {
        fs::metadata(path).map(|metadata| File::new(name, &metadata)).map_err(|source| failed(path, source))
    });
    // Why it cannot be looked at is said by whoever reads it.
    let Ok(files) = files else { return None };
    let is_at_rest = |file: &File| {
        let changed = Timestamp::new(file.changed.0, i32::try_from(file.changed.1).unwrap_or_default());
        changed.is_ok_and(|changed| now.duration_since(changed) >= AT_REST)
    };
    files.iter().all(is_at_rest).then_some(Outside(files))
}

fn failed(path: &Path, source: io::Error) -> ReadError {
    ReadError::Io { path: path.to_owned(), source }
}

impl File {
    fn new(name: &Path, metadata: &fs::Metadata) -> Self {
        Self {
            name: name.to_owned(),
            place: (metadata.dev(), metadata.ino()),
            len: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

//! The files that are to be looked at: whatever is named, and in folders what ends like YAML or JSON.
//!
//! All of them together are bounded: what is read becomes a tree, which is many times as large.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};

use crate::yaml::SourceFile;

/// Charts within charts; more is a link that leads back.
const MAX_DEPTH: usize = 16;

/// A dump of a large mesh has hundreds of megabytes.
const MAX_BYTES: usize = 512 * 1024 * 1024;

pub(super) fn read(paths: &[PathBuf]) -> Result<Vec<SourceFile>> {
    read_at_most(MAX_BYTES, paths, io::stdin().lock())
}

fn read_at_most(most: usize, paths: &[PathBuf], mut stdin: impl Read) -> Result<Vec<SourceFile>> {
    let mut files = Files { read: Vec::new(), bytes: 0, most };
    for path in paths {
        let before = files.read.len();
        if path == Path::new("-") {
            files.take("stdin".to_owned(), &mut stdin)?;
        } else if path.is_dir() {
            files.walk(path, 0)?;
        } else {
            files.open(path)?;
        }
        ensure!(files.read.len() > before, "`{}` has no file that ends in .yaml, .yml or .json", path.display());
    }
    Ok(files.read)
}

/// What was read, and how much may be.
struct Files {
    read: Vec<SourceFile>,
    bytes: usize,
    most: usize,
}

impl Files {
    fn walk(&mut self, folder: &Path, depth: usize) -> Result<()> {
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
                self.walk(path, depth + 1)?;
            } else if is_meant(path) {
                self.open(path)?;
            }
        }
        Ok(())
    }

    fn open(&mut self, path: &Path) -> Result<()> {
        let name = path.display().to_string();
        let file = File::open(path).with_context(|| format!("cannot read `{name}`"))?;
        self.take(name, file)
    }

    fn take(&mut self, name: String, from: impl Read) -> Result<()> {
        let mut bytes = Vec::new();
        // One byte more shows that there is more.
        let left = u64::try_from(self.most - self.bytes)? + 1;
        from.take(left).read_to_end(&mut bytes).with_context(|| format!("cannot read `{name}`"))?;
        self.bytes += bytes.len();
        ensure!(self.bytes <= self.most, "with `{name}` it is more than {} bytes: name less at a time", self.most);
        let text = String::from_utf8(bytes).with_context(|| format!("cannot read `{name}`"))?;
        self.read.push(SourceFile { name, text });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_read_than_may_be() {
        let stdin = [PathBuf::from("-")];
        let endless = || io::repeat(b'#');
        let error = read_at_most(1_000, &stdin, endless()).unwrap_err();
        assert_eq!(error.to_string(), "with `stdin` it is more than 1000 bytes: name less at a time");
        assert_eq!(read_at_most(1_000, &stdin, endless().take(1_000)).unwrap()[0].text.len(), 1_000);
        let this = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(file!());
        assert!(read_at_most(1_000, &[this], io::empty()).unwrap_err().to_string().contains("files.rs"));
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/doctor/bad");
        assert!(read_at_most(3_000, &[folder], io::empty()).unwrap_err().to_string().contains("more than 3000 bytes"));
    }
}

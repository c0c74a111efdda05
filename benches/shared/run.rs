//! How a long run ends, and where it leaves what it found.

use std::io;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use tokio::signal::unix::{SignalKind, signal};

/// `target/bench`, on the disk that the build is on: a folder in memory would sync in no time.
pub(crate) fn results() -> anyhow::Result<PathBuf> {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().context("cargo has no target folder")?;
    let results = target.join("bench");
    std::fs::create_dir_all(&results).with_context(|| format!("can't create `{}`", results.display()))?;
    Ok(results)
}

/// Resolves with Ctrl-C or SIGTERM.
pub(crate) fn interrupted() -> io::Result<impl Future<Output = ()>> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

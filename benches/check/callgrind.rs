//! valgrind's callgrind: a program that runs under it, told when to count, and what it counted.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::Context as _;
use tollgate::demo::files;

/// A script in this folder that runs a program under callgrind, which counts nothing yet and will leave its counts at `out`.
pub(crate) fn script(program: &Path, out: &Path, folder: &Path) -> anyhow::Result<PathBuf> {
    let script = folder.join("under-callgrind");
    let quoted = |path: &Path| format!("'{}'", path.display());
    let options = "--tool=callgrind --instr-atstart=no --quiet";
    let text =
        format!("#!/bin/sh\nexec valgrind {options} --callgrind-out-file={} {} \"$@\"\n", quoted(out), quoted(program));
    files::write(&script, text)?;
    fs::set_permissions(&script, fs::Permissions::from_mode(0o700))?;
    Ok(script)
}

/// A process that was started so.
pub(crate) struct Counter {
    pid: u32,
    out: PathBuf,
    dumps: u32,
}

impl Counter {
    /// Counts from now on.
    pub(crate) fn start(pid: u32, out: &Path) -> anyhow::Result<Self> {
        let counter = Self { pid, out: out.to_owned(), dumps: 0 };
        counter.control(&["-i", "on"])?;
        Ok(counter)
    }

    /// Begins at zero.
    pub(crate) fn reset(&self) -> anyhow::Result<()> {
        self.control(&["-z"])
    }

    /// How many instructions there were since then.
    pub(crate) fn read(&mut self) -> anyhow::Result<f64> {
        self.control(&["-d"])?;
        self.dumps += 1;
        let dump = self.out.with_extension(self.dumps.to_string());
        let text = fs::read_to_string(&dump).with_context(|| format!("callgrind left no `{}`", dump.display()))?;
        let totals = text.lines().find_map(|line| line.strip_prefix("totals: "));
        Ok(totals.context("a count has no total")?.trim().parse()?)
    }

    fn control(&self, what: &[&str]) -> anyhow::Result<()> {
        let mut command = Command::new("callgrind_control");
        command.args(what).arg(self.pid.to_string()).stdout(Stdio::null()).stderr(Stdio::null());
        let status =
            command.status().context("no `callgrind_control`: install valgrind (Debian: `apt install valgrind`)")?;
        anyhow::ensure!(status.success(), "callgrind does not do {what:?}");
        Ok(())
    }
}

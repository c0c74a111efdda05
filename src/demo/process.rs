//! A child process with its log in a file: Envoy, or Tollgate itself.
//!
//! A child never outlives the value that stands for it. It stays in our process group, so that Ctrl-C on a terminal,
//! or its closing, reaches the children also where we have no time to stop them.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context as _;

/// How often a state that nobody announces is looked at.
pub const POLL: Duration = Duration::from_millis(20);

/// A running child.
#[derive(Debug)]
pub struct Process {
    name: &'static str,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts the command with both its outputs in `log`, which is emptied before.
    pub fn start(name: &'static str, command: &mut Command, log: &Path) -> anyhow::Result<Self> {
        let output = File::create(log).with_context(|| format!("can't create the log `{}`", log.display()))?;
        let errors = output.try_clone().with_context(|| format!("can't open the log `{}` twice", log.display()))?;
        let child = command
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors)
            .spawn()
            .with_context(|| format!("can't start {name} (`{}`)", command.get_program().to_string_lossy()))?;
        Ok(Self { name, child, log: log.to_owned() })
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its log file.
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// What it has logged until now.
    pub fn logged(&self) -> anyhow::Result<String> {
        let bytes = fs::read(&self.log).with_context(|| format!("can't read the log `{}`", self.log.display()))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Fails if it has ended, and says with what last words.
    pub fn still_runs(&mut self) -> anyhow::Result<()> {
        match self.child.try_wait().with_context(|| format!("can't look after {}", self.name))? {
            None => Ok(()),
            Some(status) => anyhow::bail!("{} ended by itself ({status}); {}", self.name, last_words(&self.log)),
        }
    }

    /// Waits until it ends by itself.
    pub async fn ended(&mut self, within: Duration) -> anyhow::Result<ExitStatus> {
        let deadline = Instant::now() + within;
        loop {
            if let Some(status) = self.child.try_wait().with_context(|| format!("can't wait for {}", self.name))? {
                return Ok(status);
            }
            if Instant::now() >= deadline {
                anyhow::bail!("{} did not end within {within:?}; {}", self.name, last_words(&self.log));
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Asks it to end (SIGTERM) and waits.
    pub async fn terminate(&mut self, within: Duration) -> anyhow::Result<ExitStatus> {
        // Every POSIX shell has `kill` built in, and sending a signal ourselves would take `unsafe` or a library.
        let sent = Command::new("sh")
            .args(["-c", "kill -TERM \"$1\"", "sh", &self.pid().to_string()])
            .status()
            .context("can't run `sh` to send SIGTERM")?;
        anyhow::ensure!(sent.success(), "can't send SIGTERM to {} (process {})", self.name, self.pid());
        self.ended(within).await
    }

    /// Ends it at once (SIGKILL): it gets no chance to say goodbye.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        self.child.kill().with_context(|| format!("can't kill {}", self.name))?;
        self.child.wait().with_context(|| format!("can't wait for {}", self.name))?;
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Nobody is left to tell, and a child that has already ended is what we want.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The end of a log, for an error message: which file it is, and its last lines.
pub fn last_words(log: &Path) -> String {
    const LINES: usize = 12;
    let text = fs::read(log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    if lines.is_empty() {
        return format!("its log `{}` is empty", log.display());
    }
    let tail: Vec<&str> = lines.iter().skip(lines.len().saturating_sub(LINES)).copied().collect();
    format!("the end of its log `{}`:\n  {}", log.display(), tail.join("\n  "))
}

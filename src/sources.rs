//! Where the bundle comes from: a folder of policies that is edited while we run.
//!
//! The folder is looked at again and again; what counts is its content, never an event or a time stamp, and it is read unless
//! nothing can have changed. The kubelet swaps a
//! whole volume by renaming one link, editors write in place, scripts rename: all of them show as other content, and only
//! content that stands still comes into force. A bundle is swapped whole; what is not good changes nothing but a metric and, once
//! for each bad content, the log.

pub mod certificates;
mod compile;
mod folder;
mod metrics;
mod outside;

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use compile::compile;
pub use folder::{ReadError, digest, read};
pub use metrics::Metrics;
use outside::Outside;
use tokio::sync::watch;

use crate::bundle::{self, Bundle, Loaded};
use crate::clock::Clock;
use crate::yaml::SourceFile;

/// Which folder, and how often to look.
#[derive(Debug, Clone)]
pub struct Config {
    /// The folder with the policies.
    pub folder: PathBuf,
    /// How often it is looked at. An edit is in force after this and [`QUIET`].
    pub poll: Duration,
}

/// The bundle in force.
#[derive(Clone)]
pub struct Bundles {
    current: Arc<ArcSwapOption<Bundle>>,
    ready: watch::Receiver<bool>,
    status: Arc<Mutex<Status>>,
}

/// What is known of the bundle in force and of what was refused since, for people.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// The digest of the bundle in force.
    pub digest: Option<String>,
    /// Since when it is.
    pub since: Option<String>,
    /// Its files.
    pub files: Vec<String>,
    /// Its actions.
    pub actions: usize,
    /// Its contracts.
    pub contracts: usize,
    /// What is wrong with what stands in the folder, if that is not what is in force.
    pub problems: Vec<String>,
}

/// Looks at the folder, and swaps the bundle.
pub struct Watcher {
    config: Config,
    current: Arc<ArcSwapOption<Bundle>>,
    ready: watch::Sender<bool>,
    status: Arc<Mutex<Status>>,
    metrics: Metrics,
    clock: Arc<dyn Clock>,
    /// What was seen last, good or bad.
    last_seen: Option<String>,
    /// How its files looked from outside before that was read.
    last_outside: Option<Outside>,
    /// Looks since then at which it was not read.
    unread: u32,
    /// Bundles that a call may still hold. Who lets go of a bundle last frees it, and a call shall not.
    replaced: Vec<Arc<Bundle>>,
}

/// How long content must stand still. A copy of a few files into the folder is over in far less.
pub const QUIET: Duration = Duration::from_millis(100);
/// A folder that is written to without a pause is a problem after so many looks: half of an edit is never in force.
const MAX_LOOKS: usize = 20;
/// The folder is read at least at each such look, however its files look from outside: there are file systems that lie.
const MAX_UNREAD: u32 = 30;
/// How many problems one log line holds.
const MAX_LOGGED: usize = 20;

/// A watcher, and the handle through which its bundle is used. There is no bundle before the first look.
pub fn watch(config: Config, clock: Arc<dyn Clock>) -> (Bundles, Watcher) {
    let current = Arc::new(ArcSwapOption::empty());
    let (sender, ready) = watch::channel(false);
    let (status, metrics) = (Arc::default(), Metrics::default());
    let bundles = Bundles { current: Arc::clone(&current), ready, status: Arc::clone(&status) };
    (
        bundles,
        Watcher {
            config,
            current,
            ready: sender,
            status,
            metrics,
            clock,
            last_seen: None,
            last_outside: None,
            unread: 0,
            replaced: Vec::new(),
        },
    )
}

impl Bundles {
    /// The bundle in force, if there is one. Whoever judges a call holds on to it until the answer.
    pub fn current(&self) -> Option<Arc<Bundle>> {
        self.current.load_full()
    }

    /// What is known of it.
    pub fn status(&self) -> Status {
        self.status.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Turns true with the first bundle, and stays so.
    pub fn ready(&self) -> watch::Receiver<bool> {
        self.ready.clone()
    }

    /// One bundle that never changes: for tests and benchmarks.
    pub fn fixed(bundle: Bundle) -> Self {
        let (sender, ready) = watch::channel(true);
        drop(sender);
        Self { current: Arc::new(ArcSwapOption::from_pointee(bundle)), ready, status: Arc::default() }
    }
}

impl Watcher {
    /// What the watcher counts.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Looks until the other end of `stop` is dropped. Blocks: it wants a thread of its own, so that compiling takes nothing
    /// from those who serve.
    pub fn run(mut self, stop: &Receiver<()>) {
        let pause = || stop.recv_timeout(QUIET) == Err(RecvTimeoutError::Timeout);
        self.look(pause);
        // The first bundle is waited for. With every later one, those who serve come first.
        give_way();
        while stop.recv_timeout(self.config.poll) == Err(RecvTimeoutError::Timeout) {
            self.look(pause);
        }
    }

    /// Looks once. `pause` waits for [`QUIET`] and says whether to go on.
    fn look(&mut self, mut pause: impl FnMut() -> bool) {
        self.replaced.retain(|bundle| Arc::strong_count(bundle) > 1);
        let outside = outside::look(&self.config.folder, self.clock.now());
        if outside.is_some() && outside == self.last_outside && self.unread < MAX_UNREAD {
            self.unread += 1;
            return;
        }
        self.unread = 0;
        if self.last_seen.as_ref().is_some_and(|seen| *seen == sight(&self.config)) {
            self.last_outside = outside;
            return;
        }
        // As long as there is no bundle, nobody is served whom it could hold up.
        let readers = if self.current.load().is_none() { compile::one_per_core() } else { 1 };
        for look in 0..MAX_LOOKS {
            let files = read(&self.config.folder);
            let digest = name(&files);
            let names = files.iter().flatten().map(|file| file.name.clone()).collect();
            let mut stands_still = || pause().then(|| sight(&self.config) == digest);
            // A large bundle is in force the sooner. What does not stand still is compiled in vain, but not at each look.
            let (loaded, is_steady) = if look == 0 {
                compile(files, readers, stands_still)
            } else {
                match stands_still() {
                    Some(true) => compile(files, readers, || Some(true)),
                    other => (Err(Vec::new()), other),
                }
            };
            match is_steady {
                None => return,
                Some(true) => return self.take(digest, names, loaded),
                Some(false) => {}
            }
        }
        let unsteady = ReadError::Unsteady(self.config.folder.clone());
        self.take(unreadable(&unsteady), Vec::new(), Err(vec![unsteady.to_string()]));
    }

    /// What stood still is in force, or said to be wrong; each content once.
    fn take(&mut self, digest: String, files: Vec<String>, loaded: Result<Loaded, Vec<String>>) {
        if self.last_seen.as_ref() == Some(&digest) {
            return;
        }
        match loaded {
            Ok(loaded) => self.accept(loaded, files),
            Err(problems) => self.refuse(&digest, &problems),
        }
        self.last_seen = Some(digest);
    }

    fn accept(&mut self, loaded: Loaded, files: Vec<String>) {
        let bundle = loaded.bundle;
        let actions = bundle.catalog.actions().count();
        let contracts = bundle.contracts.iter().count();
        let now = self.clock.now();
        self.metrics.accepted(&bundle.digest, actions, contracts, now);
        let (digest, since) = (Some(bundle.digest.clone()), Some(now.to_string()));
        *self.status.lock().unwrap_or_else(PoisonError::into_inner) =
            Status { digest, since, files, actions, contracts, problems: Vec::new() };
        tracing::info!(digest = bundle.digest, mode = bundle.mode.as_str(), actions, contracts, "bundle in force");
        self.replaced.extend(self.current.swap(Some(Arc::new(bundle))));
        self.ready.send_replace(true);
    }

    fn refuse(&self, digest: &str, problems: &[String]) {
        self.metrics.refused();
        let kept = self.current.load().as_ref().map(|bundle| bundle.digest.clone());
        self.status.lock().unwrap_or_else(PoisonError::into_inner).problems = problems.to_vec();
        let shown = problems.iter().take(MAX_LOGGED).cloned().collect::<Vec<_>>().join("\n");
        let then = if kept.is_some() { "the last good one stays in force" } else { "none is in force" };
        tracing::error!(digest, problems = shown, count = problems.len(), in_force = kept, "bundle refused: {then}");
    }
}

/// Leaves the processor to others where they want it, from here on: this thread, and those that it starts. Of one core that is
/// wanted all the time, a tenth remains.
#[cfg(target_os = "linux")]
fn give_way() {
    const NICE: i32 = 10;
    if let Err(error) = rustix::process::nice(NICE) {
        tracing::debug!(%error, "policies are compiled with the priority of those who serve");
    }
}

/// Elsewhere a whole process has one priority.
#[cfg(not(target_os = "linux"))]
const fn give_way() {}

/// Names what is in the folder, whether it can be read or not.
fn sight(config: &Config) -> String {
    digest(&config.folder).unwrap_or_else(|error| unreadable(&error))
}

/// Names what was read of it, in the same way.
fn name(files: &Result<Vec<SourceFile>, ReadError>) -> String {
    files.as_ref().map_or_else(unreadable, |files| bundle::digest(files))
}

fn unreadable(error: &ReadError) -> String {
    format!("unreadable: {error}")
}

#[cfg(test)]
mod tests;

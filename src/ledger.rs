//! The ledger: an append-only log on disk of what was decided, with a checksum for each record.
//!
//! A record is bytes here; what is in it is made and read elsewhere. [`open`] gives a [`Ledger`], the handle that checks
//! append to, and a [`Writer`], which one thread runs. [`read`] gives all records back, also while a writer is at work.
//!
//! What always holds: a record that was appended with [`Durability::BeforeAnswer`] and acknowledged is on disk and stays
//! readable, whatever is killed or fails after that. A record that was refused is not there (unless the process ends
//! before the disk lets it be cut off). Memory is bounded by the queue, disk by [`Config::most_bytes`] where it is set; else old segments are
//! the operator's to remove, oldest first.
//!
//! It is not tamper-evident: a checksum finds accidents. It is for Unix, and a folder belongs to one process.

mod batch;
mod frame;
mod metrics;
mod queue;
mod reader;
mod recovery;
mod room;
mod scan;
mod segment;
mod tail;
#[cfg(test)]
mod tests;
mod writer;

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{Semaphore, mpsc, oneshot};

pub use frame::MAX_RECORD_BYTES;
use frame::{Frame, TooLarge};
pub use metrics::Metrics;
use queue::{Entry, Hurry, Queue};
pub use reader::{ReadError, read};
pub use recovery::Recovery;
use tail::Tail;
pub use writer::Writer;

/// Where the ledger is, and how much it takes.
#[derive(Debug, Clone)]
pub struct Config {
    /// The folder, which is created if it is not there.
    pub dir: PathBuf,
    /// A new file is begun before one would outgrow this. (A batch, about 1 MiB, is never split.)
    pub segment_bytes: u64,
    /// Before the files together would outgrow this, the oldest are removed. None: nothing is ever removed.
    pub most_bytes: Option<u64>,
    /// How many records may wait to be written. Each takes up to [`MAX_RECORD_BYTES`] of memory.
    pub queue: usize,
}

/// Of a bounded ledger, a file is this part: what is removed at once.
const FILES_WITHIN_BOUND: u64 = 8;

impl Config {
    /// The defaults: files of 64 MiB, which are scanned in a fraction of a second at start, and a queue of 8192 records,
    /// which is what comes in while a slow sync of some 100 ms lasts.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into(), segment_bytes: 64 * 1024 * 1024, most_bytes: None, queue: 8192 }
    }

    /// Bounds what the files take together.
    pub fn bounded(mut self, most_bytes: Option<u64>) -> Self {
        if let Some(most) = most_bytes {
            self.segment_bytes = self.segment_bytes.min(most / FILES_WITHIN_BOUND);
        }
        self.most_bytes = most_bytes;
        self
    }
}

/// What a caller waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// Nothing. The record may be lost, which is counted; a kill may take those of the last milliseconds, a power failure those
    /// of the last second.
    Async,
    /// That the record is synced.
    BeforeAnswer,
}

impl Durability {
    const fn label(self) -> &'static str {
        match self {
            Self::Async => "async",
            Self::BeforeAnswer => "before_answer",
        }
    }
}

/// Why a record is not in the ledger. Each is counted when it is returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotWritten {
    /// It is larger than [`MAX_RECORD_BYTES`].
    #[error("the record is too large for the ledger")]
    TooLarge,
    /// More records came than the disk could take.
    #[error("the ledger's queue is full")]
    QueueFull,
    /// The disk refused, or refuses at the moment. The log says why.
    #[error("the ledger's disk refuses")]
    Disk,
    /// The writer has ended.
    #[error("the ledger is closed")]
    Closed,
}

impl NotWritten {
    const ALL: [Self; 4] = [Self::TooLarge, Self::QueueFull, Self::Disk, Self::Closed];

    const fn label(self) -> &'static str {
        match self {
            Self::TooLarge => "too_large",
            Self::QueueFull => "queue_full",
            Self::Disk => "disk",
            Self::Closed => "closed",
        }
    }
}

impl From<TooLarge> for NotWritten {
    fn from(_: TooLarge) -> Self {
        Self::TooLarge
    }
}

/// Why the ledger could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another process has it open.
    #[error("the ledger in `{}` is in use by another process", .0.display())]
    InUse(PathBuf),
    /// The system refused.
    #[error("cannot open the ledger in `{}`: {cause}{}", dir.display(), hint(cause.kind()))]
    Io {
        /// The ledger's folder.
        dir: PathBuf,
        /// What the system said. It stands in the message, and so is no cause of its own.
        cause: io::Error,
    },
}

/// What would mend it, for what goes wrong in pods.
const fn hint(kind: io::ErrorKind) -> &'static str {
    match kind {
        io::ErrorKind::PermissionDenied => {
            "; let the user that Tollgate runs as write there, in a pod with `securityContext.fsGroup`"
        }
        io::ErrorKind::ReadOnlyFilesystem => "; name a folder that can be written to, in a pod one of a volume",
        _ => "",
    }
}

/// Opens the ledger in a folder, and cuts off what a crash left half written ([`Writer::recovery`] says how much).
pub fn open(config: &Config) -> Result<(Ledger, Writer), Error> {
    let failed = |cause| Error::Io { dir: config.dir.clone(), cause };
    create_dir(&config.dir).map_err(failed)?;
    let lock = OpenOptions::new().create(true).write(true).truncate(false).mode(0o600).open(config.dir.join("lock"));
    let lock = lock.map_err(failed)?;
    lock.try_lock().map_err(|error| match error {
        TryLockError::WouldBlock => Error::InUse(config.dir.clone()),
        TryLockError::Error(source) => failed(source),
    })?;
    let (next_sequence, recovery) = recovery::recover(&config.dir).map_err(failed)?;

    let metrics = Metrics::new();
    // A queue of nothing would refuse everything, and tokio panics where it cannot count.
    let (sender, receiver) = mpsc::channel(config.queue.clamp(1, Semaphore::MAX_PERMITS));
    let tail = Tail::new(config, next_sequence, metrics.clone());
    let hurry = Hurry::default();
    let queue = Queue::new(receiver, hurry.clone());
    let writer = Writer { queue, tail, metrics: metrics.clone(), recovery, _lock: lock };
    Ok((Ledger { queue: sender, hurry, metrics }, writer))
}

/// Creates a folder and those above it, for its owner only, so that they survive a power failure.
fn create_dir(dir: &Path) -> io::Result<()> {
    if dir.is_dir() {
        return Ok(());
    }
    let parent = dir.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    create_dir(parent)?;
    DirBuilder::new().mode(0o700).create(dir)?;
    File::open(parent)?.sync_all()
}

/// The handle that records are appended to. The [`Writer`] ends when all clones are dropped.
#[derive(Debug, Clone)]
pub struct Ledger {
    queue: mpsc::Sender<Entry>,
    hurry: Hurry,
    metrics: Metrics,
}

impl Ledger {
    /// Appends a record.
    ///
    /// [`Durability::Async`] never waits: an error says that the record is lost, and the caller goes on.
    /// [`Durability::BeforeAnswer`] waits until the record is synced. If the caller stops waiting before that, the record
    /// may be written or not.
    pub async fn append(&self, record: Vec<u8>, durability: Durability) -> Result<(), NotWritten> {
        let frame = Frame::try_new(record).map_err(|error| self.refuse(durability, error.into()))?;
        match durability {
            Durability::Async => self.offer(frame),
            Durability::BeforeAnswer => self.write(frame).await,
        }
    }

    /// What the ledger counts.
    pub const fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    fn offer(&self, frame: Frame) -> Result<(), NotWritten> {
        let refuse = |reason| Err(self.refuse(Durability::Async, reason));
        if self.metrics.is_failing() {
            return refuse(NotWritten::Disk);
        }
        match self.queue.try_send(Entry { frame, waiting: None }) {
            Ok(()) => Ok(()),
            Err(TrySendError::Full(_)) => refuse(NotWritten::QueueFull),
            Err(TrySendError::Closed(_)) => refuse(NotWritten::Closed),
        }
    }

    async fn write(&self, frame: Frame) -> Result<(), NotWritten> {
        let closed = || self.refuse(Durability::BeforeAnswer, NotWritten::Closed);
        let (waiting, outcome) = oneshot::channel();
        self.queue.send(Entry { frame, waiting: Some(waiting) }).await.map_err(|_| closed())?;
        self.hurry.wake();
        // The writer has counted what it answers.
        outcome.await.unwrap_or_else(|_| Err(closed()))
    }

    fn refuse(&self, durability: Durability, reason: NotWritten) -> NotWritten {
        self.metrics.lose(durability, reason, 1);
        reason
    }
}

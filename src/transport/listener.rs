//! The sockets that checks come over: TCP or Unix.
//!
//! A Unix socket that a killed process left behind is taken over; one that is in use is not. The socket belongs to its
//! owner and group, since a proxy that shares the volume runs as another user of the same group. Connections are handed
//! over as they are, to be served by whichever thread has room.

use std::fs;
use std::io;
use std::net;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net as unix;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use super::{Listen, Metrics};

/// Who may connect to a Unix socket: whoever may write to it.
#[derive(Debug, Clone)]
pub struct SocketFileConfig {
    /// Its permissions.
    pub mode: u32,
    /// Its group, where it is to be another than that of the process.
    pub group: Option<u32>,
}

/// How many more connections there may be.
#[derive(Debug, Clone)]
pub struct Connections {
    left: Arc<Semaphore>,
    metrics: Metrics,
}

/// A connection that came, and its place among all of them.
#[derive(Debug)]
pub struct Arrived {
    pub(super) socket: Socket<net::TcpStream, unix::UnixStream>,
    pub(super) place: OwnedSemaphorePermit,
}

/// A connected socket.
#[derive(Debug)]
pub enum Socket<T = TcpStream, U = UnixStream> {
    /// A TCP connection.
    Tcp(T),
    /// A connection over a Unix socket.
    Unix(U),
}

/// How long accepting is left alone when the system has no room for another connection.
const PAUSE: Duration = Duration::from_millis(50);

/// A socket that is bound, and not yet served.
#[derive(Debug)]
pub enum Bound {
    /// A TCP port.
    Tcp(TcpListener),
    /// A Unix socket, and its file.
    Unix(UnixListener, SocketFile),
}

/// Removes the socket's file when it is dropped.
#[derive(Debug)]
pub struct SocketFile(PathBuf);

impl Bound {
    /// Binds an address.
    pub async fn to(listen: &Listen, config: &SocketFileConfig) -> Result<Self> {
        let path = match listen {
            Listen::Tcp(address) => return Ok(Bound::Tcp(TcpListener::bind(address).await?)),
            Listen::Unix(path) => path,
        };
        match fs::symlink_metadata(path) {
            Ok(found) if !found.file_type().is_socket() => {
                bail!("`{}` is there already, and is no socket", path.display())
            }
            Ok(_) if UnixStream::connect(path).await.is_ok() => {
                bail!("`{}` is in use by another process", path.display())
            }
            Ok(_) => fs::remove_file(path).context("a socket that was left behind cannot be removed")?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error.into()),
        }
        let listener = UnixListener::bind(path)?;
        let file = SocketFile(path.clone());
        if let Some(group) = config.group {
            let given = std::os::unix::fs::chown(path, None, Some(group));
            given.with_context(|| format!("`{}` cannot be given to group {group}", path.display()))?;
        }
        fs::set_permissions(path, fs::Permissions::from_mode(config.mode))?;
        Ok(Self::Unix(listener, file))
    }

    /// The address as it is: with the port that the system chose.
    pub fn address(&self) -> Result<Listen> {
        Ok(match self {
            Self::Tcp(listener) => Listen::Tcp(listener.local_addr()?),
            Self::Unix(_, file) => Listen::Unix(file.0.clone()),
        })
    }

    /// Takes connections until told to stop, and hands them over. Nobody can connect after that.
    pub async fn accept(self, connections: Connections, hand_over: impl Fn(Arrived), stop: CancellationToken) {
        while let Some(accepted) = stop.run_until_cancelled(self.next()).await {
            match accepted {
                Ok(socket) => match Arc::clone(&connections.left).try_acquire_owned() {
                    Ok(place) => hand_over(Arrived { socket, place }),
                    // Closed at once, since it is dropped here.
                    Err(_) => connections.metrics.count_refused(),
                },
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    async fn next(&self) -> io::Result<Socket<net::TcpStream, unix::UnixStream>> {
        match self {
            Self::Tcp(listener) => {
                let (stream, _) = listener.accept().await?;
                // Answers are small: waiting to fill a packet would add up to 40 ms.
                stream.set_nodelay(true)?;
                stream.into_std().map(Socket::Tcp)
            }
            Self::Unix(listener, _) => listener.accept().await?.0.into_std().map(Socket::Unix),
        }
    }
}

impl Connections {
    /// So many at once.
    pub fn new(most: usize, metrics: Metrics) -> Self {
        Self { left: Arc::new(Semaphore::new(most.min(Semaphore::MAX_PERMITS))), metrics }
    }
}

impl Socket<net::TcpStream, unix::UnixStream> {
    /// Makes it a socket of the runtime that this is called on.
    pub(super) fn register(self) -> io::Result<Socket> {
        Ok(match self {
            Self::Tcp(stream) => Socket::Tcp(TcpStream::from_std(stream)?),
            Self::Unix(stream) => Socket::Unix(UnixStream::from_std(stream)?),
        })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        // Another process may have taken it over; then there is nothing of ours to remove.
        let _ = fs::remove_file(&self.0);
    }
}

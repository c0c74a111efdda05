//! The sockets that checks come over: TCP or Unix.
//!
//! A Unix socket that a killed process left behind is taken over; one that is in use is not. The socket belongs to its
//! owner and group, since a proxy that shares the volume runs as another user of the same group.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio_util::either::Either;

use super::Listen;

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

/// To connect one must be able to write to the socket; others than owner and group must not.
const SOCKET_MODE: u32 = 0o660;

impl Bound {
    /// Binds an address.
    pub async fn to(listen: &Listen) -> Result<Self> {
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
        fs::set_permissions(path, fs::Permissions::from_mode(SOCKET_MODE))?;
        Ok(Self::Unix(listener, file))
    }

    /// The address as it is: with the port that the system chose.
    pub fn address(&self) -> Result<Listen> {
        Ok(match self {
            Self::Tcp(listener) => Listen::Tcp(listener.local_addr()?),
            Self::Unix(_, file) => Listen::Unix(file.0.clone()),
        })
    }

    /// The next connection.
    pub(super) async fn accept(&self) -> io::Result<Either<TcpStream, UnixStream>> {
        match self {
            Self::Tcp(listener) => {
                let (stream, _) = listener.accept().await?;
                // Answers are small: waiting to fill a packet would add up to 40 ms.
                stream.set_nodelay(true)?;
                Ok(Either::Left(stream))
            }
            Self::Unix(listener, _) => Ok(Either::Right(listener.accept().await?.0)),
        }
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        // Another process may have taken it over; then there is nothing of ours to remove.
        let _ = fs::remove_file(&self.0);
    }
}

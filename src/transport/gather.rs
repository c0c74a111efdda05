//! A stream whose writes gather until its connection has nothing more to do.
//!
//! An HTTP/2 library flushes between the frames of an answer, so each answer costs a system call or two, which is more than
//! judging it. Here what is written gathers in a buffer, and whoever drives the connection sends it in one call once the
//! connection has been polled: under load that is one call for many answers.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The stream as the connection sees it.
pub struct Gathering<S>(Arc<Mutex<Gathered<S>>>);

/// The other handle on the same stream: it sends what has gathered.
pub struct Outgoing<S>(Arc<Mutex<Gathered<S>>>);

struct Gathered<S> {
    stream: S,
    buffer: Vec<u8>,
    /// How much of the buffer is sent already.
    sent: usize,
}

/// Some forty answers. More is written through, so that a client that does not read is felt.
const ENOUGH: usize = 64 * 1024;

/// Both handles on a stream. They are used by one task, so the lock between them is never waited for.
pub fn gather<S>(stream: S) -> (Gathering<S>, Outgoing<S>) {
    let shared = Arc::new(Mutex::new(Gathered { stream, buffer: Vec::new(), sent: 0 }));
    (Gathering(Arc::clone(&shared)), Outgoing(shared))
}

impl<S: AsyncWrite + Unpin> Gathered<S> {
    fn poll_send(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(left) = self.buffer.get(self.sent..).filter(|left| !left.is_empty()) {
            let sent = ready!(Pin::new(&mut self.stream).poll_write(context, left))?;
            if sent == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.sent += sent;
        }
        self.sent = 0;
        self.buffer.clear();
        // What one burst needed is not kept by a connection that idles.
        self.buffer.shrink_to(ENOUGH);
        // TLS keeps records back until it is told to send them; a plain socket has nothing to do.
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_send(context))?;
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

impl<S: AsyncWrite + Unpin> Outgoing<S> {
    /// Whether as much has gathered as may, and the other end takes none of it. It is sent on when it does.
    pub fn is_full(&self, context: &mut Context<'_>) -> bool {
        let mut gathered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        gathered.buffer.len() >= ENOUGH && gathered.poll_send(context).is_pending()
    }

    /// Sends what has gathered, and says that nothing more will come.
    pub fn poll_shutdown(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).poll_shutdown(context)
    }

    /// Sends what has gathered.
    pub fn poll_send(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).poll_send(context)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Gathering<S> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, to: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut gathered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Pin::new(&mut gathered.stream).poll_read(context, to)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Gathering<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(context, &[io::IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut gathered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if gathered.buffer.len() >= ENOUGH {
            ready!(gathered.poll_send(context))?;
        }
        for slice in slices {
            gathered.buffer.extend_from_slice(slice);
        }
        Poll::Ready(Ok(slices.iter().map(|slice| slice.len()).sum()))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// Nothing: it is sent by the other handle, when the connection has been polled.
    fn poll_flush(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    #[tokio::test]
    async fn what_is_written_is_sent_whole_and_in_order_and_not_before_it_is_asked_for() {
        let (ours, mut theirs) = duplex(1 << 20);
        let (mut gathering, outgoing) = gather(ours);
        for part in ["one ", "two ", "three"] {
            gathering.write_all(part.as_bytes()).await.unwrap();
            gathering.flush().await.unwrap();
        }
        let mut seen = [0; 64];
        assert!(futures_util::poll!(std::pin::pin!(theirs.read(&mut seen))).is_pending());
        poll_fn(|context| outgoing.poll_send(context)).await.unwrap();
        let read = theirs.read(&mut seen).await.unwrap();
        assert_eq!(&seen[..read], b"one two three");
    }

    #[tokio::test]
    async fn who_does_not_read_is_felt_and_memory_stays_bounded() {
        let (ours, mut theirs) = duplex(1024);
        let (mut gathering, outgoing) = gather(ours);
        let chunk = vec![7; 16 * 1024];
        let mut written = 0;
        while let Poll::Ready(part) = futures_util::poll!(std::pin::pin!(gathering.write(&chunk))) {
            written += part.unwrap();
            assert!(written <= ENOUGH + chunk.len(), "it takes no end");
        }
        let reading = async move {
            let mut all = Vec::new();
            theirs.read_to_end(&mut all).await.unwrap();
            all.len()
        };
        let sending = async move {
            poll_fn(|context| outgoing.poll_send(context)).await.unwrap();
            gathering.shutdown().await.unwrap();
        };
        assert_eq!(tokio::join!(reading, sending), (written, ()));
    }
}

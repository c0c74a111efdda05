//! The port of the webhook: TCP connections with TLS on them, as a listener for `axum`.
//!
//! Handshakes are made beside one another, so that who does not finish one keeps nobody else waiting. There are so many
//! connections at most, and one on which nothing happens ends.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{Instant, Sleep};
use tokio_rustls::server::TlsStream;

use crate::transport::Tls;

/// A port with TLS.
pub struct Secured {
    tcp: TcpListener,
    tls: Tls,
    places: Arc<Semaphore>,
    handshakes: JoinSet<Option<(Connection, SocketAddr)>>,
}

/// A connection, and its place among all of them.
pub struct Connection {
    stream: TlsStream<TcpStream>,
    idle: Pin<Box<Sleep>>,
    _place: OwnedSemaphorePermit,
}

/// Three API servers have a few each.
const MAX_CONNECTIONS: usize = 256;
/// How long a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(5);
/// An API server lets go of a connection after 90 seconds without a request.
const IDLE: Duration = Duration::from_mins(2);
/// How long accepting is left alone when the system has no room for another connection.
const PAUSE: Duration = Duration::from_millis(50);

impl Secured {
    /// Serves with the certificates that are in force when a connection comes.
    pub fn new(tcp: TcpListener, tls: Tls) -> Self {
        Self { tcp, tls, places: Arc::new(Semaphore::new(MAX_CONNECTIONS)), handshakes: JoinSet::new() }
    }

    fn greet(&mut self, stream: TcpStream, peer: SocketAddr) {
        // Closed at once where there is no place for it.
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else { return };
        let tls = self.tls.clone();
        self.handshakes.spawn(async move {
            let accepted = tls.accept(stream, HANDSHAKE).await.map(|stream| Connection {
                stream,
                idle: Box::pin(tokio::time::sleep(IDLE)),
                _place: place,
            });
            // Who is turned away stands in the log, where one asks for so much.
            accepted.map_or(None, |connection| Some((connection, peer)))
        });
    }
}

impl axum::serve::Listener for Secured {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        loop {
            tokio::select! {
                accepted = self.tcp.accept() => match accepted {
                    Ok((stream, peer)) => self.greet(stream, peer),
                    Err(error) => {
                        tracing::warn!(%error, "a connection could not be accepted");
                        tokio::time::sleep(PAUSE).await;
                    }
                },
                Some(ended) = self.handshakes.join_next() => if let Ok(Some(greeted)) = ended {
                    return greeted;
                },
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.tcp.local_addr()
    }
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        if read.is_pending() {
            ready!(self.idle.as_mut().poll(cx));
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        self.idle.as_mut().reset(Instant::now() + IDLE);
        read
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

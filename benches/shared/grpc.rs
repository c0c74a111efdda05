//! gRPC by hand, for generators that must take less time for a call than a server does.

use bytes::{BufMut as _, Bytes, BytesMut};
use h2::client::SendRequest;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinSet;

/// A message with the five bytes that stand before it: not compressed, and the length.
pub(crate) fn framed(message: &[u8]) -> Bytes {
    let mut frame = BytesMut::with_capacity(5 + message.len());
    frame.put_u8(0);
    frame.put_u32(u32::try_from(message.len()).unwrap_or(u32::MAX));
    frame.extend_from_slice(message);
    frame.freeze()
}

/// Opens a connection of HTTP/2, which one of these tasks drives.
pub(crate) async fn shake_hands<S>(stream: S, drivers: &mut JoinSet<()>) -> anyhow::Result<SendRequest<Bytes>>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (sender, connection) = h2::client::handshake(stream).await?;
    // An error of the connection is an error of each request on it, where it is seen.
    drivers.spawn(async move {
        let _ = connection.await;
    });
    Ok(sender)
}

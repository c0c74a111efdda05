//! Frames as no library would send them (RFC 9113), over TLS.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::ask::{Ask, framed};
use crate::cases::{API, DESK};
use crate::certificates;

pub(super) const DATA: u8 = 0;
pub(super) const HEADERS: u8 = 1;
pub(super) const RST_STREAM: u8 = 3;
pub(super) const SETTINGS: u8 = 4;
pub(super) const PING: u8 = 6;
pub(super) const GOAWAY: u8 = 7;
pub(super) const WINDOW_UPDATE: u8 = 8;
pub(super) const CONTINUATION: u8 = 9;

pub(super) const END_STREAM: u8 = 1;
pub(super) const END_HEADERS: u8 = 4;

/// Room for answers, as the other end may take it: streams need none, since they are short.
pub(super) const NO_WINDOW: [u8; 6] = [0, 4, 0, 0, 0, 0];

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// What is under way ends within the time of a check and a second; a connection that does not answer, within a minute.
pub(super) const PATIENCE: Duration = Duration::from_secs(75);

/// One connection, greeted.
pub(super) struct Wire {
    pub(super) stream: TlsStream<TcpStream>,
    unread: Vec<u8>,
}

/// A frame that came.
pub(super) struct Frame {
    pub(super) kind: u8,
    pub(super) stream: u32,
    pub(super) payload: Vec<u8>,
}

impl Wire {
    pub(super) async fn greet(connector: &TlsConnector, to: SocketAddr, settings: &[u8]) -> anyhow::Result<Self> {
        let mut stream = certificates::connect(connector, to).await?;
        stream.write_all(&[PREFACE, &frame(SETTINGS, 0, 0, settings)].concat()).await?;
        Ok(Self { stream, unread: Vec::new() })
    }

    /// Sends; whether the other end was still there for it.
    pub(super) async fn send(&mut self, bytes: &[u8]) -> bool {
        let sending = async {
            self.stream.write_all(bytes).await?;
            self.stream.flush().await
        };
        matches!(tokio::time::timeout(PATIENCE, sending).await, Ok(Ok(())))
    }

    /// The next frame; nothing at the end of the connection.
    pub(super) async fn next(&mut self) -> anyhow::Result<Option<Frame>> {
        tokio::time::timeout(PATIENCE, async {
            loop {
                if let Some(frame) = take(&mut self.unread) {
                    return Some(frame);
                }
                // Broken or ended: gone in both cases.
                match self.stream.read_buf(&mut self.unread).await {
                    Ok(0) | Err(_) => return None,
                    Ok(_) => {}
                }
            }
        })
        .await
        .map_err(Into::into)
    }

    /// Reads until this frame came, and gives it; nothing where the connection ended before.
    pub(super) async fn until(&mut self, is_it: impl Fn(&Frame) -> bool) -> anyhow::Result<Option<Frame>> {
        while let Some(frame) = self.next().await? {
            if is_it(&frame) {
                return Ok(Some(frame));
            }
        }
        Ok(None)
    }
}

fn take(unread: &mut Vec<u8>) -> Option<Frame> {
    let ([a, b, c, kind, _flags, stream @ ..], rest) = unread.split_first_chunk::<9>()?;
    let length = usize::try_from(u32::from_be_bytes([0, *a, *b, *c])).unwrap_or(usize::MAX);
    let (payload, _) = rest.split_at_checked(length)?;
    let frame = Frame { kind: *kind, stream: u32::from_be_bytes(*stream), payload: payload.to_vec() };
    unread.drain(..9 + length);
    Some(frame)
}

pub(super) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let [_, length @ ..] = u32::try_from(payload.len()).unwrap_or_default().to_be_bytes();
    [&length[..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A header that is written out (RFC 7541, section 6.2.2). Nothing here is as long as 127 bytes.
fn literal(name: &str, value: &str) -> Vec<u8> {
    let length = |text: &str| u8::try_from(text.len()).unwrap_or_default() & 0x7f;
    [&[0, length(name)], name.as_bytes(), &[length(value)], value.as_bytes()].concat()
}

/// The headers of a check.
pub(super) fn head() -> Vec<u8> {
    [
        // `POST`, `http` by the static table.
        vec![0x83, 0x86],
        literal(":path", "/envoy.service.auth.v3.Authorization/Check"),
        literal(":authority", "tollgate"),
        literal("content-type", "application/grpc"),
        literal("te", "trailers"),
    ]
    .concat()
}

/// A whole check that is granted.
pub(super) fn message() -> Vec<u8> {
    let path = "/v1/orders/7".to_owned();
    let claims = crate::cases::claims("pwd");
    Ask { method: "GET", host: API, path, workload: DESK, claims, body: "" }.to_wire().to_vec()
}

/// The same in frames.
pub(super) fn check(stream: u32) -> Vec<u8> {
    [frame(HEADERS, END_HEADERS, stream, &head()), frame(DATA, END_STREAM, stream, &message())].concat()
}

/// A message that says it is so long, and begins.
pub(super) fn prefix(length: u32) -> Vec<u8> {
    let mut whole = framed(&[0; 64]).to_vec();
    whole.splice(1..5, length.to_be_bytes());
    whole
}

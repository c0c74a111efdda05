//! Frames as no library would send them (RFC 9113), over any stream. The soak and the tests share it.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

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

/// A frame's payload, at most, unless both agreed on more.
pub(super) const LARGEST: usize = 16 * 1024;
/// `ENHANCE_YOUR_CALM`, `CANCEL`.
pub(super) const CALM: u32 = 11;
const CANCEL: u32 = 8;

/// Room for answers, as the other end may take it: streams need none, since they are short.
pub(super) const NO_WINDOW: [u8; 6] = [0, 4, 0, 0, 0, 0];

pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// What is under way ends within the time of a check and a second; a connection that does not answer, within a minute.
pub(super) const PATIENCE: Duration = Duration::from_secs(75);

/// One connection, greeted.
pub(super) struct Wire<S> {
    pub(super) stream: S,
    unread: Vec<u8>,
}

/// A frame that came.
pub(super) struct Frame {
    pub(super) kind: u8,
    pub(super) stream: u32,
    pub(super) payload: Vec<u8>,
}

impl Frame {
    /// Whether it says that the connection ends.
    pub(super) fn is_goaway(&self) -> bool {
        self.kind == GOAWAY
    }

    /// Whether it says so because of too much.
    pub(super) fn is_calm_down(&self) -> bool {
        self.is_goaway() && self.payload.get(4..8) == Some(&CALM.to_be_bytes())
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Wire<S> {
    pub(super) async fn greet(mut stream: S, settings: &[u8]) -> io::Result<Self> {
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
    head_of("/envoy.service.auth.v3.Authorization/Check")
}

/// The headers of a request of another method.
pub(super) fn head_of(path: &str) -> Vec<u8> {
    [
        // `POST`, `http` by the static table.
        vec![0x83, 0x86],
        literal(":path", path),
        literal(":authority", "tollgate"),
        literal("content-type", "application/grpc"),
        literal("te", "trailers"),
    ]
    .concat()
}

/// A message with what gRPC puts before it: that it is not compressed, and its length.
pub(super) fn framed(message: &[u8]) -> Vec<u8> {
    [&prefix(u32::try_from(message.len()).unwrap_or_default())[..], message].concat()
}

/// What stands before a message of this length.
pub(super) fn prefix(length: u32) -> [u8; 5] {
    let [a, b, c, d] = length.to_be_bytes();
    [0, a, b, c, d]
}

/// A whole check.
pub(super) fn check(stream: u32, message: &[u8]) -> Vec<u8> {
    let begin = frame(HEADERS, END_HEADERS, stream, &head());
    [begin, frame(DATA, END_STREAM, stream, &framed(message))].concat()
}

/// Headers of forty kilobytes: more than a request may have.
pub(super) fn large_headers(stream: u32) -> Vec<u8> {
    let fill = literal("x-fill", &"a".repeat(100));
    let head: Vec<u8> = head().into_iter().chain((0..400).flat_map(|_| fill.clone())).collect();
    let mut parts = head.chunks(LARGEST).peekable();
    let (mut kind, mut frames) = (HEADERS, Vec::new());
    while let Some(part) = parts.next() {
        let flags = if parts.peek().is_none() { END_HEADERS } else { 0 };
        frames.extend(frame(kind, flags, stream, part));
        kind = CONTINUATION;
    }
    frames
}

/// Headers of eight megabytes that never end (CVE-2024-27316): each has an empty name and value, which no decoder needs to keep.
pub(super) fn endless_headers(stream: u32) -> Vec<u8> {
    let rest = (0..512).flat_map(|_| frame(CONTINUATION, 0, stream, &[0; LARGEST]));
    frame(HEADERS, 0, stream, &head()).into_iter().chain(rest).collect()
}

/// Requests that are reset as soon as they are there (CVE-2023-44487).
pub(super) fn resets(count: u32) -> Vec<u8> {
    let head = head();
    let both = |number| {
        let id = 2 * number + 1;
        [frame(HEADERS, END_HEADERS, id, &head), frame(RST_STREAM, 0, id, &CANCEL.to_be_bytes())].concat()
    };
    (0..count).flat_map(both).collect()
}

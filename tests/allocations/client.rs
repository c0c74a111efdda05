//! A client that allocates nothing while it asks: it writes the same bytes again and again, and reads into one buffer.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tollgate::transport::Listen;

use crate::support::Gate;

/// A connection on which checks are asked, one after the other.
pub struct Client {
    stream: TcpStream,
    /// HEADERS and DATA of a check.
    check: Vec<u8>,
    /// Where in `check` the stream's number stands.
    places: [usize; 2],
    next: u32,
    buffer: Vec<u8>,
}

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const WINDOW_UPDATE: u8 = 8;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
/// The largest window (RFC 9113, section 6.9.1): no window is ever used up here.
const WINDOW: u32 = 0x7fff_ffff;
const FRAME_HEAD: usize = 9;

/// A frame (RFC 9113, section 4.1).
fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
    let [_, length @ ..] = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[..], &[kind, flags, 0, 0, 0, 0], payload].concat()
}

/// A header that changes no table (RFC 7541, section 6.2.2).
fn literal(name: &str, value: &str) -> Vec<u8> {
    let text = |text: &str| [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
    [vec![0], text(name), text(value)].concat()
}

impl Client {
    pub async fn connect(gate: &Gate, message: &[u8]) -> Self {
        let Listen::Tcp(address) = gate.listen[0] else { panic!("TCP") };
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let window = [&[0, 4], &WINDOW.to_be_bytes()[..]].concat();
        let update = (WINDOW - 65_535).to_be_bytes();
        let begin =
            [&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], &frame(SETTINGS, 0, &window), &frame(WINDOW_UPDATE, 0, &update)];
        stream.write_all(&begin.concat()).await.unwrap();
        let head = [
            literal(":method", "POST"),
            literal(":scheme", "http"),
            literal(":authority", "tollgate"),
            literal(":path", "/envoy.service.auth.v3.Authorization/Check"),
            literal("content-type", "application/grpc"),
            literal("te", "trailers"),
            literal("grpc-timeout", "2000m"),
        ];
        let head = frame(HEADERS, END_HEADERS, &head.concat());
        let length = u32::try_from(message.len()).unwrap().to_be_bytes();
        let data = frame(DATA, END_STREAM, &[&[0], &length[..], message].concat());
        let places = [5, head.len() + 5];
        Self { stream, check: [head, data].concat(), places, next: 1, buffer: vec![0; 1 << 16] }
    }

    /// Asks so often, each time after the answer before.
    pub async fn check(&mut self, times: u32) {
        for _ in 0..times {
            let id = self.next.to_be_bytes();
            self.next += 2;
            for place in self.places {
                self.check[place..place + 4].copy_from_slice(&id);
            }
            self.stream.write_all(&self.check).await.unwrap();
            self.answer().await;
        }
    }

    /// Reads frames until one ends a stream.
    async fn answer(&mut self) {
        loop {
            let mut head = [0; FRAME_HEAD];
            self.stream.read_exact(&mut head).await.unwrap();
            let [a, b, c, kind, flags, ..] = head;
            let length = u32::from_be_bytes([0, a, b, c]) as usize;
            self.stream.read_exact(&mut self.buffer[..length]).await.unwrap();
            if matches!(kind, DATA | HEADERS) && flags & END_STREAM != 0 {
                return;
            }
        }
    }
}

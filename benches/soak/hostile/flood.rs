//! Those who send much: what costs them little and might cost us much, and what is more than they may send.

use super::stay::is_goaway;
use super::wire::{
    self, CONTINUATION, DATA, END_HEADERS, HEADERS, PING, RST_STREAM, SETTINGS, WINDOW_UPDATE, Wire, frame,
};
use super::{End, Target};

const FRAMES: u32 = 10_000;
/// A frame's payload, at most, unless both agreed on more.
const LARGEST: usize = 16 * 1024;
/// `ENHANCE_YOUR_CALM`, `CANCEL`.
const CALM: u32 = 11;
const CANCEL: u32 = 8;

/// What became of a connection that sent all this: told to end, closed, or still answering afterwards.
async fn outcome(mut wire: Wire, bytes: &[u8]) -> anyhow::Result<End> {
    wire.send(bytes).await;
    // Where it still lives, it answers a ping.
    wire.send(&frame(PING, 0, 0, b"the last")).await;
    let is_pong = |frame: &wire::Frame| frame.kind == PING && frame.payload == b"the last";
    Ok(match wire.until(|frame| is_goaway(frame) || is_pong(frame)).await? {
        Some(frame) if is_pong(&frame) => End::As("borne"),
        Some(frame) if frame.payload.get(4..8) == Some(&CALM.to_be_bytes()) => End::As("told to calm down"),
        Some(_) => End::As("told to go"),
        None => End::As("closed"),
    })
}

pub(super) async fn resets(to: Target) -> anyhow::Result<End> {
    let wire = Wire::greet(to.good(), to.address, &[]).await?;
    let head = wire::head();
    let both = |number| {
        let id = 2 * number + 1;
        [frame(HEADERS, END_HEADERS, id, &head), frame(RST_STREAM, 0, id, &CANCEL.to_be_bytes())].concat()
    };
    let flood: Vec<u8> = (0..FRAMES).flat_map(both).collect();
    match outcome(wire, &flood).await? {
        End::As("borne") => Ok(End::Wrong("ten thousand resets were borne")),
        end => Ok(end),
    }
}

pub(super) async fn pings(to: Target) -> anyhow::Result<End> {
    let wire = Wire::greet(to.good(), to.address, &[]).await?;
    let flood: Vec<u8> = (0..FRAMES).flat_map(|_| frame(PING, 0, 0, b"12345678")).collect();
    outcome(wire, &flood).await
}

pub(super) async fn settings(to: Target) -> anyhow::Result<End> {
    let wire = Wire::greet(to.good(), to.address, &[]).await?;
    let flood: Vec<u8> = (0..FRAMES).flat_map(|_| frame(SETTINGS, 0, 0, &[0, 4, 0, 1, 0, 0])).collect();
    outcome(wire, &flood).await
}

/// CVE-2024-27316: headers that never end.
pub(super) async fn continuations(to: Target) -> anyhow::Result<End> {
    let wire = Wire::greet(to.good(), to.address, &[]).await?;
    // Each a header with an empty name and value, which no decoder needs to keep.
    let part = [0; LARGEST];
    let rest = (0..512).flat_map(|_| frame(CONTINUATION, 0, 1, &part));
    let flood: Vec<u8> = frame(HEADERS, 0, 1, &wire::head()).into_iter().chain(rest).collect();
    match outcome(wire, &flood).await? {
        End::As("borne") => Ok(End::Wrong("headers of eight megabytes were borne")),
        end => Ok(end),
    }
}

/// Frames that hold nothing, and end nothing (CVE-2019-9518).
pub(super) async fn empty_data(to: Target) -> anyhow::Result<End> {
    let wire = Wire::greet(to.good(), to.address, &[]).await?;
    let rest = (0..FRAMES).flat_map(|_| frame(DATA, 0, 1, &[]));
    let flood: Vec<u8> = frame(HEADERS, END_HEADERS, 1, &wire::head()).into_iter().chain(rest).collect();
    outcome(wire, &flood).await
}

pub(super) async fn window_updates(to: Target) -> anyhow::Result<End> {
    let wire = Wire::greet(to.good(), to.address, &[]).await?;
    let flood: Vec<u8> = (0..FRAMES).flat_map(|_| frame(WINDOW_UPDATE, 0, 0, &1_u32.to_be_bytes())).collect();
    outcome(wire, &flood).await
}

/// Four megabytes without waiting for room.
pub(super) async fn beyond_window(to: Target) -> anyhow::Result<End> {
    let wire = Wire::greet(to.good(), to.address, &[]).await?;
    let first = [wire::prefix(4 << 20), vec![0; LARGEST - 69]].concat();
    let rest = (0..255).flat_map(|_| frame(DATA, 0, 1, &[0; LARGEST]));
    let begin = [frame(HEADERS, END_HEADERS, 1, &wire::head()), frame(DATA, 0, 1, &first)].concat();
    let flood: Vec<u8> = begin.into_iter().chain(rest).collect();
    outcome(wire, &flood).await
}

/// Says that it is longer than any may be: refused before it is there.
pub(super) async fn too_large(to: Target) -> anyhow::Result<End> {
    let mut wire = Wire::greet(to.good(), to.address, &[]).await?;
    let begin = frame(DATA, 0, 1, &wire::prefix(64 << 20));
    wire.send(&[frame(HEADERS, END_HEADERS, 1, &wire::head()), begin].concat()).await;
    let answered = wire.until(|frame| frame.stream == 1 && [HEADERS, RST_STREAM].contains(&frame.kind)).await?;
    Ok(match answered {
        Some(frame) if frame.kind == HEADERS => End::As("refused"),
        Some(_) => End::As("reset"),
        None => End::As("closed"),
    })
}

/// More headers than a request may have, all of them sent.
pub(super) async fn large_headers(to: Target) -> anyhow::Result<End> {
    let wire = Wire::greet(to.good(), to.address, &[]).await?;
    let mut head = wire::head();
    for _ in 0..400 {
        head.extend([&[0, 6], &b"x-fill"[..], &[100], &[b'a'; 100]].concat());
    }
    let mut flags = 0;
    let mut parts = head.chunks(LARGEST).peekable();
    let (mut kind, mut flood) = (HEADERS, Vec::new());
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            flags = END_HEADERS;
        }
        flood.extend(frame(kind, flags, 1, part));
        kind = CONTINUATION;
    }
    outcome(wire, &flood).await
}

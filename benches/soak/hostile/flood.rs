//! Those who send much: what costs them little and might cost us much, and what is more than they may send.

use super::wire::{self, DATA, END_HEADERS, HEADERS, LARGEST, PING, RST_STREAM, SETTINGS, WINDOW_UPDATE, frame};
use super::{End, Target, Wire};

const FRAMES: u32 = 10_000;

/// What became of a connection that sent all this: told to end, closed, or still answering afterwards.
async fn outcome(mut wire: Wire, bytes: &[u8]) -> anyhow::Result<End> {
    wire.send(bytes).await;
    // Where it still lives, it answers a ping.
    wire.send(&frame(PING, 0, 0, b"the last")).await;
    let is_pong = |frame: &wire::Frame| frame.kind == PING && frame.payload == b"the last";
    Ok(match wire.until(|frame| frame.is_goaway() || is_pong(frame)).await? {
        Some(frame) if is_pong(&frame) => End::As("borne"),
        Some(frame) if frame.is_calm_down() => End::As("told to calm down"),
        Some(_) => End::As("told to go"),
        None => End::As("closed"),
    })
}

pub(super) async fn resets(to: Target) -> anyhow::Result<End> {
    let wire = to.greet(&[]).await?;
    match outcome(wire, &wire::resets(FRAMES)).await? {
        End::As("borne") => Ok(End::Wrong("ten thousand resets were borne")),
        end => Ok(end),
    }
}

pub(super) async fn pings(to: Target) -> anyhow::Result<End> {
    let wire = to.greet(&[]).await?;
    let flood: Vec<u8> = (0..FRAMES).flat_map(|_| frame(PING, 0, 0, b"12345678")).collect();
    outcome(wire, &flood).await
}

pub(super) async fn settings(to: Target) -> anyhow::Result<End> {
    let wire = to.greet(&[]).await?;
    let flood: Vec<u8> = (0..FRAMES).flat_map(|_| frame(SETTINGS, 0, 0, &[0, 4, 0, 1, 0, 0])).collect();
    outcome(wire, &flood).await
}

/// Headers that never end.
pub(super) async fn continuations(to: Target) -> anyhow::Result<End> {
    let mut wire = to.greet(&[]).await?;
    wire.send(&wire::endless_headers(1)).await;
    // No ping: in the middle of headers any other frame would end it.
    Ok(match wire.until(wire::Frame::is_goaway).await {
        Ok(Some(_)) => End::As("told to go"),
        Ok(None) => End::As("closed"),
        Err(_) => End::Wrong("headers of eight megabytes were borne"),
    })
}

/// Frames that hold nothing, and end nothing (CVE-2019-9518).
pub(super) async fn empty_data(to: Target) -> anyhow::Result<End> {
    let wire = to.greet(&[]).await?;
    let rest = (0..FRAMES).flat_map(|_| frame(DATA, 0, 1, &[]));
    let flood: Vec<u8> = frame(HEADERS, END_HEADERS, 1, &wire::head()).into_iter().chain(rest).collect();
    outcome(wire, &flood).await
}

pub(super) async fn window_updates(to: Target) -> anyhow::Result<End> {
    let wire = to.greet(&[]).await?;
    let flood: Vec<u8> = (0..FRAMES).flat_map(|_| frame(WINDOW_UPDATE, 0, 0, &1_u32.to_be_bytes())).collect();
    outcome(wire, &flood).await
}

/// Four megabytes without waiting for room.
pub(super) async fn beyond_window(to: Target) -> anyhow::Result<End> {
    let wire = to.greet(&[]).await?;
    let first = [&wire::prefix(4 << 20)[..], &[0; LARGEST - 5]].concat();
    let rest = (0..255).flat_map(|_| frame(DATA, 0, 1, &[0; LARGEST]));
    let begin = [frame(HEADERS, END_HEADERS, 1, &wire::head()), frame(DATA, 0, 1, &first)].concat();
    let flood: Vec<u8> = begin.into_iter().chain(rest).collect();
    outcome(wire, &flood).await
}

/// Says that it is longer than any may be: refused before it is there.
pub(super) async fn too_large(to: Target) -> anyhow::Result<End> {
    let mut wire = to.greet(&[]).await?;
    let begin = frame(DATA, 0, 1, &[&wire::prefix(64 << 20)[..], &[0; 64]].concat());
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
    let wire = to.greet(&[]).await?;
    outcome(wire, &wire::large_headers(1)).await
}

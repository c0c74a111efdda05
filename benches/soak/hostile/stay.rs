//! Those who stay: they take a place and give nothing. All of them must be gone in time by themselves.

use std::time::Duration;

use anyhow::Context as _;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::wire::{self, DATA, END_HEADERS, HEADERS, NO_WINDOW, PATIENCE, RST_STREAM, WINDOW_UPDATE, frame};
use super::{End, Target, granted};
use crate::certificates;

/// How many connections at once, and for how long.
const MANY: usize = 120;
const FOR: Duration = Duration::from_secs(3);
/// Checks on one connection.
const CHECKS: u32 = 300;
/// Their answers are more than all buffers between us take.
const UNREAD_CHECKS: u32 = 20_000;

/// Reads until the other end closes.
async fn closed(stream: &mut (impl AsyncRead + Unpin)) -> End {
    let mut unread = Vec::new();
    match tokio::time::timeout(PATIENCE, stream.read_to_end(&mut unread)).await {
        Ok(_) => End::As("closed"),
        Err(_) => End::Wrong("it was let be"),
    }
}

pub(super) async fn before_tls(to: Target) -> anyhow::Result<End> {
    let mut stream = TcpStream::connect(to.address).await?;
    Ok(closed(&mut stream).await)
}

pub(super) async fn in_tls(to: Target) -> anyhow::Result<End> {
    let mut stream = TcpStream::connect(to.address).await?;
    // The beginning of a record that says it is longer (RFC 8446, section 5.1).
    stream.write_all(&[0x16, 3, 1, 2, 0, 1, 0]).await?;
    Ok(closed(&mut stream).await)
}

pub(super) async fn after_tls(to: Target) -> anyhow::Result<End> {
    let mut stream = certificates::connect(to.good(), to.address).await?;
    Ok(closed(&mut stream).await)
}

/// It may stay until it is old, which is a minute here, and must answer PING meanwhile, which it does not.
pub(super) async fn after_greeting(to: Target) -> anyhow::Result<End> {
    let mut wire = to.greet(&[]).await?;
    Ok(closed(&mut wire.stream).await)
}

pub(super) async fn half_a_message(to: Target) -> anyhow::Result<End> {
    let mut wire = to.greet(&[]).await?;
    let message = wire::framed(&granted());
    let (half, _) = message.split_at_checked(message.len() / 2).context("no message")?;
    wire.send(&[frame(HEADERS, END_HEADERS, 1, &wire::head()), frame(DATA, 0, 1, half)].concat()).await;
    Ok(match wire.until(|frame| frame.kind == RST_STREAM && frame.stream == 1).await {
        Ok(Some(_)) => End::As("reset"),
        Ok(None) => End::As("closed"),
        Err(_) => End::Wrong("it was let be"),
    })
}

/// Every answer waits for room, and none comes.
pub(super) async fn no_window(to: Target) -> anyhow::Result<End> {
    let mut wire = to.greet(&NO_WINDOW).await?;
    let checks = checks(CHECKS);
    wire.send(&frame(WINDOW_UPDATE, 0, 0, &(1_u32 << 24).to_be_bytes())).await;
    wire.send(&checks).await;
    let mut resets = 0;
    while resets < CHECKS {
        match wire.next().await {
            Ok(Some(frame)) if frame.kind == RST_STREAM => resets += 1,
            Ok(Some(frame)) if frame.kind == DATA && !frame.payload.is_empty() => {
                return Ok(End::Wrong("an answer came without room for it"));
            }
            Ok(Some(_)) => {}
            Ok(None) => return Ok(End::As("closed")),
            Err(_) => return Ok(End::Wrong("it was let be")),
        }
    }
    Ok(End::As("all reset"))
}

/// What it asked is answered as far as buffers take it; then it must go.
pub(super) async fn never_reads(to: Target) -> anyhow::Result<End> {
    let mut wire = to.greet(&[]).await?;
    wire.send(&frame(WINDOW_UPDATE, 0, 0, &(1_u32 << 30).to_be_bytes())).await;
    // Comes back when the other end has closed, or has taken all of it.
    let taken = wire.send(&checks(UNREAD_CHECKS)).await;
    Ok(match (taken, closed(&mut wire.stream).await) {
        (_, End::Wrong(how)) => End::Wrong(how),
        (true, _) => End::As("asked all, then closed"),
        (false, _) => End::As("closed"),
    })
}

pub(super) async fn many(to: Target) -> anyhow::Result<End> {
    let mut all = JoinSet::new();
    for _ in 0..MANY {
        let to = to.clone();
        all.spawn(async move {
            let wire = to.greet(&[]).await;
            tokio::time::sleep(FOR).await;
            wire.map(drop).is_ok()
        });
    }
    let connected = all.join_all().await.into_iter().filter(|is_connected| *is_connected).count();
    Ok(End::As(if connected == MANY { "all were taken" } else { "some were taken" }))
}

fn checks(count: u32) -> Vec<u8> {
    let granted = granted();
    (0..count).flat_map(|number| wire::check(2 * number + 1, &granted)).collect()
}

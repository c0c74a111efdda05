//! Those who may not connect, and those who speak something else. None of them is to hear a word of HTTP/2 that is not a
//! goodbye.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::wire::{PATIENCE, SETTINGS};
use super::{End, Target, greet};
use crate::certificates;

pub(super) async fn garbage(to: Target) -> anyhow::Result<End> {
    let mut stream = TcpStream::connect(to.address).await?;
    let _ = stream.write_all(&[0xa5; 4096]).await;
    let mut said = Vec::new();
    Ok(match tokio::time::timeout(PATIENCE, stream.read_to_end(&mut said)).await {
        Ok(_) => End::As("closed"),
        Err(_) => End::Wrong("it was let be"),
    })
}

pub(super) async fn garbage_over_tls(to: Target) -> anyhow::Result<End> {
    let mut stream = certificates::connect(to.good(), to.address).await?;
    let _ = stream.write_all(b"GET / HTTP/1.1\r\nhost: tollgate\r\n\r\n").await;
    let mut said = Vec::new();
    Ok(match tokio::time::timeout(PATIENCE, stream.read_to_end(&mut said)).await {
        Ok(_) => End::As("closed"),
        Err(_) => End::Wrong("it was let be"),
    })
}

pub(super) async fn without(to: Target) -> anyhow::Result<End> {
    shut_out(&to.connectors.nobody, &to).await
}

pub(super) async fn not_allowed(to: Target) -> anyhow::Result<End> {
    shut_out(&to.connectors.stranger, &to).await
}

pub(super) async fn forged(to: Target) -> anyhow::Result<End> {
    shut_out(&to.connectors.forged, &to).await
}

pub(super) async fn dropped(to: Target) -> anyhow::Result<End> {
    match &to.connectors.dropped {
        Some(connector) => shut_out(connector, &to).await,
        None => Ok(End::As("none is dropped yet")),
    }
}

/// In TLS 1.3 a client learns after its handshake whether its certificate was taken.
async fn shut_out(connector: &TlsConnector, to: &Target) -> anyhow::Result<End> {
    let Ok(mut wire) = greet(connector, to.address, &[]).await else { return Ok(End::As("shut out")) };
    Ok(match wire.next().await {
        Ok(Some(frame)) if frame.kind == SETTINGS => End::Wrong("it was let in"),
        Ok(Some(_)) => End::Wrong("it was spoken to"),
        Ok(None) => End::As("shut out"),
        Err(_) => End::Wrong("it was let be"),
    })
}

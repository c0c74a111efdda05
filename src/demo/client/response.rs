//! Reading an HTTP/1.1 response: head, then a body by length, by chunks or until the end of the connection.
//!
//! Strict where leniency would hide a fault of Envoy or of Tollgate, and bounded: a head of 64 KiB, a body of 16 MiB.

use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt as _};

const MAX_HEAD: usize = 64 * 1024;
const MAX_BODY: usize = 16 * 1024 * 1024;

/// What came back.
#[derive(Debug, Clone, Default)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Names in lower case, in order of arrival.
    pub headers: Vec<(String, String)>,
    /// Without its framing.
    pub body: Vec<u8>,
    /// From the first byte sent to the last byte received, on a connection that was open already.
    pub elapsed: Duration,
}

impl Response {
    /// The first header of that name (in lower case).
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// The body as text, lossily.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON; null where it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

/// Reads one response. `unread` holds what was read past the end of the response before, and afterwards past this one.
pub(super) async fn read<S>(stream: &mut S, unread: &mut Vec<u8>, to_head: bool) -> anyhow::Result<Response>
where
    S: AsyncRead + Unpin + ?Sized,
{
    let mut reader = Reader { stream, unread };
    let mut response = loop {
        let response = parse_head(&reader.head().await?)?;
        // 1xx announces that the real answer is still to come.
        if response.status >= 200 {
            break response;
        }
    };
    if !to_head && !matches!(response.status, 204 | 304) {
        response.body = reader.body(&response).await?;
    }
    Ok(response)
}

fn parse_head(head: &str) -> anyhow::Result<Response> {
    let mut lines = head.split("\r\n");
    let status_line = lines.next().unwrap_or_default();
    let status = status_line
        .strip_prefix("HTTP/1.1 ")
        .and_then(|rest| rest.get(..3))
        .with_context(|| format!("`{status_line}` is no HTTP/1.1 status line"))?
        .parse()
        .with_context(|| format!("`{status_line}` has no status"))?;
    let mut headers = Vec::new();
    for line in lines.filter(|line| !line.is_empty()) {
        let (name, value) = line.split_once(':').with_context(|| format!("`{line}` is no header"))?;
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    Ok(Response { status, headers, ..Response::default() })
}

struct Reader<'a, S: ?Sized> {
    stream: &'a mut S,
    unread: &'a mut Vec<u8>,
}

impl<S: AsyncRead + Unpin + ?Sized> Reader<'_, S> {
    /// Reads more; false at the end of the connection.
    async fn more(&mut self) -> anyhow::Result<bool> {
        self.unread.reserve(16 * 1024);
        let count = match self.stream.read_buf(self.unread).await {
            // A peer that closes without TLS's goodbye: framing says whether the response was whole.
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => 0,
            read => read.context("can't read the response")?,
        };
        Ok(count > 0)
    }

    async fn need_more(&mut self) -> anyhow::Result<()> {
        ensure!(self.more().await?, "the connection ended before the response did");
        Ok(())
    }

    async fn head(&mut self) -> anyhow::Result<String> {
        loop {
            if let Some(at) = find(self.unread, b"\r\n\r\n") {
                let head: Vec<u8> = self.unread.drain(..at + 4).collect();
                return Ok(String::from_utf8_lossy(&head).into_owned());
            }
            ensure!(self.unread.len() <= MAX_HEAD, "the head of the response is longer than {MAX_HEAD} bytes");
            self.need_more().await?;
        }
    }

    async fn body(&mut self, response: &Response) -> anyhow::Result<Vec<u8>> {
        match (response.header("transfer-encoding"), response.header("content-length")) {
            (Some(coding), _) if coding.eq_ignore_ascii_case("chunked") => self.chunks().await,
            (Some(coding), _) => bail!("the response has the transfer coding `{coding}`, which was not asked for"),
            (None, Some(length)) => {
                self.exactly(length.parse().with_context(|| format!("`{length}` is no content length"))?).await
            }
            (None, None) => {
                while self.more().await? {
                    ensure!(self.unread.len() <= MAX_BODY, "the response is longer than {MAX_BODY} bytes");
                }
                Ok(std::mem::take(self.unread))
            }
        }
    }

    async fn exactly(&mut self, length: usize) -> anyhow::Result<Vec<u8>> {
        ensure!(length <= MAX_BODY, "the response is longer than {MAX_BODY} bytes");
        while self.unread.len() < length {
            self.need_more().await?;
        }
        Ok(self.unread.drain(..length).collect())
    }

    async fn chunks(&mut self) -> anyhow::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let line = self.line().await?;
            let size = line.split(';').next().unwrap_or_default().trim();
            let size = usize::from_str_radix(size, 16).with_context(|| format!("`{line}` is no chunk size"))?;
            if size == 0 {
                // Trailers, if any, and the empty line after them.
                while !self.line().await?.is_empty() {}
                return Ok(body);
            }
            ensure!(body.len().saturating_add(size) <= MAX_BODY, "the response is longer than {MAX_BODY} bytes");
            body.extend(self.exactly(size).await?);
            ensure!(self.line().await?.is_empty(), "a chunk is longer than it says");
        }
    }

    async fn line(&mut self) -> anyhow::Result<String> {
        loop {
            if let Some(at) = find(self.unread, b"\r\n") {
                let line: Vec<u8> = self.unread.drain(..at).collect();
                self.unread.drain(..2);
                return Ok(String::from_utf8_lossy(&line).into_owned());
            }
            ensure!(self.unread.len() <= MAX_HEAD, "a line of the response is longer than {MAX_HEAD} bytes");
            self.need_more().await?;
        }
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn two_responses_on_one_connection_are_told_apart() {
        let mut wire: &[u8] =
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nX-A: 1\r\nx-a: 2\r\nTransfer-Encoding: \
            chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\nHTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno";
        let mut unread = Vec::new();
        let first = read(&mut wire, &mut unread, false).await.unwrap();
        assert_eq!((first.status, first.text().as_str()), (200, "abcde"));
        assert_eq!(first.headers.iter().filter(|(name, _)| name == "x-a").count(), 2);
        let second = read(&mut wire, &mut unread, false).await.unwrap();
        assert_eq!((second.status, second.text().as_str()), (403, "no"));
    }

    #[tokio::test]
    async fn a_response_that_is_cut_off_is_an_error() {
        let mut wire: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf";
        let error = read(&mut wire, &mut Vec::new(), false).await.unwrap_err();
        assert!(error.to_string().contains("ended before"), "{error}");
    }
}

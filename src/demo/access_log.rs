//! Reading Envoy's access log: one line of JSON a request, with what Tollgate said about it as dynamic metadata.
//!
//! It is what an operator's log pipeline would see, and the only place that tells action and tier of a refusal.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use serde_json::Value;

use super::json_lines;
use super::process::POLL;

/// Envoy writes the line after the response, and flushes every 20 ms.
const APPEARS_WITHIN: Duration = Duration::from_secs(5);

/// Waits for the line of the call that had this value in its `x-demo-call` header.
pub async fn line(path: &Path, call: &str) -> anyhow::Result<Value> {
    let deadline = Instant::now() + APPEARS_WITHIN;
    loop {
        let text = std::fs::read_to_string(path).with_context(|| format!("can't read `{}`", path.display()))?;
        if let Some(line) = json_lines::events(&text).rfind(|line| json_lines::text(line, "call") == call) {
            return Ok(line);
        }
        anyhow::ensure!(
            Instant::now() < deadline,
            "no line for the call `{call}` in Envoy's access log `{}` within {APPEARS_WITHIN:?}",
            path.display()
        );
        tokio::time::sleep(POLL).await;
    }
}

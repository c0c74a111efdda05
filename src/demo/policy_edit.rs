//! The story of a policy that is edited while Tollgate runs: granted, then broken, then as it was.
//!
//! Only files are touched, as an operator would: no signal, no restart. A broken edit must change no answer, and the
//! log must say which file and which line.

use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context as _;

use super::drive::{self, Row};
use super::files;
use super::journeys::{BOT_MAY, BOT_READS_A_PROFILE, Claim};
use super::json_lines::text;
use super::process::{POLL, last_words};
use super::stage::{POLICIES_POLL, Stage};

const CONTRACT: &str = "chat-bot";
const ACTION: &str = "profile.read";
const SLIP: &str = "profile.raed";

/// The poll interval, and what loading and a busy machine may add.
const IN_FORCE_WITHIN: Duration = Duration::from_secs(5);

/// Plays the story; each of its calls becomes a row.
pub(super) async fn play(stage: &Stage, rows: &mut Vec<Row>, out: &mut impl Write) -> anyhow::Result<()> {
    let file = stage.file_with_contract(CONTRACT)?;
    let name = file.strip_prefix(stage.work.path("")).unwrap_or(&file);
    let shown = stage.work.shown(name).display().to_string();
    let original = std::fs::read_to_string(&file).with_context(|| format!("can't read `{}`", file.display()))?;
    let (granting, line) = with_action(&original, ACTION)?;
    let (broken, _) = with_action(&original, SLIP)?;
    let denied = BOT_READS_A_PROFILE.claim;

    call(stage, rows, BOT_READS_A_PROFILE.title, denied).await?;

    write!(out, "editing {shown}: the contract `{CONTRACT}` gets `{ACTION}` ")?;
    let took = edit(stage, &file, &granting, 200).await?;
    writeln!(out, "(in force after {took:.1?}, looked for every {POLICIES_POLL:?})")?;
    call(stage, rows, "chat bot reads a profile, granted", BOT_MAY).await?;

    writeln!(out, "breaking it: `{SLIP}`")?;
    files::replace(&file, &broken)?;
    let problem = complaint(stage, &file, line).await?;
    writeln!(out, "  {problem}")?;
    call(stage, rows, "the same, bad edit ignored", BOT_MAY).await?;

    write!(out, "mending it: as it was ")?;
    let took = edit(stage, &file, &original, 403).await?;
    writeln!(out, "(in force after {took:.1?})")?;
    call(stage, rows, "the same, taken back", denied).await
}

async fn call(stage: &Stage, rows: &mut Vec<Row>, title: &'static str, claim: Claim) -> anyhow::Result<()> {
    let row = drive::call(stage, &BOT_READS_A_PROFILE.again(title, claim), rows.len()).await?;
    rows.push(row);
    Ok(())
}

/// Saves the file and calls until the answer has this status. Returns how long that took.
async fn edit(stage: &Stage, file: &Path, contents: &str, status: u16) -> anyhow::Result<Duration> {
    let request = drive::request(stage, &BOT_READS_A_PROFILE);
    let client = stage.client(&BOT_READS_A_PROFILE.caller, BOT_READS_A_PROFILE.listener)?;
    let saved = Instant::now();
    files::replace(file, contents)?;
    loop {
        let answer = client.send(&request).await?;
        if answer.status == status {
            return Ok(saved.elapsed());
        }
        anyhow::ensure!(
            saved.elapsed() < IN_FORCE_WITHIN,
            "the edit of `{}` was not in force within {IN_FORCE_WITHIN:?}: the answer is still {}; {}",
            file.display(),
            answer.status,
            last_words(stage.tollgate.log())
        );
        tokio::time::sleep(POLL).await;
    }
}

/// Waits for the log line that names the file and the line, and returns the problem that it describes.
async fn complaint(stage: &Stage, file: &Path, line: usize) -> anyhow::Result<String> {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let deadline = Instant::now() + IN_FORCE_WITHIN;
    loop {
        for event in stage.tollgate.log_lines()? {
            let problem = text(&event, "problems");
            if problem.contains(SLIP) && problem.contains(&format!("{name}:{line}:")) {
                return Ok(problem.to_owned());
            }
        }
        anyhow::ensure!(
            Instant::now() < deadline,
            "no log line named `{name}:{line}` within {IN_FORCE_WITHIN:?}; {}",
            last_words(stage.tollgate.log())
        );
        tokio::time::sleep(POLL).await;
    }
}

/// The text with one more action in the contract, and the number of the line that was added.
fn with_action(text: &str, action: &str) -> anyhow::Result<(String, usize)> {
    let mut lines: Vec<&str> = text.lines().collect();
    let at = lines.iter().position(|line| line.contains(&format!("name: {CONTRACT},"))).and_then(|contract| {
        let actions = lines.iter().skip(contract).position(|line| line.trim_end() == "actions:")?;
        Some(contract + actions + 1)
    });
    let at = at.with_context(|| format!("the contract `{CONTRACT}` has no line `actions:`"))?;
    let added = format!("  {action}:");
    lines.insert(at, &added);
    Ok((lines.join("\n") + "\n", at + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_action_is_added_to_the_right_contract() {
        let text = "metadata: { name: other, owner: x }\nactions:\n  a.b:\n---\nmetadata: { name: chat-bot, owner: x }\n\
            actions:\n  c.d:\n";
        let (edited, line) = with_action(text, "e.f").unwrap();
        assert_eq!(edited.lines().nth(line - 1), Some("  e.f:"));
        assert_eq!(line, 7);
        assert!(with_action("kind: Contract", "e.f").is_err());
    }
}

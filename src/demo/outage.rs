//! The story of a Tollgate that is killed under load: what Envoy then lets through (nothing), and what comes back.
//!
//! It counts on both sides. A request that reached the services without a receipt, or that reached them and was not
//! answered with one, is a request that passed unjudged.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;

use super::client::{Client, Request};
use super::drive::{self, Row};
use super::journeys::{SUPPORT_READS_AN_ORDER as STEP, Step};
use super::process::{POLL, last_words};
use super::stage::Stage;

const CALLERS: usize = 4;

/// Load before the kill, and after it.
const EACH_HALF: Duration = Duration::from_millis(400);

/// How the calls under load came out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Tally {
    /// Answered by the service, and with a receipt.
    pub(super) judged: u64,
    /// Answered by the service without one.
    pub(super) unjudged: u64,
    /// Refused by Envoy with 503, since nobody could be asked.
    pub(super) refused: u64,
    /// Anything else, a broken connection included.
    pub(super) other: u64,
    /// What the services counted themselves.
    pub(super) reached: u64,
}

impl Tally {
    /// Where it is not as claimed.
    pub(super) fn differences(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut claim = |holds: bool, what: &str| {
            if !holds {
                found.push(format!("killed under load: {what}: {self:?}"));
            }
        };
        claim(self.judged > 0, "no call was judged before the kill");
        claim(self.refused > 0, "no call was refused after the kill");
        claim(self.unjudged == 0, "a call was answered without a receipt");
        claim(self.reached == self.judged, "the services counted other calls than were judged");
        claim(self.other == 0, "a call had another end");
        found
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { judged, unjudged, refused, other, reached } = *self;
        let total = judged + unjudged + refused + other;
        let passed = reached.saturating_sub(judged);
        write!(f, "{total} calls: {judged} judged, {refused} refused with 503, {passed} passed unjudged")
    }
}

/// Kills Tollgate while calls run, and tries one more call.
pub(super) async fn play(stage: &mut Stage, rows: &mut Vec<Row>) -> anyhow::Result<Tally> {
    let tally = kill_under_load(stage).await?;
    let row = call_nobody(stage, &STEP.again("order read, Tollgate killed", STEP.claim)).await?;
    rows.push(row);
    Ok(tally)
}

/// Waits until the restarted Tollgate answers Envoy, and tries the call once more.
pub(super) async fn recover(stage: &Stage, rows: &mut Vec<Row>) -> anyhow::Result<()> {
    let client = stage.client(&STEP.caller, STEP.listener)?;
    let request = drive::request(stage, &STEP);
    let patience = tokio::time::Instant::now() + Duration::from_secs(10);
    loop {
        let status = client.send(&request).await?.status;
        if status == 200 {
            break;
        }
        anyhow::ensure!(
            tokio::time::Instant::now() < patience,
            "envoy still answers {status} after Tollgate's restart; {}",
            last_words(stage.tollgate.log())
        );
        tokio::time::sleep(POLL).await;
    }
    let row = drive::call(stage, &STEP.again("order read, Tollgate back", STEP.claim), rows.len()).await?;
    rows.push(row);
    Ok(())
}

async fn kill_under_load(stage: &mut Stage) -> anyhow::Result<Tally> {
    let client = stage.client(&STEP.caller, STEP.listener)?;
    let request = drive::request(stage, &STEP);
    let before = stage.upstream.count();
    let stop = Arc::new(AtomicBool::new(false));
    let mut load = JoinSet::new();
    for _ in 0..CALLERS {
        load.spawn(keep_calling(client.clone(), request.clone(), Arc::clone(&stop)));
    }
    tokio::time::sleep(EACH_HALF).await;
    stage.tollgate.kill()?;
    tokio::time::sleep(EACH_HALF).await;
    stop.store(true, Ordering::SeqCst);
    let mut tally = Tally::default();
    while let Some(part) = load.join_next().await {
        let part = part?;
        tally.judged += part.judged;
        tally.unjudged += part.unjudged;
        tally.refused += part.refused;
        tally.other += part.other;
    }
    tally.reached = stage.upstream.count() - before;
    Ok(tally)
}

async fn keep_calling(client: Client, request: Request, stop: Arc<AtomicBool>) -> Tally {
    let mut tally = Tally::default();
    let mut connection = None;
    while !stop.load(Ordering::SeqCst) {
        if connection.is_none() {
            let Ok(opened) = client.connect().await else {
                tally.other += 1;
                continue;
            };
            connection = Some(opened);
        }
        let Some(open) = &mut connection else { continue };
        match open.send(&request).await {
            Ok(answer) if answer.status == 200 && answer.header("tollgate-receipt").is_some() => tally.judged += 1,
            Ok(answer) if answer.status == 200 => tally.unjudged += 1,
            Ok(answer) if answer.status == 503 => tally.refused += 1,
            Ok(_) => tally.other += 1,
            Err(_) => {
                tally.other += 1;
                connection = None;
            }
        }
    }
    tally
}

/// A call that must end at Envoy: there is nobody who could tell its action or its reason.
async fn call_nobody(stage: &Stage, step: &Step) -> anyhow::Result<Row> {
    let before = stage.upstream.count();
    let answer = stage.client(&step.caller, step.listener)?.send(&drive::request(stage, step)).await?;
    let mut differences = Vec::new();
    if answer.status != 503 {
        differences.push(format!("the status is {}, claimed was 503", answer.status));
    }
    if stage.upstream.count() != before {
        differences.push("it reached the service".to_owned());
    }
    Ok(Row {
        title: step.title.to_owned(),
        status: answer.status,
        action: String::new(),
        tier: String::new(),
        verdict: String::new(),
        reason: "nobody to ask".to_owned(),
        added_ms: None,
        differences,
    })
}

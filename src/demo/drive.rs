//! One call through Envoy: sent, seen from all three sides (client, access log, service), compared with its claim, and
//! timed against the same Envoy without Tollgate.
//!
//! Every call is compared in full: who is right for the wrong reason is wrong.

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use percent_encoding::percent_decode_str;
use serde_json::Value;

use super::access_log;
use super::client::{Request, Response};
use super::journeys::{Claim, Seen, Step};
use super::json_lines::text;
use super::stage::{DIRECT, FRONT, Stage};
use super::upstream::Received;
use crate::{ledger, receipt};

/// Calls on each side for one figure of added latency. Few enough that the whole demo takes seconds.
const TIMED_CALLS: usize = 40;

/// What a call came to.
#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) title: String,
    pub(super) status: u16,
    pub(super) action: String,
    pub(super) tier: String,
    pub(super) verdict: String,
    pub(super) reason: String,
    /// The median with Tollgate less the median without, in milliseconds; none where that says nothing.
    pub(super) added_ms: Option<f64>,
    /// Where it differs from what was claimed. Empty: nowhere.
    pub(super) differences: Vec<String>,
}

/// Makes the call, and compares.
pub(super) async fn call(stage: &Stage, step: &Step, number: usize) -> anyhow::Result<Row> {
    let id = format!("{number}");
    let before = stage.upstream.count();
    let request = request(stage, step).header("x-demo-call", id.as_str());
    let response = stage.client(&step.caller, step.listener)?.send(&request).await?;
    let line = access_log::line(&stage.access_log(), &id).await?;
    let arrived = stage.upstream.count() - before;
    let received = stage.upstream.find("x-demo-call", &id);
    let told = Told::in_line(&line);

    let mut differences = told.differences(&step.claim);
    differences.extend(answer_differences(&step.claim, &response, &told));
    differences.extend(service_differences(&step.claim, arrived, received.as_ref()));
    if step.claim.is_recorded_first() && !is_recorded(&stage.ledger(), &told.receipt)? {
        differences.push("it was answered, and its receipt is not in the ledger".to_owned());
    }
    // `direct` tidies requests as `front` does, so only those two compare.
    let comparable = step.listener == FRONT && step.claim.passes() && differences.is_empty();
    let added_ms = if comparable { Some(added(stage, step).await?) } else { None };
    Ok(Row {
        title: step.title.to_owned(),
        status: response.status,
        action: told.action,
        tier: told.tier,
        verdict: told.verdict,
        reason: told.reason,
        added_ms,
        differences,
    })
}

/// The step as a request, with its caller's token.
pub(super) fn request(stage: &Stage, step: &Step) -> Request {
    let mut request = Request::new(step.method, step.host, step.target).body(step.body);
    for (name, value) in step.headers {
        request = request.header(name, *value);
    }
    match stage.token(&step.caller) {
        Some(token) => request.header("authorization", format!("Bearer {token}")),
        None => request,
    }
}

/// What Tollgate told Envoy beside its answer.
#[derive(Debug, Default)]
struct Told {
    action: String,
    tier: String,
    verdict: String,
    reason: String,
    mode: String,
    receipt: String,
}

impl Told {
    fn in_line(line: &Value) -> Self {
        let said = line.get("tollgate").unwrap_or(&Value::Null);
        let word = |name: &str| text(said, name).to_owned();
        Self {
            action: word("action"),
            tier: word("tier"),
            verdict: word("verdict"),
            reason: word("reason"),
            mode: word("mode"),
            receipt: word("receipt"),
        }
    }

    fn differences(&self, claim: &Claim) -> Vec<String> {
        let mut found = Vec::new();
        let mut same = |what: &str, seen: &str, claimed: &str| {
            if seen != claimed {
                found.push(format!("{what} is `{seen}`, claimed was `{claimed}`"));
            }
        };
        same("the action", &self.action, claim.action.unwrap_or_default());
        same("the tier", &self.tier, claim.tier.unwrap_or_default());
        same("the verdict", &self.verdict, claim.verdict);
        same("the reason", &self.reason, claim.reason);
        same("the mode", &self.mode, claim.mode);
        if self.receipt.is_empty() {
            found.push("there is no receipt".to_owned());
        }
        found
    }
}

fn answer_differences(claim: &Claim, response: &Response, told: &Told) -> Vec<String> {
    let mut found = Vec::new();
    if response.status != claim.status {
        found.push(format!("the status is {}, claimed was {}", response.status, claim.status));
    }
    if !claim.passes() {
        let problem = response.json();
        if text(&problem, "reason") != claim.reason || text(&problem, "receipt") != told.receipt {
            found.push(format!("the refusal does not bear its reason and receipt: {problem}"));
        }
    }
    found.extend(claim.response.iter().filter_map(|seen| unseen(seen, "the response", &response.headers, None)));
    found
}

fn service_differences(claim: &Claim, arrived: u64, received: Option<&Received>) -> Vec<String> {
    if !claim.passes() {
        return if arrived == 0 { Vec::new() } else { vec!["it reached the service".to_owned()] };
    }
    let Some(received) = received else {
        return vec!["it did not reach the service".to_owned()];
    };
    let look = |seen| unseen(seen, "the service", &received.headers, Some(&received.target));
    claim.service.iter().filter_map(look).collect()
}

/// Says what is missing, if it is.
fn unseen(seen: &Seen, whom: &str, headers: &[(String, String)], target: Option<&str>) -> Option<String> {
    let values = |name: &str| headers.iter().filter(|(n, _)| n == name).map(|(_, v)| v.clone()).collect::<Vec<_>>();
    match *seen {
        Seen::Header(name, text) => {
            let values = values(name);
            // Two headers of one name are two meanings for two readers.
            let right = matches!(values.as_slice(), [value] if value.contains(text));
            (!right).then(|| format!("{whom} sees `{name}: {}`, claimed was `{text}`", values.join("` and `")))
        }
        Seen::NoHeader(name) => {
            let values = values(name);
            (!values.is_empty()).then(|| format!("{whom} sees `{name}: {}`, claimed was none", values.join(", ")))
        }
        Seen::Query(name, text) => {
            let values = parameters(target.unwrap_or_default(), name);
            (values != [text]).then(|| format!("{whom} sees {name}={values:?} in the query, claimed was `{text}`"))
        }
        Seen::NoQuery(name) => {
            let values = parameters(target.unwrap_or_default(), name);
            (!values.is_empty()).then(|| format!("{whom} sees {name}={values:?} in the query, claimed was none"))
        }
    }
}

/// The values of a query parameter, decoded.
fn parameters(target: &str, name: &str) -> Vec<String> {
    let query = target.split_once('?').map_or("", |(_, query)| query);
    let pairs = query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    pairs.filter(|(n, _)| *n == name).map(|(_, v)| percent_decode_str(v).decode_utf8_lossy().into_owned()).collect()
}

/// Whether the ledger on disk has this receipt at this moment.
fn is_recorded(ledger: &Path, receipt: &str) -> anyhow::Result<bool> {
    for record in ledger::read(ledger).context("can't read the ledger")? {
        let decision = receipt::decode(&record.context("can't read the ledger")?).context("can't read a record")?;
        if decision.id == receipt {
            return Ok(true);
        }
    }
    Ok(false)
}

/// How much longer the call takes because Tollgate is asked, in milliseconds.
async fn added(stage: &Stage, step: &Step) -> anyhow::Result<f64> {
    let request = request(stage, step);
    let mut asked = stage.client(&step.caller, step.listener)?.connect().await?;
    let mut direct = stage.client(&step.caller, DIRECT)?.connect().await?;
    let (mut with, mut without) = (Vec::new(), Vec::new());
    // In turns, so that a busy machine is as busy for both.
    for _ in 0..TIMED_CALLS {
        with.push(asked.send(&request).await?.elapsed);
        without.push(direct.send(&request).await?.elapsed);
    }
    Ok(median_ms(with) - median_ms(without))
}

fn median_ms(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    times.get(times.len() / 2).map_or(0.0, |time| time.as_secs_f64() * 1000.0)
}

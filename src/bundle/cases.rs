//! Policy cases as they are written: what is asked, and what must come out.
//!
//! They are data of the bundle; the gate runs them.

use jiff::Timestamp;
use serde_json::Value;

use super::documents::test;
use crate::terms::{Mode, Reason};
use crate::verdict::Verdict;
use crate::yaml::Place;

/// One case.
#[derive(Debug, Clone)]
pub struct Case {
    /// What it shows.
    pub name: String,
    /// Where it is written.
    pub place: Place,
    /// What is asked.
    pub asked: Asked,
    /// What must come out.
    pub expect: Expected,
}

/// A call as a case or a command line describes it.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    /// The SPIFFE id of the certificate.
    pub workload: String,
    /// The payload of the verified token.
    pub claims: Option<Value>,
    /// The time.
    pub now: Option<Timestamp>,
    /// The method.
    pub method: String,
    /// The host.
    pub host: String,
    /// The path with the query, as on the wire.
    pub path: String,
    /// Further headers.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Option<String>,
}

/// What must come out.
#[derive(Debug, Clone)]
pub struct Expected {
    /// The verdict of the rules.
    pub verdict: Verdict,
    /// Why, where the case says so.
    pub reason: Option<Reason>,
    /// Which action it is, where the case says so.
    pub action: Option<String>,
    /// Whether it is carried out, where the case says so.
    pub mode: Option<Mode>,
}

impl From<test::Case> for Case {
    fn from(typed: test::Case) -> Self {
        let given = typed.given;
        let headers = typed.request.headers.unwrap_or_default().0;
        let mut headers: Vec<_> = headers.into_iter().map(|(name, value)| (name.value, value)).collect();
        let body = match typed.request.body {
            None | Some(test::CaseBody::Nothing) => None,
            Some(test::CaseBody::Text(text)) => Some(text),
            Some(test::CaseBody::Json(json)) => {
                if !headers.iter().any(|(name, _)| name == "content-type") {
                    headers.push(("content-type".to_owned(), "application/json".to_owned()));
                }
                Some(json.to_string())
            }
        };
        let asked = Asked {
            workload: given.as_ref().and_then(|given| given.workload.clone()).unwrap_or_default(),
            claims: given.as_ref().and_then(|given| given.claims.clone()).map(|claims| claims.0),
            now: given.and_then(|given| given.now),
            method: typed.request.method,
            host: typed.request.host,
            path: typed.request.path,
            headers,
            body,
        };
        let expect = typed.expect;
        let expect = Expected {
            verdict: expect.verdict,
            reason: expect.reason,
            action: expect.action.map(|name| name.value.to_string()),
            mode: expect.mode,
        };
        Self { name: typed.name.value, place: typed.name.place, asked, expect }
    }
}

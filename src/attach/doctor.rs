//! Reads manifests or a dump of a running Envoy, and finds what makes the gate silently ineffective.
//!
//! All of it is configuration that is valid, or looks so, and lets requests pass unjudged, refuses them all, or is weaker than
//! it looks. Nothing is claimed beyond what was looked at: what cannot be told from what was given is a note, and a report
//! says of which kinds how many documents were read.

mod documents;
mod envoy;
mod envoy_gateway;
mod field;
mod finding;
mod istio;
mod kubernetes;
mod object;
mod outage;
mod pod;

use std::collections::BTreeMap;

pub use finding::{Code, Finding, Severity};

use crate::yaml::{Problems, SourceFile};
use documents::Documents;
use finding::Found;
use object::Index;

/// What came of an examination.
#[derive(Debug)]
pub struct Report {
    /// In the order of files and lines.
    pub findings: Vec<Finding>,
    /// What could not be told from what was given.
    pub notes: Vec<String>,
    /// How many documents of which kinds were looked at.
    pub looked_at: BTreeMap<String, usize>,
    /// How many of kinds in which nothing is looked for.
    pub not_looked_at: BTreeMap<String, usize>,
    /// What could not be read.
    pub unread: Problems,
}

/// Looks at files for every failure that is known.
pub fn examine(files: &[SourceFile]) -> Report {
    let documents = Documents::read(files);
    let index = Index::of(&documents);
    let mut found = Found::default();
    for check in CHECKS {
        check(&index, &mut found);
    }
    let mut findings = found.findings;
    findings.sort_by(|one, other| {
        let [one, other] = [one, other].map(|one| one.problem.place.as_ref());
        let [one, other] = [one, other].map(|place| place.map(|place| (place.file(), place.line(), place.column())));
        one.cmp(&other)
    });
    let (looked_at, not_looked_at) = (index.counted(), index.others.clone());
    Report { findings, notes: found.notes.into_iter().collect(), looked_at, not_looked_at, unread: documents.unread }
}

/// Every failure that is known, by family.
pub fn codes() -> impl Iterator<Item = &'static Code> {
    TABLES.iter().flat_map(|table| table.iter().copied())
}

type Check = fn(&Index<'_>, &mut Found);

const CHECKS: &[Check] = &[
    istio::check,
    istio::authorization_policy::check,
    istio::envoy_filter::check,
    istio::inbound::check,
    istio::injection::check,
    istio::selector::check,
    istio::sidecar::check,
    istio::ambient::check,
    istio::socket::check,
    envoy_gateway::question::check,
    envoy_gateway::reference::check,
    envoy_gateway::replaced::check,
    envoy_gateway::body::check,
    envoy::check,
    kubernetes::policies::check,
    kubernetes::workload::check,
    kubernetes::socket::check,
    kubernetes::service::check,
    kubernetes::asked::check,
];

static TABLES: &[&[&Code]] = &[
    istio::CODES,
    istio::authorization_policy::CODES,
    istio::envoy_filter::CODES,
    istio::inbound::CODES,
    istio::injection::CODES,
    istio::selector::CODES,
    istio::sidecar::CODES,
    istio::ambient::CODES,
    istio::socket::CODES,
    envoy_gateway::question::CODES,
    envoy_gateway::reference::CODES,
    envoy_gateway::replaced::CODES,
    envoy_gateway::body::CODES,
    envoy::listener::CODES,
    envoy::filter::CODES,
    envoy::manager::CODES,
    envoy::route::CODES,
    envoy::tokens::CODES,
    envoy::headers::CODES,
    envoy::cluster::CODES,
    kubernetes::policies::CODES,
    kubernetes::workload::CODES,
    kubernetes::socket::CODES,
    kubernetes::service::CODES,
    kubernetes::asked::CODES,
];

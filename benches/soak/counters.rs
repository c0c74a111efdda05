//! What a process counts, as `/metrics` says it.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use tollgate::demo::client::{Client, Request};

/// Counters and gauges by name and labels.
pub(crate) type Counters = BTreeMap<String, u64>;

/// Everything that `/metrics` says.
pub(crate) async fn counters(metrics: SocketAddr) -> anyhow::Result<Counters> {
    let text = Client::plain(metrics).send(&Request::get("metrics", "/metrics")).await?.text();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    // An exemplar stands behind a value, and values that are no whole numbers are none that are looked at.
    let named = lines.filter_map(|line| {
        let at = line.find('}').map_or_else(|| line.find(' '), |brace| Some(brace + 1))?;
        let (name, rest) = line.split_at_checked(at)?;
        match rest.split_whitespace().next()?.parse() {
            Ok(value) => Some((name.to_owned(), value)),
            Err(_) => None,
        }
    });
    Ok(named.collect())
}

/// Those that begin so.
pub(crate) fn beginning<'a>(counters: &'a Counters, name: &'a str) -> impl Iterator<Item = (&'a str, u64)> + use<'a> {
    counters.iter().filter(move |(found, _)| found.starts_with(name)).map(|(found, value)| (found.as_str(), *value))
}

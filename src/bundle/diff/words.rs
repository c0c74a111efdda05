//! Parts of a bundle as a person would say them. Two parts that mean something else must read differently here: what is
//! not said is not compared.

use super::join;
use crate::catalog::{Endpoint, InputKind, Location, Mutations, Placed, Route};
use crate::contract::Retain;
use crate::facts::Accepts;
use crate::identity::{ChannelRule, Credential, UserRule, WorkloadRule};
use crate::terms::Pointer;

pub(super) fn workload(rule: &WorkloadRule) -> String {
    let domains = rule.trust_domains.iter().map(crate::terms::TrustDomain::as_str);
    format!("from {}, trusting {}", join(&rule.from), join(domains))
}

pub(super) fn user(rule: &UserRule) -> String {
    let claims: [(&str, Option<&Pointer>); 7] = [
        ("id", Some(&rule.id)),
        ("roles", rule.roles.as_ref()),
        ("actor", rule.actor.as_ref()),
        ("acr", rule.acr.as_ref()),
        ("authTime", rule.auth_time.as_ref()),
        ("purpose", rule.purpose.as_ref()),
        ("tenant", rule.tenant.as_ref()),
    ];
    let claims = claims.iter().filter_map(|(name, at)| at.map(|at| format!("{name} {at}")));
    format!("from metadata:{}/{}, {}", rule.namespace, rule.key, join(claims))
}

pub(super) fn channel(rule: &ChannelRule) -> String {
    let ceilings = rule.ceilings.iter().map(|(channel, tier)| format!("{channel} up to {tier}"));
    let trusted = rule.trusted_from.iter().map(crate::terms::SpiffePattern::as_str);
    format!("from header {}, trusted from {}, {}", rule.header, join(trusted), join(ceilings))
}

pub(super) fn credential(one: &Credential) -> String {
    match one {
        Credential::Header(name) => format!("header:{name}"),
        Credential::Cookie(name) => format!("cookie:{name}"),
        Credential::Query(name) => format!("query:{name}"),
    }
}

pub(super) fn retain(retain: &Retain) -> String {
    let time = retain.time.map_or_else(|| "any time".to_owned(), |time| humantime::format_duration(time).to_string());
    let cache = if retain.no_store { "not in caches" } else { "caches too" };
    format!("for {time}, {cache}")
}

pub(super) fn mutations(changes: &Mutations) -> String {
    let Mutations { remove_headers, remove_query, set_query } = changes;
    let headers = remove_headers.iter().map(|name| format!("without header {name}"));
    let removed = remove_query.iter().map(|name| format!("without ?{name}"));
    let set = set_query.iter().map(|(name, value)| format!("with ?{name}={value}"));
    join(headers.chain(removed).chain(set))
}

pub(super) fn endpoint(endpoint: &Endpoint) -> String {
    format!("{} at {} with {}", endpoint.protocol, endpoint.path, accepts(&endpoint.accepts))
}

/// Nothing where a route reads nothing, and its bodies are the usual ones.
pub(super) fn inputs(route: &Route) -> Option<String> {
    let inputs = route.inputs.iter().map(input);
    let bodies = (route.accepts != Accepts::default()).then(|| accepts(&route.accepts));
    let all: Vec<_> = inputs.chain(bodies).collect();
    (!all.is_empty()).then(|| all.join(", "))
}

fn accepts(accepts: &Accepts) -> String {
    let Accepts { media_types, gzip, max_bytes } = accepts;
    let also = media_types.iter().map(|one| format!(" or {one}"));
    let gzip = if *gzip { ", in gzip too" } else { "" };
    format!("bodies of JSON{}, up to {max_bytes} bytes{gzip}", also.collect::<String>())
}

fn input(placed: &Placed) -> String {
    let input = &placed.input;
    let kind = match input.kind {
        InputKind::Text => "string".to_owned(),
        InputKind::Integer => "integer".to_owned(),
        InputKind::Decimal => "decimal".to_owned(),
        InputKind::Boolean => "boolean".to_owned(),
        InputKind::Money { unit, min } => format!("money in {unit} units of at least {min}"),
    };
    let optional = if input.optional { "optional " } else { "" };
    let currency = placed.currency_at.as_ref().map(|at| format!(" and {}", location(at))).unwrap_or_default();
    format!("{} is {optional}{kind} as {} at {}{currency}", input.name, input.spelled, location(&placed.at))
}

fn location(at: &Location) -> String {
    match at {
        Location::Path(position) => format!("path parameter {}", position + 1),
        Location::Query(name) => format!("query:{name}"),
        Location::Header(name) => format!("header:{name}"),
        Location::Body(pointer) => format!("body:{pointer}"),
        Location::Argument(pointer) => format!("argument:{pointer}"),
        Location::Form(name) => format!("form:{name}"),
    }
}

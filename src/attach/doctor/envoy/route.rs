//! Envoy: routes for which the question is turned off.

use std::ops::BitOrAssign;

use super::super::field::Field;
use super::super::finding::{Found, codes};
use super::super::object::Object;
use super::config::Table;
use super::filter;

codes! {
    DISABLED_BY_PREFIX = "envoy.disabled-by-prefix", Error:
        "what this route matches is not asked about, whatever comes below it",
        "The filter is turned off for a prefix or an expression. Whoever writes a path that Envoy reads as below it, and the service as something else, is not judged; nor is what is added there later.",
        "turn it off for an exact `path` only, or not at all";
}

/// What the routes of a table say of the question.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Routes {
    /// Whether any has settings for it that do not turn it off.
    pub(super) turn_on: bool,
}

impl BitOrAssign for Routes {
    fn bitor_assign(&mut self, other: Self) {
        self.turn_on |= other.turn_on;
    }
}

/// Looks for routes that turn off the question of this name.
pub(super) fn check(table: &Table<'_>, name: &str, object: &Object<'_>, found: &mut Found) -> Routes {
    let turns_on = |holder: &Field<'_>| filter::turns_on(&holder.get(filter::PER_FILTER), name);
    filter::check_disabled_for_all(object, &table.field, name, found);
    let mut turn_on = turns_on(&table.field);
    for host in &table.hosts {
        filter::check_disabled_for_all(object, &host.field, name, found);
        turn_on |= turns_on(&host.field);
        for route in &host.routes {
            turn_on |= turns_on(route);
            check_route(route, name, object, found);
        }
    }
    Routes { turn_on }
}

fn check_route(route: &Field<'_>, name: &str, object: &Object<'_>, found: &mut Found) {
    if route.at("match.path").exists() {
        return;
    }
    let clusters = route.at("route.weighted_clusters.clusters").items();
    let holders = std::iter::once(route).chain(&clusters);
    for disabled in holders.filter_map(|holder| filter::disabled(holder, name)) {
        found.add(&DISABLED_BY_PREFIX, object, &disabled);
    }
}

//! Envoy: routes for which the question is turned off.

use super::super::field::Field;
use super::super::finding::{Found, codes};
use super::listener::Manager;
use super::{Config, filter};

codes! {
    DISABLED_BY_PREFIX = "envoy.disabled-by-prefix", Error:
        "what this route matches is not asked about, whatever comes below it",
        "The filter is turned off for a prefix or an expression. Whoever writes a path that Envoy reads as below it, and the service as something else, is not judged; nor is what is added there later.",
        "turn it off for an exact `path` only, or not at all";
}

/// A route and what it stands in.
pub(super) struct Route<'n> {
    pub(super) field: Field<'n>,
    host: Field<'n>,
    table: Field<'n>,
}

/// The routes of a connection manager: its own, or those that it fetches by name.
pub(super) fn routes<'n>(manager: &Manager<'n>, config: &Config<'n>) -> Vec<Route<'n>> {
    let own = manager.config.get("route_config");
    let name = manager.config.at("rds.route_config_name").text();
    let fetched = config.routes.iter().filter(|table| name.is_some() && table.get("name").text() == name).cloned();
    let tables = own.exists().then_some(own).into_iter().chain(fetched);
    let of_table = |table: Field<'n>| {
        let hosts = table.get("virtual_hosts").items();
        hosts.into_iter().flat_map(move |host| {
            let table = table.clone();
            let routes = host.get("routes").items().into_iter().chain(of_matcher(&host));
            routes.map(move |field| Route { field, host: host.clone(), table: table.clone() })
        })
    };
    tables.flat_map(of_table).collect()
}

/// The routes that a virtual host finds by a tree of matchers.
fn of_matcher<'n>(host: &Field<'n>) -> Vec<Field<'n>> {
    let actions = host.get("matcher").find("typed_config");
    let is_route =
        |one: &Field<'_>| one.get("@type").text().is_some_and(|kind| kind.ends_with("config.route.v3.Route"));
    let lists = actions.iter().flat_map(|one| one.get("routes").items());
    actions.iter().filter(|one| is_route(one)).cloned().chain(lists).collect()
}

/// Whether any route has settings for the question that do not turn it off.
pub(super) fn is_turned_on(manager: &Manager<'_>, config: &Config<'_>) -> bool {
    let turns_on = |holder: &Field<'_>| {
        let settings = filter::per_filter(holder, manager.asks_name());
        settings.iter().any(|one| !one.get("disabled").is_true() && !one.at("config.disabled").is_true())
    };
    routes(manager, config).iter().any(|route| [&route.field, &route.host, &route.table].into_iter().any(turns_on))
}

pub(super) fn check(manager: &Manager<'_>, config: &Config<'_>, found: &mut Found) {
    let mut seen: Vec<String> = Vec::new();
    for route in routes(manager, config) {
        for holder in [&route.table, &route.host] {
            if !seen.iter().any(|path| path == holder.path()) {
                seen.push(holder.path().to_owned());
                filter::check_disabled_for_all(&config.object, holder, manager.asks_name(), found);
            }
        }
        if route.field.at("match.path").exists() {
            continue;
        }
        let clusters = route.field.at("route.weighted_clusters.clusters").items();
        let holders = std::iter::once(&route.field).chain(&clusters);
        for disabled in holders.filter_map(|holder| filter::disabled(holder, manager.asks_name())) {
            found.add(&DISABLED_BY_PREFIX, &config.object, &disabled);
        }
    }
}

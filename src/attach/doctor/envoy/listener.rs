//! Envoy: the listeners, and which of them ask Tollgate.

use super::super::field::Field;
use super::super::finding::{Found, codes};
use super::Config;

codes! {
    FILTER_MISSING = "envoy.filter-missing", Error:
        "this listener asks nobody",
        "Another listener asks Tollgate and this one does not: whoever comes in here is not judged.",
        "add the filter before the router, or let this listener serve nothing but answers of Envoy's own";
}

/// A connection manager that asks Tollgate.
pub(in super::super) struct Manager<'n> {
    pub(in super::super) listener: Field<'n>,
    /// The filter chain that it stands in.
    pub(in super::super) chain: Field<'n>,
    /// Its `typed_config`.
    pub(in super::super) config: Field<'n>,
    pub(in super::super) filters: Vec<Field<'n>>,
    /// Where in the filters the question stands.
    pub(in super::super) asks_at: usize,
}

impl<'n> Manager<'n> {
    /// The filter that asks.
    pub(in super::super) fn asks(&self) -> Field<'n> {
        self.filters.get(self.asks_at).cloned().unwrap_or_else(|| self.config.clone())
    }

    /// What it is called, which is how routes refer to it.
    pub(in super::super) fn asks_name(&self) -> &'n str {
        self.asks().get("name").text().unwrap_or_default()
    }
}

/// Whether a filter is of this kind, by its type, or by its name where no type is written.
pub(in super::super) fn is_filter(filter: &Field<'_>, name: &str, message: &str) -> bool {
    match filter.at("typed_config").get("@type").text() {
        Some(kind) => kind.ends_with(message),
        None => filter.get("name").is(name),
    }
}

fn asks(filter: &Field<'_>) -> bool {
    is_filter(filter, "envoy.filters.http.ext_authz", "ext_authz.v3.ExtAuthz")
}

/// Those that ask Tollgate. What asks nobody beside them is found.
pub(super) fn check<'n>(config: &Config<'n>, found: &mut Found) -> Vec<Manager<'n>> {
    let all: Vec<_> = config.listeners.iter().flat_map(managers).collect();
    let is_ours = |filter: &Field<'_>| asks(filter) && filter.mentions("tollgate");
    let some_are_ours = all.iter().any(|one| one.filters.iter().any(is_ours));
    let at =
        |one: &Manager<'n>| one.filters.iter().position(|one| if some_are_ours { is_ours(one) } else { asks(one) });
    let (asking, silent): (Vec<_>, Vec<_>) = all.into_iter().partition(|one| at(one).is_some());
    if !asking.is_empty() {
        for one in silent.iter().filter(|one| serves_others(one, config)) {
            let name = one.listener.get("name").text().unwrap_or_default();
            found.add_about(
                &FILTER_MISSING,
                &config.object,
                &one.config.get("http_filters"),
                format!("listener `{name}`"),
            );
        }
    }
    let placed = |mut one: Manager<'n>| {
        one.asks_at = at(&one).unwrap_or_default();
        one
    };
    asking.into_iter().map(placed).collect()
}

fn managers<'n>(listener: &Field<'n>) -> Vec<Manager<'n>> {
    let last = listener.get("default_filter_chain");
    let chains = listener.get("filter_chains").items().into_iter().chain(last.exists().then_some(last));
    let of_chain = |chain: Field<'n>| {
        let listener = listener.clone();
        let name = "envoy.filters.network.http_connection_manager";
        let filters = chain.get("filters").items().into_iter();
        filters.filter(move |one| is_filter(one, name, ".HttpConnectionManager")).map(move |filter| {
            let config = filter.get("typed_config");
            let filters = config.get("http_filters").items();
            Manager { listener: listener.clone(), chain: chain.clone(), config, filters, asks_at: 0 }
        })
    };
    chains.flat_map(of_chain).collect()
}

/// Whether requests go on from here to a service: not where Envoy itself answers, and not on the way out of a pod.
fn serves_others(manager: &Manager<'_>, config: &Config<'_>) -> bool {
    const OF_THE_PROXY: &[&str] = &["prometheus_stats", "agent", "sds-grpc", "xds-grpc"];
    if manager.listener.get("traffic_direction").is("OUTBOUND") {
        return false;
    }
    super::route::routes(manager, config).iter().any(|route| {
        let action = route.field.get("route");
        action.exists() && !action.get("cluster").text().is_some_and(|name| OF_THE_PROXY.contains(&name))
    })
}

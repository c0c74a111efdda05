//! Envoy: the listeners, and which of them ask Tollgate.

use super::super::field::Field;
use super::super::finding::{Found, codes};
use super::config::{Config, Manager, is_filter};

codes! {
    FILTER_MISSING = "envoy.filter-missing", Error:
        "this listener asks nobody",
        "Another listener asks Tollgate and this one does not: whoever comes in here is not judged.",
        "add the filter before the router, or let this listener serve nothing but answers of Envoy's own";
}

fn asks(filter: &Field<'_>) -> bool {
    is_filter(filter, "envoy.filters.http.ext_authz", "ext_authz.v3.ExtAuthz")
}

/// Those that ask Tollgate. What asks nobody beside them is found.
pub(super) fn check<'n>(config: &Config<'n>, found: &mut Found) -> Vec<Manager<'n>> {
    let is_ours = |filter: &Field<'_>| asks(filter) && filter.mentions("tollgate");
    let some_are_ours = config.managers.iter().any(|one| one.filters.iter().any(is_ours));
    let at =
        |one: &Manager<'n>| one.filters.iter().position(|one| if some_are_ours { is_ours(one) } else { asks(one) });
    let placed = |one: &Manager<'n>| at(one).map(|asks_at| Manager { asks_at, ..one.clone() });
    let asking: Vec<_> = config.managers.iter().filter_map(placed).collect();
    let silent = config.managers.iter().filter(|one| !asking.is_empty() && at(one).is_none());
    for one in silent.filter(|one| one.serves_others()) {
        let about = format!("listener `{}`", one.listener_name());
        found.add_about(&FILTER_MISSING, &config.object, &one.config.get("http_filters"), about);
    }
    for one in config.managers.iter().filter(|one| !asking.is_empty() && !one.is_outbound()) {
        if let Some(table) = one.unseen {
            let (title, name) = (config.object.title(), one.listener_name());
            found.note(format!(
                "{title}: listener `{name}` fetches its routes (`{table}`), and they were not given: whom it serves, and whether they turn the question off, was not looked at"
            ));
        }
    }
    asking
}

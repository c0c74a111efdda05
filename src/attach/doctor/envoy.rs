//! Envoy's own configuration: the file that it starts with, or what a running one says at `/config_dump`.
//!
//! Istio and Envoy Gateway make such configuration too, so a dump of theirs is looked at in the same way.

pub(super) mod cluster;
mod config;
pub(super) mod filter;
pub(super) mod headers;
pub(super) mod listener;
pub(super) mod manager;
pub(super) mod route;
pub(super) mod tokens;

use std::collections::BTreeMap;
use std::rc::Rc;

use super::finding::Found;
use super::object::{ENVOY, Index};
use config::Config;

pub(super) fn check(index: &Index<'_>, found: &mut Found) {
    let only_seen = headers::only_seen_are_removed(index);
    for object in index.all(ENVOY) {
        let config = Config::of(object);
        let managers = listener::check(&config, found);
        if managers.is_empty() {
            found.note(format!("{} has no filter that asks Tollgate", object.title()));
        }
        // Many connection managers may have one table: it is looked at once for each name that the question has.
        let mut seen = BTreeMap::new();
        for one in &managers {
            let name = one.asks_name();
            let mut routes = route::Routes::default();
            for table in &one.tables {
                let look = || route::check(table, name, object, found);
                routes |= *seen.entry((Rc::as_ptr(table), name)).or_insert_with(look);
            }
            manager::check(one, routes, object, index, found);
            tokens::check(one, object, index, found);
            headers::check(one, object, index, found);
            if only_seen {
                headers::check_left(object, &one.asks().get("typed_config"), found);
            }
        }
        cluster::check(&config, &managers, index, found);
    }
}

//! Envoy's own configuration: the file that it starts with, or what a running one says at `/config_dump`.
//!
//! Istio and Envoy Gateway make such configuration too, so a dump of theirs is looked at in the same way.

pub(super) mod cluster;
pub(super) mod filter;
pub(super) mod headers;
pub(super) mod listener;
pub(super) mod manager;
pub(super) mod route;
pub(super) mod tokens;

use super::field::Field;
use super::finding::Found;
use super::object::{ENVOY, Index, Object};

/// One configuration, wherever its parts stand.
pub(super) struct Config<'n> {
    pub(super) object: Object<'n>,
    pub(super) listeners: Vec<Field<'n>>,
    pub(super) routes: Vec<Field<'n>>,
    pub(super) clusters: Vec<Field<'n>>,
    /// Whether clusters may come from elsewhere.
    pub(super) is_whole: bool,
}

impl<'n> Config<'n> {
    fn of(object: &Object<'n>) -> Self {
        let configs = object.root.get("configs").items();
        if configs.is_empty() { Self::of_bootstrap(object) } else { Self::of_dump(object, &configs) }
    }

    fn of_bootstrap(object: &Object<'n>) -> Self {
        let part = |name| object.root.at("static_resources").get(name).items();
        let (listeners, clusters) = (part("listeners"), part("clusters"));
        let is_whole = !object.root.at("dynamic_resources.cds_config").exists();
        Self { object: object.clone(), listeners, routes: Vec::new(), clusters, is_whole }
    }

    fn of_dump(object: &Object<'n>, configs: &[Field<'n>]) -> Self {
        let parts = |list: &str, inner: &str| -> Vec<Field<'n>> {
            let items = configs.iter().flat_map(|config| config.get(list).items());
            items.map(|item| item.at(inner)).filter(Field::exists).collect()
        };
        let both = |mut one: Vec<Field<'n>>, other: Vec<Field<'n>>| {
            one.extend(other);
            one
        };
        Self {
            object: object.clone(),
            listeners: both(parts("static_listeners", "listener"), parts("dynamic_listeners", "active_state.listener")),
            routes: both(parts("static_route_configs", "route_config"), parts("dynamic_route_configs", "route_config")),
            clusters: both(parts("static_clusters", "cluster"), parts("dynamic_active_clusters", "cluster")),
            is_whole: configs
                .iter()
                .any(|config| config.get("static_clusters").exists() || config.get("dynamic_active_clusters").exists()),
        }
    }
}

pub(super) fn check(index: &Index<'_>, found: &mut Found) {
    for object in index.all(ENVOY) {
        let config = Config::of(object);
        let managers = listener::check(&config, found);
        if managers.is_empty() {
            found.note(format!("{} has no filter that asks Tollgate", object.title()));
        }
        for one in &managers {
            manager::check(one, &config, index, found);
            tokens::check(one, &config.object, index, found);
            headers::check(one, &config.object, index, found);
            route::check(one, &config, found);
        }
        cluster::check(&config, &managers, index, found);
    }
}

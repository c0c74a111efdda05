//! One configuration of Envoy: its connection managers, the route tables that they have or fetch, its clusters. Where each part
//! stands differs between a file and a dump; what is made of it here does not.

use std::cell::OnceCell;
use std::collections::HashMap;
use std::rc::Rc;

use super::super::field::Field;
use super::super::object::Object;

/// One configuration, wherever its parts stand.
pub(super) struct Config<'n> {
    pub(super) object: Object<'n>,
    pub(super) managers: Vec<Manager<'n>>,
    pub(super) clusters: HashMap<&'n str, Field<'n>>,
    /// Whether clusters may come from elsewhere.
    pub(super) is_whole: bool,
}

/// A connection manager.
#[derive(Clone)]
pub(super) struct Manager<'n> {
    pub(super) listener: Field<'n>,
    /// Whether its listener has anything to verify clients with.
    pub(super) verifies_clients: bool,
    /// The filter chain that it stands in.
    pub(super) chain: Field<'n>,
    /// Its `typed_config`.
    pub(super) config: Field<'n>,
    pub(super) filters: Vec<Field<'n>>,
    /// Where in the filters the question stands.
    pub(super) asks_at: usize,
    /// Its own route table, or the one that it fetches by name.
    pub(super) tables: Vec<Rc<Table<'n>>>,
    /// The name of one that it fetches, and that was not given.
    pub(super) unseen: Option<&'n str>,
}

/// A table of routes.
pub(super) struct Table<'n> {
    pub(super) field: Field<'n>,
    pub(super) hosts: Vec<Host<'n>>,
    serves_others: OnceCell<bool>,
}

/// A virtual host and its routes.
pub(super) struct Host<'n> {
    pub(super) field: Field<'n>,
    pub(super) routes: Vec<Field<'n>>,
}

impl<'n> Config<'n> {
    pub(super) fn of(object: &Object<'n>) -> Self {
        let configs = object.root.get("configs").items();
        if configs.is_empty() { Self::of_bootstrap(object) } else { Self::of_dump(object, &configs) }
    }

    fn of_bootstrap(object: &Object<'n>) -> Self {
        let part = |name| object.root.at("static_resources").get(name).items();
        let is_whole = !object.root.at("dynamic_resources.cds_config").exists();
        Self::new(object, &part("listeners"), Vec::new(), part("clusters"), is_whole)
    }

    fn of_dump(object: &Object<'n>, configs: &[Field<'n>]) -> Self {
        let parts = |lists: [(&str, &str); 2]| -> Vec<Field<'n>> {
            let items = lists.into_iter().flat_map(|(list, inner)| {
                let items = configs.iter().flat_map(move |config| config.get(list).items());
                items.map(move |item| item.at(inner))
            });
            items.filter(Field::exists).collect()
        };
        let listeners = [("static_listeners", "listener"), ("dynamic_listeners", "active_state.listener")];
        let routes = [("static_route_configs", "route_config"), ("dynamic_route_configs", "route_config")];
        let clusters = [("static_clusters", "cluster"), ("dynamic_active_clusters", "cluster")];
        let has_clusters = |config: &Field<'n>| clusters.iter().any(|(list, _)| config.get(list).exists());
        let is_whole = configs.iter().any(has_clusters);
        Self::new(object, &parts(listeners), parts(routes), parts(clusters), is_whole)
    }

    fn new(
        object: &Object<'n>,
        listeners: &[Field<'n>],
        routes: Vec<Field<'n>>,
        clusters: Vec<Field<'n>>,
        is_whole: bool,
    ) -> Self {
        // Of one name there is one that is fetched; what has it besides stands in a connection manager.
        let tables =
            routes.into_iter().map(|one| (one.get("name").text().unwrap_or_default(), Rc::new(Table::of(one))));
        let tables: HashMap<_, _> = tables.collect();
        let managers = listeners.iter().flat_map(|listener| managers(listener, &tables)).collect();
        // The first of a name is the one that counts.
        let clusters =
            clusters.into_iter().rev().map(|one| (one.get("name").text().unwrap_or_default(), one)).collect();
        Self { object: object.clone(), managers, clusters, is_whole }
    }
}

fn managers<'n>(listener: &Field<'n>, tables: &HashMap<&'n str, Rc<Table<'n>>>) -> Vec<Manager<'n>> {
    let last = listener.get("default_filter_chain");
    let chains = listener.get("filter_chains").items().into_iter().chain(last.exists().then_some(last));
    let verifies_clients = listener.mentions("validation_context");
    let of_chain = |chain: Field<'n>| {
        let name = "envoy.filters.network.http_connection_manager";
        let filters = chain.get("filters").items().into_iter();
        filters.filter(move |one| is_filter(one, name, ".HttpConnectionManager")).map(move |filter| {
            let config = filter.get("typed_config");
            let own = config.get("route_config");
            let fetches = config.at("rds.route_config_name").text();
            let fetched = fetches.and_then(|name| tables.get(name)).cloned();
            Manager {
                listener: listener.clone(),
                verifies_clients,
                chain: chain.clone(),
                filters: config.get("http_filters").items(),
                asks_at: 0,
                unseen: fetches.filter(|_| fetched.is_none()),
                tables: own.exists().then(|| Rc::new(Table::of(own))).into_iter().chain(fetched).collect(),
                config,
            }
        })
    };
    chains.flat_map(of_chain).collect()
}

impl<'n> Manager<'n> {
    /// The filter that asks.
    pub(super) fn asks(&self) -> Field<'n> {
        self.filters.get(self.asks_at).cloned().unwrap_or_else(|| self.config.clone())
    }

    /// What it is called, which is how routes refer to it.
    pub(super) fn asks_name(&self) -> &'n str {
        self.asks().get("name").text().unwrap_or_default()
    }

    /// Whether requests go on from here to a service: not where Envoy itself answers, and not on the way out of a pod.
    pub(super) fn serves_others(&self) -> bool {
        !self.is_outbound() && self.tables.iter().any(|table| table.serves_others())
    }

    /// Whether it is on the way out of a pod.
    pub(super) fn is_outbound(&self) -> bool {
        self.listener.get("traffic_direction").is("OUTBOUND")
    }

    /// What its listener is called.
    pub(super) fn listener_name(&self) -> &'n str {
        self.listener.get("name").text().unwrap_or_default()
    }
}

impl<'n> Table<'n> {
    fn of(field: Field<'n>) -> Self {
        let host = |field: Field<'n>| {
            let routes = field.get("routes").items().into_iter().chain(of_matcher(&field)).collect();
            Host { field, routes }
        };
        let hosts = field.get("virtual_hosts").items().into_iter().map(host).collect();
        Self { field, hosts, serves_others: OnceCell::new() }
    }

    fn serves_others(&self) -> bool {
        const OF_THE_PROXY: &[&str] = &["prometheus_stats", "agent", "sds-grpc", "xds-grpc"];
        let is_for_others = |route: &Field<'_>| {
            let action = route.get("route");
            action.exists() && !action.get("cluster").text().is_some_and(|name| OF_THE_PROXY.contains(&name))
        };
        *self.serves_others.get_or_init(|| self.hosts.iter().flat_map(|host| &host.routes).any(is_for_others))
    }
}

/// The routes that a virtual host finds by a tree of matchers.
fn of_matcher<'n>(host: &Field<'n>) -> Vec<Field<'n>> {
    let actions = host.get("matcher").find("typed_config");
    let is_route =
        |one: &Field<'_>| one.get("@type").text().is_some_and(|kind| kind.ends_with("config.route.v3.Route"));
    let lists = actions.iter().flat_map(|one| one.get("routes").items());
    actions.iter().filter(|one| is_route(one)).cloned().chain(lists).collect()
}

/// Whether a filter is of this kind, by its type, or by its name where no type is written.
pub(super) fn is_filter(filter: &Field<'_>, name: &str, message: &str) -> bool {
    match filter.at("typed_config").get("@type").text() {
        Some(kind) => kind.ends_with(message),
        None => filter.get("name").is(name),
    }
}

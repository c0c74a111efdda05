//! The catalogue: what can be done at which service, by business name, and how to tell it from a request.
//!
//! A host belongs to one or more services, whose routes share one tree. A request finds its action by host, method and path,
//! and the action's inputs are read from where its route says. What finds nothing is [`Found::Unmapped`]; nothing falls
//! back to a wider route, another method or another host. The catalogue says what a call is, never whether it may be.

mod body;
mod element;
mod endpoint;
mod graphql;
mod grpc;
mod input;
mod limit;
mod mcp;
mod message;
mod route;
mod tiers;
mod tree;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

pub use body::Needs;
pub use element::{Element, Key, OperationKind, Protocol};
pub use endpoint::Endpoint;
pub use grpc::parse_route as grpc_path;
pub use input::{Content, Input, InputKind, Inputs, Location, MoneyUnit, Parsed, Placed, Spelled, Value};
pub use limit::{Bound, Limit};
pub use message::{FieldType, Message};
pub use route::{Form, Method, Route, Template};
pub use tiers::{Assurance, Demands, Tiers};

use crate::facts::{Accepts, Target};
use crate::terms::{ActionName, DataClass, Mode, Name, Pointer, Tier};

/// A service's place in the catalogue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ServiceId(u32);

/// An action's place in the catalogue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ActionId(u32);

/// An endpoint's place in the catalogue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EndpointId(u32);

/// What stands at the end of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Leaf {
    /// A route.
    Route(RouteId),
    /// The body tells which route.
    Endpoint(EndpointId),
}

/// A route's place in the catalogue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RouteId(u32);

/// An API whose actions are known.
#[derive(Debug, Clone)]
pub struct Service {
    /// Its name.
    pub name: Name,
    /// Whom to ask about it.
    pub owner: Option<String>,
    /// Whether it is on trial.
    pub mode: Option<Mode>,
    /// SHA-256 of the descriptors of its gRPC messages.
    pub descriptors: Option<String>,
}

/// One thing that can be done.
#[derive(Debug, Clone)]
pub struct Action {
    /// Its business name, unique in the catalogue.
    pub name: ActionName,
    /// Where it can be done.
    pub service: ServiceId,
    /// How much control it needs.
    pub tier: Tier,
    /// What it does, for people.
    pub description: Option<Box<str>>,
    /// What rules may look at.
    pub inputs: Box<[Arc<Input>]>,
    /// The input or path parameter that says whose data moves.
    pub subject: Option<Box<str>>,
    /// What its answers hold, and where.
    pub returns: Box<[(Pointer, DataClass)]>,
    /// What one call may not exceed, whoever calls.
    pub limits: Box<[Limit]>,
    /// What is changed in the request before the service sees it.
    pub mutations: Mutations,
}

/// What an action changes in its request.
#[derive(Debug, Clone, Default)]
pub struct Mutations {
    /// Headers that its service does not need, in lower case.
    pub remove_headers: Box<[String]>,
    /// Query parameters that its service does not need.
    pub remove_query: Box<[String]>,
    /// Query parameters that are set, whatever the caller sent.
    pub set_query: Box<[(String, String)]>,
}

/// Hosts, routes, actions and tiers of one bundle.
#[derive(Debug, Default)]
pub struct Catalog {
    services: Vec<Service>,
    actions: Vec<Action>,
    routes: Vec<(ActionId, Route)>,
    endpoints: Vec<Endpoint>,
    ids_by_name: BTreeMap<ActionName, ActionId>,
    exact_hosts: HashMap<String, Site>,
    /// By what follows the first label: `shop.example` for `*.shop.example`.
    wildcard_hosts: HashMap<String, Site>,
    /// Every literal segment of a path, once.
    literals: HashSet<Box<str>>,
    tiers: Tiers,
}

/// What answers under one host.
#[derive(Debug, Default)]
struct Site {
    services: Vec<ServiceId>,
    trees_by_method: HashMap<Method, tree::Tree>,
}

/// What a request is, according to the catalogue.
#[derive(Debug)]
pub enum Found<'c, 'p> {
    /// A known action, told by its path.
    Mapped(Match<'c, 'p>),
    /// The body tells.
    Endpoint(&'c Endpoint),
    /// No action. The services are those that answer under the host: none, one or several.
    Unmapped {
        /// Who answers under the host.
        services: &'c [ServiceId],
    },
}

/// An action and the route by which a request is told to be one.
#[derive(Debug)]
pub struct Match<'c, 'p> {
    /// The action.
    pub id: ActionId,
    /// The action, once more, as a value.
    pub action: &'c Action,
    /// The route that matched.
    pub route: &'c Route,
    /// The values of the template's parameters, in order.
    pub params: Vec<&'p str>,
}

/// Why a route cannot be added.
#[derive(Debug, PartialEq, Eq)]
pub struct Overlap {
    /// What is there already.
    pub with: Leaf,
    /// The host under which the two meet.
    pub host: String,
}

impl Catalog {
    /// An empty catalogue with these tiers: everything is unmapped.
    pub fn new(tiers: Tiers) -> Self {
        Self { tiers, ..Self::default() }
    }

    /// Adds a service that answers under these hosts: exact names, or `*.` and a name.
    pub fn add_service(&mut self, service: Service, hosts: &[String]) -> ServiceId {
        let id = ServiceId(index(self.services.len()));
        self.services.push(service);
        for host in hosts {
            self.site_mut(host).services.push(id);
        }
        id
    }

    /// Adds an action. `None` where the name is taken.
    pub fn add_action(&mut self, action: Action) -> Option<ActionId> {
        let id = ActionId(index(self.actions.len()));
        if self.ids_by_name.contains_key(&action.name) {
            return None;
        }
        self.ids_by_name.insert(action.name.clone(), id);
        self.actions.push(action);
        Some(id)
    }

    /// Adds a route of an action under its service's hosts. Refused where another route could match the same request and
    /// neither is the more literal one.
    pub fn add_route(&mut self, action: ActionId, hosts: &[String], route: Route) -> Result<RouteId, Overlap> {
        let id = RouteId(index(self.routes.len()));
        let path = match &route.form {
            Form::Http(method, template) => Some((*method, template)),
            Form::Grpc(template) => Some((Method::Post, template)),
            Form::Element(_) => None,
        };
        if let Some((method, template)) = path {
            self.insert(hosts, method, template, Leaf::Route(id))?;
        }
        self.routes.push((action, route));
        Ok(id)
    }

    /// Adds a path under a service's hosts at which the body says what a request is for.
    pub fn add_endpoint(
        &mut self,
        (service, hosts): (ServiceId, &[String]),
        path: &Template,
        protocol: Protocol,
        accepts: Accepts,
    ) -> Result<EndpointId, Overlap> {
        let id = EndpointId(index(self.endpoints.len()));
        self.insert(hosts, Method::Post, path, Leaf::Endpoint(id))?;
        self.endpoints.push(Endpoint { service, path: path.clone(), protocol, accepts, routes_by_key: HashMap::new() });
        Ok(id)
    }

    /// Makes an operation of an endpoint known as a route; the other route where it is known already.
    pub fn add_element(&mut self, endpoint: EndpointId, route: RouteId) -> Result<(), RouteId> {
        let Some((action, Route { form: Form::Element(key), .. })) = self.routes.get(route.index()) else {
            return Ok(());
        };
        let Some(endpoint) = self.endpoints.get_mut(endpoint.0 as usize) else { return Ok(()) };
        match endpoint.routes_by_key.insert(key.clone(), (*action, route)) {
            Some((_, other)) => Err(other),
            None => Ok(()),
        }
    }

    /// Gives back what was reserved for more: nothing is added any more.
    pub fn shrink(&mut self) {
        self.actions.shrink_to_fit();
        self.routes.shrink_to_fit();
        self.literals.shrink_to_fit();
    }

    fn insert(&mut self, hosts: &[String], method: Method, path: &Template, leaf: Leaf) -> Result<(), Overlap> {
        for literal in path.literals() {
            if !self.literals.contains(literal) {
                self.literals.insert(literal.into());
            }
        }
        for host in hosts {
            let tree = self.site_mut(host).trees_by_method.entry(method).or_default();
            tree.insert(path, leaf).map_err(|with| Overlap { with, host: host.clone() })?;
        }
        Ok(())
    }

    /// Finds what a request is for, as far as its host, method and path tell.
    pub fn find<'c, 'p>(&'c self, target: &'p Target<'_>) -> Found<'c, 'p> {
        let Some(site) = self.site(target.host.as_str()) else {
            return Found::Unmapped { services: &[] };
        };
        let tree = Method::of_request(target.method).and_then(|method| site.trees_by_method.get(&method));
        let found = match tree.and_then(|tree| tree.find(target.path.as_str())) {
            Some((Leaf::Route(id), params)) => self.matched(id, params).map(Found::Mapped),
            Some((Leaf::Endpoint(id), _)) => self.endpoints.get(id.0 as usize).map(Found::Endpoint),
            None => None,
        };
        found.unwrap_or(Found::Unmapped { services: &site.services })
    }

    /// Finds what an operation at an endpoint is.
    pub fn find_element<'c>(&'c self, endpoint: &Endpoint, key: &Key) -> Option<Match<'c, 'static>> {
        let (_, route) = endpoint.routes_by_key.get(key)?;
        self.matched(*route, Vec::new())
    }

    fn matched<'p>(&self, id: RouteId, params: Vec<&'p str>) -> Option<Match<'_, 'p>> {
        let (action, route) = self.routes.get(id.index())?;
        Some(Match { id: *action, action: self.actions.get(action.index())?, route, params })
    }

    /// Who answers under the host of a request.
    pub fn services_at(&self, target: &Target<'_>) -> &[ServiceId] {
        self.site(target.host.as_str()).map_or(&[], |site| &site.services)
    }

    /// The routes of an action.
    pub fn routes_of(&self, action: ActionId) -> impl Iterator<Item = &Route> {
        self.routes.iter().filter(move |(of, _)| *of == action).map(|(_, route)| route)
    }

    /// A host as it is written in the catalogue: exactly, or with a `*` for its first label.
    pub fn host_of(&self, host: &str) -> Option<String> {
        if self.exact_hosts.contains_key(host) {
            return Some(host.to_owned());
        }
        let (_, rest) = host.split_once('.')?;
        self.wildcard_hosts.contains_key(rest).then(|| format!("*.{rest}"))
    }

    /// Whether a route has this as a literal segment.
    pub fn has_literal(&self, segment: &str) -> bool {
        self.literals.contains(segment)
    }

    /// An action's id by its name.
    pub fn action_id(&self, name: &str) -> Option<ActionId> {
        self.ids_by_name.get(name).copied()
    }

    /// An action by its place.
    pub fn action(&self, id: ActionId) -> Option<&Action> {
        self.actions.get(id.index())
    }

    /// All actions, by name.
    pub fn actions(&self) -> impl Iterator<Item = (ActionId, &Action)> {
        self.ids_by_name.values().filter_map(|id| self.actions.get(id.0 as usize).map(|action| (*id, action)))
    }

    /// All services.
    pub fn services(&self) -> impl Iterator<Item = (ServiceId, &Service)> {
        self.services.iter().enumerate().map(|(place, service)| (ServiceId(index(place)), service))
    }

    /// The hosts that a service answers under, sorted.
    pub fn hosts_of(&self, service: ServiceId) -> Vec<String> {
        let exact = self.exact_hosts.iter().map(|(host, site)| (host.clone(), site));
        let wildcard = self.wildcard_hosts.iter().map(|(host, site)| (format!("*.{host}"), site));
        let answers = exact.chain(wildcard).filter(|(_, site)| site.services.contains(&service));
        let mut hosts: Vec<_> = answers.map(|(host, _)| host).collect();
        hosts.sort_unstable();
        hosts
    }

    /// The endpoints of a service.
    pub fn endpoints_of(&self, service: ServiceId) -> impl Iterator<Item = &Endpoint> {
        self.endpoints.iter().filter(move |endpoint| endpoint.service == service)
    }

    /// A service by its place.
    pub fn service(&self, id: ServiceId) -> Option<&Service> {
        self.services.get(id.0 as usize)
    }

    /// The ladder of tiers.
    pub const fn tiers(&self) -> &Tiers {
        &self.tiers
    }

    /// The most specific host wins as a whole, as Envoy's virtual hosts do: an exact name, then the longest wildcard of
    /// one label.
    fn site(&self, host: &str) -> Option<&Site> {
        self.exact_hosts.get(host).or_else(|| self.wildcard_hosts.get(host.split_once('.')?.1))
    }

    fn site_mut(&mut self, host: &str) -> &mut Site {
        match host.strip_prefix("*.") {
            Some(rest) => self.wildcard_hosts.entry(rest.to_owned()).or_default(),
            None => self.exact_hosts.entry(host.to_owned()).or_default(),
        }
    }
}

impl ActionId {
    /// A number below the count of actions, for tables by action.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

impl RouteId {
    /// A number below the count of routes, for tables by route.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// A bundle's bound on documents keeps all counts far below this.
fn index(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;

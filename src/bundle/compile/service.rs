//! Services: hosts, actions, routes, inputs, limits.

use std::collections::HashMap;

use super::InputsByAction;
use super::ground::{header, refuse_empty};
use crate::bundle::documents::contract::Limits;
use crate::bundle::documents::service::{
    Action as TypedAction, DetailedInput, Input as TypedInput, MoneyInput, Route as TypedRoute, Service as Typed,
    SimpleInput,
};
use crate::bundle::problem::{Place, Problem, Problems, nearest};
use crate::bundle::read::{MapOf, Spanned, listed};
use crate::catalog::{
    Action, Bound, Catalog, Input, InputKind, Limit, Location, Mutations, Placed, Route, Service, ServiceId, Template,
};
use crate::facts::Host;
use crate::terms::{ActionName, Money, Name};

pub(super) struct Compiler<'p> {
    catalog: Catalog,
    problems: &'p mut Problems,
    places_by_action: HashMap<ActionName, Place>,
    places_by_route: Vec<Place>,
    inputs_by_action: InputsByAction,
}

/// Headers that frame the message. Whoever takes one of them out changes what the request is.
const FRAMING: [&str; 5] = ["connection", "content-length", "host", "te", "transfer-encoding"];

impl<'p> Compiler<'p> {
    pub(super) fn new(catalog: Catalog, problems: &'p mut Problems) -> Self {
        Self {
            catalog,
            problems,
            places_by_action: HashMap::new(),
            places_by_route: Vec::new(),
            inputs_by_action: HashMap::new(),
        }
    }

    pub(super) fn finish(self) -> (Catalog, InputsByAction) {
        (self.catalog, self.inputs_by_action)
    }

    pub(super) fn add(&mut self, name: Name, owner: Option<String>, typed: Typed) {
        refuse_empty(&typed.hosts, "no request would find this service", self.problems);
        let mut hosts: Vec<String> = Vec::new();
        for host in &typed.hosts.value {
            self.check_host(host, &hosts);
            hosts.push(host.value.clone());
        }
        let service = self.catalog.add_service(Service { name, owner, mode: typed.mode }, &hosts);
        for (name, action) in typed.actions.0 {
            self.add_action(service, &hosts, name, action);
        }
    }

    fn check_host(&mut self, host: &Spanned<String>, others: &[String]) {
        let plain = host.strip_prefix("*.").unwrap_or(host);
        if !Host::read(plain).is_ok_and(|read| read.as_str() == plain) {
            let problem = Problem::at(&host.place, format!("`{}` is not a host", host.value));
            self.problems.push(problem.help("a name in lower case without port, or `*.` and a name"));
        }
        if others.contains(&host.value) {
            self.problems.push(Problem::at(&host.place, format!("the host `{}` stands here twice", host.value)));
        }
    }

    fn add_action(&mut self, service: ServiceId, hosts: &[String], name: Spanned<ActionName>, typed: TypedAction) {
        if let Some(first) = self.places_by_action.get(&name.value) {
            let problem = Problem::at(&name.place, format!("there are two actions named `{}`", name.value));
            self.problems.push(problem.also(first, "the first is here"));
            return;
        }
        self.places_by_action.insert(name.value.clone(), name.place);
        let inputs: Vec<_> = typed
            .inputs
            .unwrap_or_default()
            .0
            .into_iter()
            .filter_map(|(name, input)| self.input(name, input))
            .collect();
        let limits = typed.limit.map(|limits| self::limits(limits, &inputs, self.problems)).unwrap_or_default();
        refuse_empty(&typed.routes, "no request would find this action", self.problems);
        let mutations = Mutations {
            remove_headers: typed
                .request_headers
                .map(|changes| self.removed_headers(changes.remove))
                .unwrap_or_default(),
            ..self.query_changes(typed.request_query)
        };
        let action = Action { name: name.value.clone(), service, tier: typed.tier, limits, mutations };
        let Some(id) = self.catalog.add_action(action) else { return };
        for route in typed.routes.value {
            let place = route.http.place.clone();
            let route = self.route(route, &inputs);
            match self.catalog.add_route(id, hosts, route) {
                Ok(_) => self.places_by_route.push(place),
                Err(overlap) => {
                    let problem =
                        Problem::at(&place, format!("under `{}` this route overlaps with another one", overlap.host));
                    let problem = problem
                        .help("a literal segment beats a parameter; otherwise a request may match one route only");
                    self.problems.push(match self.places_by_route.get(overlap.with.index()) {
                        Some(other) => problem.also(other, "the other one is here"),
                        None => problem,
                    });
                    // A place for the id that was not given would shift all that follow: there is none.
                }
            }
        }
        self.inputs_by_action.insert(name.value, inputs);
    }

    fn input(&mut self, name: Spanned<String>, typed: TypedInput) -> Option<Input> {
        let is_name = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
            && name.starts_with(|c: char| c.is_ascii_alphabetic());
        if !is_name || name.value == "over" {
            self.problems.push(
                Problem::at(&name.place, format!("`{}` is not an input's name", name.value))
                    .help("letters, digits and `_`, a letter first; not `over`"),
            );
            return None;
        }
        let (kind, optional) = match typed {
            TypedInput::Simple(kind) => (simple(kind), None),
            TypedInput::Detailed(DetailedInput { kind, optional }) => (simple(kind), optional),
            TypedInput::Money(MoneyInput { money, optional }) => {
                (InputKind::Money { unit: money.unit, min: money.min.map(|min| min.0).unwrap_or_default() }, optional)
            }
        };
        Some(Input { name: name.value, kind, optional: optional.unwrap_or(false) })
    }

    fn route(&mut self, typed: TypedRoute, inputs: &[Input]) -> Route {
        let MapOf(at) = typed.at.unwrap_or_default();
        let template = typed.http.template;
        let mut located: HashMap<String, Location> = HashMap::new();
        for (name, text) in at {
            self.check_located(&name, inputs);
            let input = name.split('.').next().unwrap_or_default();
            match location(&text.value, input, &template) {
                Ok(location) => drop(located.insert(name.value, location)),
                Err(help) => {
                    let problem =
                        Problem::at(&text.place, format!("`{}` is not a place where an input can stand", text.value));
                    self.problems.push(problem.help(help));
                }
            }
        }
        let placed = inputs.iter().filter_map(|input| {
            let in_path = || template.params().position(|param| param == input.name).map(Location::Path);
            let at = located.remove(&input.name).or_else(in_path);
            let currency_at = located.remove(&format!("{}.currency", input.name));
            let is_money = matches!(input.kind, InputKind::Money { .. });
            let missing = if at.is_none() {
                Some(input.name.clone())
            } else {
                (is_money && currency_at.is_none()).then(|| format!("{}.currency", input.name))
            };
            if let Some(missing) = missing {
                let problem =
                    Problem::at(&typed.http.place, format!("this route does not say where `{missing}` stands"));
                self.problems.push(problem.help(format!("add `at: {{ {missing}: \"query:…\" }}`")));
            }
            Some(Placed { input: input.clone(), at: at?, currency_at })
        });
        let inputs = placed.collect();
        Route { method: typed.http.method, template, inputs }
    }

    /// What stands in `at` must be an input, or the currency of an amount.
    fn check_located(&mut self, name: &Spanned<String>, inputs: &[Input]) {
        let is_money = |input: &&Input| matches!(input.kind, InputKind::Money { .. });
        let currencies = inputs.iter().filter(is_money).map(|input| format!("{}.currency", input.name));
        let known: Vec<_> = inputs.iter().map(|input| input.name.clone()).chain(currencies).collect();
        if !known.contains(&name.value) {
            let problem = Problem::at(&name.place, format!("the action declares no input `{}`", name.value));
            self.problems.push(match nearest(name, known.iter().map(String::as_str)) {
                Some(meant) => problem.help(format!("did you mean `{meant}`?")),
                None => problem.help("declare it under `inputs`"),
            });
        }
    }

    fn removed_headers(&mut self, names: Vec<Spanned<String>>) -> Vec<String> {
        for name in names.iter().filter(|name| FRAMING.contains(&name.as_str())) {
            self.problems
                .push(Problem::at(&name.place, format!("`{}` frames the request and cannot be taken out", name.value)));
        }
        names.into_iter().map(|name| header(name, self.problems)).collect()
    }

    fn query_changes(&mut self, typed: Option<crate::bundle::documents::service::QueryChanges>) -> Mutations {
        let Some(typed) = typed else { return Mutations::default() };
        let (remove, set) = (typed.remove.unwrap_or_default(), typed.set.unwrap_or_default().0);
        for name in remove.iter().chain(set.iter().map(|(name, _)| name)) {
            // Envoy compares names byte for byte and encodes nothing, so a name must be its own encoding.
            if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b)) {
                let problem = Problem::at(&name.place, format!("`{}` is not a parameter's plain name", name.value));
                self.problems.push(problem.help("letters, digits, `-`, `.`, `_` and `~`"));
            }
        }
        for (name, _) in set.iter().filter(|(name, _)| remove.iter().any(|other| other.value == name.value)) {
            self.problems.push(Problem::at(&name.place, format!("`{}` is both set and removed", name.value)));
        }
        Mutations {
            remove_headers: Vec::new(),
            remove_query: remove.into_iter().map(|name| name.value).collect(),
            set_query: set.into_iter().map(|(name, value)| (name.value, value)).collect(),
        }
    }
}

const fn simple(kind: SimpleInput) -> InputKind {
    match kind {
        SimpleInput::String => InputKind::Text,
        SimpleInput::Integer => InputKind::Integer,
        SimpleInput::Decimal => InputKind::Decimal,
        SimpleInput::Boolean => InputKind::Boolean,
    }
}

/// Reads `path`, `query:amount`, `header:x-count`, `body:/amount`; without a name the input's own is meant.
fn location(text: &str, input: &str, template: &Template) -> Result<Location, String> {
    let (place, name) = text.split_once(':').map_or((text, None), |(place, name)| (place, Some(name)));
    let own = name.unwrap_or(input);
    match place {
        "path" => template
            .params()
            .position(|param| param == own)
            .map(Location::Path)
            .ok_or_else(|| format!("the path has no parameter `{own}`")),
        "query" if !own.is_empty() && own.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b)) => {
            Ok(Location::Query(own.to_owned()))
        }
        "header"
            if crate::facts::Headers::read(&[(own, b"")]).1.is_none()
                && own.to_ascii_lowercase() == own
                && !own.starts_with(':') =>
        {
            Ok(Location::Header(own.to_owned()))
        }
        "body" => name
            .unwrap_or_default()
            .parse()
            .map(Location::Body)
            .map_err(|error: crate::terms::InvalidTerm| error.to_string()),
        "query" => Err("a parameter's plain name follows `query:`".to_owned()),
        "header" => Err("a header's name in lower case follows `header:`".to_owned()),
        _ => {
            Err("`path`, `query`, `header`, or with a name: `query:amount`, `header:x-count`, `body:/amount`"
                .to_owned())
        }
    }
}

/// Limits on inputs that exist, in their own units.
pub(super) fn limits(typed: Limits, inputs: &[Input], problems: &mut Problems) -> Vec<Limit> {
    let mut limits = Vec::new();
    for (name, text) in typed.0 {
        let Some(input) = inputs.iter().find(|input| input.name == name.value) else {
            let problem = Problem::at(&name.place, format!("the action declares no input `{}`", name.value));
            problems.push(match nearest(&name, inputs.iter().map(|input| input.name.as_str())) {
                Some(meant) => problem.help(format!("did you mean `{meant}`?")),
                None => problem.help(format!(
                    "it declares: {}",
                    listed(&inputs.iter().map(|input| input.name.as_str()).collect::<Vec<_>>())
                )),
            });
            continue;
        };
        let bound = match input.kind {
            InputKind::Money { .. } => text.parse::<Money>().map(Bound::Money),
            InputKind::Integer | InputKind::Decimal => crate::terms::parse_decimal(&text).map(Bound::Number),
            InputKind::Text | InputKind::Boolean => {
                problems.push(Problem::at(
                    &name.place,
                    format!("`{}` is neither a number nor money, so it has no limit", name.value),
                ));
                continue;
            }
        };
        match bound {
            Ok(bound) => limits.push(Limit { input: name.value, bound }),
            Err(error) => problems.push(Problem::at(&text.place, error.to_string())),
        }
    }
    limits
}

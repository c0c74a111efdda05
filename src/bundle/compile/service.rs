//! Services: hosts, actions, routes, inputs, limits.

use std::collections::HashMap;
use std::sync::Arc;

use prost_reflect::DescriptorPool;

use super::ground::{FRAMING, header, refuse_empty};
use crate::bundle::documents::contract::Limits;
use crate::bundle::documents::service::{
    Action as TypedAction, DetailedInput, Input as TypedInput, MoneyInput, Route as TypedRoute, Service as Typed,
    SimpleInput,
};
use crate::bundle::read::{Spanned, listed};
use crate::catalog::{
    Action, Bound, Catalog, EndpointId, Input, InputKind, Leaf, Limit, Mutations, Protocol, Service, ServiceId, Spelled,
};
use crate::facts::Host;
use crate::terms::{ActionName, Money, Name};
use crate::yaml::{Place, Problem, Problems};

/// Names that no input has: `over` is a key of limits, and conditions could not mention the others.
const TAKEN: [&str; 5] = ["over", "in", "true", "false", "null"];

pub(super) struct Compiler<'p> {
    pub(super) catalog: Catalog,
    pub(super) problems: &'p mut Problems,
    places_by_action: HashMap<ActionName, Place>,
    pub(super) places_by_leaf: HashMap<Leaf, Place>,
}

/// A service whose actions are being added.
pub(super) struct Site {
    service: ServiceId,
    pub(super) hosts: Vec<String>,
    pub(super) endpoints: HashMap<Protocol, EndpointId>,
    /// What its gRPC messages are.
    pub(super) messages: Option<DescriptorPool>,
}

/// A service's routes stand in the tree of each of its hosts.
const MAX_HOSTS: usize = 32;
/// Each route of an action says of each input where it stands.
const MAX_INPUTS: usize = 256;

impl<'p> Compiler<'p> {
    pub(super) fn new(catalog: Catalog, problems: &'p mut Problems) -> Self {
        Self { catalog, problems, places_by_action: HashMap::new(), places_by_leaf: HashMap::new() }
    }

    pub(super) fn finish(mut self) -> Catalog {
        self.catalog.shrink();
        self.catalog
    }

    pub(super) fn add(&mut self, name: Name, owner: Option<String>, typed: Typed) {
        refuse_empty(&typed.hosts, "no request would find this service", self.problems);
        if typed.hosts.len() > MAX_HOSTS {
            self.problems.push(Problem::at(&typed.hosts.place, format!("a service has at most {MAX_HOSTS} hosts")));
            return;
        }
        let mut hosts: Vec<String> = Vec::new();
        for host in &typed.hosts.value {
            self.check_host(host, &hosts);
            hosts.push(host.value.clone());
        }
        let descriptors = typed.descriptors.and_then(|text| self.descriptors(&text));
        let digest = descriptors.as_ref().map(|(digest, _)| digest.clone());
        let service = self.catalog.add_service(Service { name, owner, mode: typed.mode, descriptors: digest }, &hosts);
        let endpoints = self.endpoints((service, &hosts), (typed.mcp, typed.graphql), &typed.actions.0);
        let site = Site { service, hosts, endpoints, messages: descriptors.map(|(_, pool)| pool) };
        for (name, action) in typed.actions.0 {
            self.add_action(&site, name, action);
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

    fn add_action(&mut self, site: &Site, name: Spanned<ActionName>, typed: TypedAction) {
        if let Some(first) = self.places_by_action.get(&name.value) {
            let problem = Problem::at(&name.place, format!("there are two actions named `{}`", name.value));
            self.problems.push(problem.also(first, "the first is here"));
            return;
        }
        let inputs = typed.inputs.unwrap_or_default().0;
        if inputs.len() > MAX_INPUTS {
            self.problems.push(Problem::at(&name.place, format!("an action has at most {MAX_INPUTS} inputs")));
            return;
        }
        self.places_by_action.insert(name.value.clone(), name.place);
        let inputs: Vec<_> =
            inputs.into_iter().filter_map(|(name, input)| self.input(name, input)).map(Arc::new).collect();
        let limits = typed.limit.map(|limits| self::limits(limits, &inputs, self.problems)).unwrap_or_default();
        refuse_empty(&typed.routes, "no request would find this action", self.problems);
        let mutations = Mutations {
            remove_headers: typed
                .request_headers
                .map(|changes| self.removed_headers(changes.remove))
                .unwrap_or_default(),
            ..self.query_changes(typed.request_query.map(|changes| *changes))
        };
        if let Some(subject) = &typed.subject {
            self.check_subject(subject, &inputs, &typed.routes.value);
        }
        let action = Action {
            name: name.value,
            service: site.service,
            tier: typed.tier,
            description: typed.description.map(Into::into),
            inputs: inputs.as_slice().into(),
            subject: typed.subject.map(|subject| subject.value.into()),
            returns: typed.returns.unwrap_or_default().0.into_iter().map(|(at, class)| (at.value, class)).collect(),
            limits,
            mutations,
        };
        let Some(id) = self.catalog.add_action(action) else { return };
        for route in typed.routes.value {
            self.add_route(site, id, route, &inputs);
        }
    }

    /// Whose data moves must be known in every form: an input, or a parameter of each path.
    fn check_subject(&mut self, subject: &Spanned<String>, inputs: &[Arc<Input>], routes: &[TypedRoute]) {
        let is_input = inputs.iter().any(|input| input.name == subject.value && input.kind == InputKind::Text);
        let in_path = |route: &TypedRoute| {
            route.http.as_ref().is_some_and(|http| http.template.params().any(|param| param == subject.value))
        };
        if !is_input && !routes.iter().all(in_path) {
            let problem =
                Problem::at(&subject.place, format!("`{}` is not known in every route of this action", subject.value));
            self.problems.push(problem.help("name an input of the type `string`, or a parameter that every path has"));
        }
    }

    fn input(&mut self, name: Spanned<String>, typed: TypedInput) -> Option<Input> {
        let is_name = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
            && name.starts_with(|c: char| c.is_ascii_alphabetic());
        if !is_name || TAKEN.contains(&name.as_str()) {
            self.problems.push(
                Problem::at(&name.place, format!("`{}` is not an input's name", name.value))
                    .help("letters, digits and `_`, a letter first; not `over`, `in`, `true`, `false`, `null`"),
            );
            return None;
        }
        let (kind, optional, spelled) = match typed {
            TypedInput::Simple(kind) => (simple(kind), None, None),
            TypedInput::Detailed(DetailedInput { kind, optional, spelled }) => (simple(kind), optional, spelled),
            TypedInput::Money(MoneyInput { money, optional }) => {
                let min = money.min.map(|min| min.0).unwrap_or_default();
                (InputKind::Money { unit: money.unit, min }, optional, money.spelled)
            }
        };
        Some(Input {
            name: name.value,
            kind,
            optional: optional.unwrap_or(false),
            spelled: spelled.unwrap_or(Spelled::Number),
        })
    }

    fn removed_headers(&mut self, names: Vec<Spanned<String>>) -> Box<[String]> {
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
            remove_headers: Box::default(),
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

/// Limits on inputs that exist, in their own units.
pub(super) fn limits(typed: Limits, inputs: &[Arc<Input>], problems: &mut Problems) -> Box<[Limit]> {
    let mut limits = Vec::new();
    for (name, text) in typed.0 {
        let Some(input) = inputs.iter().find(|input| input.name == name.value) else {
            let problem = Problem::at(&name.place, format!("the action declares no input `{}`", name.value));
            let meant = problems.nearest(&name, inputs.iter().map(|input| input.name.as_str()));
            problems.push(match meant {
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
            Ok(Bound::Number(least) | Bound::Money(Money { amount: least, .. })) if least.is_sign_negative() => {
                problems.push(Problem::at(&text.place, "nothing is within a limit below zero"));
            }
            Ok(bound) => limits.push(Limit { input: name.value, bound }),
            Err(error) => problems.push(Problem::at(&text.place, error.to_string())),
        }
    }
    limits.into()
}

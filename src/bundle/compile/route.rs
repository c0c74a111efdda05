//! Routes: how a request is told to be one of an action's forms, where its inputs stand, which bodies are read.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::service::{Compiler, Site};
use crate::bundle::documents::service::{
    Action as TypedAction, Bodies, Endpoint as TypedEndpoint, GraphqlField, GraphqlRoute, McpMessage, McpRoute,
    Route as TypedRoute,
};
use crate::bundle::read::{MapOf, Spanned};
use crate::catalog::{
    ActionId, EndpointId, Form, Input, InputKind, Key, Leaf, Location, Needs, Overlap, Placed, Protocol, Route,
    ServiceId, Template,
};
use crate::facts::Accepts;
use crate::terms::{ActionName, Pointer};
use crate::yaml::{Place, Problem};

/// A decision looks at a body as a whole: what takes longer than a request may.
const MAX_BODY: u32 = 1024 * 1024;

impl Compiler<'_> {
    /// The endpoints of a service: those that it names, and those that its actions have routes at.
    pub(super) fn endpoints(
        &mut self,
        (service, hosts): (ServiceId, &[String]),
        (mcp, graphql): (Option<TypedEndpoint>, Option<TypedEndpoint>),
        actions: &[(Spanned<ActionName>, TypedAction)],
    ) -> HashMap<Protocol, EndpointId> {
        let mut endpoints = HashMap::new();
        let routes = || actions.iter().flat_map(|(_, action)| &action.routes.value);
        let first_mcp = routes().find_map(|route| route.mcp.as_ref().map(|mcp| &mcp.place));
        let first_graphql = routes().find_map(|route| route.graphql.as_ref().map(|graphql| &graphql.place));
        for (protocol, typed, first) in [(Protocol::Mcp, mcp, first_mcp), (Protocol::Graphql, graphql, first_graphql)] {
            let place = typed.as_ref().and_then(|typed| typed.path.as_ref().map(|path| &path.place)).or(first);
            let Some(place) = place.cloned() else { continue };
            let (path, bodies) = typed.map_or((None, None), |typed| (typed.path, typed.body));
            let path = path.map_or_else(|| Template::of_literal(protocol.as_str()), |path| path.value);
            let accepts = self.accepts(bodies);
            match self.catalog.add_endpoint((service, hosts), &path, protocol, accepts) {
                Ok(id) => {
                    self.places_by_leaf.insert(Leaf::Endpoint(id), place);
                    endpoints.insert(protocol, id);
                }
                Err(overlap) => self.refuse_overlap(&place, &overlap),
            }
        }
        endpoints
    }

    pub(super) fn add_route(&mut self, site: &Site, action: ActionId, typed: TypedRoute, inputs: &[Arc<Input>]) {
        let TypedRoute { http, grpc, mcp, graphql, at, body } = typed;
        let http = http.map(|http| Spanned { value: Form::Http(http.method, http.template), place: http.place });
        let grpc = grpc.map(|grpc| Spanned { value: Form::Grpc(grpc.value.0), place: grpc.place });
        let mcp = mcp.map(|mcp| Spanned { value: Form::Element(mcp_key(mcp.value)), place: mcp.place });
        let graphql = graphql.map(|one| Spanned { value: Form::Element(graphql_key(one.value)), place: one.place });
        let mut forms: Vec<_> = [http, grpc, mcp, graphql].into_iter().flatten().collect();
        let Some(form) = forms.pop() else {
            let place = at.as_ref().and_then(|at| at.0.first()).map(|(name, _)| name.place.clone());
            let message = "a route without `http`, `grpc`, `mcp` or `graphql` matches nothing";
            let problem = place.map_or_else(|| Problem::of_whole(message), |place| Problem::at(&place, message));
            return self.problems.push(problem.help("write one of them, such as `http: \"GET /v1/orders/{order}\"`"));
        };
        if let Some(other) = forms.pop() {
            let problem = Problem::at(&form.place, "a route has one form, this is another");
            return self.problems.push(problem.also(&other.place, "the first is here").help("make two routes of it"));
        }
        let inputs = self.placed(at.unwrap_or_default(), &form, inputs);
        let message = self.message(site, &form, &inputs);
        let route = Route::new(form.value, inputs, self.accepts(body.map(|body| *body)), message);
        self.check_needs(&route, &form.place);
        let key = if let Form::Element(key) = &route.form { Some(key.protocol()) } else { None };
        match self.catalog.add_route(action, &site.hosts, route) {
            Ok(id) => {
                self.places_by_leaf.insert(Leaf::Route(id), form.place.clone());
                let endpoint = key.and_then(|protocol| site.endpoints.get(&protocol));
                if let Some(Err(other)) = endpoint.map(|endpoint| self.catalog.add_element(*endpoint, id)) {
                    let problem = Problem::at(&form.place, "another route is the same operation");
                    self.problems.push(match self.places_by_leaf.get(&Leaf::Route(other)) {
                        Some(other) => problem.also(other, "the other one is here"),
                        None => problem,
                    });
                }
            }
            Err(overlap) => self.refuse_overlap(&form.place, &overlap),
        }
    }

    fn refuse_overlap(&mut self, place: &Place, overlap: &Overlap) {
        let problem = Problem::at(place, format!("under `{}` this route overlaps with another one", overlap.host));
        let problem = problem.help("a literal segment beats a parameter; otherwise a request may match one route only");
        self.problems.push(match self.places_by_leaf.get(&overlap.with) {
            Some(other) => problem.also(other, "the other one is here"),
            None => problem,
        });
    }

    /// Places that this form does not have, and bodies of two kinds.
    fn check_needs(&mut self, route: &Route, place: &Place) {
        let kinds: Vec<_> = route.inputs.iter().flat_map(Placed::places).collect();
        let has = |wanted: fn(&Location) -> bool| kinds.iter().any(|location| wanted(location));
        let forms = has(|location| matches!(location, Location::Form(_)));
        let json = has(|location| matches!(location, Location::Body(_) | Location::Argument(_)));
        if forms && json {
            self.problems
                .push(Problem::at(place, "a body is a form or JSON, and the inputs of this route are in both"));
        }
        let of_form = match route.form {
            Form::Http(..) if has(|location| matches!(location, Location::Argument(_))) => {
                Some(("`argument`", "only an MCP tool and a GraphQL field have arguments: write `body:/…`"))
            }
            Form::Grpc(_) if route.needs() != Needs::Nothing && route.message.is_none() => {
                Some(("the body", "messages of gRPC are read where the service has `descriptors`"))
            }
            Form::Grpc(_) if forms => Some(("a form", "the body is a message: write `body:/…`")),
            Form::Element(_) if forms => Some(("a form", "these bodies are JSON: write `argument:…`")),
            Form::Element(Key::Graphql { .. }) if has(|location| matches!(location, Location::Body(_))) => {
                Some(("`body`", "the arguments of the field count: write `argument:…`"))
            }
            _ => None,
        };
        if let Some((what, help)) = of_form {
            self.problems.push(Problem::at(place, format!("an input of this route cannot stand in {what}")).help(help));
        }
    }

    fn accepts(&mut self, typed: Option<Bodies>) -> Accepts {
        let mut accepts = Accepts::default();
        let Some(typed) = typed else { return accepts };
        if let Some(max) = typed.max_bytes {
            if max.value == 0 || max.value > MAX_BODY {
                self.problems.push(Problem::at(&max.place, format!("a body of 1 to {MAX_BODY} bytes can be read")));
            }
            accepts.max_bytes = max.value as usize;
        }
        for name in typed.media_types.unwrap_or_default() {
            let is_token = |part: &str| {
                !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$&^_.+-".contains(&b))
            };
            let plain = name.split_once('/').is_some_and(|(kind, rest)| is_token(kind) && is_token(rest));
            if !plain || name.to_ascii_lowercase() != name.value {
                let problem = Problem::at(&name.place, format!("`{}` is not a media type", name.value));
                self.problems
                    .push(problem.help("in lower case and without parameters, such as `application/csp-report`"));
            }
            accepts.media_types.push(name.value);
        }
        accepts.gzip = typed.encodings.is_some_and(|list| !list.is_empty());
        accepts
    }

    fn placed(
        &mut self,
        at: MapOf<String, Spanned<String>>,
        form: &Spanned<Form>,
        inputs: &[Arc<Input>],
    ) -> Box<[Placed]> {
        let none = Template::default();
        let template = if let Form::Http(_, template) = &form.value { template } else { &none };
        let mut located: HashMap<String, Location> = HashMap::new();
        // What is said, and wrong, is not missing.
        let mut said_wrongly: HashSet<String> = HashSet::new();
        for (name, text) in at.0 {
            self.check_located(&name, inputs);
            let input = name.split('.').next().unwrap_or_default();
            match location(&text.value, input, template) {
                Ok(location) => drop(located.insert(name.value, location)),
                Err(help) => {
                    let problem =
                        Problem::at(&text.place, format!("`{}` is not a place where an input can stand", text.value));
                    self.problems.push(problem.help(help));
                    said_wrongly.insert(name.value);
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
            if missing.as_ref().is_some_and(|missing| said_wrongly.contains(missing)) {
                return None;
            }
            if let Some(missing) = missing {
                let problem = Problem::at(&form.place, format!("this route does not say where `{missing}` stands"));
                self.problems.push(problem.help(format!("add `at: {{ {missing}: \"query:…\" }}`")));
            }
            Some(Placed { input: Arc::clone(input), at: at?, currency_at })
        });
        placed.collect()
    }

    /// What stands in `at` must be an input, or the currency of an amount.
    fn check_located(&mut self, name: &Spanned<String>, inputs: &[Arc<Input>]) {
        let is_money = |input: &&Arc<Input>| matches!(input.kind, InputKind::Money { .. });
        let is_input = inputs.iter().any(|input| input.name == name.value);
        let of = name.value.strip_suffix(".currency");
        if is_input || of.is_some_and(|of| inputs.iter().filter(is_money).any(|input| input.name == of)) {
            return;
        }
        let currencies = inputs.iter().filter(is_money).map(|input| format!("{}.currency", input.name));
        let known: Vec<_> = inputs.iter().map(|input| input.name.clone()).chain(currencies).collect();
        let problem = Problem::at(&name.place, format!("the action declares no input `{}`", name.value));
        let meant = self.problems.nearest(name, known.iter().map(String::as_str));
        self.problems.push(match meant {
            Some(meant) => problem.help(format!("did you mean `{meant}`?")),
            None => problem.help("declare it under `inputs`"),
        });
    }
}

fn mcp_key(typed: McpRoute) -> Key {
    match typed {
        McpRoute::Tool(name) => Key::Mcp { method: "tools/call".to_owned(), name: Some(name) },
        McpRoute::Message(McpMessage { method, name }) => Key::Mcp { method, name },
    }
}

fn graphql_key(typed: GraphqlRoute) -> Key {
    match typed {
        GraphqlRoute::Field(GraphqlField(kind, field)) => Key::Graphql { kind, field },
        GraphqlRoute::Persisted(document) => Key::Persisted(document.persisted),
    }
}

/// An input is one value, so its place is one place.
fn single(pointer: Pointer) -> Result<Pointer, String> {
    if pointer.keys().any(|key| key == "*") {
        return Err("an input is one value: `*` stands for many".to_owned());
    }
    Ok(pointer)
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
            .map_err(|error: crate::terms::InvalidTerm| error.to_string())
            .and_then(single)
            .map(Location::Body),
        "argument" => match name {
            Some(pointer) if pointer.starts_with('/') => {
                pointer.parse().map_err(|error: crate::terms::InvalidTerm| error.to_string()).and_then(single)
            }
            _ => Ok(Pointer::to_key(own)),
        }
        .map(Location::Argument),
        "form" if !own.is_empty() => Ok(Location::Form(own.to_owned())),
        "query" => Err("a parameter's plain name follows `query:`".to_owned()),
        "form" => Err("a field's name follows `form:`".to_owned()),
        "header" => Err("a header's name in lower case follows `header:`".to_owned()),
        _ => Err("`path`, `query`, `header`, `form`, `argument`, or with a name: `query:amount`, `header:x-count`, \
                 `form:amount`, `argument:/amount`, `body:/amount`"
            .to_owned()),
    }
}

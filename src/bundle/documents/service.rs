//! The `Service` document: actions, their routes and inputs.

use serde_json::{Value, json};

use crate::bundle::documents::contract::Limits;
use crate::bundle::node::{Kind, Node};
use crate::bundle::problem::{Place, Problem, Problems};
use crate::bundle::read::{Keys, MapOf, Read, Spanned, keys, read_term, term};
use crate::catalog::{MoneyUnit, Template};
use crate::terms::{ActionName, Mode, Tier};

keys! {
    /// What can be done at one API.
    pub(in crate::bundle) struct Service {
        required {
            /// The hosts that it answers under, without port; `*.` and a name for any one label before it.
            hosts: Spanned<Vec<Spanned<String>>> = "hosts",
            /// What can be done there, by business name.
            actions: MapOf<ActionName, Action> = "actions",
        }
        optional {
            /// `observe`: its rules are on trial, and deny nothing.
            mode: Mode = "mode",
        }
        later { "grantableFrom": "who may write contracts for it", }
    }
}

keys! {
    /// One thing that can be done.
    pub(in crate::bundle) struct Action {
        required {
            /// How much control it needs.
            tier: Tier = "tier",
            /// How it looks on the wire.
            routes: Spanned<Vec<Route>> = "routes",
        }
        optional {
            /// What rules may look at.
            inputs: MapOf<String, Input> = "inputs",
            /// What one call may not exceed, whoever calls.
            limit: Limits = "limit",
            /// Headers that its service does not need.
            request_headers: Removal = "requestHeaders",
            /// Query parameters that are taken out or set.
            request_query: QueryChanges = "requestQuery",
        }
        later { "returns": "what its answers hold", "bind": "approvals of exactly one call", "description": "prose about an action", }
    }
}

keys! {
    /// One wire form of an action.
    pub(in crate::bundle) struct Route {
        required {
            /// A method and a path: `GET /v1/orders/{order}`.
            http: HttpRoute = "http",
        }
        optional {
            /// Where each input stands: `path`, `query`, `header`, or with a name: `query:amount`, `header:x-count`, `body:/amount`.
            at: MapOf<String, Spanned<String>> = "at",
        }
        later { "mcp": "routes of MCP tools", "graphql": "routes of GraphQL operations", "grpc": "routes of gRPC methods", }
    }
}

/// A method and a path.
#[derive(Debug, Clone)]
pub(in crate::bundle) struct HttpRoute {
    pub(in crate::bundle) place: Place,
    pub(in crate::bundle) method: crate::catalog::Method,
    pub(in crate::bundle) template: Template,
}

impl Read for HttpRoute {
    fn read(node: &Node, problems: &mut Problems) -> Option<Self> {
        let text = String::read(node, problems)?;
        match crate::catalog::Route::parse(&text) {
            Ok((method, template)) => Some(Self { place: node.place.clone(), method, template }),
            Err(error) => {
                problems.push(Problem::at(&node.place, error.to_string()));
                None
            }
        }
    }

    fn schema() -> Value {
        json!({ "type": "string", "pattern": "^(GET|POST|PUT|PATCH|DELETE|OPTIONS) /" })
    }
}

/// An input: its type alone, or a map.
#[derive(Debug, Clone)]
pub(in crate::bundle) enum Input {
    Simple(SimpleInput),
    Detailed(DetailedInput),
    Money(MoneyInput),
}

crate::terms::spelled! {
    /// A type that needs no details.
    SimpleInput, "a type of input" {
        /// Text.
        String = "string",
        /// A whole number.
        Integer = "integer",
        /// A decimal number.
        Decimal = "decimal",
        /// True or false.
        Boolean = "boolean",
    }
}
term!(SimpleInput, enum);

keys! {
    /// A type with details.
    pub(in crate::bundle) struct DetailedInput {
        required {
            /// What it is.
            kind: SimpleInput = "type",
        }
        optional {
            /// Whether a request may leave it out.
            optional: bool = "optional",
        }
    }
}

keys! {
    /// An amount with its currency.
    pub(in crate::bundle) struct MoneyInput {
        required {
            /// What the amount counts.
            money: MoneyKeys = "money",
        }
        optional {
            /// Whether a request may leave it out.
            optional: bool = "optional",
        }
    }
}

keys! {
    /// What the amount counts.
    pub(in crate::bundle) struct MoneyKeys {
        required {
            /// `major`: euros; `minor`: cents.
            unit: MoneyUnit = "unit",
        }
        optional {
            /// The least that is an amount at all, in major units; 0 where this is left out.
            min: Decimal = "min",
        }
    }
}

/// An exact number.
#[derive(Debug, Clone, Copy)]
pub(in crate::bundle) struct Decimal(pub(in crate::bundle) rust_decimal::Decimal);

impl std::str::FromStr for Decimal {
    type Err = crate::terms::InvalidTerm;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        crate::terms::parse_decimal(text).map(Self)
    }
}
term!(Decimal, json!({ "type": ["number", "string"] }));

impl Read for Input {
    fn read(node: &Node, problems: &mut Problems) -> Option<Self> {
        match &node.kind {
            Kind::Map(entries) if entries.iter().any(|(key, _)| key.text() == Some("money")) => {
                MoneyInput::read(node, problems).map(Self::Money)
            }
            Kind::Map(_) => DetailedInput::read(node, problems).map(Self::Detailed),
            _ => SimpleInput::read(node, problems).map(Self::Simple),
        }
    }

    fn schema() -> Value {
        json!({ "oneOf": [SimpleInput::schema(), DetailedInput::schema(), MoneyInput::schema()] })
    }
}

keys! {
    /// Names that are taken out.
    pub(in crate::bundle) struct Removal {
        required {
            /// By exact name.
            remove: Vec<Spanned<String>> = "remove",
        }
    }
}

keys! {
    /// Query parameters that are taken out or set.
    pub(in crate::bundle) struct QueryChanges {
        optional {
            /// Taken out, by exact name.
            remove: Vec<Spanned<String>> = "remove",
            /// Set, whatever the caller sent.
            set: MapOf<String, String> = "set",
        }
    }
}

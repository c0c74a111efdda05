//! The `Service` document: actions, their routes and inputs.

use serde_json::{Value, json};

use crate::bundle::documents::contract::Limits;
use crate::bundle::read::{Keys, MapOf, Read, Spanned, keys, read_term, term};
use crate::catalog::{MoneyUnit, OperationKind, Spelled, Template};
use crate::terms::{ActionName, DataClass, Mode, Pointer, Tier};
use crate::yaml::{Kind, Node, Place, Problem, Problems};

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
            /// Where it speaks the Model Context Protocol.
            mcp: Endpoint = "mcp",
            /// Where it speaks GraphQL.
            graphql: Endpoint = "graphql",
            /// The descriptors of its gRPC messages: a `FileDescriptorSet`, in base64.
            descriptors: Spanned<String> = "descriptors",
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
            /// What it does, in a sentence for people.
            description: String = "description",
            /// The input or path parameter that says whose data moves.
            subject: Box<Spanned<String>> = "subject",
            /// What its answers hold: data classes by JSON Pointer; `*` stands for each element of a list.
            returns: MapOf<Pointer, DataClass> = "returns",
            /// Headers that its service does not need.
            request_headers: Box<Removal> = "requestHeaders",
            /// Query parameters that are taken out or set.
            request_query: Box<QueryChanges> = "requestQuery",
        }
        later { "bind": "approvals of exactly one call", }
    }
}

keys! {
    /// A path at which the body says what a request is for.
    pub(in crate::bundle) struct Endpoint {
        optional {
            /// The path; `/mcp` or `/graphql` where this is left out.
            path: Spanned<Template> = "path",
            /// Which bodies are read there.
            body: Bodies = "body",
        }
    }
}

keys! {
    /// One wire form of an action: exactly one of `http`, `grpc`, `mcp` and `graphql`.
    pub(in crate::bundle) struct Route {
        optional {
            /// A method and a path: `GET /v1/orders/{order}`.
            http: HttpRoute = "http",
            /// A gRPC method: `shop.orders.v1.Orders/GetOrder`.
            grpc: Box<Spanned<GrpcRoute>> = "grpc",
            /// A tool of the service's MCP server, or another of its messages.
            mcp: Box<Spanned<McpRoute>> = "mcp",
            /// A field at the top of a GraphQL operation: `mutation issueRefund`; or a persisted document.
            graphql: Box<Spanned<GraphqlRoute>> = "graphql",
            /// Where each input stands: `path`, `query`, `header`, `form`, `argument`, `body`, or with a name: `query:amount`,
            /// `header:x-count`, `form:amount`, `argument:/amount`, `body:/amount`.
            at: MapOf<String, Spanned<String>> = "at",
            /// Which bodies it is judged by.
            body: Box<Bodies> = "body",
        }
    }
}

keys! {
    /// Which bodies are read.
    pub(in crate::bundle) struct Bodies {
        optional {
            /// The largest body, decompressed; 65536 where this is left out, at most 1048576.
            max_bytes: Spanned<u32> = "maxBytes",
            /// Media types that are read as JSON besides `application/json` and those ending in `+json`.
            media_types: Vec<Spanned<String>> = "mediaTypes",
            /// Encodings in which a body may come.
            encodings: Vec<Encoding> = "encodings",
        }
    }
}

crate::terms::spelled! {
    /// An encoding of bodies.
    Encoding, "an encoding" {
        /// RFC 1952.
        Gzip = "gzip",
    }
}
term!(Encoding, enum);
term!(Spelled, enum);
term!(u32, json!({ "type": "integer", "minimum": 0 }));
term!(Template, json!({ "type": "string", "pattern": "^/" }));

/// A gRPC method.
#[derive(Debug, Clone)]
pub(in crate::bundle) struct GrpcRoute(pub(in crate::bundle) Template);

impl std::str::FromStr for GrpcRoute {
    type Err = crate::terms::InvalidTerm;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        crate::catalog::grpc_path(text).map(Self)
    }
}
term!(GrpcRoute, json!({ "type": "string", "pattern": "^[A-Za-z0-9_.]+/[A-Za-z0-9_]+$" }));

/// A message of the Model Context Protocol: the name of a tool, or a map.
#[derive(Debug, Clone)]
pub(in crate::bundle) enum McpRoute {
    Tool(String),
    Message(McpMessage),
}

keys! {
    /// A message of the Model Context Protocol.
    pub(in crate::bundle) struct McpMessage {
        required {
            /// The JSON-RPC method: `tools/list`, `resources/read`.
            method: String = "method",
        }
        optional {
            /// The tool, prompt or resource, for methods that have one.
            name: String = "name",
        }
    }
}

impl Read for McpRoute {
    fn read(node: &Node, problems: &mut Problems) -> Option<Self> {
        match node.kind {
            Kind::Map(_) => McpMessage::read(node, problems).map(Self::Message),
            _ => String::read(node, problems).map(Self::Tool),
        }
    }

    fn schema() -> Value {
        json!({ "oneOf": [{ "type": "string" }, McpMessage::schema()] })
    }
}

/// A field at the top of a GraphQL operation, or a persisted document.
#[derive(Debug, Clone)]
pub(in crate::bundle) enum GraphqlRoute {
    Field(GraphqlField),
    Persisted(PersistedDocument),
}

keys! {
    /// A GraphQL document that the server knows.
    pub(in crate::bundle) struct PersistedDocument {
        required {
            /// Its id: the SHA-256 of its text, or the server's own name for it.
            persisted: String = "persisted",
        }
    }
}

/// What an operation does, and the name of the field.
#[derive(Debug, Clone)]
pub(in crate::bundle) struct GraphqlField(pub(in crate::bundle) OperationKind, pub(in crate::bundle) String);

impl std::str::FromStr for GraphqlField {
    type Err = crate::terms::InvalidTerm;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || {
            crate::terms::InvalidTerm(format!(
                "`{text}` is not a GraphQL field: `query`, `mutation` or `subscription` and a field's name, such as `query order`"
            ))
        };
        let (kind, field) = text.split_once(' ').ok_or_else(invalid)?;
        let is_name = field.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
            && field.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        if !is_name {
            return Err(invalid());
        }
        Ok(Self(kind.parse().map_err(|_| invalid())?, field.to_owned()))
    }
}
term!(GraphqlField, json!({ "type": "string", "pattern": "^(query|mutation|subscription) [A-Za-z_][A-Za-z0-9_]*$" }));

impl Read for GraphqlRoute {
    fn read(node: &Node, problems: &mut Problems) -> Option<Self> {
        match node.kind {
            Kind::Map(_) => PersistedDocument::read(node, problems).map(Self::Persisted),
            _ => GraphqlField::read(node, problems).map(Self::Field),
        }
    }

    fn schema() -> Value {
        json!({ "oneOf": [GraphqlField::schema(), PersistedDocument::schema()] })
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
            /// How a number is written in JSON: `number`, or `text`.
            spelled: Spelled = "as",
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
            /// How the amount is written in JSON: `number`, or `text`.
            spelled: Spelled = "as",
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

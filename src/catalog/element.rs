//! One operation of a request whose body says what it is for: an MCP message, a field of a GraphQL operation.

use std::fmt;

use crate::facts::Json;
use crate::terms::spelled;

spelled! {
    /// What is spoken at an endpoint.
    Protocol, "a protocol" {
        /// The Model Context Protocol over streamable HTTP.
        Mcp = "mcp",
        /// GraphQL over HTTP.
        Graphql = "graphql",
    }
}

spelled! {
    /// What a GraphQL operation does.
    OperationKind, "a kind of GraphQL operation" {
        /// Reads.
        Query = "query",
        /// Changes.
        Mutation = "mutation",
        /// Listens.
        Subscription = "subscription",
    }
}

/// What the catalogue looks an operation up by.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Key {
    /// A message of the Model Context Protocol.
    Mcp {
        /// The JSON-RPC method, such as `tools/call`.
        method: String,
        /// The tool, prompt or resource, where the method has one.
        name: Option<String>,
    },
    /// A field at the top of a GraphQL operation.
    Graphql {
        /// What the operation does.
        kind: OperationKind,
        /// The field's name, never its alias.
        field: String,
    },
    /// A GraphQL document that the server knows by this id.
    Persisted(String),
}

/// One operation that a request carries.
#[derive(Debug, Clone)]
pub struct Element<'b> {
    /// What it is looked up by.
    pub key: Key,
    /// What stands under `body:` for its inputs.
    pub message: Json<'b>,
    /// What stands under `argument:`.
    pub arguments: Json<'b>,
}

impl Key {
    /// What is spoken where such an operation comes.
    pub const fn protocol(&self) -> Protocol {
        match self {
            Self::Mcp { .. } => Protocol::Mcp,
            Self::Graphql { .. } | Self::Persisted(_) => Protocol::Graphql,
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mcp { method, name: Some(name) } => write!(f, "mcp {method} {name}"),
            Self::Mcp { method, name: None } => write!(f, "mcp {method}"),
            Self::Graphql { kind, field } => write!(f, "graphql {kind} {field}"),
            Self::Persisted(id) => write!(f, "graphql persisted {id}"),
        }
    }
}

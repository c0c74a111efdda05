//! A path at which the body says what a request is for: an MCP server, a GraphQL endpoint.
//!
//! One request may carry several operations there. Each of them is looked up by itself, and each must be allowed.

use std::collections::HashMap;

use super::{ActionId, Element, Key, Protocol, RouteId, ServiceId, Template};
use crate::facts::{Accepts, Headers, Json, Query};
use crate::terms::Reason;

/// One endpoint.
#[derive(Debug)]
pub struct Endpoint {
    /// Whose it is.
    pub service: ServiceId,
    /// Where it is.
    pub path: Template,
    /// What is spoken there.
    pub protocol: Protocol,
    /// Which bodies are read.
    pub accepts: Accepts,
    /// Which route each operation is.
    pub(super) routes_by_key: HashMap<Key, (ActionId, RouteId)>,
}

impl Endpoint {
    /// The operations that a body carries; never none.
    pub fn elements<'b>(
        &self,
        body: &Json<'b>,
        headers: &Headers<'_>,
        query: &Query<'_>,
    ) -> Result<Vec<Element<'b>>, Reason> {
        match self.protocol {
            Protocol::Mcp => super::mcp::read(body, headers),
            Protocol::Graphql => super::graphql::read(body, query),
        }
    }
}

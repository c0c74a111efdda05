//! What of a body a route is judged by, and reading it once.

use super::{Location, Parsed, Route};
use crate::facts::{Facts, Json};
use crate::terms::Reason;

/// What a route must read of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// Nothing: the body passes unseen.
    Nothing,
    /// JSON.
    Json,
    /// A form.
    Form,
}

impl Route {
    /// What the route's inputs need of the body. The bundle refuses routes that need two kinds.
    pub fn needs(&self) -> Needs {
        let needs = |location: &Location| match location {
            Location::Body(_) | Location::Argument(_) => Needs::Json,
            Location::Form(_) => Needs::Form,
            Location::Path(_) | Location::Query(_) | Location::Header(_) => Needs::Nothing,
        };
        let mut all = self.inputs.iter().flat_map(super::Placed::places).map(needs);
        all.find(|one| *one != Needs::Nothing).unwrap_or(Needs::Nothing)
    }

    /// Reads the body as far as it is needed.
    pub fn read_body<'f>(&self, facts: &'f Facts<'_>, needs: Needs) -> Result<Parsed<'f>, Reason> {
        match needs {
            Needs::Nothing => Ok(Parsed::NotRead),
            Needs::Form => facts.body.form(&facts.headers, &self.accepts).map(Parsed::Form),
            Needs::Json if let Some(message) = &self.message => {
                facts.body.grpc(&facts.headers, &self.accepts).and_then(|bytes| message.read(bytes)).map(Parsed::Json)
            }
            Needs::Json => match facts.body.json(&facts.headers, &self.accepts)? {
                // Readers that take a list element by element would do more than one thing.
                Json::List(_) => Err(Reason::BodyBatch),
                json => Ok(Parsed::Json(json)),
            },
        }
    }
}

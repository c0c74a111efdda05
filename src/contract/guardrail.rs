//! Guardrails: rules that no contract, approval or override can override.
//!
//! A guardrail says which calls it is about and what holds for them. It can only take away: it denies, demands more, or
//! names data that an answer may not hold. What it looks at and cannot know counts against the call, so it fires.

use std::sync::Arc;

use super::slices::Slices;
use super::{Condition, Values};
use crate::catalog::{Action, ActionId, Demands};
use crate::terms::{DataClass, Name, Purpose};

/// One guardrail, for the actions that it is about.
#[derive(Debug)]
pub struct Guardrail {
    /// Its name.
    pub name: Name,
    /// Whom to ask about it.
    pub owner: Option<String>,
    /// The purposes that it is about; any where there is none.
    pub purposes: Vec<Purpose>,
    /// Under which condition.
    pub when: Option<Arc<Condition>>,
    /// What holds then.
    pub then: Then,
}

/// What holds for the calls that a guardrail is about.
#[derive(Debug)]
pub enum Then {
    /// They are denied.
    Deny,
    /// More is demanded of them.
    Require(Demands),
    /// Their answers may not hold these.
    Never(Vec<DataClass>),
}

/// Whether a guardrail is about a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fires {
    /// It is not.
    No,
    /// It is.
    Yes,
    /// It may be: what it looks at is not known.
    Unknown(String),
}

impl Guardrail {
    /// Whether it is about a call of one of its actions, for this purpose; an unknown purpose may be any.
    pub fn fires(&self, purpose: Option<&Purpose>, values: &impl Values) -> Fires {
        let about_purpose = match purpose {
            _ if self.purposes.is_empty() => Fires::Yes,
            Some(purpose) if self.purposes.iter().any(|one| one.covers(purpose)) => Fires::Yes,
            Some(_) => return Fires::No,
            None => Fires::Unknown("purpose".to_owned()),
        };
        match self.when.as_ref().map(|when| when.holds(values)) {
            Some(Ok(false)) => Fires::No,
            Some(Err(unknown)) => Fires::Unknown(unknown.name.to_string()),
            Some(Ok(true)) | None => about_purpose,
        }
    }
}

impl Then {
    /// The first class of an action's answers that may never go out.
    pub fn forbidden<'a>(&self, action: &'a Action) -> Option<&'a DataClass> {
        let Self::Never(classes) = self else { return None };
        // Either way round: `user.financial` is forbidden where `user.financial.card` is, because it may hold it.
        let meets = |one: &DataClass, other: &DataClass| one.covers(other) || other.covers(one);
        action.returns.iter().map(|(_, class)| class).find(|class| classes.iter().any(|never| meets(never, class)))
    }
}

/// All guardrails of a bundle, sliced by action.
#[derive(Debug, Default)]
pub struct Guardrails {
    all: Box<[Guardrail]>,
    by_action: Slices,
}

impl Guardrails {
    /// Guardrails with the actions that each is about.
    pub fn new(all: Vec<(Guardrail, Vec<ActionId>)>) -> Self {
        let mut pairs = Vec::new();
        let mut place_all = |(place, (guardrail, about)): (usize, (Guardrail, Vec<ActionId>))| {
            pairs.extend(about.into_iter().map(|action| (action, place)));
            guardrail
        };
        let all = all.into_iter().enumerate().map(&mut place_all).collect();
        Self { all, by_action: Slices::new(pairs) }
    }

    /// The guardrails about an action.
    pub fn about(&self, action: ActionId) -> impl Iterator<Item = &Guardrail> {
        self.by_action.of(action).filter_map(|place| self.all.get(place))
    }

    /// All guardrails.
    pub fn iter(&self) -> impl Iterator<Item = &Guardrail> {
        self.all.iter()
    }
}

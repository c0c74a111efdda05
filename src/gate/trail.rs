//! What was looked at on the way to a verdict, for `tollgate explain`.
//!
//! A judge notes each rule as it looks at it. In production nobody listens, and a note costs nothing: its text is made only
//! when asked for.

use std::fmt;

use crate::terms::{ActionName, Name};

/// One rule that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// Which rule.
    pub rule: String,
    /// What came of it.
    pub outcome: Outcome,
    /// What it looked at, in words for the operator. Nothing personal.
    pub detail: String,
    /// What of the bundle it is, where coverage counts it.
    pub about: Option<About>,
}

/// A part of the bundle whose outcomes are counted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum About {
    /// The condition of a grant.
    Condition {
        /// Of which contract.
        contract: Name,
        /// For which action.
        action: ActionName,
    },
    /// A guardrail.
    Guardrail(Name),
}

crate::terms::spelled! {
    /// What came of a rule.
    Outcome, "an outcome" {
        /// It is in favour.
        Holds = "holds",
        /// It is against.
        Fails = "fails",
        /// It says nothing about this call.
        Passes = "does not apply",
    }
}

impl fmt::Display for About {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Condition { contract, action } => write!(f, "{contract} for {action}"),
            Self::Guardrail(name) => write!(f, "{name}"),
        }
    }
}

/// One who listens.
pub trait Trail {
    /// Takes a note, which is made only if anyone wants it.
    fn note(&mut self, look: impl FnOnce() -> Look);
}

/// Nobody listens.
pub(super) struct Nothing;

impl Trail for Nothing {
    fn note(&mut self, _look: impl FnOnce() -> Look) {}
}

impl Trail for Vec<Look> {
    fn note(&mut self, look: impl FnOnce() -> Look) {
        self.push(look());
    }
}

impl Look {
    /// Says what of the bundle it is.
    pub fn about(mut self, about: About) -> Self {
        self.about = Some(about);
        self
    }

    /// A rule, what came of it, and why.
    pub fn new(rule: impl Into<String>, outcome: Outcome, detail: impl Into<String>) -> Self {
        Self { rule: rule.into(), outcome, detail: detail.into(), about: None }
    }
}

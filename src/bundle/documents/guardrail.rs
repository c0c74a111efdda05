//! The documents that stand above contracts: `Guardrail`, which none can override, and `Override`, the dated exception.

use serde_json::{Value, json};

use super::contract::Limits;
use super::ground::Require;
use crate::bundle::read::{Keys, Read, Spanned, expected, keys};
use crate::terms::{ActionName, DataClass, Mode, Name, Purpose, Tier};
use crate::yaml::{Kind, Node};
use crate::yaml::{Place, Problems};

keys! {
    /// A rule that no contract can override.
    pub(in crate::bundle) struct Guardrail {
        required {
            /// Which calls it is about: those that meet all of its keys.
            on: Spanned<On> = "on",
            /// What holds for them: `deny`, `require` or `never`.
            then: Then = "then",
        }
    }
}

keys! {
    /// Which calls a guardrail is about.
    pub(in crate::bundle) struct On {
        optional {
            /// Actions of any of these tiers.
            tier: OneOrMore<Tier> = "tier",
            /// Any of these actions.
            action: OneOrMore<Spanned<ActionName>> = "action",
            /// Actions of any of these services.
            service: OneOrMore<Spanned<Name>> = "service",
            /// Calls for any of these purposes, or for what is behind their dots. A purpose that is not known meets all.
            purpose: OneOrMore<Purpose> = "purpose",
            /// A condition, in a subset of CEL. What it mentions and is not known makes it hold.
            when: Spanned<String> = "when",
        }
    }
}

/// One value, or a list of them.
#[derive(Debug, Clone)]
pub(in crate::bundle) struct OneOrMore<T>(pub(in crate::bundle) Spanned<Vec<T>>);

impl<T: Read> Read for OneOrMore<T> {
    fn read(node: &Node, problems: &mut Problems) -> Option<Self> {
        let value = match node.kind {
            Kind::List(_) => Vec::read(node, problems)?,
            _ => vec![T::read(node, problems)?],
        };
        Some(Self(Spanned { value, place: node.place.clone() }))
    }

    fn schema() -> Value {
        json!({ "oneOf": [T::schema(), Vec::<T>::schema()] })
    }
}

/// What holds for the calls that a guardrail is about.
#[derive(Debug, Clone)]
pub(in crate::bundle) enum Then {
    Deny,
    Require(Place, Require),
    Never(Spanned<Vec<DataClass>>),
}

keys! {
    /// What is demanded of the call.
    pub(in crate::bundle) struct ThenRequire {
        required {
            /// All of it.
            require: Spanned<Require> = "require",
        }
    }
}

keys! {
    /// What its answer may not hold.
    pub(in crate::bundle) struct ThenNever {
        required {
            /// Data classes; each with what is behind its dot.
            never: Spanned<Vec<DataClass>> = "never",
        }
    }
}

impl Read for Then {
    fn read(node: &Node, problems: &mut Problems) -> Option<Self> {
        let first = match &node.kind {
            Kind::Map(entries) => entries.first().and_then(|(key, _)| key.text()),
            _ => node.text(),
        };
        match (first, &node.kind) {
            (Some("deny"), Kind::Scalar { .. }) => Some(Self::Deny),
            (Some("require"), Kind::Map(_)) => {
                ThenRequire::read(node, problems).map(|then| Self::Require(then.require.place, then.require.value))
            }
            (Some("never"), Kind::Map(_)) => ThenNever::read(node, problems).map(|then| Self::Never(then.never)),
            _ => {
                let problem = expected("`deny`, `require: {…}` or `never: […]`", node);
                problems.push(problem.help("`deny` stops the call, `require` demands more of it, `never` names data"));
                None
            }
        }
    }

    fn schema() -> Value {
        json!({ "oneOf": [{ "const": "deny" }, ThenRequire::schema(), ThenNever::schema()] })
    }
}

keys! {
    /// An exception with an owner, a reason and an end.
    pub(in crate::bundle) struct Override {
        required {
            /// Why, in a sentence.
            reason: Spanned<String> = "reason",
            /// When it ends by itself (RFC 3339).
            expires_at: Spanned<jiff::Timestamp> = "expiresAt",
            /// Of what, and how.
            of: Of = "of",
        }
    }
}

keys! {
    /// Of what.
    pub(in crate::bundle) struct Of {
        required {
            /// The contract.
            contract: Spanned<Name> = "contract",
            /// The action that it grants.
            action: Spanned<ActionName> = "action",
            /// What holds instead, until then.
            set: Spanned<Set> = "set",
        }
    }
}

keys! {
    /// What holds instead. What is left out stays as the contract says.
    pub(in crate::bundle) struct Set {
        optional {
            /// What one call may not exceed.
            limit: Limits = "limit",
            /// A condition that must hold.
            when: Spanned<String> = "when",
            /// `observe`: the contract's rules about this action are on trial.
            mode: Mode = "mode",
        }
        later { "budget": "budgets over a window", }
    }
}

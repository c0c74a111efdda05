//! The `Contract` document: who may do what, for which purpose, within which limits.

use std::time::Duration;

use serde_json::{Value, json};

use super::only_word;
use crate::bundle::read::{Keys, MapOf, Read, Spanned, expected, keys, read_term, term};
use crate::contract::Others;
use crate::terms::{ActionName, Mode, Pointer, Purpose, SpiffePattern};
use crate::yaml::{Kind, Node, Place, Problem, Problems};

keys! {
    /// What one consumer may do.
    pub(in crate::bundle) struct Contract {
        required {
            /// Whom it is about: `anyone`, or parties. It covers the parties that it names.
            who: Who = "who",
            /// What for; each covers what is behind its dot.
            purposes: Spanned<Vec<Purpose>> = "purposes",
            /// What it may act on.
            actions: MapOf<ActionName, Grant> = "actions",
        }
        optional {
            /// What it may keep.
            retain: Retain = "retain",
            /// `observe`: its purposes and limits are on trial, and deny nothing.
            mode: Mode = "mode",
        }
    }
}

/// Whom a contract is about.
#[derive(Debug, Clone)]
pub(in crate::bundle) enum Who {
    Anyone(Place),
    Parties(Spanned<PartyKeys>),
}

keys! {
    /// Parties: all of the keys must be met, each by any of its list.
    pub(in crate::bundle) struct PartyKeys {
        optional {
            /// SPIFFE ids; a trailing `/*` stands for any that continue it.
            workload: Spanned<Vec<SpiffePattern>> = "workload",
            /// A user.
            user: Roles = "user",
            /// Ids of agents, as the token's `act` claim has them.
            agent: Spanned<Vec<String>> = "agent",
        }
    }
}

keys! {
    /// A user.
    pub(in crate::bundle) struct Roles {
        required {
            /// With any of these roles.
            any_role: Spanned<Vec<String>> = "anyRole",
        }
    }
}

impl Read for Who {
    fn read(node: &Node, problems: &mut Problems) -> Option<Self> {
        match node.kind {
            Kind::Map(_) => Spanned::read(node, problems).map(Self::Parties),
            _ if node.text() == Some("anyone") => Some(Self::Anyone(node.place.clone())),
            _ => {
                let problem = expected("`anyone` or a map", node);
                problems.push(problem.help("the map has the keys `workload`, `user`, `agent`"));
                None
            }
        }
    }

    fn schema() -> Value {
        json!({ "oneOf": [{ "const": "anyone" }, PartyKeys::schema()] })
    }
}

keys! {
    /// The grant of one action.
    pub(in crate::bundle) struct Grant {
        optional {
            /// What one call may not exceed.
            limit: Limits = "limit",
            /// A condition that must hold, in a subset of CEL.
            when: Box<Spanned<String>> = "when",
            /// What of a body it may pass on.
            sends: Box<Sends> = "sends",
        }
        later { "receives": "views of answers", "budget": "budgets over a window", }
    }
}

keys! {
    /// What of a JSON body may be passed on.
    pub(in crate::bundle) struct Sends {
        required {
            /// The fields, as JSON Pointers; each with all that is below it, `*` stands for each element of a list.
            fields: Spanned<Vec<Pointer>> = "fields",
        }
        optional {
            /// What becomes of a body with other fields: `refuse` (where this is left out), `strip`, `report`.
            others: Others = "others",
        }
    }
}
term!(Others, enum);

/// Limits by input: `{ amount: 200.00 EUR, count: 20 }`.
#[derive(Debug, Clone)]
pub(in crate::bundle) struct Limits(pub(in crate::bundle) Vec<(Spanned<String>, Spanned<String>)>);

impl Read for Limits {
    fn read(node: &Node, problems: &mut Problems) -> Option<Self> {
        let MapOf(entries) = MapOf::<String, Spanned<String>>::read(node, problems)?;
        let (over, limits): (Vec<_>, Vec<_>) = entries.into_iter().partition(|(name, _)| name.value == "over");
        for (_, then) in over {
            if then.value != "deny" {
                let message = format!("`over: {}` is not supported yet: only `deny` is", then.value);
                problems.push(Problem::at(&then.place, message).help("leave it out"));
                return None;
            }
        }
        Some(Self(limits))
    }

    fn schema() -> Value {
        json!({ "type": "object", "properties": { "over": OverDeny::schema() }, "additionalProperties": { "type": ["number", "string"] } })
    }
}

keys! {
    /// What a consumer may keep.
    pub(in crate::bundle) struct Retain {
        optional {
            /// For how long; it is recorded with each decision.
            time: Duration = "for",
            /// `no-store`: answers carry `cache-control: no-store`.
            cache: NoStore = "cache",
        }
    }
}

only_word!(NoStore, "no-store");
only_word!(OverDeny, "deny");

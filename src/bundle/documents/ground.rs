//! The documents that the others stand on: `Defaults`, `Tiers`, `Identity`.

use std::time::Duration;

use serde_json::{Value, json};

use super::only_word;
use crate::bundle::read::{Keys, MapOf, Read, Spanned, expected, keys};
use crate::identity::WorkloadSource;
use crate::terms::{Durability, Mode, Name, Pointer, SpiffePattern, Tier, TrustDomain};
use crate::yaml::Problems;
use crate::yaml::{Kind, Node};

keys! {
    /// What holds where nothing else is said.
    pub(in crate::bundle) struct Defaults {
        optional {
            /// `observe` denies nothing anywhere and records what would have been; `enforce` carries verdicts out.
            mode: Mode = "mode",
            /// What becomes of operations that are not in the catalogue.
            unmapped: Unmapped = "unmapped",
            /// Headers that conditions may look at, in lower case.
            headers: Vec<Spanned<String>> = "headers",
        }
    }
}

keys! {
    /// What becomes of operations that are not in the catalogue.
    pub(in crate::bundle) struct Unmapped {
        optional {
            /// GET and HEAD.
            read: UnmappedRule = "read",
            /// All other methods.
            write: UnmappedRule = "write",
        }
    }
}

/// What becomes of them.
#[derive(Debug, Clone)]
pub(in crate::bundle) enum UnmappedRule {
    Deny,
    GrantTo(Vec<Spanned<Name>>),
}

keys! {
    /// Who may do what is not in the catalogue.
    pub(in crate::bundle) struct GrantTo {
        required {
            /// Names of contracts: whoever they cover, for their purposes.
            grant_to: Vec<Spanned<Name>> = "grantTo",
        }
    }
}

impl Read for UnmappedRule {
    fn read(node: &Node, problems: &mut Problems) -> Option<Self> {
        match (node.text(), &node.kind) {
            (Some("deny"), _) => Some(Self::Deny),
            (_, Kind::Map(_)) => GrantTo::read(node, problems).map(|rule| Self::GrantTo(rule.grant_to)),
            _ => {
                problems.push(expected("`deny` or `{ grantTo: […] }`", node));
                None
            }
        }
    }

    fn schema() -> Value {
        json!({ "oneOf": [{ "const": "deny" }, GrantTo::schema()] })
    }
}

keys! {
    /// What each tier demands.
    pub(in crate::bundle) struct Tiers {
        optional {
            /// Nothing personal, no effect.
            open: TierDemands = "open",
            /// Reads personal data.
            personal: TierDemands = "personal",
            /// Reads sensitive data, or writes with little effect.
            sensitive: TierDemands = "sensitive",
            /// Changes something that a customer feels.
            impact: TierDemands = "impact",
            /// Money, credentials, entitlements.
            critical: TierDemands = "critical",
        }
    }
}

keys! {
    /// What one tier demands.
    pub(in crate::bundle) struct TierDemands {
        optional {
            /// What must be proven or declared, all of it; as built in where this is left out.
            require: Require = "require",
            /// How surely a decision is recorded before it is answered; as built in where this is left out.
            receipt: Durability = "receipt",
        }
    }
}

keys! {
    /// What must be proven or declared.
    pub(in crate::bundle) struct Require {
        optional {
            /// Everyone who stands behind the call is proven.
            caller: Known = "caller",
            /// Exactly one purpose is declared.
            purpose: DeclaredWord = "purpose",
            /// How the user must have signed in.
            assurance: Assurance = "assurance",
        }
        later { "approval": "approvals by someone else", "freshness": "preconditions", }
    }
}

keys! {
    /// How the user must have signed in.
    pub(in crate::bundle) struct Assurance {
        required {
            /// Any of these authentication context classes will do.
            acr: Spanned<Vec<String>> = "acr",
        }
        optional {
            /// The longest time since then.
            max_age: Duration = "maxAge",
        }
    }
}

keys! {
    /// How proofs become parties.
    pub(in crate::bundle) struct Identity {
        optional {
            /// The processes that call. Where this is given, a call without a proven workload has no known caller.
            workload: Workload = "workload",
            /// The people on whose behalf they call.
            user: User = "user",
            /// How a caller declares its purpose.
            purpose: PurposeKeys = "purpose",
            /// How the channel of the customer is known.
            channel: Channel = "channel",
            /// Who acts on its own.
            automation: Automation = "automation",
            /// Where credentials may stand; a call that carries more than one of them is refused: `header:authorization`,
            /// `header:x-api-key`, `cookie:session`, `query:access_token`.
            credentials: Spanned<Vec<Spanned<String>>> = "credentials",
        }
    }
}

keys! {
    /// Where a workload's proof comes from.
    pub(in crate::bundle) struct Workload {
        required {
            /// `mtls`: the certificate that the proxy verified. `xfcc`: the header in which the proxy writes it; list it only
            /// where the proxy replaces what a client sends (`SANITIZE_SET`). The first that is there decides.
            from: Spanned<Vec<WorkloadSource>> = "from",
            /// The SPIFFE trust domains whose workloads are ours.
            trust_domains: Spanned<Vec<TrustDomain>> = "trustDomains",
        }
    }
}

keys! {
    /// Where a user's claims come from.
    pub(in crate::bundle) struct User {
        required {
            /// `metadata:NAMESPACE/KEY`: where the proxy's JWT filter leaves the payload that it verified.
            from: Spanned<String> = "from",
        }
        optional {
            /// Which claim is what.
            map: ClaimMap = "map",
        }
    }
}

keys! {
    /// Which claim is what, as JSON Pointers into the payload.
    pub(in crate::bundle) struct ClaimMap {
        optional {
            /// The user's id; `/sub` where this is left out.
            id: Pointer = "id",
            /// A list of roles; without it there are none.
            roles: Pointer = "roles",
            /// Who acts for the user (RFC 8693); `/act` where this is left out.
            actor: Pointer = "actor",
            /// The authentication context class; `/acr` where this is left out.
            acr: Pointer = "acr",
            /// When the user signed in; `/auth_time` where this is left out.
            auth_time: Pointer = "authTime",
            /// The purpose that the token was issued for; without it tokens declare none.
            purpose: Pointer = "purpose",
            /// The customer organisation that the user belongs to; without it there is none.
            tenant: Pointer = "tenant",
        }
    }
}

keys! {
    /// How a caller declares its purpose.
    pub(in crate::bundle) struct PurposeKeys {
        required {
            /// The header that declares it.
            header: Spanned<String> = "header",
        }
    }
}

keys! {
    /// How the channel of the customer is known.
    pub(in crate::bundle) struct Channel {
        required {
            /// The header that names it.
            header: Spanned<String> = "header",
            /// The workloads that are believed.
            trusted_from: Vec<SpiffePattern> = "trustedFrom",
        }
        optional {
            /// The highest tier over each channel; a channel that is not here has no ceiling.
            ceilings: MapOf<String, Tier> = "ceilings",
        }
    }
}

keys! {
    /// Who acts on its own.
    pub(in crate::bundle) struct Automation {
        optional {
            /// Which of them.
            autonomous: Autonomous = "autonomous",
        }
    }
}

keys! {
    /// Workloads that act on their own.
    pub(in crate::bundle) struct Autonomous {
        required {
            /// Their SPIFFE ids; a trailing `/*` stands for any that continue it.
            workload: Vec<SpiffePattern> = "workload",
        }
    }
}

only_word!(Known, "known");
only_word!(DeclaredWord, "declared");

//! The `Test` document: cases that say what must come out.

use serde_json::{Value, json};

use crate::bundle::read::{Json, Keys, MapOf, Read, Spanned, keys};
use crate::terms::{ActionName, Mode, Reason};
use crate::verdict::Verdict;
use crate::yaml::Problems;
use crate::yaml::{Kind, Node};

keys! {
    /// What must come out.
    pub(in crate::bundle) struct Test {
        required {
            /// The cases.
            cases: Vec<Case> = "cases",
        }
    }
}

keys! {
    /// One case.
    pub(in crate::bundle) struct Case {
        required {
            /// What it shows, as a sentence.
            name: Spanned<String> = "name",
            /// What is asked for.
            request: CaseRequest = "request",
            /// What must come out.
            expect: CaseExpect = "expect",
        }
        optional {
            /// Who asks, and when.
            given: CaseGiven = "given",
        }
    }
}

keys! {
    /// Who asks, and when.
    pub(in crate::bundle) struct CaseGiven {
        optional {
            /// The SPIFFE id of the certificate.
            workload: String = "workload",
            /// The payload of the verified token; without it there is no user.
            claims: Json = "claims",
            /// The time; 2026-01-01T00:00:00Z where this is left out.
            now: jiff::Timestamp = "now",
        }
    }
}

keys! {
    /// What is asked for.
    pub(in crate::bundle) struct CaseRequest {
        required {
            /// The method.
            method: String = "method",
            /// The host.
            host: String = "host",
            /// The path, perhaps with a query, as it is on the wire.
            path: String = "path",
        }
        optional {
            /// Further headers.
            headers: MapOf<String, String> = "headers",
            /// The body: a text as it is on the wire, or a map or list, which is sent as JSON.
            body: CaseBody = "body",
        }
    }
}

/// A body, and the content type that it has where the case names none.
#[derive(Debug, Clone)]
pub(in crate::bundle) enum CaseBody {
    /// There is none.
    Nothing,
    /// As it is on the wire.
    Text(String),
    /// JSON.
    Json(Value),
}

impl Read for CaseBody {
    fn read(node: &Node, problems: &mut Problems) -> Option<Self> {
        match &node.kind {
            Kind::Null => Some(Self::Nothing),
            Kind::Scalar { text, .. } => Some(Self::Text(text.clone())),
            Kind::List(_) | Kind::Map(_) => Json::read(node, problems).map(|json| Self::Json(json.0)),
        }
    }

    fn schema() -> Value {
        json!({ "type": ["null", "string", "object", "array"] })
    }
}

keys! {
    /// What must come out.
    pub(in crate::bundle) struct CaseExpect {
        required {
            /// The verdict of the rules, also where the mode would let the call pass.
            verdict: Verdict = "verdict",
        }
        optional {
            /// Why.
            reason: Reason = "reason",
            /// Which action it is.
            action: Spanned<ActionName> = "action",
            /// Whether it is carried out.
            mode: Mode = "mode",
        }
    }
}

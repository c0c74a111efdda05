//! The policy documents as they are typed.
//!
//! This is the grammar: which keys there are, which must be there, and which belong to what is not built yet. What the
//! values mean together is the compiler's business.

pub(in crate::bundle) mod contract;
pub(in crate::bundle) mod ground;
pub(in crate::bundle) mod guardrail;
pub(in crate::bundle) mod service;
pub(in crate::bundle) mod test;

use std::time::Duration;

use contract::Contract;
use ground::{Defaults, Identity, Tiers};
use guardrail::{Guardrail, Override};
use serde_json::{Value, json};
use service::Service;
use test::Test;

use super::read::{Keys, Read, Spanned, expected, keys, listed, read_term, term};
use crate::catalog::MoneyUnit;
use crate::identity::WorkloadSource;
use crate::terms::{
    ActionName, DataClass, Durability, Mode, Name, Pointer, Purpose, Reason, SpiffePattern, Tier, TrustDomain, nearest,
    parse_duration,
};
use crate::verdict::Verdict;
use crate::yaml::{Kind, Node, Problem, Problems};

/// The one version that there is.
pub const API_VERSION: &str = "tollgate.dev/v1alpha1";

term!(Tier, enum);
term!(Mode, enum);
term!(Durability, enum);
term!(Verdict, enum);
term!(MoneyUnit, enum);
term!(WorkloadSource, enum);
term!(Name, json!({ "type": "string", "pattern": "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$" }));
term!(ActionName, json!({ "type": "string", "pattern": "^[a-z0-9_-]+(\\.[a-z0-9_-]+)+$" }));
term!(DataClass, json!({ "type": "string", "pattern": "^[a-z0-9_]+(\\.[a-z0-9_]+)*$" }));
term!(Purpose, json!({ "type": "string", "pattern": "^[a-z0-9_]+(\\.[a-z0-9_]+)*$" }));
term!(SpiffePattern, json!({ "type": "string", "pattern": "^spiffe://" }));
term!(TrustDomain, json!({ "type": "string", "pattern": "^[a-z0-9._-]+$" }));
term!(Pointer, json!({ "type": "string", "pattern": "^(/.*)?$" }));
term!(jiff::Timestamp, json!({ "type": "string", "format": "date-time" }));

macro_rules! only_word {
    ($name:ident, $word:literal) => {
        /// The only word that can stand there.
        #[derive(Debug, Clone, Copy)]
        pub(in crate::bundle) struct $name;

        impl Read for $name {
            fn read(node: &Node, problems: &mut Problems) -> Option<Self> {
                if node.text() == Some($word) {
                    return Some(Self);
                }
                problems.push(expected(concat!("`", $word, "`"), node));
                None
            }

            fn schema() -> Value {
                json!({ "const": $word })
            }
        }
    };
}
pub(in crate::bundle) use only_word;

impl Read for Reason {
    fn read(node: &Node, problems: &mut Problems) -> Option<Self> {
        let known: Vec<_> = Self::ALL.iter().map(|one| one.code()).collect();
        read_term(node, problems, &known)
    }

    fn schema() -> Value {
        json!({ "enum": Self::ALL.iter().map(|one| one.code()).collect::<Vec<_>>() })
    }
}

impl Read for Duration {
    fn read(node: &Node, problems: &mut Problems) -> Option<Self> {
        if let Some(Ok(duration)) = node.text().map(parse_duration) {
            return Some(duration);
        }
        problems.push(expected("a duration such as `30s`, `5m`, `1h` or `30d`", node));
        None
    }

    fn schema() -> Value {
        json!({ "type": "string", "pattern": "^[1-9][0-9]{0,5}[smhd]$" })
    }
}

/// A document of any kind, with its name.
#[derive(Debug)]
pub(in crate::bundle) struct Document {
    pub(in crate::bundle) name: Spanned<Name>,
    pub(in crate::bundle) owner: Option<String>,
    pub(in crate::bundle) body: Body,
}

macro_rules! kinds {
    ($($(#[doc = $doc:literal])* $kind:ident($body:ty) = $text:literal),+) => {
        /// What a document says, by its kind.
        #[derive(Debug)]
        pub(in crate::bundle) enum Body { $($kind($body)),+ }

        impl Body {
            /// The kind as it is written.
            pub(in crate::bundle) const fn kind(&self) -> &'static str {
                match self { $(Self::$kind(_) => $text),+ }
            }
        }

        const KINDS: &[&str] = &[$($text),+];

        fn read_body(kind: &str, rest: &Node, problems: &mut Problems) -> Option<Body> {
            match kind {
                $($text => <$body>::read(rest, problems).map(Body::$kind),)+
                _ => None,
            }
        }

        /// JSON Schema (draft 2020-12) of a document, for editors.
        pub fn schema() -> Value {
            let documents = [$(with_header($text, concat!($($doc),*), <$body>::schema())),+];
            json!({
                "$schema": "https://json-schema.org/draft/2020-12/schema",
                "$id": "https://tollgate.dev/schema/v1alpha1.json",
                "title": "Tollgate policy document",
                "type": "object",
                "required": ["apiVersion", "kind", "metadata"],
                "oneOf": documents,
            })
        }
    };
}

kinds! {
    /// What holds where nothing else is said. At most one.
    Defaults(Defaults) = "Defaults",
    /// What each tier demands. At most one; a tier that is not in it keeps the built-in demands.
    Tiers(Tiers) = "Tiers",
    /// How proofs become parties. At most one.
    Identity(Identity) = "Identity",
    /// What can be done at one API.
    Service(Service) = "Service",
    /// What one consumer may do.
    Contract(Contract) = "Contract",
    /// What must come out: cases that `tollgate test` runs.
    Test(Test) = "Test",
    /// A rule that no contract can override.
    Guardrail(Guardrail) = "Guardrail",
    /// An exception with an owner, a reason and an end.
    Override(Override) = "Override"
}

keys! {
    /// Who wrote a document, and what it is called.
    pub(in crate::bundle) struct Metadata {
        required {
            /// Unique among the documents of its kind.
            name: Spanned<Name> = "name",
        }
        optional {
            /// Whom to ask: a person, a team, an address.
            owner: String = "owner",
        }
    }
}

/// What every document has.
const HEADER: [&str; 3] = ["apiVersion", "kind", "metadata"];

/// Reads one document: its header, then what its kind says.
pub(in crate::bundle) fn read_document(node: Node, problems: &mut Problems) -> Option<Document> {
    let place = node.place.clone();
    let Kind::Map(entries) = node.kind else {
        problems.push(expected("a document with `apiVersion`, `kind` and `metadata`", &node));
        return None;
    };
    let (header, rest): (Vec<_>, Vec<_>) =
        entries.into_iter().partition(|(key, _)| key.text().is_some_and(|key| HEADER.contains(&key)));
    // Where one of them is missing, a key that is nearly it is the one to tell of.
    let missing = HEADER.iter().filter(|name| !header.iter().any(|(key, _)| key.text() == Some(**name)));
    let nearly = |name: &str| {
        let mut keys = rest.iter().filter_map(|(key, _)| Some((&key.place, key.text()?)));
        keys.find(|(_, key)| problems.nearest(key, [name]).is_some())
    };
    let mistyped: Vec<_> = missing.filter_map(|name| Some((name, nearly(name)?))).collect();
    for (name, (place, key)) in &mistyped {
        let problem = Problem::at(place, format!("the key `{key}` is not known here"));
        problems.push(problem.help(format!("did you mean `{name}`?")));
    }
    if !mistyped.is_empty() {
        return None;
    }
    let header = Node { place: place.clone(), kind: Kind::Map(header) };
    let (keys, _) = Keys::of(&header, &HEADER, &[], problems)?;
    let version = keys.required::<Spanned<String>>("apiVersion", problems);
    let kind = keys.required::<Spanned<String>>("kind", problems);
    if let (Some(version), Some(kind)) = (&version, &kind)
        && is_manifest(version, kind, &rest)
    {
        let problem = Problem::at(&kind.place, format!("`{}` is a manifest of Kubernetes, not a policy", kind.value));
        problems.push(problem.help(
            "policies stand in the `data` of a ConfigMap: a volume shows them as files, and commands take `--configmap`",
        ));
        return None;
    }
    let metadata = keys.required::<Metadata>("metadata", problems);
    if let Some(version) = version.filter(|version| version.value != API_VERSION) {
        problems.push(
            Problem::at(&version.place, format!("`{}` is not a version that is known here", version.value))
                .help(format!("write `{API_VERSION}`")),
        );
    }
    let kind = known_kind(kind?, problems)?;
    let body = read_body(&kind, &Node { place, kind: Kind::Map(rest) }, problems);
    let Metadata { name, owner } = metadata?;
    // It is shown on terminals.
    if owner.as_ref().is_some_and(|owner| owner.chars().any(char::is_control)) {
        problems.push(Problem::at(&name.place, "the owner of this document holds a control character"));
    }
    Some(Document { name, owner, body: body? })
}

/// Whether a document is neither a policy nor meant to be. Kubernetes has a `Service` too, and its own has a `spec`.
fn is_manifest(version: &str, kind: &str, rest: &[(Node, Node)]) -> bool {
    if version.starts_with("tollgate") {
        return false;
    }
    match kind {
        "Service" => rest.iter().any(|(key, _)| key.text() == Some("spec")),
        "List" => true,
        _ => nearest(kind, KINDS.iter().copied()).is_none(),
    }
}

fn known_kind(kind: Spanned<String>, problems: &mut Problems) -> Option<String> {
    if KINDS.contains(&kind.as_str()) {
        return Some(kind.value);
    }
    let problem = Problem::at(&kind.place, format!("`{}` is not a kind of document", kind.value));
    problems.push(match problems.nearest(&kind.value, KINDS.iter().copied()) {
        Some(meant) => problem.help(format!("did you mean `{meant}`?")),
        None => problem.help(format!("one of {}", listed(KINDS))),
    });
    None
}

fn with_header(kind: &str, about: &str, body: Value) -> Value {
    let Value::Object(mut body) = body else { return body };
    body.insert("description".to_owned(), Value::from(about.trim()));
    if let Some(Value::Object(properties)) = body.get_mut("properties") {
        properties.insert("apiVersion".to_owned(), json!({ "const": API_VERSION }));
        properties.insert("kind".to_owned(), json!({ "const": kind }));
        properties.insert("metadata".to_owned(), Metadata::schema());
    }
    if let Some(Value::Array(required)) = body.get_mut("required") {
        required.splice(0..0, ["apiVersion", "kind", "metadata"].map(Value::from));
    }
    Value::Object(body)
}

//! The names that conditions may mention, each with its one type.
//!
//! Which of them there are depends on the action: its inputs, the headers that were declared, whether it has a subject.

use std::fmt;
use std::sync::Arc;

use crate::catalog::{Input, InputKind};
use crate::terms::nearest;

/// Something of a call that a condition may look at.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Name {
    /// The SPIFFE id of the process that calls.
    Workload,
    /// The user's id.
    User,
    /// The user's roles.
    Roles,
    /// The ids of the agents between.
    Agents,
    /// Who presses the button: `human`, `assisted`, `autonomous`.
    Automation,
    /// The channel that the call came in by.
    Channel,
    /// How the user signed in (OpenID Connect `acr`).
    Acr,
    /// How long ago that was.
    AuthAge,
    /// For whose customers.
    Tenant,
    /// What the data is used for.
    Purpose,
    /// What is done.
    Action,
    /// How much control that needs.
    Tier,
    /// A declared input.
    Input(String),
    /// Whom the data is about.
    Subject,
    /// The request's method.
    Method,
    /// The request's host, in lower case.
    Host,
    /// A declared header, in lower case.
    Header(String),
    /// The time of the decision.
    Now,
}

/// What a condition may mention besides what every call has.
#[derive(Debug, Clone, Copy, Default)]
pub struct Scope<'a> {
    /// The inputs that the action declares.
    pub inputs: &'a [Arc<Input>],
    /// The headers that were declared, in lower case; `None` where that is not known, and any may be.
    pub headers: Option<&'a [String]>,
    /// Whether the action says whom it is about.
    pub has_subject: bool,
}

/// What a value is. Only equal types are compared; whole and decimal numbers are one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Type {
    Text,
    Texts,
    Automation,
    Tier,
    Number,
    Boolean,
    Money,
    Duration,
    Time,
}

const PLAIN: [(&str, Name, Type); 15] = [
    ("caller.workload", Name::Workload, Type::Text),
    ("caller.user", Name::User, Type::Text),
    ("caller.roles", Name::Roles, Type::Texts),
    ("caller.agents", Name::Agents, Type::Texts),
    ("caller.automation", Name::Automation, Type::Automation),
    ("caller.channel", Name::Channel, Type::Text),
    ("caller.acr", Name::Acr, Type::Text),
    ("caller.authAge", Name::AuthAge, Type::Duration),
    ("caller.tenant", Name::Tenant, Type::Text),
    ("purpose", Name::Purpose, Type::Text),
    ("action", Name::Action, Type::Text),
    ("tier", Name::Tier, Type::Tier),
    ("request.method", Name::Method, Type::Text),
    ("request.host", Name::Host, Type::Text),
    ("now", Name::Now, Type::Time),
];
const SUBJECT: &str = "subject";
const INPUTS: &str = "inputs.";

impl Type {
    /// How messages call it.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Texts => "a list of texts",
            Self::Automation => "a word for who acts",
            Self::Tier => "a tier",
            Self::Number => "a number",
            Self::Boolean => "true or false",
            Self::Money => "money",
            Self::Duration => "a duration",
            Self::Time => "a timestamp",
        }
    }

    /// How a literal of it is written.
    pub(super) const fn example(self) -> &'static str {
        match self {
            Self::Text => "'voice'",
            Self::Texts => "['billing', 'support']",
            Self::Automation => "'assisted'",
            Self::Tier => "'impact'",
            Self::Number => "200.00",
            Self::Boolean => "true",
            Self::Money => "money('200.00 EUR')",
            Self::Duration => "duration('5m')",
            Self::Time => "timestamp('2026-12-01T00:00:00Z')",
        }
    }

    pub(super) const fn is_ordered(self) -> bool {
        matches!(self, Self::Number | Self::Money | Self::Duration | Self::Time | Self::Tier)
    }
}

impl Scope<'_> {
    /// What a path such as `caller.roles` is; otherwise a message and a hint.
    pub(super) fn path(&self, path: &str) -> Result<(Name, Type), (String, String)> {
        if let Some((_, name, of)) = PLAIN.iter().find(|(one, ..)| *one == path) {
            return Ok((name.clone(), *of));
        }
        if path == SUBJECT {
            let missing =
                ("`subject` is not known here".to_owned(), "say under the action whom it is about".to_owned());
            return if self.has_subject { Ok((Name::Subject, Type::Text)) } else { Err(missing) };
        }
        if let Some(input) = path.strip_prefix(INPUTS) {
            return self.input(input);
        }
        if path == "request.headers" {
            let help = "write `request.headers['x-region']`".to_owned();
            return Err(("`request.headers` is no value by itself".to_owned(), help));
        }
        let known = PLAIN.iter().map(|(one, ..)| (*one).to_owned()).chain(self.has_subject.then(|| SUBJECT.to_owned()));
        let inputs = self.inputs.iter().map(|input| format!("{INPUTS}{}", input.name));
        let known: Vec<_> = known.chain(inputs).collect();
        let help = nearest(path, known.iter().map(String::as_str)).map_or_else(
            || "names begin with `caller.`, `inputs.` or `request.`, or are `purpose`, `action`, `tier`, `subject`, `now`; text stands in quotes".to_owned(),
            did_you_mean,
        );
        Err((format!("`{path}` is not a name that conditions know"), help))
    }

    fn input(&self, name: &str) -> Result<(Name, Type), (String, String)> {
        let Some(input) = self.inputs.iter().find(|input| input.name == name) else {
            let known = nearest(name, self.inputs.iter().map(|input| input.name.as_str()));
            let help = known.map_or_else(
                || "declare it under `inputs` of the action".to_owned(),
                |known| did_you_mean(&format!("{INPUTS}{known}")),
            );
            return Err((format!("the action declares no input `{name}`"), help));
        };
        let of = match input.kind {
            InputKind::Text => Type::Text,
            InputKind::Integer | InputKind::Decimal => Type::Number,
            InputKind::Boolean => Type::Boolean,
            InputKind::Money { .. } => Type::Money,
        };
        Ok((Name::Input(name.to_owned()), of))
    }

    /// What `request.headers['x-region']` is; otherwise a message and a hint.
    pub(super) fn header(&self, name: &str) -> Result<(Name, Type), (String, String)> {
        let Some(headers) = self.headers.filter(|headers| headers.iter().all(|one| one != name)) else {
            return Ok((Name::Header(name.to_owned()), Type::Text));
        };
        let known = nearest(name, headers.iter().map(String::as_str));
        let help = known.map_or_else(|| "only headers that are declared may be mentioned".to_owned(), did_you_mean);
        Err((format!("no header `{name}` is declared"), help))
    }
}

fn did_you_mean(known: &str) -> String {
    format!("did you mean `{known}`?")
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Input(name) => write!(f, "{INPUTS}{name}"),
            Self::Header(name) => write!(f, "request.headers['{name}']"),
            Self::Subject => f.write_str(SUBJECT),
            plain => f.write_str(PLAIN.iter().find(|(_, name, _)| name == plain).map_or("", |(text, ..)| text)),
        }
    }
}

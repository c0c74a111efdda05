//! A route: `GET /v1/orders/{order}`, as the catalogue spells it.

use std::fmt;
use std::str::FromStr;

use super::{Key, Message, Placed};
use crate::facts::{Accepts, Path};
use crate::terms::{InvalidTerm, spelled};

spelled! {
    /// The methods that a route can have. `HEAD` is its `GET` (RFC 9110, section 9.3.2).
    Method, "a method" {
        /// Reads.
        Get = "GET",
        /// Does.
        Post = "POST",
        /// Replaces.
        Put = "PUT",
        /// Changes.
        Patch = "PATCH",
        /// Removes.
        Delete = "DELETE",
        /// Asks what can be done.
        Options = "OPTIONS",
    }
}

/// One wire form of an action.
#[derive(Debug, Clone)]
pub struct Route {
    /// How a request is told to be of this form.
    pub form: Form,
    /// Where the action's inputs are in this form.
    pub inputs: Box<[Placed]>,
    /// Which bodies it is judged by.
    pub accepts: Accepts,
    /// What its body is, where that is a message of gRPC that can be read.
    pub message: Option<Message>,
    /// As the catalogue spells it.
    text: Box<str>,
}

/// How a request is told to be of a wire form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Form {
    /// By method and path.
    Http(Method, Template),
    /// By the path of a gRPC method; the request must be gRPC.
    Grpc(Template),
    /// By what the body says at an endpoint.
    Element(Key),
}

/// A path whose segments are literal or parameters. It is kept as it is written: a bundle has many, and takes each apart
/// once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Template {
    text: Box<str>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Segment<'t> {
    Literal(&'t str),
    Param(&'t str),
}

/// Deeper paths are refused when a bundle is loaded.
const MAX_SEGMENTS: usize = 32;

impl Method {
    /// The method whose routes a request is matched against.
    pub fn of_request(text: &str) -> Option<Self> {
        let text = if text == "HEAD" { "GET" } else { text };
        Self::ALL.iter().copied().find(|method| method.as_str() == text)
    }
}

impl Template {
    /// A path of one literal segment.
    pub fn of_literal(segment: &str) -> Self {
        Self { text: format!("/{segment}").into() }
    }

    /// The names of the parameters, in order.
    pub fn params(&self) -> impl Iterator<Item = &str> {
        self.segments().filter_map(|segment| match segment {
            Segment::Param(name) => Some(name),
            Segment::Literal(_) => None,
        })
    }

    pub(super) fn segments(&self) -> impl Iterator<Item = Segment<'_>> {
        self.text.split('/').skip(1).map(|part| match param(part) {
            Some(name) => Segment::Param(name),
            None => Segment::Literal(part),
        })
    }
}

impl Route {
    /// A route of this form.
    pub fn new(form: Form, inputs: Box<[Placed]>, accepts: Accepts, message: Option<Message>) -> Self {
        let text = form.to_string().into();
        Self { form, inputs, accepts, message, text }
    }

    /// As the catalogue spells it.
    pub const fn as_str(&self) -> &str {
        &self.text
    }

    /// Reads `METHOD /path`. The inputs are placed by whoever knows the action.
    pub fn parse(text: &str) -> Result<(Method, Template), InvalidTerm> {
        let (method, path) = text.split_once(' ').ok_or_else(|| {
            InvalidTerm(format!("`{text}` is not a route: a method and a path, such as `GET /v1/orders/{{order}}`"))
        })?;
        if method == "HEAD" {
            return Err(InvalidTerm("`HEAD` has no routes of its own: it is matched as `GET`".to_owned()));
        }
        Ok((method.parse()?, path.parse()?))
    }
}

impl FromStr for Template {
    type Err = InvalidTerm;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = |why: String| InvalidTerm(format!("`{text}` is not a path: {why}"));
        let inner = text.strip_prefix('/').ok_or_else(|| invalid("it begins with `/`".to_owned()))?;
        inner.split('/').try_for_each(|part| check_segment(part).map_err(&invalid))?;
        let template = Self { text: text.into() };
        if template.segments().count() > MAX_SEGMENTS {
            return Err(invalid(format!("more than {MAX_SEGMENTS} segments")));
        }
        let mut names: Vec<_> = template.params().collect();
        names.sort_unstable();
        if let Some(twice) =
            names.iter().zip(names.iter().skip(1)).find_map(|(one, next)| (one == next).then_some(*one))
        {
            return Err(invalid(format!("the parameter `{twice}` stands in it twice")));
        }
        // A literal must be able to match: it is checked as a request's path is, and compared decoded.
        let example: String = template
            .segments()
            .map(|one| if let Segment::Literal(text) = one { format!("/{text}") } else { "/x".to_owned() })
            .collect();
        match Path::read(&example) {
            Ok(path) if path.as_str() == example => Ok(template),
            Ok(_) => Err(invalid("write it decoded, without `%`".to_owned())),
            Err(reason) => Err(invalid(format!("no request can match it: {}", reason.detail()))),
        }
    }
}

/// The name between the braces, where a segment is a parameter.
fn param(part: &str) -> Option<&str> {
    part.strip_prefix('{')?.strip_suffix('}')
}

fn check_segment(part: &str) -> Result<(), String> {
    let Some(inner) = param(part) else {
        return match part.contains(['{', '}', '*']) {
            _ if part.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b)) => Ok(()),
            // As many frameworks write it.
            false if part.strip_prefix(':').is_some_and(is_name) => {
                let name = part.trim_start_matches(':');
                Err(format!("`{part}`: a parameter stands in braces: `{{{name}}}`"))
            }
            true => Err(format!(
                "`{part}`: a parameter is a whole segment, such as `{{order}}`, and there are no wildcards"
            )),
            // What may be written in two ways, plain or escaped, would match for us and not for a router that compares undecoded.
            false => Err(format!("`{part}`: a literal segment has letters, digits, `-`, `.`, `_` and `~`")),
        };
    };
    if is_name(inner) { Ok(()) } else { Err(format!("`{part}`: a parameter's name has letters, digits and `_`")) }
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

impl Template {
    /// Its literal segments.
    pub fn literals(&self) -> impl Iterator<Item = &str> {
        self.segments().filter_map(|segment| match segment {
            Segment::Literal(text) => Some(text),
            Segment::Param(_) => None,
        })
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http(method, template) => write!(f, "{method} {template}"),
            Self::Grpc(template) => write!(f, "grpc {}", template.to_string().trim_start_matches('/')),
            Self::Element(key) => write!(f, "{key}"),
        }
    }
}

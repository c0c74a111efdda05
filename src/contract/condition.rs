//! Conditions: a subset of CEL, checked when the bundle loads, bounded, evaluated by a small tree of our own.
//!
//! A library parses; what may stand there, its types and its evaluation are ours, so that a condition means the same in
//! whatever version of the library, and costs no more than its few nodes. A condition that compiles always mentions the
//! call, compares equal types only, and holds no part that says always or never.
//!
//! Every name that a condition mentions must be known, wherever it stands: otherwise the answer is [`Unknown`], and `||`
//! does not rescue it. What is unknown makes a grant's condition not hold and a guardrail's fire, so absence never counts as
//! innocence; and because the rule looks at the text alone, and not at values, it is the same in both directions and cannot
//! be got round by the order of the parts. Amounts in two currencies cannot be compared, and count as unknown too.

mod check;
mod literal;
mod name;
mod parse;
mod scan;
mod tree;

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

pub use name::{Name, Scope};
use rust_decimal::Decimal;

use crate::catalog::Input;
use crate::terms::{AgentId, Money, Role, Tier};

/// A condition that was checked.
#[derive(Debug)]
pub struct Condition {
    text: Box<str>,
    tree: tree::Tree,
    names: Arc<[Name]>,
}

/// Reads the conditions of one bundle. The same words stand in many contracts: they are parsed once, and are one condition
/// wherever they mean the same.
#[derive(Debug)]
pub struct Conditions<'h> {
    headers: Option<&'h [String]>,
    remembered: RefCell<Remembered>,
}

#[derive(Debug, Default)]
struct Remembered {
    texts: HashMap<Box<str>, Known>,
    /// Conditions that differ mention the same names, more often than not.
    names: HashSet<Arc<[Name]>>,
}

/// Words that were parsed, and what they meant.
#[derive(Debug)]
struct Known {
    syntax: parse::Syntax,
    /// What they meant when they were checked first. What names stand for decides whether words are a condition, seldom
    /// which, so it is compared with, and shared by all that mean the same.
    first: Option<Arc<Condition>>,
    /// What they meant last. The next action mostly has the same inputs: then it is taken as it is.
    last: Option<Checked>,
}

/// A condition, and what it was checked against.
#[derive(Debug)]
struct Checked {
    inputs: Box<[Arc<Input>]>,
    has_subject: bool,
    condition: Arc<Condition>,
}

/// How many of each are remembered. Parsing is most of what loading a bundle takes; remembering all that are written only
/// once would take memory for nothing.
const MAX_REMEMBERED: usize = 1024;

/// What is wrong with a condition's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// What.
    pub message: String,
    /// What would mend it.
    pub help: Option<String>,
    /// Where, in bytes of the text; on boundaries of its characters.
    pub range: Range<usize>,
}

/// A name that the condition mentions has no value in this call, or none that can be compared.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{name}` is unknown")]
pub struct Unknown {
    /// Which one.
    pub name: Name,
}

/// What a name stands for in one call.
#[derive(Clone, Copy)]
pub enum Value<'a> {
    /// Text; words too.
    Text(&'a str),
    /// A list of texts.
    Texts(&'a dyn Texts),
    /// A whole number.
    Integer(i64),
    /// A decimal number.
    Decimal(Decimal),
    /// An amount.
    Money(Money),
    /// True or false.
    Boolean(bool),
    /// How long.
    Duration(std::time::Duration),
    /// When.
    Time(jiff::Timestamp),
    /// A tier.
    Tier(Tier),
}

/// A list that can only be asked what is in it: ids of agents never leave it.
pub trait Texts {
    /// Whether the text is one of the list.
    fn has(&self, text: &str) -> bool;
}

/// What is known of one call.
pub trait Values {
    /// What a name stands for; `None` where it is unknown. Asked once for each mention, and must answer the same.
    fn value(&self, name: &Name) -> Option<Value<'_>>;
}

impl<'h> Conditions<'h> {
    /// Conditions that may mention these headers, in lower case; `None` where it is not known which, and any may be.
    pub fn new(headers: Option<&'h [String]>) -> Self {
        Self { headers, remembered: RefCell::default() }
    }

    /// Reads and checks a text about an action with these inputs. The faults are never empty.
    pub fn compile(&self, text: &str, inputs: &[Arc<Input>], has_subject: bool) -> Result<Arc<Condition>, Vec<Fault>> {
        let scope = &Scope { inputs, headers: self.headers, has_subject };
        let Remembered { texts, names } = &mut *self.remembered.borrow_mut();
        if let Some(known) = texts.get_mut(text) {
            return known.compile(text, scope, names);
        }
        let mut known = Known { syntax: parse(text)?, first: None, last: None };
        let compiled = known.compile(text, scope, names);
        if texts.len() < MAX_REMEMBERED {
            texts.insert(text.into(), known);
        }
        compiled
    }
}

impl Known {
    fn compile(
        &mut self,
        text: &str,
        scope: &Scope<'_>,
        lists: &mut HashSet<Arc<[Name]>>,
    ) -> Result<Arc<Condition>, Vec<Fault>> {
        let is_of = |last: &&Checked| *last.inputs == *scope.inputs && last.has_subject == scope.has_subject;
        if let Some(last) = self.last.as_ref().filter(is_of) {
            return Ok(Arc::clone(&last.condition));
        }
        let (tree, names) = check::check(&self.syntax, scope)?;
        let same = self.first.as_ref().filter(|one| one.tree == tree && *one.names == *names).map(Arc::clone);
        let condition =
            same.unwrap_or_else(|| Arc::new(Condition { text: text.into(), tree, names: shared(names, lists) }));
        self.first.get_or_insert_with(|| Arc::clone(&condition));
        let (inputs, has_subject) = (scope.inputs.into(), scope.has_subject);
        self.last = Some(Checked { inputs, has_subject, condition: Arc::clone(&condition) });
        Ok(condition)
    }
}

/// The names as one list for all that mention the same.
fn shared(names: Vec<Name>, lists: &mut HashSet<Arc<[Name]>>) -> Arc<[Name]> {
    if let Some(same) = lists.get(names.as_slice()) {
        return Arc::clone(same);
    }
    let names = Arc::from(names);
    if lists.len() < MAX_REMEMBERED {
        lists.insert(Arc::clone(&names));
    }
    names
}

impl Condition {
    /// Reads and checks a text. The faults are never empty.
    pub fn compile(text: &str, scope: &Scope<'_>) -> Result<Arc<Self>, Vec<Fault>> {
        Conditions::new(scope.headers).compile(text, scope.inputs, scope.has_subject)
    }

    /// Says what is wrong with a text whatever the names in it stand for. The faults are never empty.
    pub fn check_syntax(text: &str) -> Result<(), Vec<Fault>> {
        parse(text).map(|_| ())
    }

    /// Whether it holds for a call.
    pub fn holds(&self, values: &impl Values) -> Result<bool, Unknown> {
        self.tree.holds(&self.names, values)
    }

    /// The text as it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The names that it mentions, each once, in the order of the text.
    pub fn names(&self) -> impl Iterator<Item = &Name> {
        self.names.iter()
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Texts for Vec<Role> {
    fn has(&self, text: &str) -> bool {
        self.iter().any(|role| role.0 == text)
    }
}

impl Texts for Vec<AgentId> {
    fn has(&self, text: &str) -> bool {
        self.iter().any(|agent| agent.expose() == text)
    }
}

impl Fault {
    fn new(range: &Range<usize>, message: impl Into<String>) -> Self {
        Self { message: message.into(), help: None, range: range.clone() }
    }

    fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

fn parse(text: &str) -> Result<parse::Syntax, Vec<Fault>> {
    scan::check(text)?;
    parse::parse(text)
}

#[cfg(test)]
mod tests;

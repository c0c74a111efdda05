//! Names and types: from what was written to what is evaluated.
//!
//! Each test has a name of the call in it, so that no part says always or never; both sides are of one type; a word that is
//! none of its closed list is refused here, where otherwise the test would never hold. Faults on both sides of `&&` and
//! `||` are reported together.

use std::ops::Range;

use super::name::{Name, Scope, Type};
use super::parse::{Binary, Kind, Literal, Syntax};
use super::tree::{Comparison, Constant, Place, TextTest, Tree, With};
use super::{Fault, literal};
use crate::terms::nearest;

const METHODS: [(&str, TextTest); 3] =
    [("startsWith", TextTest::StartsWith), ("endsWith", TextTest::EndsWith), ("contains", TextTest::Contains)];

/// Checks the whole.
pub(super) fn check(syntax: &Syntax, scope: &Scope<'_>) -> Result<(Tree, Vec<Name>), Vec<Fault>> {
    let mut checker = Checker { scope, names: Vec::new(), faults: Vec::new() };
    match checker.test(syntax) {
        Some(tree) if checker.faults.is_empty() => Ok((tree, checker.names)),
        _ => Err(checker.faults),
    }
}

struct Checker<'a> {
    scope: &'a Scope<'a>,
    names: Vec<Name>,
    faults: Vec<Fault>,
}

/// A name, by its place among the names that the condition mentions.
struct Named {
    place: Place,
    name: Name,
    of: Type,
}

/// One side of a comparison.
enum Operand {
    Named(Named),
    Literal(Literal),
    /// Made by a function.
    Made(Constant, Type),
}

impl Checker<'_> {
    fn refuse<T>(&mut self, fault: Fault) -> Option<T> {
        self.faults.push(fault);
        None
    }

    fn test(&mut self, syntax: &Syntax) -> Option<Tree> {
        match &syntax.kind {
            Kind::Not(one) => Some(Tree::Not(Box::new(self.test(one)?))),
            Kind::Binary(Binary::And, both) => self.both(both).map(Tree::And),
            Kind::Binary(Binary::Or, both) => self.both(both).map(Tree::Or),
            Kind::Binary(Binary::In, both) => self.member(&syntax.range, both),
            Kind::Binary(Binary::Equal, both) => self.compare(syntax, both, Comparison::Equal),
            Kind::Binary(Binary::NotEqual, both) => self.compare(syntax, both, Comparison::NotEqual),
            Kind::Binary(Binary::Less, both) => self.compare(syntax, both, Comparison::Less),
            Kind::Binary(Binary::AtMost, both) => self.compare(syntax, both, Comparison::AtMost),
            Kind::Binary(Binary::Greater, both) => self.compare(syntax, both, Comparison::Greater),
            Kind::Binary(Binary::AtLeast, both) => self.compare(syntax, both, Comparison::AtLeast),
            Kind::Method(on, name, args) => self.method(&syntax.range, on, name, args),
            Kind::Path(_) | Kind::Header(_) => self.is(syntax),
            Kind::Literal(_) | Kind::List(_) | Kind::Function(..) => self.constant_test(syntax),
        }
    }

    fn both(&mut self, [left, right]: &[Syntax; 2]) -> Option<Box<[Tree; 2]>> {
        let (left, right) = (self.test(left), self.test(right));
        Some(Box::new([left?, right?]))
    }

    fn is(&mut self, syntax: &Syntax) -> Option<Tree> {
        let Named { place, name, of } = self.named(syntax)?;
        if of == Type::Boolean {
            return Some(Tree::Is(place));
        }
        let help = match of {
            Type::Texts => format!("ask what is in it: `'support' in {name}`"),
            _ => format!("compare it: `{name} == {}`", of.example()),
        };
        let message = format!("`{name}` is {}, and neither holds nor does not", of.as_str());
        self.refuse(Fault::new(&syntax.range, message).help(help))
    }

    fn constant_test<T>(&mut self, syntax: &Syntax) -> Option<T> {
        if let Kind::Function(..) = syntax.kind {
            // A function that does not exist is the better message.
            self.operand(syntax)?;
        }
        let fault = Fault::new(&syntax.range, "this says always or never, whatever the call is");
        self.refuse(fault.help("compare something of the call, such as `caller.channel == 'voice'`, or leave it out"))
    }

    fn compare(&mut self, whole: &Syntax, [left, right]: &[Syntax; 2], how: Comparison) -> Option<Tree> {
        let (one, other) = (self.operand(left), self.operand(right));
        let (name, how, other, at) = match (one?, other?) {
            (Operand::Named(one), other) => (one, how, other, &right.range),
            (other, Operand::Named(one)) => (one, how.mirrored(), other, &left.range),
            _ => return self.constant_test(whole),
        };
        if name.of == Type::Texts {
            let fault = Fault::new(&whole.range, format!("`{}` is a list, and lists are not compared", name.name));
            return self.refuse(fault.help(format!("ask what is in it: `'support' in {}`", name.name)));
        }
        if how.is_order() && !name.of.is_ordered() {
            let message = format!("`{}` is {}, which has no order", name.name, name.of.as_str());
            return self.refuse(Fault::new(&whole.range, message).help("only `==`, `!=` and `in` compare it"));
        }
        let with = match other {
            Operand::Named(other) => self.same(whole, &name, &other).map(With::Name),
            other => self.constant(&name, other, at).map(With::Constant),
        };
        Some(Tree::Compare(name.place, how, with?))
    }

    fn same(&mut self, whole: &Syntax, name: &Named, other: &Named) -> Option<Place> {
        if name.place == other.place {
            return self.refuse(Fault::new(&whole.range, format!("`{}` is compared with itself", name.name)));
        }
        if name.of != other.of {
            return self.refuse(mismatch(&whole.range, name, &format!("`{}`", other.name), other.of));
        }
        Some(other.place)
    }

    /// A literal that stands beside a name.
    fn constant(&mut self, name: &Named, other: Operand, at: &Range<usize>) -> Option<Constant> {
        let read = match other {
            Operand::Named(other) => Err(mismatch(at, name, &format!("`{}`", other.name), other.of)),
            Operand::Made(constant, of) if of == name.of => Ok(constant),
            Operand::Made(_, of) => Err(mismatch(at, name, "this", of)),
            Operand::Literal(literal) => literal::beside(&name.name, name.of, literal, at)
                .unwrap_or_else(|of| Err(mismatch(at, name, "this", of))),
        };
        match read {
            Ok(constant) => Some(constant),
            Err(fault) => self.refuse(fault),
        }
    }

    fn member(&mut self, whole: &Range<usize>, [item, list]: &[Syntax; 2]) -> Option<Tree> {
        if let Kind::List(list_items) = &list.kind {
            return self.among(whole, item, list, list_items);
        }
        let (item_read, list_read) = (self.operand(item), self.operand(list));
        let (item_read, list_read) = (item_read?, list_read?);
        let list_read = match list_read {
            Operand::Named(named) if named.of == Type::Texts => named,
            _ => {
                let fault = Fault::new(&list.range, "`in` needs a list on its right");
                return self
                    .refuse(fault.help("such as `caller.channel in ['chat', 'voice']`, `'support' in caller.roles`"));
            }
        };
        let with = match item_read {
            Operand::Literal(Literal::Text(text)) => With::Constant(Constant::Text(text.into())),
            Operand::Named(Named { place, of: Type::Text, .. }) => With::Name(place),
            _ => {
                let fault =
                    Fault::new(&item.range, format!("`{}` is a list of texts, and this is no text", list_read.name));
                return self.refuse(fault.help(format!("such as `'support' in {}`", list_read.name)));
            }
        };
        Some(Tree::Member(with, list_read.place))
    }

    fn among(&mut self, whole: &Range<usize>, item: &Syntax, list: &Syntax, items: &[Syntax]) -> Option<Tree> {
        if let Kind::Literal(_) | Kind::List(_) = item.kind {
            return self.constant_test(&Syntax { range: whole.clone(), kind: Kind::List(Vec::new()) });
        }
        let name = self.named(item)?;
        if !matches!(name.of, Type::Text | Type::Automation | Type::Tier | Type::Number) {
            let message = format!("`{}` is {}, and lists hold texts or numbers", name.name, name.of.as_str());
            return self.refuse(Fault::new(whole, message).help("compare it with `==`, joined by `||`"));
        }
        if items.is_empty() {
            return self.refuse(Fault::new(&list.range, "the list is empty, so nothing is in it"));
        }
        let mut constants = Vec::with_capacity(items.len());
        for one in items {
            let Kind::Literal(literal) = &one.kind else {
                return self.refuse(Fault::new(&one.range, "a list holds texts or numbers as they are"));
            };
            let constant = self.constant(&name, Operand::Literal(literal.clone()), &one.range)?;
            if constants.contains(&constant) {
                return self.refuse(Fault::new(&one.range, "this stands in the list twice"));
            }
            constants.push(constant);
        }
        Some(Tree::Among(name.place, constants.into()))
    }

    fn method(&mut self, whole: &Range<usize>, on: &Syntax, method: &str, args: &[Syntax]) -> Option<Tree> {
        let Some((_, how)) = METHODS.iter().find(|(one, _)| *one == method) else {
            let fault = Fault::new(whole, format!("`{method}` is not part of conditions"));
            let fault = match nearest(method, METHODS.map(|(one, _)| one)) {
                Some(meant) => fault.help(format!("did you mean `{meant}`?")),
                None => fault.help("text has `startsWith`, `endsWith` and `contains`"),
            };
            return self.refuse(fault);
        };
        if let Kind::Literal(_) | Kind::List(_) | Kind::Function(..) = on.kind {
            return self.constant_test(on);
        }
        let name = self.named(on)?;
        if name.of != Type::Text {
            let fault =
                Fault::new(whole, format!("`{}` is {}, and `{method}` is for text", name.name, name.of.as_str()));
            return self.refuse(fault.help(match name.of {
                Type::Texts => format!("ask what is in it: `'support' in {}`", name.name),
                of => format!("compare it: `{} == {}`", name.name, of.example()),
            }));
        }
        match args {
            [Syntax { kind: Kind::Literal(Literal::Text(text)), .. }] if !text.is_empty() => {
                Some(Tree::Text(name.place, *how, text.as_str().into()))
            }
            _ => {
                let fault = Fault::new(whole, format!("`{method}` takes one text in quotes, which is not empty"));
                self.refuse(fault.help(format!("such as `{}.{method}('eu-')`", name.name)))
            }
        }
    }

    /// A part that must be a name of the call.
    fn named(&mut self, syntax: &Syntax) -> Option<Named> {
        match self.operand(syntax)? {
            Operand::Named(named) => Some(named),
            _ => self.refuse(Fault::new(&syntax.range, "a name of the call must stand here, such as `caller.channel`")),
        }
    }

    fn operand(&mut self, syntax: &Syntax) -> Option<Operand> {
        let found = match &syntax.kind {
            Kind::Path(path) => self.scope.path(path),
            Kind::Header(name) => self.scope.header(name),
            Kind::Literal(literal) => return Some(Operand::Literal(literal.clone())),
            Kind::Function(name, args) => {
                return match literal::function(&syntax.range, name, args) {
                    Ok((constant, of)) => Some(Operand::Made(constant, of)),
                    Err(fault) => self.refuse(fault),
                };
            }
            Kind::List(_) => {
                let fault = Fault::new(&syntax.range, "a list stands only on the right of `in`");
                return self.refuse(fault.help("such as `caller.channel in ['chat', 'voice']`"));
            }
            Kind::Not(_) | Kind::Binary(..) | Kind::Method(..) => {
                let fault = Fault::new(&syntax.range, "this is a test, and tests are not compared");
                return self.refuse(fault.help("join tests by `&&`, `||` and `!`, with parentheses where needed"));
            }
        };
        match found {
            Ok((name, of)) => {
                let known = self.names.iter().position(|one| *one == name);
                let place = known.unwrap_or(self.names.len()).try_into().unwrap_or(Place::MAX);
                if known.is_none() {
                    self.names.push(name.clone());
                }
                Some(Operand::Named(Named { place, name, of }))
            }
            Err((message, help)) => self.refuse(Fault::new(&syntax.range, message).help(help)),
        }
    }
}

fn mismatch(range: &Range<usize>, name: &Named, other: &str, of: Type) -> Fault {
    let fault = Fault::new(range, format!("`{}` is {}, and {other} is {}", name.name, name.of.as_str(), of.as_str()));
    fault.help(format!("compare it with {} such as `{}`", name.of.as_str(), name.of.example()))
}

//! The routes of one method under one host, as a tree of segments.
//!
//! A literal segment beats a parameter. Two routes that could match the same request are accepted only where one is at
//! least as literal as the other in every segment; otherwise it would be a matter of taste which of them a request is, so
//! they are refused when the bundle is loaded. Looking up costs a hash for each segment, however many routes there are.

use std::collections::{HashMap, HashSet};

use super::Leaf;
use super::route::{Segment, Template};

#[derive(Debug, Default)]
pub(super) struct Tree {
    root: Node,
}

/// Most nodes are the end of a route or have one parameter below them, so what a node may have is boxed.
#[derive(Debug, Default)]
struct Node {
    literals: Option<Box<Literals>>,
    param: Option<Box<Node>>,
    leaf: Option<Leaf>,
}

#[derive(Debug, Default)]
struct Literals {
    nodes: HashMap<Box<str>, Node>,
    /// The literals as a careless router might read them; only where a parameter stands beside them.
    folded: HashSet<Box<str>>,
}

/// Which of two templates is the more literal one, as far as their segments were compared.
#[derive(Debug, Clone, Copy, Default)]
struct Compared {
    new_is_more_literal: bool,
    old_is_more_literal: bool,
}

impl Tree {
    /// Adds a route, or names the one that it overlaps with.
    pub(super) fn insert(&mut self, template: &Template, id: Leaf) -> Result<(), Leaf> {
        let segments: Vec<_> = template.segments().collect();
        if let Some(with) = self.root.overlap(&segments, Compared::default()) {
            return Err(with);
        }
        let node = segments.iter().fold(&mut self.root, |node, segment| match segment {
            Segment::Literal(text) => node.literal_mut(text),
            Segment::Param(_) => node.param_mut(),
        });
        node.leaf = Some(id);
        Ok(())
    }

    /// The route of a canonical path, and the values of its parameters.
    pub(super) fn find<'p>(&self, path: &'p str) -> Option<(Leaf, Vec<&'p str>)> {
        let mut params = Vec::new();
        let id = self.root.find(path.strip_prefix('/')?, &mut params)?;
        Some((id, params))
    }
}

impl Node {
    fn literal_mut(&mut self, text: &str) -> &mut Self {
        let literals = self.literals.get_or_insert_default();
        if self.param.is_some() {
            literals.folded.insert(fold(text).into());
        }
        literals.nodes.entry(text.into()).or_default()
    }

    fn param_mut(&mut self) -> &mut Self {
        if let (None, Some(literals)) = (&self.param, &mut self.literals) {
            literals.folded = literals.nodes.keys().map(|text| fold(text).into()).collect();
        }
        self.param.get_or_insert_default()
    }

    fn find<'p>(&self, path: &'p str, params: &mut Vec<&'p str>) -> Option<Leaf> {
        let (segment, rest) = match path.split_once('/') {
            Some((segment, rest)) => (segment, Some(rest)),
            None => (path, None),
        };
        let go_on = |node: &Self, params: &mut Vec<&'p str>| match rest {
            Some(rest) => node.find(rest, params),
            None => node.leaf,
        };
        let literals = self.literals.as_deref();
        let literal = literals.and_then(|literals| literals.nodes.get(segment));
        if let Some(found) = literal.and_then(|node| go_on(node, params)) {
            return Some(found);
        }
        // A parameter is never empty: `/orders/` is not `/orders/{order}`.
        // Nor is it something that a careless router takes for the literal beside it: `/orders/EXPORT`, `/orders/export.json`.
        let is_near =
            || literal.is_none() && literals.is_some_and(|literals| literals.folded.contains(fold(segment).as_str()));
        let node = self.param.as_deref().filter(|_| !segment.is_empty() && !is_near())?;
        params.push(segment);
        let found = go_on(node, params);
        if found.is_none() {
            params.pop();
        }
        found
    }

    /// A route below that a request could match as well as the new one, without either being the more literal.
    fn overlap(&self, segments: &[Segment<'_>], so_far: Compared) -> Option<Leaf> {
        let Some((first, rest)) = segments.split_first() else {
            return self.leaf.filter(|_| so_far.new_is_more_literal == so_far.old_is_more_literal);
        };
        let param = self.param.as_deref();
        let literals = self.literals.iter().map(|literals| &literals.nodes);
        match first {
            Segment::Literal(text) => {
                let same = literals.filter_map(|nodes| nodes.get(*text)).find_map(|node| node.overlap(rest, so_far));
                // The empty literal of a slash at the end meets no parameter.
                same.or_else(|| {
                    param.filter(|_| !text.is_empty())?.overlap(rest, Compared { new_is_more_literal: true, ..so_far })
                })
            }
            Segment::Param(_) => {
                let old = Compared { old_is_more_literal: true, ..so_far };
                let mut literals = literals.flatten().filter(|(text, _)| !text.is_empty());
                param
                    .and_then(|node| node.overlap(rest, so_far))
                    .or_else(|| literals.find_map(|(_, node)| node.overlap(rest, old)))
            }
        }
    }
}

/// A segment without what servers are known to ignore: case, an extension, blanks and dots at its end.
fn fold(segment: &str) -> String {
    let start = segment.split('.').next().unwrap_or_default();
    start.trim_end().to_lowercase()
}

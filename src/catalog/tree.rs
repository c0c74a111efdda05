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

#[derive(Debug, Default)]
struct Node {
    literals: HashMap<String, Node>,
    /// The literals as a careless router might read them.
    folded: HashSet<String>,
    param: Option<Box<Node>>,
    leaf: Option<Leaf>,
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
        if let Some(with) = self.root.overlap(&template.segments, Compared::default()) {
            return Err(with);
        }
        let mut node = &mut self.root;
        for segment in &template.segments {
            node = match segment {
                Segment::Literal(text) => {
                    node.folded.insert(fold(text));
                    node.literals.entry(text.clone()).or_default()
                }
                Segment::Param(_) => node.param.get_or_insert_default(),
            };
        }
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
    fn find<'p>(&self, path: &'p str, params: &mut Vec<&'p str>) -> Option<Leaf> {
        let (segment, rest) = match path.split_once('/') {
            Some((segment, rest)) => (segment, Some(rest)),
            None => (path, None),
        };
        let go_on = |node: &Self, params: &mut Vec<&'p str>| match rest {
            Some(rest) => node.find(rest, params),
            None => node.leaf,
        };
        if let Some(found) = self.literals.get(segment).and_then(|node| go_on(node, params)) {
            return Some(found);
        }
        // A parameter is never empty: `/orders/` is not `/orders/{order}`.
        // Nor is it something that a careless router takes for the literal beside it: `/orders/EXPORT`, `/orders/export.json`.
        let is_near =
            || !self.folded.is_empty() && !self.literals.contains_key(segment) && self.folded.contains(&fold(segment));
        let node = self.param.as_deref().filter(|_| !segment.is_empty() && !is_near())?;
        params.push(segment);
        let found = go_on(node, params);
        if found.is_none() {
            params.pop();
        }
        found
    }

    /// A route below that a request could match as well as the new one, without either being the more literal.
    fn overlap(&self, segments: &[Segment], so_far: Compared) -> Option<Leaf> {
        let Some((first, rest)) = segments.split_first() else {
            return self.leaf.filter(|_| so_far.new_is_more_literal == so_far.old_is_more_literal);
        };
        let param = self.param.as_deref();
        match first {
            Segment::Literal(text) => {
                let same = self.literals.get(text).and_then(|node| node.overlap(rest, so_far));
                // The empty literal of a slash at the end meets no parameter.
                same.or_else(|| {
                    param.filter(|_| !text.is_empty())?.overlap(rest, Compared { new_is_more_literal: true, ..so_far })
                })
            }
            Segment::Param(_) => {
                let old = Compared { old_is_more_literal: true, ..so_far };
                let literals = self.literals.iter().filter(|(text, _)| !text.is_empty());
                param
                    .and_then(|node| node.overlap(rest, so_far))
                    .or_else(|| literals.into_iter().find_map(|(_, node)| node.overlap(rest, old)))
            }
        }
    }
}

/// A segment without what servers are known to ignore: case, an extension, blanks and dots at its end.
fn fold(segment: &str) -> String {
    let start = segment.split('.').next().unwrap_or_default();
    start.trim_end().to_lowercase()
}

//! YAML as a tree whose every node knows its place.
//!
//! The parser is `saphyr-parser`; here its events become a tree of texts, lists and maps. What makes YAML surprising is
//! refused: anchors and aliases, tags, duplicate keys, keys that are no text. A scalar is the text that was typed, so
//! `no` is no boolean unless a boolean is expected. Depth and size are bounded.
//!
//! What others write (manifests, Envoy's configuration) may be read too: there anchors are followed and tags not heeded.

use std::collections::HashMap;
use std::sync::Arc;

use saphyr_parser::{Event, Parser, ScalarStyle, Span};

use super::problem::{Place, Problem, Problems, SourceFile};

/// A node and its place.
#[derive(Debug, Clone)]
pub struct Node {
    /// Where it is written.
    pub place: Place,
    /// What is written there.
    pub kind: Kind,
}

/// What a node is.
#[derive(Debug, Clone)]
pub enum Kind {
    /// Nothing was written, or `null` or `~`.
    Null,
    /// A text; `plain` where it was written without quotes.
    Scalar {
        /// What was typed.
        text: String,
        /// Whether it stands without quotes.
        plain: bool,
    },
    /// Its elements.
    List(Vec<Node>),
    /// Keys are unique.
    Map(Vec<(Node, Node)>),
}

/// Policies are at most seven deep.
const MAX_DEPTH: usize = 32;
/// Schemas of custom resources are some sixty deep.
const MAX_DEPTH_OF_OTHERS: usize = 200;
/// Of [`is_flow`] in a file of ours, as long as these are not a tenth of its bytes or less. Until a list or a map in brackets ends, the
/// parser holds all that is in it, in many times its bytes. Ten thousand actions with all that they can have are 140,000 in 2.8 MB.
const MAX_FLOW: usize = 100_000;
/// What a part of a list or a map in brackets has at least one of. Anchors, aliases and tags are refused later, and are many parts.
const fn is_flow(byte: u8) -> bool {
    matches!(byte, b'[' | b'{' | b',' | b'&' | b'*' | b'!')
}
/// From so many keys on, a map has an index of them: a service may have thousands of actions, and most maps have three keys.
const INDEXED: usize = 16;
/// How many nodes all aliases of a file may stand for: nine lines of aliases to aliases would be a thousand million.
const MAX_COPIED: usize = 100_000;
/// How many nodes are kept for aliases that may come. What is anchored within what is anchored is kept in each.
const MAX_KEPT: usize = 300_000;

/// Whose documents are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// Ours: what makes YAML surprising is refused.
    Ours,
    /// Those of others: anchors, aliases and merges (`<<`) are followed, tags are not heeded.
    Others,
}

impl Node {
    /// What it is, for a message.
    pub const fn describe(&self) -> &'static str {
        match self.kind {
            Kind::Null => "nothing",
            Kind::Scalar { .. } => "a text",
            Kind::List(_) => "a list",
            Kind::Map(_) => "a map",
        }
    }

    /// How many nodes it is.
    fn count(&self) -> usize {
        1 + match &self.kind {
            Kind::Null | Kind::Scalar { .. } => 0,
            Kind::List(items) => items.iter().map(Self::count).sum(),
            Kind::Map(entries) => entries.iter().map(|(_, value)| 1 + value.count()).sum(),
        }
    }

    /// The text of a scalar.
    pub const fn text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Scalar { text, .. } => Some(text.as_str()),
            _ => None,
        }
    }
}

/// Whether a file is YAML to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Syntax {
    /// It is.
    Whole,
    /// It is not; what was read before means nothing.
    Broken,
}

/// The documents of a file. Empty ones are left out.
pub fn documents(file: &Arc<SourceFile>, problems: &mut Problems) -> Vec<Node> {
    let mut documents = Vec::new();
    match each_document(file, Dialect::Ours, problems, |document| documents.push(document)) {
        Syntax::Whole => documents,
        Syntax::Broken => Vec::new(),
    }
}

/// Hands over one document after the other, so that they need not all be held as trees, which are many times as large as
/// their texts.
pub fn each_document(
    file: &Arc<SourceFile>,
    dialect: Dialect,
    problems: &mut Problems,
    take: impl FnMut(Node),
) -> Syntax {
    each_document_from(1, file, dialect, problems, take)
}

/// What is wrong with a file of ours before it is read.
fn unread(file: &Arc<SourceFile>) -> Option<Problem> {
    let is_separator = |c: char| matches!(c, '\u{85}' | '\u{2028}' | '\u{2029}');
    // Most files are ASCII, which is soon seen.
    if !file.text.is_ascii()
        && let Some(at) = file.text.find(is_separator)
    {
        // YAML 1.1 ends a line here, YAML 1.2 does not: what stands behind a `#` would be a comment to one of them only.
        let before = file.text.get(..at).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
        let place = Place::new(file, line, column, &(at..at + 1));
        let message = "a Unicode line separator is not allowed: some readers end the line here";
        return Some(Problem::at(&place, message));
    }
    let most = MAX_FLOW.max(file.text.len() / 10);
    if count_flow(&file.text) > most {
        let message = format!("more than {most} of `[`, `{{`, `,`, `&`, `*` and `!` stand in this file");
        return Some(Problem::at(&Place::new(file, 1, 1, &(0..1)), message).help("divide it into several files"));
    }
    None
}

/// How many bytes of a text begin a part in brackets. Counted in a byte for each piece, which processors do many at a time.
fn count_flow(text: &str) -> usize {
    let pieces = text.as_bytes().chunks(u8::MAX.into());
    pieces.map(|piece| usize::from(piece.iter().fold(0_u8, |all, byte| all.wrapping_add(is_flow(*byte).into())))).sum()
}

/// The same for a part of a file, which begins at this line of it.
pub fn each_document_from(
    first_line: usize,
    file: &Arc<SourceFile>,
    dialect: Dialect,
    problems: &mut Problems,
    mut take: impl FnMut(Node),
) -> Syntax {
    if dialect == Dialect::Ours
        && let Some(problem) = unread(file)
    {
        problems.push(problem);
        return Syntax::Broken;
    }
    let mut builder = Builder {
        file,
        lines: Lines::of(&file.text),
        lines_before: first_line.saturating_sub(1),
        dialect,
        problems,
        document: None,
        open: Vec::new(),
        anchored: HashMap::new(),
        copied: 0,
        kept: 0,
        broken: false,
    };
    for event in Parser::new_from_str(&file.text) {
        match event {
            Ok((event, span)) => builder.take(event, span),
            Err(error) => {
                let place = builder.place(Span::empty(*error.marker()));
                let problem = Problem::at(&place, format!("this is not YAML: {}", error.info()));
                builder.problems.push(problem.help(if error.info().contains("tab") {
                    "indent with blanks"
                } else {
                    "a key is followed by a colon and a blank, lines of one map begin in one column, and text with `: `, ` #` \
                     or a bracket at its beginning stands in quotes"
                }));
                return Syntax::Broken;
            }
        }
        if builder.broken {
            return Syntax::Broken;
        }
        if let Some(document) = builder.document.take() {
            take(document);
        }
    }
    Syntax::Whole
}

struct Builder<'a> {
    file: &'a Arc<SourceFile>,
    lines: Lines<'a>,
    /// Of a file of which this is a part.
    lines_before: usize,
    dialect: Dialect,
    problems: &'a mut Problems,
    /// What was read of one, to its end.
    document: Option<Node>,
    open: Vec<Open>,
    /// What aliases may stand for, by the parser's number.
    anchored: HashMap<usize, Node>,
    /// How many nodes aliases have stood for.
    copied: usize,
    /// How many nodes are kept for aliases.
    kept: usize,
    /// What follows could only lead to more problems of the same kind.
    broken: bool,
}

/// What is known of a text besides what the parser says of it.
struct Lines<'a> {
    text: &'a str,
    last: usize,
    /// Behind the last character.
    last_column: usize,
    chars: usize,
    /// A character and its byte. The parser counts the one, and goes through the text from its beginning to its end: looking
    /// from here takes little.
    at: (usize, usize),
}

impl<'a> Lines<'a> {
    fn of(text: &'a str) -> Self {
        // YAML 1.2, section 5.4: a carriage return alone ends a line, too.
        let both = if text.contains('\r') { text.matches("\r\n").count() } else { 0 };
        let breaks = memchr::memchr2_iter(b'\n', b'\r', text.as_bytes()).count() - both;
        let last_column = text.chars().rev().take_while(|c| !matches!(c, '\n' | '\r')).count() + 1;
        Self { text, last: breaks + 1, last_column, chars: text.chars().count(), at: (0, 0) }
    }

    fn byte_of(&mut self, char: usize) -> usize {
        let char = char.min(self.chars);
        if self.chars == self.text.len() {
            return char;
        }
        let (known, byte) = self.at;
        let (before, behind) = self.text.split_at_checked(byte).unwrap_or((self.text, ""));
        let byte = match char.checked_sub(known) {
            Some(more) => byte + behind.chars().take(more).map(char::len_utf8).sum::<usize>(),
            None => byte - before.chars().rev().take(known - char).map(char::len_utf8).sum::<usize>(),
        };
        self.at = (char, byte);
        byte
    }
}

/// A list or a map that is not closed yet.
enum Open {
    List(OpenList),
    Map(OpenMap),
}

struct OpenList {
    place: Place,
    anchor: usize,
    items: Vec<Node>,
}

struct OpenMap {
    place: Place,
    anchor: usize,
    entries: Vec<(Node, Node)>,
    /// Where in the entries each key stands, if there are many.
    places_by_key: HashMap<String, usize>,
    /// A key whose value has not come yet.
    key: Option<Node>,
}

impl Builder<'_> {
    fn place(&mut self, span: Span) -> Place {
        let (mut line, mut column) = (span.start.line(), span.start.col() + 1);
        let mut bytes = self.lines.byte_of(span.start.index())..self.lines.byte_of(span.end.index());
        // What is empty at the end stands behind the last line, if one asks the parser.
        if line > self.lines.last {
            (line, column) = (self.lines.last, self.lines.last_column);
            bytes = self.file.text.len()..self.file.text.len();
        }
        Place::new(self.file, self.lines_before + line, column, &bytes)
    }

    fn take(&mut self, event: Event<'_>, span: Span) {
        let place = self.place(span);
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.refuse(&place, anchor, tag.is_some());
                let plain = style == ScalarStyle::Plain;
                let null = plain && matches!(text.as_ref(), "" | "~" | "null");
                let kind = if null { Kind::Null } else { Kind::Scalar { text: text.into_owned(), plain } };
                self.close(anchor, Node { place, kind });
            }
            Event::SequenceStart(anchor, tag) => {
                self.refuse(&place, anchor, tag.is_some());
                self.open(Open::List(OpenList { place, anchor, items: Vec::new() }));
            }
            Event::MappingStart(anchor, tag) => {
                self.refuse(&place, anchor, tag.is_some());
                let (entries, places_by_key) = (Vec::new(), HashMap::new());
                self.open(Open::Map(OpenMap { place, anchor, entries, places_by_key, key: None }));
            }
            Event::SequenceEnd | Event::MappingEnd => match self.open.pop() {
                // Most are small, and vectors begin with room for four.
                Some(Open::List(OpenList { place, anchor, mut items })) => {
                    items.shrink_to_fit();
                    self.close(anchor, Node { place, kind: Kind::List(items) });
                }
                Some(Open::Map(mut map)) => {
                    if self.dialect == Dialect::Others {
                        map.merge();
                    }
                    map.entries.shrink_to_fit();
                    self.close(map.anchor, Node { place: map.place, kind: Kind::Map(map.entries) });
                }
                None => self.broken = true,
            },
            Event::Alias(anchor) => self.alias(&place, anchor),
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentStart(_) | Event::DocumentEnd => {}
        }
    }

    fn alias(&mut self, place: &Place, anchor: usize) {
        if self.dialect == Dialect::Ours {
            self.problems.push(Problem::at(place, "an alias is not allowed").help("write the value out"));
            self.broken = true;
            return;
        }
        let Some(node) = self.anchored.get(&anchor) else {
            self.problems.push(Problem::at(place, "the alias stands within what it is an alias of"));
            self.broken = true;
            return;
        };
        self.copied = self.copied.saturating_add(node.count());
        if self.copied > MAX_COPIED {
            self.problems.push(Problem::at(place, "the aliases of this file stand for too much"));
            self.broken = true;
            return;
        }
        let node = node.clone();
        self.add(node);
    }

    fn close(&mut self, anchor: usize, node: Node) {
        if anchor != 0 && self.dialect == Dialect::Others {
            self.kept = self.kept.saturating_add(node.count());
            if self.kept > MAX_KEPT {
                self.problems.push(Problem::at(&node.place, "the anchors of this file stand for too much"));
                self.broken = true;
                return;
            }
            self.anchored.insert(anchor, node.clone());
        }
        self.add(node);
    }

    fn refuse(&mut self, place: &Place, anchor: usize, tagged: bool) {
        if self.dialect == Dialect::Others {
            return;
        }
        if anchor != 0 {
            self.problems
                .push(Problem::at(place, "an anchor is not allowed").help("write the value out where it is used"));
        }
        if tagged {
            self.problems.push(Problem::at(place, "a tag is not allowed"));
        }
    }

    fn open(&mut self, open: Open) {
        let max = if self.dialect == Dialect::Ours { MAX_DEPTH } else { MAX_DEPTH_OF_OTHERS };
        if self.open.len() >= max {
            let (Open::List(OpenList { place, .. }) | Open::Map(OpenMap { place, .. })) = &open;
            self.problems.push(Problem::at(place, format!("more than {max} levels deep")));
            self.broken = true;
        }
        self.open.push(open);
    }

    fn add(&mut self, node: Node) {
        match self.open.last_mut() {
            None if matches!(node.kind, Kind::Null) => {}
            None => self.document = Some(node),
            Some(Open::List(list)) => list.items.push(node),
            Some(Open::Map(map)) => match map.key.take() {
                None => map.key = Some(node),
                Some(key) => map.add(key, node, self.problems),
            },
        }
    }
}

impl OpenMap {
    /// YAML 1.1's `<<`: the keys of another map, where the map has none of its own.
    fn merge(&mut self) {
        let Some(at) = self.position("<<") else { return };
        let (_, merged) = self.entries.remove(at);
        // What stands behind it has moved up.
        self.places_by_key.clear();
        self.index();
        let maps = match merged.kind {
            Kind::List(maps) => maps,
            _ => vec![merged],
        };
        for map in maps {
            let Kind::Map(entries) = map.kind else { continue };
            for (key, value) in entries {
                if key.text().is_some_and(|name| self.position(name).is_none()) {
                    self.push(key, value);
                }
            }
        }
    }

    fn add(&mut self, key: Node, value: Node, problems: &mut Problems) {
        let Some(name) = key.text() else {
            problems.push(Problem::at(&key.place, format!("a key must be a text, this is {}", key.describe())));
            return;
        };
        if let Some((first, _)) = self.position(name).and_then(|at| self.entries.get(at)) {
            let problem = Problem::at(&key.place, format!("the key `{name}` stands here twice"));
            problems.push(problem.also(&first.place, "it stands here first"));
            return;
        }
        self.push(key, value);
    }

    fn push(&mut self, key: Node, value: Node) {
        self.entries.push((key, value));
        if self.entries.len() >= INDEXED {
            self.index();
        }
    }

    /// Brings the index up to the entries, if they are many.
    fn index(&mut self) {
        if self.entries.len() < INDEXED {
            return;
        }
        let known = self.places_by_key.len();
        let missing = self.entries.iter().enumerate().skip(known);
        self.places_by_key.extend(missing.filter_map(|(at, (key, _))| Some((key.text()?.to_owned(), at))));
    }

    fn position(&self, name: &str) -> Option<usize> {
        if self.places_by_key.is_empty() {
            return self.entries.iter().position(|(key, _)| key.text() == Some(name));
        }
        self.places_by_key.get(name).copied()
    }
}

#[cfg(test)]
mod tests;

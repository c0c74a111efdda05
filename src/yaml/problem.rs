//! What is wrong with what an operator wrote, said so that it can be mended: file, line, column, what was expected, and a hint.
//!
//! All problems of a set of files are collected and reported together. A problem has a one-line form, for a log, and a form
//! with the source under it, for a person.

mod excerpt;

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Title};
use excerpt::Excerpt;

use crate::terms;

/// A file as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFile {
    /// Its name, as the operator knows it: the path below the folder.
    pub name: String,
    /// What is in it.
    pub text: String,
}

/// A place in a file. Every node has one while files are read, so its numbers are small: what has more than four thousand
/// million bytes is no policy.
#[derive(Debug, Clone)]
pub struct Place {
    file: Arc<SourceFile>,
    line: u32,
    column: u32,
    /// In bytes from the file's beginning.
    start: u32,
    end: u32,
}

/// One thing that is wrong.
#[derive(Debug, Clone)]
pub struct Problem {
    /// Where; a problem of the whole has no place.
    pub place: Option<Place>,
    /// What.
    pub message: String,
    /// What would mend it.
    pub help: Option<String>,
    /// Another place that has to do with it, and why.
    pub also: Option<(Place, String)>,
}

/// As many as anybody reads.
const MAX_PROBLEMS: usize = 500;
/// What is quoted may be as long as its file, and stand in each problem.
const MAX_TEXT: usize = 2000;
/// With 10,000 known words a hint takes some milliseconds.
const MAX_HINTS: usize = 50;

/// All that is wrong with a bundle. Never empty when it is an error.
#[derive(Debug, Clone, Default)]
pub struct Problems(Vec<Problem>);

impl Problem {
    /// A problem at a place.
    pub fn at(place: &Place, message: impl Into<String>) -> Self {
        Self { place: Some(place.clone()), message: message.into(), help: None, also: None }
    }

    /// A problem of the whole.
    pub fn of_whole(message: impl Into<String>) -> Self {
        Self { place: None, message: message.into(), help: None, also: None }
    }

    /// Adds what would mend it.
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Adds another place that has to do with it.
    pub fn also(mut self, place: &Place, why: impl Into<String>) -> Self {
        self.also = Some((place.clone(), why.into()));
        self
    }

    /// The problem with its source under it.
    pub fn render(&self, renderer: &Renderer) -> String {
        self.render_under(Level::ERROR.primary_title(self.message.as_str()), renderer)
    }

    /// The same as something that need not be an error, with its code.
    pub fn render_as(&self, level: Level<'_>, code: &str, renderer: &Renderer) -> String {
        self.render_under(level.primary_title(self.message.as_str()).id(code), renderer)
    }

    fn shortened(mut self) -> Self {
        let why = self.also.as_mut().map(|(_, why)| why);
        for text in [&mut self.message].into_iter().chain(&mut self.help).chain(why) {
            if text.len() > MAX_TEXT {
                text.truncate(text.floor_char_boundary(MAX_TEXT));
                text.push('…');
                text.shrink_to_fit();
            }
        }
        self
    }

    fn render_under(&self, title: Title<'_>, renderer: &Renderer) -> String {
        let mut group = Group::with_title(title);
        if let Some(place) = &self.place {
            let excerpt = Excerpt::around(place);
            let primary = AnnotationKind::Primary.span(excerpt.span(place));
            let snippet = excerpt.snippet(place).annotation(primary);
            let Some((also, why)) = &self.also else {
                return self.finish(excerpt.add(snippet, place, group), renderer);
            };
            let context = |excerpt: &Excerpt| AnnotationKind::Context.span(excerpt.span(also)).label(why.as_str());
            group = match excerpt.with(also, place) {
                Some(both) => {
                    let primary = AnnotationKind::Primary.span(both.span(place));
                    let snippet = both.snippet(place).annotation(primary).annotation(context(&both));
                    both.add(snippet, place, group)
                }
                None => {
                    let other = Excerpt::around(also);
                    let group = excerpt.add(snippet, place, group);
                    other.add(other.snippet(also).annotation(context(&other)), also, group)
                }
            };
        }
        self.finish(group, renderer)
    }

    fn finish<'t>(&'t self, mut group: Group<'t>, renderer: &Renderer) -> String {
        if let Some(help) = &self.help {
            group = group.element(Level::HELP.message(help.as_str()));
        }
        renderer.render(&[group])
    }
}

impl Place {
    pub(super) fn new(file: &Arc<SourceFile>, line: usize, column: usize, bytes: &Range<usize>) -> Self {
        let [line, column, start, end] = [line, column, bytes.start, bytes.end].map(short);
        Self { file: Arc::clone(file), line, column, start, end }
    }

    /// 1-based.
    pub const fn line(&self) -> usize {
        self.line as usize
    }

    /// 1-based, in characters.
    pub const fn column(&self) -> usize {
        self.column as usize
    }

    const fn bytes(&self) -> Range<usize> {
        self.start as usize..self.end as usize
    }

    /// The name of the file.
    pub fn file(&self) -> &str {
        &self.file.name
    }

    /// The place of a part of a text that is written here, by its bytes; the whole where the text is not written as it is
    /// (quotes within it, several lines).
    pub fn part(&self, text: &str, range: Range<usize>) -> Self {
        let all = self.bytes();
        let written = self.file.text.get(all.clone()).unwrap_or_default();
        let Some(at) = written.find(text).filter(|_| !text.contains('\n')) else { return self.clone() };
        let before = written.get(..at + range.start).map_or(0, |before| before.chars().count());
        let placed = all.start + at + range.start..all.start + at + range.end;
        Self::new(&self.file, self.line(), self.column() + before, &placed)
    }

    /// The file with nothing but the lines of the literal block whose key stands here, at their places: what is embedded in
    /// it can so be read with places in the file. `None` where the block is not written as it is read.
    pub fn embedded(&self, text: &str) -> Option<SourceFile> {
        let block = self.block(text)?;
        Some(SourceFile { name: block.name, text: "\n".repeat(self.line()) + &block.text })
    }

    /// The same without the lines before it: the block begins on the line below this one.
    pub fn block(&self, text: &str) -> Option<SourceFile> {
        let rest = self.file.text.get(self.bytes().start..)?;
        // A block begins on the line of its key. Who looks no further for its end takes no work for all of one long line.
        let head = rest.len().min(self.bytes().len() + MAX_BLOCK_HEAD);
        let head = rest.as_bytes().get(..head)?.iter().position(|byte| *byte == b'\n')?;
        let written = rest.get(head + 1..)?.lines();
        let mut indent = None;
        let mut placed = String::with_capacity(text.len());
        for (written, read) in written.zip(text.lines()) {
            let is_blank = written.trim().is_empty();
            if !is_blank && indent.is_none() {
                indent = Some(written.len() - written.trim_start_matches(' ').len());
            }
            let inner = written.get(indent.unwrap_or(usize::MAX)..).unwrap_or_default();
            if inner != read && !(inner.trim().is_empty() && read.trim().is_empty()) {
                return None;
            }
            // What separates documents does so at the beginning of a line only.
            let is_marker = ["---", "...", "%"].iter().any(|marker| inner.starts_with(marker));
            placed.push_str(if is_marker { inner } else { written });
            placed.push('\n');
        }
        indent.map(|_| SourceFile { name: self.file.name.clone(), text: placed })
    }
}

/// What stands behind a key before its block begins: `: |2- # why`.
const MAX_BLOCK_HEAD: usize = 200;

/// What does not fit is said to stand at the end of what does.
fn short(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file.name, self.line, self.column)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = &self.place {
            write!(f, "{place}: ")?;
        }
        f.write_str(&self.message)?;
        if let Some((place, why)) = &self.also {
            write!(f, " ({why}: {place})")?;
        }
        self.help.as_ref().map_or(Ok(()), |help| write!(f, "; help: {help}"))
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            write!(f, "{}{problem}", if index == 0 { "" } else { "\n" })?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

impl Problems {
    /// Adds others.
    pub fn append(&mut self, others: Self) {
        others.0.into_iter().for_each(|problem| self.push(problem));
    }

    /// Adds one. Beyond a bound none is kept: who has so many has one mistake, many times.
    pub fn push(&mut self, problem: Problem) {
        if !self.is_full() {
            self.0.push(problem.shortened());
        }
    }

    /// Whether no other one is kept.
    pub fn is_full(&self) -> bool {
        self.0.len() >= MAX_PROBLEMS
    }

    /// The known word that was probably meant. Looking for it takes time, so only the first problems get it.
    pub fn nearest<'k>(&self, word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
        if self.0.len() < MAX_HINTS { terms::nearest(word, known) } else { None }
    }

    /// All of them, in the order of files and lines.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.0.iter()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Puts them into the order of files and lines.
    pub fn sort(&mut self) {
        self.0.sort_by_key(|problem| {
            problem.place.as_ref().map(|place| (place.file.name.clone(), place.line, place.column))
        });
    }
}

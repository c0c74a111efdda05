//! What is wrong with what an operator wrote, said so that it can be mended: file, line, column, what was expected, and a hint.
//!
//! All problems of a set of files are collected and reported together. A problem has a one-line form, for a log, and a form
//! with the source under it, for a person.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet, Title};

use crate::terms;

/// A file as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFile {
    /// Its name, as the operator knows it: the path below the folder.
    pub name: String,
    /// What is in it.
    pub text: String,
}

/// A place in a file. Every node has one while files are read, so its numbers are small: what counts more than four
/// thousand million characters is no policy.
#[derive(Debug, Clone)]
pub struct Place {
    file: Arc<SourceFile>,
    line: u32,
    column: u32,
    /// In characters from the file's beginning.
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
            let mut snippet = snippet(place).annotation(AnnotationKind::Primary.span(place.bytes()));
            if let Some((also, why)) = self.also.as_ref().filter(|(also, _)| Arc::ptr_eq(&also.file, &place.file)) {
                snippet = snippet.annotation(AnnotationKind::Context.span(also.bytes()).label(why.as_str()));
            }
            group = group.element(snippet);
        }
        if let Some((also, why)) = &self.also
            && self.place.as_ref().is_some_and(|place| !Arc::ptr_eq(&also.file, &place.file))
        {
            group =
                group.element(snippet(also).annotation(AnnotationKind::Context.span(also.bytes()).label(why.as_str())));
        }
        if let Some(help) = &self.help {
            group = group.element(Level::HELP.message(help.as_str()));
        }
        renderer.render(&[group])
    }
}

fn snippet(place: &Place) -> Snippet<'_, annotate_snippets::Annotation<'_>> {
    Snippet::source(place.file.text.as_str()).path(place.file.name.as_str())
}

impl Place {
    pub(super) fn new(file: &Arc<SourceFile>, line: usize, column: usize, chars: &Range<usize>) -> Self {
        let [line, column, start, end] = [line, column, chars.start, chars.end].map(short);
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

    const fn chars(&self) -> Range<usize> {
        self.start as usize..self.end as usize
    }

    /// The name of the file.
    pub fn file(&self) -> &str {
        &self.file.name
    }

    /// The place of a part of a text that is written here, by its bytes; the whole where the text is not written as it is
    /// (quotes within it, several lines).
    pub fn part(&self, text: &str, range: Range<usize>) -> Self {
        let all = self.chars();
        let written: String = self.file.text.chars().skip(all.start).take(all.len()).collect();
        let Some(at) = written.find(text).filter(|_| !text.contains('\n')) else { return self.clone() };
        let chars_before = |bytes: usize| text.get(..bytes).map_or(0, |before| before.chars().count());
        let start = written.get(..at).map_or(0, |before| before.chars().count());
        let chars = start + chars_before(range.start)..start + chars_before(range.end);
        let placed = all.start + chars.start..all.start + chars.end;
        Self::new(&self.file, self.line(), self.column() + chars.start, &placed)
    }

    /// The file with nothing but the lines of the literal block whose key stands here, at their places: what is embedded in
    /// it can so be read with places in the file. `None` where the block is not written as it is read.
    pub fn embedded(&self, text: &str) -> Option<SourceFile> {
        let lines: Vec<_> = self.file.text.lines().skip(self.line()).take(text.lines().count()).collect();
        let is_blank = |line: &&&str| line.trim().is_empty();
        let indent =
            lines.iter().find(|line| !is_blank(line)).map(|line| line.len() - line.trim_start_matches(' ').len())?;
        let mut placed = "\n".repeat(self.line());
        for (written, read) in lines.iter().zip(text.lines()) {
            let inner = written.get(indent..).unwrap_or_default();
            if inner != read && !(inner.trim().is_empty() && read.trim().is_empty()) {
                return None;
            }
            // What separates documents does so at the beginning of a line only.
            let is_marker = ["---", "...", "%"].iter().any(|marker| inner.starts_with(marker));
            placed.push_str(if is_marker { inner } else { written });
            placed.push('\n');
        }
        Some(SourceFile { name: self.file.name.clone(), text: placed })
    }

    /// The same place, or the end of the file where it is said to lie behind it.
    pub(super) fn within(self) -> Self {
        // YAML 1.2, section 5.4: a carriage return alone ends a line, too.
        let text = self.file.text.replace("\r\n", "\n");
        let mut lines = text.split(['\n', '\r']);
        let last = lines.next_back().unwrap_or_default();
        let line = lines.count() + 1;
        if self.line() <= line {
            return self;
        }
        let chars = self.file.text.chars().count();
        Self::new(&self.file, line, last.chars().count() + 1, &(chars..chars))
    }

    /// The range in bytes, at least one character wide where the file has one there.
    fn bytes(&self) -> Range<usize> {
        let text = &self.file.text;
        let offset = |chars: usize| text.char_indices().nth(chars).map_or(text.len(), |(at, _)| at);
        let chars = self.chars();
        let start = offset(chars.start);
        // A mapping's place is its first line.
        let line_end = text.get(start..).and_then(|rest| rest.find('\n')).map_or(text.len(), |at| start + at);
        start..offset(chars.end.max(chars.start + 1)).min(line_end.max(start))
    }
}

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

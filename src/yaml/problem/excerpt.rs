//! The lines of a file that are shown with a problem.
//!
//! Never the whole file: there may be as many problems as it has lines. Of a line that is longer than anybody reads, it is only
//! what stands near the place.

use std::ops::Range;
use std::sync::Arc;

use annotate_snippets::{Annotation, Group, Origin, Snippet};

use super::Place;

/// What is shown of a line on each side of a place. Terminals are narrower.
const MAX_SHOWN: usize = 500;
/// How many bytes apart two places may be, and are shown in one.
const MAX_APART: usize = 500;

/// A part of a file.
pub(super) struct Excerpt {
    bytes: Range<usize>,
    first_line: usize,
    /// Whether it begins where a line does: the columns in it are then those of the file.
    is_aligned: bool,
}

impl Excerpt {
    /// The line of a place.
    pub(super) fn around(place: &Place) -> Self {
        let text = place.file.text.as_str();
        let mut start = place.bytes().start.min(text.len());
        // Behind the last line nothing is to be seen: it is shown as the end of that line.
        let is_behind = start == text.len() && place.line() > 1 && text.ends_with('\n');
        start -= usize::from(is_behind);
        let first_line = place.line() - usize::from(is_behind);
        let from = text.floor_char_boundary(start.saturating_sub(MAX_SHOWN));
        let to = text.floor_char_boundary(start.saturating_add(MAX_SHOWN).min(text.len()));
        let line = text.get(from..start).and_then(|before| before.rfind('\n')).map(|at| from + at + 1);
        let end = text.get(start..to).and_then(|rest| rest.find('\n')).map_or(to, |at| start + at);
        let end = end + usize::from(is_behind);
        Self { bytes: line.unwrap_or(from)..end, first_line, is_aligned: line.is_some() || from == 0 }
    }

    /// What holds another place too, where that is near.
    pub(super) fn with(&self, also: &Place, place: &Place) -> Option<Self> {
        let other = Self::around(also);
        let bytes = self.bytes.start.min(other.bytes.start)..self.bytes.end.max(other.bytes.end);
        let is_near = Arc::ptr_eq(&also.file, &place.file) && bytes.len() <= MAX_APART;
        let first_line = self.first_line.min(other.first_line);
        (is_near && self.is_aligned && other.is_aligned).then_some(Self { bytes, first_line, is_aligned: true })
    }

    /// Where a place stands in it, at least one character wide where the file has one there.
    pub(super) fn span(&self, place: &Place) -> Range<usize> {
        let text = place.file.text.as_str();
        let start = place.bytes().start.min(text.len());
        let one = text.get(start..).and_then(|rest| rest.chars().next()).map_or(0, char::len_utf8);
        // A mapping's place is its first line.
        let line_end =
            text.get(start..self.bytes.end).and_then(|rest| rest.find('\n')).map_or(self.bytes.end, |at| start + at);
        let end = place.bytes().end.max(start + one).min(line_end.max(start));
        start - self.bytes.start..end - self.bytes.start
    }

    /// It as something to print.
    pub(super) fn snippet<'t>(&self, place: &'t Place) -> Snippet<'t, Annotation<'t>> {
        Snippet::source(place.file.text.get(self.bytes.clone()).unwrap_or_default()).line_start(self.first_line)
    }

    /// Adds it to what is printed, under the name of its file.
    pub(super) fn add<'t>(
        &self,
        snippet: Snippet<'t, Annotation<'t>>,
        place: &'t Place,
        group: Group<'t>,
    ) -> Group<'t> {
        let name = place.file.name.as_str();
        if self.is_aligned {
            return group.element(snippet.path(name));
        }
        group.element(Origin::path(name).line(place.line()).char_column(place.column())).element(snippet)
    }
}

//! A page as its tests see it: fenced blocks with the notes above them, links, headings, tables.
//!
//! It is not a Markdown parser: it reads the plain way in which our own pages are written, and refuses a note that it does
//! not know, so that a misspelled one never turns a check off.

use std::fs;
use std::path::{Path, PathBuf};

/// A Markdown file of the repository.
pub struct Page {
    /// Below the repository's root.
    pub path: PathBuf,
    pub text: String,
}

/// A fenced block.
pub struct Block<'p> {
    /// 1-based, of the fence.
    pub line: usize,
    /// The word behind the fence.
    pub info: &'p str,
    pub text: String,
    /// The notes directly above it: `<!-- file: first/orders.yaml -->`.
    pub notes: Vec<(&'p str, &'p str)>,
}

/// What a note above a block may say.
const NOTES: [&str; 4] = ["file", "beside", "refused", "from"];
/// Folders that hold nothing of ours to read.
const SKIPPED: [&str; 1] = ["target"];

pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

impl Page {
    /// All pages of the repository, by path.
    pub fn all() -> Vec<Self> {
        let mut pages = Vec::new();
        let mut folders = vec![root().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                let name = path.file_name().unwrap().to_str().unwrap();
                if name.starts_with('.') || SKIPPED.contains(&name) {
                    continue;
                }
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|extension| extension == "md") {
                    pages.push(Self::read(path.strip_prefix(root()).unwrap()));
                }
            }
        }
        pages.sort_by(|a, b| a.path.cmp(&b.path));
        pages
    }

    pub fn read(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        let text = fs::read_to_string(root().join(&path)).unwrap();
        Self { path, text }
    }

    /// The blocks, in order.
    pub fn blocks(&self) -> Vec<Block<'_>> {
        let mut blocks: Vec<Block<'_>> = Vec::new();
        let mut open = false;
        let mut notes = Vec::new();
        for (index, line) in self.text.lines().enumerate() {
            match line.strip_prefix("```") {
                Some(_) if open => open = false,
                Some(info) => {
                    let notes = std::mem::take(&mut notes);
                    blocks.push(Block { line: index + 1, info, text: String::new(), notes });
                    open = true;
                }
                None if open => {
                    let text = &mut blocks.last_mut().unwrap().text;
                    text.push_str(line);
                    text.push('\n');
                }
                None => match line.strip_prefix("<!-- ").and_then(|rest| rest.strip_suffix(" -->")) {
                    Some(note) => notes.extend(note.split_once(": ")),
                    None if line.is_empty() => {}
                    None => notes.clear(),
                },
            }
        }
        assert!(!open, "{}: a block is not closed", self.path.display());
        for block in &blocks {
            for (name, _) in &block.notes {
                assert!(NOTES.contains(name), "{}:{}: no note is called `{name}`", self.path.display(), block.line);
            }
        }
        blocks
    }

    /// The lines outside of blocks, with their numbers.
    pub fn prose(&self) -> impl Iterator<Item = (usize, &str)> {
        let mut open = false;
        self.text.lines().enumerate().filter_map(move |(index, line)| {
            if line.starts_with("```") {
                open = !open;
                return None;
            }
            (!open).then_some((index + 1, line))
        })
    }

    /// Relative links, with their lines.
    pub fn links(&self) -> Vec<(usize, String)> {
        let mut links = Vec::new();
        for (line, text) in self.prose() {
            let plain: String = text.split('`').step_by(2).collect::<Vec<_>>().join("`");
            for rest in plain.split("](").skip(1) {
                let link = rest.split(')').next().unwrap();
                if !["http://", "https://", "mailto:"].iter().any(|scheme| link.starts_with(scheme)) {
                    links.push((line, link.to_owned()));
                }
            }
        }
        links
    }

    /// The anchors of its headings, as GitHub makes them.
    pub fn anchors(&self) -> impl Iterator<Item = String> {
        self.prose().filter(|(_, line)| line.starts_with('#')).map(|(_, line)| {
            let title = line.trim_start_matches('#').trim().to_lowercase();
            let kept = title.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
            kept.map(|c| if c == ' ' { '-' } else { c }).collect()
        })
    }

    /// The rows of the tables under a heading, as trimmed cells, without the line under the header.
    pub fn rows(&self, heading: &str) -> Vec<Vec<&str>> {
        let under = self.prose().skip_while(|(_, line)| *line != heading).skip(1);
        let under = under.take_while(|(_, line)| !line.starts_with('#'));
        let rows = under.filter(|(_, line)| line.starts_with("| ") && !line.starts_with("| --"));
        rows.map(|(_, line)| line.trim_matches('|').split('|').map(str::trim).collect()).collect()
    }
}

impl<'p> Block<'p> {
    /// What its notes of this name say.
    pub fn notes(&self, name: &str) -> impl Iterator<Item = &'p str> {
        self.notes.iter().filter(move |(one, _)| *one == name).map(|(_, value)| *value)
    }

    pub fn note(&self, name: &str) -> Option<&'p str> {
        self.notes(name).next()
    }
}

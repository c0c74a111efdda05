//! `docs/errors.md`: every message about policies, each produced by an edit of good ones.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use serde::Deserialize;
use tollgate::bundle;
use tollgate::yaml::{Problem, Problems, SourceFile};

use super::generated::{MADE, compare};
use super::page::root;
use crate::corpus_cases::repeat;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Page {
    good: String,
    section: Vec<Section>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Section {
    name: String,
    #[serde(default)]
    about: String,
    error: Vec<Wrong>,
}

/// How the good policies are made bad.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Wrong {
    /// Other policies altogether.
    good: Option<String>,
    /// What is replaced by what.
    change: Option<[String; 2]>,
    also: Option<[String; 2]>,
    /// A document that is added.
    add: Option<String>,
    /// A condition.
    when: Option<String>,
    /// A manifest.
    manifest: Option<String>,
    /// Whether the service has the descriptors of the corpus.
    descriptors: bool,
}

/// The condition that is replaced by others.
const CONDITION: &str = "caller.channel in ['app', 'web']";

impl Page {
    fn read() -> Self {
        toml::from_str(include_str!("errors.toml")).unwrap()
    }
}

impl Wrong {
    fn problems(&self, good: &str) -> Problems {
        let file = |text: String| SourceFile { name: "policies.yaml".into(), text };
        if let Some(manifest) = &self.manifest {
            return bundle::read_manifest(&file(repeat(manifest))).err().unwrap_or_default();
        }
        let mut text = self.good.clone().unwrap_or_else(|| good.to_owned());
        for [from, to] in self.change.iter().chain(&self.also) {
            assert_eq!(text.matches(from).count(), 1, "{from:?} stands once in the good policies");
            text = text.replace(from, &repeat(to));
        }
        if self.descriptors {
            let corpus = fs::read_to_string(root().join("tests/corpus/policies/corpus.yaml")).unwrap();
            let lines = corpus.lines().skip_while(|line| !line.starts_with("descriptors:"));
            let lines: Vec<_> = lines.take_while(|line| !line.starts_with("actions:")).collect();
            let host = "hosts: [api.shop.example]\n";
            text = text.replace(host, &format!("{host}{}\n", lines.join("\n")));
        }
        if let Some(when) = &self.when {
            let when = serde_json::to_string(&repeat(when)).unwrap();
            text = text.replace(&format!("\"{CONDITION}\""), &when);
        }
        if let Some(add) = &self.add {
            write!(text, "---\napiVersion: {}\n{add}\n", bundle::API_VERSION).unwrap();
        }
        bundle::load(&[file(text)]).err().unwrap_or_default()
    }

    /// What is written, in short.
    fn shown(&self) -> String {
        let text = [&self.when, &self.add, &self.manifest, &self.good];
        let text = text.into_iter().flatten().chain(self.change.iter().map(|[_, to]| to)).next();
        let text = text.map(String::as_str).unwrap_or_default().trim().replace('\n', "⏎ ");
        let text: String = text.chars().map(|c| if c.is_control() || c == '\u{2028}' { '␣' } else { c }).collect();
        match &self.change {
            _ if !text.is_empty() => format!("`` {text} ``"),
            Some([without, _]) => format!("without `` {} ``", without.trim()),
            None => "nothing".to_owned(),
        }
    }
}

fn page() -> String {
    let data = Page::read();
    let mut page = format!("# Errors in policies\n\n{MADE}\n{INTRODUCTION}");
    for section in &data.section {
        write!(page, "\n## {}\n\n", section.name).unwrap();
        if !section.about.is_empty() {
            write!(page, "{}\n\n", section.about).unwrap();
        }
        page.push_str("| what is written | what is said | help |\n| --- | --- | --- |\n");
        for wrong in &section.error {
            let problems = wrong.problems(&data.good);
            let problem = problems.iter().next().unwrap_or_else(|| panic!("{} is good", wrong.shown()));
            let short = |text: &str| {
                let text = text.replace('|', "\\|").replace('\n', " ");
                if text.chars().count() > 300 { text.chars().take(300).chain(['…']).collect() } else { text }
            };
            let also = problem.also.as_ref().map(|(_, why)| format!(" ({why}: …)")).unwrap_or_default();
            let help = problem.help.as_deref().unwrap_or_default();
            writeln!(page, "| {} | {}{also} | {} |", short(&wrong.shown()), short(&problem.message), short(help))
                .unwrap();
        }
    }
    page
}

const INTRODUCTION: &str = "\
What `tollgate validate` says of policies that cannot be loaded, and what the service says in its log when it keeps the last good
ones. Each line is an edit of good policies, and the first thing that is said about it; place and source line stand above it.
All problems are reported at once.
";

#[test]
fn the_page_of_errors_is_made_from_errors() {
    compare("docs/errors.md", &page());
}

#[test]
fn the_good_policies_are_good() {
    let file = SourceFile { name: "policies.yaml".into(), text: Page::read().good };
    assert!(bundle::load(&[file]).is_ok_and(|loaded| loaded.bundle.catalog.actions().count() == 3));
}

/// Messages that no edit of policies brings about, and why.
const NOT_BY_EDITS: &[(&str, &str)] = &[
    ("this is not part of conditions", "whatever else the parser knows is refused before it is asked"),
    ("minor units are a whole number, written plainly", "policies have amounts in major units"),
    ("an action has at most {MAX_INPUTS} inputs", "each has a name of its own"),
    ("{currency} has no minor unit", "policies have amounts in major units"),
];

#[test]
fn every_message_in_the_sources_is_on_the_page() {
    let data = Page::read();
    let mut said = Vec::new();
    for wrong in data.section.iter().flat_map(|section| &section.error) {
        for Problem { message, help, also, .. } in wrong.problems(&data.good).iter() {
            said.push(format!(
                "{message}\n{}\n{}",
                help.as_deref().unwrap_or_default(),
                also.as_ref().map_or("", |(_, why)| why)
            ));
        }
    }
    let mut missing = Vec::new();
    for folder in ["src/bundle", "src/contract/condition", "src/terms", "src/catalog"] {
        for (file, message) in messages(&root().join(folder)) {
            let is_listed = NOT_BY_EDITS.iter().any(|(text, _)| message == *text);
            if !is_listed && !said.iter().any(|said| fits(said, &message)) {
                missing.push(format!("{file}: {message}"));
            }
        }
    }
    assert!(
        missing.is_empty(),
        "{} messages are made by no line of errors.toml:\n{}",
        missing.len(),
        missing.join("\n")
    );
}

/// Whether a text is what becomes of a format string.
fn fits(said: &str, format: &str) -> bool {
    let mut rest = said;
    let unescaped = format.replace("{{", "\u{1}").replace("}}", "\u{2}");
    for piece in unescaped
        .split('{')
        .enumerate()
        .map(|(at, piece)| if at == 0 { piece } else { piece.split_once('}').map_or("", |(_, text)| text) })
    {
        let piece = piece.replace('\u{1}', "{").replace('\u{2}', "}");
        match rest.split_once(&piece) {
            Some((_, behind)) => rest = behind,
            None => return false,
        }
    }
    true
}

/// The texts that stand first in what makes a problem, a fault or an invalid term.
fn messages(folder: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && name != "tests" {
            found.extend(messages(&path));
        }
        if path.extension().is_none_or(|end| end != "rs") || name == "tests.rs" {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
        for sink in ["Problem::at(", "Problem::of_bundle(", "Fault::new(", "InvalidTerm(", ".also("] {
            for rest in text.split(sink).skip(1) {
                let statement = rest.split(';').next().unwrap();
                if let Some(literal) = first_literal(statement) {
                    found.push((name.clone(), literal));
                }
            }
        }
    }
    found
}

/// The first string literal, if no other call comes before it.
fn first_literal(text: &str) -> Option<String> {
    let (before, rest) = text.split_once('"')?;
    if before.chars().count() > 80 || before.contains("=>") {
        return None;
    }
    let mut literal = String::new();
    let mut chars = rest.chars();
    loop {
        match chars.next()? {
            '"' => return Some(literal),
            '\\' => match chars.next()? {
                '\n' => chars = chars.as_str().trim_start().chars(),
                other => literal.push(other),
            },
            other => literal.push(other),
        }
    }
}

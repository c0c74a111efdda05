//! Typing errors in the shipped policies: each is reported at its line, nearly always with the word that was meant.

use tollgate::bundle;
use tollgate::yaml::SourceFile;

use crate::support::shipped;

/// A word of the shipped policies that cannot be another one: a key, a word of a closed list, or a name that refers to
/// something.
#[derive(Debug, Clone)]
struct Token {
    file: usize,
    line: usize,
    /// In bytes of the line.
    at: usize,
    word: String,
}

/// Keys of the grammar. Those that stand in free maps, too, are looked for where these cannot be.
#[rustfmt::skip]
const KEYS: &[&str] = &[
    "apiVersion", "kind", "metadata", "owner", "hosts", "actions", "tier", "routes", "http", "inputs", "limit", "money",
    "unit", "who", "workload", "agent", "user", "anyRole", "purposes", "when", "sends", "fields", "others", "retain",
    "cache", "then", "require", "assurance", "maxAge", "never", "cases", "given", "request", "path", "expect", "verdict",
    "reason", "returns", "subject", "requestHeaders", "requestQuery", "description", "trustDomains", "trustedFrom",
    "ceilings", "automation", "autonomous", "unmapped", "receipt",
];
/// Keys whose value is a word of a closed list or the name of something.
const CLOSED: &[&str] =
    &["kind", "tier", "verdict", "reason", "action", "others", "cache", "unit", "receipt", "then", "service"];

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '-')
}

/// The words of a line that is no comment, up to where free text begins.
fn tokens(file: usize, number: usize, line: &str, in_contract: bool) -> Vec<Token> {
    let free = ["#", "claims:", "body:", "headers: {", "name:", "description: ", "\""];
    let end = free.iter().filter_map(|what| line.find(what)).min().unwrap_or(line.len());
    let mut found = Vec::new();
    let mut last_key = "";
    let mut at = 0;
    for piece in line.split_at(end).0.split_inclusive(|c: char| !is_word(c)) {
        let word = piece.trim_end_matches(|c: char| !is_word(c));
        let is_key = piece.ends_with(':') && !word.is_empty();
        let is_granted = in_contract && is_key && line.starts_with(&format!("  {word}:")) && word.contains('.');
        let is_closed = !is_key && CLOSED.contains(&last_key) && !word.is_empty();
        if (is_key && KEYS.contains(&word)) || is_closed || is_granted {
            found.push(Token { file, line: number, at, word: word.to_owned() });
        }
        if is_key {
            last_key = word;
        } else if !word.is_empty() {
            last_key = "";
        }
        at += piece.len();
    }
    found
}

/// Four ways to mistype a word.
fn mistype(word: &str, how: usize, at: usize) -> Option<String> {
    let mut letters: Vec<char> = word.chars().collect();
    let at = at % letters.len();
    match how % 4 {
        0 if at + 1 < letters.len() => letters.swap(at, at + 1),
        1 if letters.len() > 3 => drop(letters.remove(at)),
        2 => letters.insert(at, letters[at]),
        3 => letters[at] = if letters[at] == 'x' { 'z' } else { 'x' },
        _ => return None,
    }
    let typed: String = letters.into_iter().collect();
    (typed != word).then_some(typed)
}

#[test]
fn two_hundred_typing_errors_are_each_reported_at_their_line() {
    let files = tollgate::sources::read(&shipped()).unwrap();
    let mut all = Vec::new();
    for (file, source) in files.iter().enumerate() {
        let mut kind = "";
        for (number, line) in source.text.lines().enumerate() {
            kind = line.strip_prefix("kind: ").unwrap_or(kind);
            all.extend(tokens(file, number, line, kind == "Contract"));
        }
    }
    assert!(all.len() > 1_000, "{} words", all.len());
    let (mut tried, mut wrong, mut unhinted) = (0, Vec::new(), Vec::new());
    // Spread over all words, and always the same.
    for step in 0.. {
        if tried == 200 {
            break;
        }
        let token = &all[step * 7_919 % all.len()];
        let Some(typed) = mistype(&token.word, step, step / 4) else { continue };
        tried += 1;
        let mut files = files.clone();
        let source: &mut SourceFile = &mut files[token.file];
        let mut lines: Vec<_> = source.text.lines().map(str::to_owned).collect();
        lines[token.line].replace_range(token.at..token.at + token.word.len(), &typed);
        source.text = lines.join("\n");
        let name = source.name.clone();
        let place = format!("{name}:{}: `{}` typed as `{typed}`", token.line + 1, token.word);
        let Err(problems) = bundle::load(&files) else {
            wrong.push(format!("{place}: loads"));
            continue;
        };
        let here = problems.iter().find(|problem| {
            let at = problem.place.as_ref();
            at.is_some_and(|at| at.file() == name && at.line() == token.line + 1) && problem.message.contains(&typed)
        });
        match here {
            None => wrong.push(format!("{place}: {problems}")),
            Some(problem) => {
                let help = problem.help.as_deref().unwrap_or_default();
                if !help.contains(&token.word) {
                    unhinted.push(format!("{place}: {problem}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {tried} are not reported at their line:\n{}", wrong.len(), wrong.join("\n"));
    assert!(unhinted.len() <= 10, "{} do not name the word that was meant:\n{}", unhinted.len(), unhinted.join("\n"));
}

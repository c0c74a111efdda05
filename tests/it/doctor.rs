//! `tollgate doctor`: each failure that it knows is planted in a file of its own, and found there and nowhere else.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use tollgate::attach::doctor::{Report, codes, examine};
use tollgate::yaml::SourceFile;

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/doctor").join(name)
}

/// Name and text of each file, sorted.
fn files(name: &str) -> Vec<(String, String)> {
    let mut files: Vec<_> = fs::read_dir(folder(name))
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            (path.file_stem().unwrap().to_str().unwrap().to_owned(), fs::read_to_string(path).unwrap())
        })
        .collect();
    files.sort();
    files
}

fn look(name: &str, text: &str) -> Report {
    let report = examine(&[SourceFile { name: name.to_owned(), text: text.to_owned() }]);
    assert!(report.unread.is_empty(), "{name}: {}", report.unread);
    report
}

fn shown(report: &Report) -> String {
    let line = |one: &tollgate::attach::doctor::Finding| format!("{}: {} ({})\n", one.code.name, one.problem, one.field);
    report.findings.iter().map(line).collect()
}

#[test]
fn what_is_planted_is_found_at_its_line_and_nothing_else_is() {
    let mut wrong = String::new();
    for (code, text) in files("bad") {
        let report = look(&code, &text);
        let found: Vec<_> = report
            .findings
            .iter()
            .map(|one| (one.code.name, one.problem.place.as_ref().map_or(0, tollgate::yaml::Place::line)))
            .collect();
        let is_marked = |(_, line): &(usize, &str)| line.ends_with("# <-");
        let planted: Vec<_> =
            text.lines().enumerate().filter(is_marked).map(|(line, _)| (code.as_str(), line + 1)).collect();
        if found != planted || planted.is_empty() {
            wrong.push_str(&format!("{code}: planted {planted:?}, found {found:?}\n{}", shown(&report)));
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

#[test]
fn every_code_is_planted_once_and_every_plant_has_a_code() {
    let planted: BTreeSet<_> = files("bad").into_iter().map(|(code, _)| code).collect();
    let known: BTreeSet<_> = codes().map(|code| code.name.to_owned()).collect();
    assert_eq!(planted, known);
    assert_eq!(codes().count(), known.len(), "no code is there twice");
}

#[test]
fn nothing_is_found_in_what_is_recommended() {
    for (name, text) in files("good") {
        let report = look(&name, &text);
        assert!(report.findings.is_empty(), "{name}:\n{}", shown(&report));
        assert!(!report.looked_at.is_empty(), "{name}");
    }
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/envoy/plain.yaml");
    let report = look("plain.yaml", &fs::read_to_string(shipped).unwrap());
    assert!(report.findings.is_empty(), "{}", shown(&report));
}

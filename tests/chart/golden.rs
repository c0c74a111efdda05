//! What the chart is rendered as, kept in files, so that each change of it is seen.

use std::fs;

use crate::helm::{chart, ci_files, helm, renders, root};
use crate::object::nodes;

/// Whether what is kept is to be written anew.
pub fn update() -> bool {
    std::env::var_os("UPDATE_GOLDEN").is_some()
}

/// Without the chart's version, which stands everywhere and says nothing about what changed.
fn normal(text: &str) -> String {
    let about = fs::read_to_string(chart().join("Chart.yaml")).unwrap();
    let about = crate::object::value(&nodes(&about)[0]);
    let mut text = text.to_owned();
    for key in ["version", "appVersion"] {
        let version = about[key].as_str().unwrap();
        for before in ["tollgate-", "tollgate:", "version: ", "version: \""] {
            text = text.replace(&format!("{before}{version}"), &format!("{before}VERSION"));
        }
    }
    text
}

#[test]
fn helm_finds_nothing_to_say_about_the_chart() {
    let chart = chart();
    for path in ci_files().values() {
        let arguments = ["lint", "--strict", "--quiet", chart.to_str().unwrap(), "--values", path.to_str().unwrap()];
        if let Err(said) = helm(&arguments) {
            panic!("{}: {said}", path.display());
        }
    }
}

#[test]
fn what_is_rendered_is_what_was_kept() {
    let folder = root().join("tests/chart/golden");
    let mut wrong = Vec::new();
    for (name, render) in renders() {
        let path = folder.join(name).with_extension("yaml");
        let text = normal(&render.text);
        let kept = fs::read_to_string(&path).unwrap_or_default();
        if text == kept {
            continue;
        }
        if update() {
            fs::write(&path, text).unwrap();
            continue;
        }
        let first = text.lines().zip(kept.lines()).position(|(a, b)| a != b);
        let line = first.unwrap_or_else(|| text.lines().count().min(kept.lines().count()));
        let of = |text: &str| text.lines().nth(line).unwrap_or("the end").to_owned();
        wrong.push(format!("{name}, line {}: `{}` and was `{}`", line + 1, of(&text), of(&kept)));
    }
    let kept = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    for path in kept.filter(|path| !renders().contains_key(path.file_stem().unwrap().to_str().unwrap())) {
        if update() {
            fs::remove_file(path).unwrap();
        } else {
            wrong.push(format!("{} belongs to no file of the chart's ci", path.display()));
        }
    }
    assert!(
        wrong.is_empty(),
        "{wrong:#?}; if it should be so: UPDATE_GOLDEN=1 cargo test --test chart, and read the difference"
    );
}

//! The house rules of ARCHITECTURE.md, held against the sources.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The floors: a module may use those on lower floors, and on its own floor only those named behind it.
const FLOORS: &[&[(&str, &[&str])]] = &[
    &[("pb", &[]), ("wire", &[]), ("secret", &[]), ("clock", &[])],
    &[
        ("terms", &[]),
        ("yaml", &["terms"]),
        ("facts", &["terms"]),
        ("verdict", &["terms"]),
        ("receipt", &["verdict", "facts", "terms"]),
    ],
    &[("identity", &[]), ("catalog", &[]), ("privacy", &[]), ("contract", &["identity", "catalog", "privacy"])],
    &[("bundle", &[]), ("gate", &["bundle"])],
    &[
        ("ledger", &[]),
        ("state", &[]),
        ("sources", &[]),
        ("flows", &[]),
        ("attach", &[]),
        ("telemetry", &[]),
        ("transport", &[]),
    ],
    &[("checkpoint", &[])],
    &[("ext_authz", &[]), ("ext_proc", &[]), ("access_log", &[]), ("http", &[])],
    &[("config", &[]), ("app", &["config"]), ("demo", &[]), ("cli", &["config", "app", "demo"])],
];

/// Floors below this are pure: no tasks, wire, files, network, environment.
const FIRST_IMPURE_FLOOR: usize = 4;
const IMPURE: &[&str] = &[
    "tokio",
    "tonic",
    "axum",
    "hyper",
    "envoy_types",
    "std::fs",
    "std::net::Tcp",
    "std::env",
    "std::thread",
    "std::process",
    "tracing",
];
/// Files that are longer than 500 lines, and why.
const LONG: &[(&str, &str)] = &[];

fn sources(folder: &str) -> Vec<(PathBuf, String)> {
    let mut files = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                files.push((path.strip_prefix(env!("CARGO_MANIFEST_DIR")).unwrap().to_owned(), text));
            }
        }
    }
    files.sort();
    files
}

/// The top-level module that a file belongs to: `src/gate/judge.rs` is of `gate`.
fn module(path: &Path) -> String {
    let first = path.strip_prefix("src").unwrap().components().next().unwrap();
    Path::new(first.as_os_str()).file_stem().unwrap().to_str().unwrap().to_owned()
}

fn floors() -> BTreeMap<&'static str, (usize, &'static [&'static str])> {
    FLOORS
        .iter()
        .enumerate()
        .flat_map(|(floor, modules)| modules.iter().map(move |(name, also)| (*name, (floor, *also))))
        .collect()
}

/// The part of a file that is in the product: test modules may use what they like.
fn product(path: &Path, text: &str) -> Option<String> {
    if path.with_extension("").components().any(|part| part.as_os_str() == "tests") {
        return None;
    }
    Some(text.split("#[cfg(test)]\nmod tests {").next().unwrap().to_owned())
}

/// The modules of the crate that a text names as `crate::x`, in paths and in braces.
fn named(text: &str) -> Vec<String> {
    let mut names = Vec::new();
    for rest in text.split("crate::").skip(1) {
        let word = |text: &str| text.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect::<String>();
        match rest.strip_prefix('{') {
            Some(group) => {
                let mut depth = 1;
                let mut item = String::new();
                for c in group.chars() {
                    match c {
                        '{' => depth += 1,
                        '}' => depth -= 1,
                        ',' if depth == 1 => names.push(word(std::mem::take(&mut item).trim())),
                        _ => {}
                    }
                    if depth == 0 {
                        break;
                    }
                    if !(c == ',' && depth == 1) {
                        item.push(c);
                    }
                }
                names.push(word(item.trim()));
            }
            None => names.push(word(rest)),
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

#[test]
fn imports_go_down_and_never_round() {
    let floors = floors();
    let mut wrong = Vec::new();
    for (path, text) in sources("src") {
        let own = module(&path);
        if own == "lib" || own == "main" {
            continue;
        }
        let (floor, also) =
            floors.get(own.as_str()).unwrap_or_else(|| panic!("`{own}` stands on no floor: {}", path.display()));
        let Some(text) = product(&path, &text) else { continue };
        for name in named(&text) {
            let Some((other, _)) = floors.get(name.as_str()) else { continue };
            if name != own && other >= floor && !also.contains(&name.as_str()) {
                wrong.push(format!("{} uses crate::{name}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_lower_floors_are_pure() {
    let floors = floors();
    let mut wrong = Vec::new();
    for (path, text) in sources("src") {
        let Some((floor, _)) = floors.get(module(&path).as_str()) else { continue };
        let Some(text) = product(&path, &text).filter(|_| *floor < FIRST_IMPURE_FLOOR) else { continue };
        let code: String =
            text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
        for name in
            IMPURE.iter().filter(|name| code.contains(&format!("{name}::")) || code.contains(&format!("use {name}")))
        {
            wrong.push(format!("{} uses {name}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn envoys_types_live_in_the_adapters() {
    let adapters = ["ext_authz", "ext_proc", "access_log"];
    let wrong: Vec<_> = sources("src")
        .into_iter()
        .filter(|(path, text)| !adapters.contains(&module(path).as_str()) && text.contains("envoy_types"))
        .map(|(path, _)| path)
        .collect();
    assert!(wrong.is_empty(), "{wrong:?}");
}

/// Another engine, or another version of this one, must not be able to change what a condition means elsewhere.
#[test]
fn the_parser_of_conditions_is_known_to_conditions_alone() {
    let allowed = ["src/contract/condition/parse.rs", "src/contract/condition/tests/generated.rs"];
    let names_it = |text: &str| [" cel::", "(cel::", "<cel::", "&cel::"].iter().any(|name| text.contains(name));
    let wrong: Vec<_> = sources("src")
        .into_iter()
        .filter(|(path, text)| !allowed.iter().any(|one| path == Path::new(one)) && names_it(text))
        .map(|(path, _)| path)
        .collect();
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn every_file_says_what_it_is_for_and_is_short() {
    let mut wrong = Vec::new();
    for (path, text) in ["src", "tests", "benches"].into_iter().flat_map(sources) {
        if !text.starts_with("//! ") {
            wrong.push(format!("{} does not begin with `//! ` and its purpose", path.display()));
        }
        let lines = text.lines().count();
        if lines > 500 && !LONG.iter().any(|(long, _)| path == Path::new(long)) {
            wrong.push(format!("{} has {lines} lines", path.display()));
        }
        if path.file_name().is_some_and(|name| name == "mod.rs") {
            wrong.push(format!("{}: write `x.rs` beside `x/`", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_path_that_the_architecture_names_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(root.join("ARCHITECTURE.md")).unwrap();
    let is_path = |word: &&str| {
        ["src/", "tests/", "docs/", "proto/", "policies/", "benches/", "deploy/"]
            .iter()
            .any(|start| word.starts_with(start))
    };
    let missing: Vec<_> =
        text.split('`').skip(1).step_by(2).filter(is_path).filter(|path| !root.join(path).exists()).collect();
    assert!(missing.is_empty(), "{missing:?}");
    // A test that an invariant names is there.
    let tests: String = ["src", "tests"].into_iter().flat_map(sources).map(|(_, text)| text).collect();
    let named = text.split('`').skip(1).step_by(2).filter(|word| {
        word.len() > 20 && word.bytes().all(|b| b.is_ascii_lowercase() || b == b'_' || b.is_ascii_digit())
    });
    let missing: Vec<_> = named.filter(|name| !tests.contains(&format!("fn {name}("))).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

//! The workflows that test and release, held to what would otherwise be seen only when they run: they are read, and not run.
//!
//! Actions are pinned to a commit, jobs may do what they need and no more, what one step names of another is there, and nothing that
//! somebody outside can write is put into a script.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use tollgate::yaml::{self, Kind, Node, Problems, SourceFile};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn workflows() -> Vec<(String, String, Node)> {
    let files = fs::read_dir(root().join(".github/workflows")).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = files.collect();
    files.sort();
    assert!(files.len() >= 2, "{files:?}");
    let read = |path: PathBuf| {
        let (name, text) = (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read_to_string(&path).unwrap());
        let mut problems = Problems::default();
        let file = Arc::new(SourceFile { name: name.clone(), text: text.clone() });
        let mut documents = yaml::documents(&file, &mut problems);
        assert!(problems.is_empty() && documents.len() == 1, "{problems}");
        (name, text, documents.remove(0))
    };
    files.into_iter().map(read).collect()
}

fn entries(node: &Node) -> Vec<(&str, &Node)> {
    match &node.kind {
        Kind::Map(entries) => entries.iter().map(|(key, value)| (key.text().unwrap(), value)).collect(),
        _ => Vec::new(),
    }
}

fn list(node: &Node) -> &[Node] {
    match &node.kind {
        Kind::List(list) => list,
        _ => &[],
    }
}

fn get<'n>(node: &'n Node, key: &str) -> Option<&'n Node> {
    entries(node).into_iter().find(|(name, _)| *name == key).map(|(_, value)| value)
}

fn text<'n>(node: &'n Node, key: &str) -> Option<&'n str> {
    get(node, key).and_then(Node::text)
}

/// All texts in it.
fn texts(node: &Node) -> Vec<&str> {
    match &node.kind {
        Kind::Scalar { text, .. } => vec![text],
        Kind::List(list) => list.iter().flat_map(texts).collect(),
        Kind::Map(map) => map.iter().flat_map(|(_, value)| texts(value)).collect(),
        Kind::Null => vec![],
    }
}

fn steps(job: &Node) -> &[Node] {
    get(job, "steps").map(list).unwrap_or_default()
}

/// The names behind a prefix in expressions: `build` of `steps.build.outputs.digest`.
fn named<'t>(texts: &[&'t str], prefix: &str) -> BTreeSet<(&'t str, &'t str)> {
    let in_expressions =
        texts.iter().flat_map(|text| text.split("${{").skip(1)).filter_map(|rest| rest.split("}}").next());
    let paths = in_expressions.flat_map(|text| text.split(prefix).skip(1).collect::<Vec<_>>());
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let word = |text: &'t str| text.split(|c: char| !is_name(c)).next().unwrap();
    paths.map(|path| (word(path), path.split_once(".outputs.").map_or("", |(_, output)| word(output)))).collect()
}

#[test]
fn every_action_is_pinned_to_a_commit_and_names_its_version() {
    for (name, text, _) in workflows() {
        // What is called of this repository is of the same commit.
        let is_ours = |line: &&str| line.contains("uses: ./.github/workflows/");
        let is_use = |line: &&str| line.trim_start().trim_start_matches("- ").starts_with("uses:");
        for line in text.lines().filter(is_use).filter(|line| !is_ours(line)) {
            let (_, pinned) = line.split_once("uses: ").unwrap();
            let (action, version) = pinned.split_once(" # v").unwrap_or_else(|| panic!("{name}: no version: {line}"));
            let (_, commit) = action.split_once('@').unwrap();
            assert!(commit.len() == 40 && commit.bytes().all(|b| b.is_ascii_hexdigit()), "{name}: no commit: {line}");
            assert_eq!(version.split('.').count(), 3, "{name}: {line}");
        }
        let uses = text.matches("uses: ").count() - text.lines().filter(is_ours).count();
        assert_eq!(uses, text.matches(" # v").count(), "{name}");
    }
}

#[test]
fn jobs_may_do_what_they_need_and_end() {
    for (name, _, workflow) in workflows() {
        assert!(matches!(&get(&workflow, "permissions").unwrap().kind, Kind::Map(none) if none.is_empty()), "{name}");
        assert_eq!(
            get(&workflow, "defaults").and_then(|all| get(all, "run")).and_then(|run| text(run, "shell")),
            Some("bash")
        );
        assert!(
            get(get(&workflow, "on").unwrap(), "pull_request_target").is_none(),
            "{name}: strangers' code with our rights"
        );
        for (id, job) in entries(get(&workflow, "jobs").unwrap()) {
            let rights = entries(get(job, "permissions").unwrap_or_else(|| panic!("{name}: {id} has no permissions")));
            let writes: Vec<_> =
                rights.iter().filter(|(_, right)| right.text() == Some("write")).map(|(of, _)| *of).collect();
            assert!(rights.iter().all(|(_, right)| ["read", "write"].contains(&right.text().unwrap())), "{name}: {id}");
            assert!(name == "release.yaml" || writes.is_empty(), "{name}: {id} may write {writes:?}");
            assert!(!writes.contains(&"contents") || id == "release", "{name}: {id}");
            // A called workflow has bounds of its own, in its file.
            if text(job, "uses").is_some() {
                continue;
            }
            assert!(text(job, "timeout-minutes").is_some(), "{name}: {id} may run for ever");
            assert!(!text(job, "runs-on").unwrap().contains("latest"), "{name}: {id}");
            for step in steps(job) {
                let is_checkout = text(step, "uses").is_some_and(|uses| uses.starts_with("actions/checkout@"));
                let keeps = get(step, "with").and_then(|with| text(with, "persist-credentials"));
                assert!(!is_checkout || keeps == Some("false"), "{name}: {id} leaves its token to what it runs");
            }
        }
    }
}

/// A tag is put by hand, on any commit: what is released was tested as that commit, and is part of main.
#[test]
fn nothing_is_released_that_was_not_tested() {
    let (_, all, release) = workflows().into_iter().find(|(name, ..)| name == "release.yaml").unwrap();
    let jobs = get(&release, "jobs").unwrap();
    let tests = get(jobs, "tests").and_then(|job| text(job, "uses"));
    assert_eq!(tests, Some("./.github/workflows/ci.yaml"));
    assert!(all.contains("git merge-base --is-ancestor HEAD origin/main\n"));
    let needs = |id: &str| get(get(jobs, id).unwrap(), "needs").map(|needs| texts(needs)).unwrap_or_default();
    assert!(needs("image").contains(&"tests") && needs("index").contains(&"image"));
    assert!(needs("chart").contains(&"index") && needs("release").contains(&"chart"));
    let (_, _, ci) = workflows().into_iter().find(|(name, ..)| name == "ci.yaml").unwrap();
    assert!(entries(get(&ci, "on").unwrap()).iter().any(|(event, _)| *event == "workflow_call"));
}

#[test]
fn what_is_named_is_there() {
    for (name, _, workflow) in workflows() {
        let jobs = get(&workflow, "jobs").unwrap();
        for (id, job) in entries(jobs) {
            let needs = get(job, "needs")
                .map(|needs| needs.text().map_or_else(|| texts(needs), |one| vec![one]))
                .unwrap_or_default();
            for needed in &needs {
                assert!(get(jobs, needed).is_some(), "{name}: {id} needs {needed}");
            }
            let all = texts(job);
            for (needed, output) in named(&all, "needs.") {
                let outputs = get(jobs, needed).and_then(|job| get(job, "outputs"));
                assert!(needs.contains(&needed), "{name}: {id} reads {needed} and does not need it");
                assert!(
                    outputs.is_some_and(|outputs| get(outputs, output).is_some()),
                    "{name}: {id}: {needed}.{output}"
                );
            }
            let ids: Vec<_> = steps(job).iter().filter_map(|step| text(step, "id")).collect();
            for (step, _) in named(&all, "steps.") {
                assert!(ids.contains(&step), "{name}: {id} reads the step {step}");
            }
            // What a script prints to its outputs is what is read of it; an action's outputs are its own.
            for (step, output) in named(&all, "steps.") {
                let step = steps(job).iter().find(|one| text(one, "id") == Some(step)).unwrap();
                let prints = text(step, "run").is_none_or(|script| script.contains(&format!("{output}=")));
                assert!(prints, "{name}: {id} reads {output}");
            }
        }
    }
}

#[test]
fn scripts_are_scripts_and_hold_no_expressions() {
    for (name, _, workflow) in workflows() {
        for (id, job) in entries(get(&workflow, "jobs").unwrap()) {
            for step in steps(job) {
                assert!(text(step, "uses").is_some() != text(step, "run").is_some(), "{name}: {id}: one of the two");
                let Some(script) = text(step, "run") else { continue };
                // The value would become a part of the script, whatever it is.
                assert!(!script.contains("${{"), "{name}: {id}: {script}");
                // A command behind `!` fails nothing, whatever `set -e` says.
                assert!(!script.lines().any(|line| line.trim_start().starts_with("! ")), "{name}: {id}: {script}");
                let mut bash = Command::new("bash").arg("-n").stdin(Stdio::piped()).spawn().unwrap();
                bash.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
                assert!(bash.wait().unwrap().success(), "{name}: {id}: {script}");
                for path in
                    script.split_whitespace().filter(|word| word.starts_with("deploy/") || word.starts_with(".ci/"))
                {
                    assert!(root().join(path.trim_end_matches(['"', ')'])).exists(), "{name}: {id}: {path}");
                }
            }
        }
    }
}

/// What a release builds on is one tag, and the toolchain in it that of the repository.
#[test]
fn the_image_is_built_with_the_toolchain_of_the_repository() {
    let containerfile = fs::read_to_string(root().join("deploy/image/Containerfile")).unwrap();
    let toolchain = fs::read_to_string(root().join("rust-toolchain.toml")).unwrap();
    let version = toolchain.split("channel = \"").nth(1).unwrap().split('"').next().unwrap();
    assert!(containerfile.contains(&format!("ARG BASE=docker.io/library/rust:{version}-slim-bookworm\n")), "{version}");
    assert!(containerfile.contains(&format!("RUSTUP_TOOLCHAIN={version} ")), "{version}");
    for wanted in ["--locked", "--no-default-features", "scripts/rootfs", "FROM scratch\n", "USER 65532:65532\n"] {
        assert!(containerfile.contains(wanted), "{wanted}");
    }
    let froms: Vec<_> = containerfile.lines().filter(|line| line.starts_with("FROM ")).collect();
    assert_eq!(froms, ["FROM ${BASE} AS build", "FROM scratch"]);
}

//! Policies as they are kept for a cluster: in the `data` of ConfigMaps, in manifests among others.
//!
//! What is wrong with a policy is to be shown where it can be mended: at its line of the manifest. A value that is written
//! as a literal block (`|`) keeps its lines and columns; of others only their key is known.

use std::sync::Arc;

use super::{API_VERSION, Loaded, is_policy_file, load};
use crate::yaml::{self, Kind, Node, Place, Problem, Problems, SourceFile};

/// A policy file in a ConfigMap.
#[derive(Debug)]
pub struct Packed {
    /// The ConfigMap, with its namespace where it names one.
    pub config_map: String,
    /// The key of its `data`, which is the file's name in a volume.
    pub key: String,
    /// What the volume will hold.
    file: SourceFile,
    /// The same at its place in the manifest, where that is known.
    placed: SourceFile,
    /// The lines of the manifest that hold it.
    lines: std::ops::RangeInclusive<usize>,
}

/// What a manifest holds.
#[derive(Debug, Default)]
pub struct Manifest {
    /// Policies.
    pub policies: Vec<Packed>,
    /// ConfigMaps without policies, and keys of others that are no policy files.
    pub left_out: Vec<String>,
}

/// The API server refuses more (`MaxSecretSize`, which holds for ConfigMaps too).
const MAX_CONFIG_MAP: usize = 1024 * 1024;

/// Finds the policies in a file of manifests. What is no ConfigMap is not looked at.
pub fn read_manifest(file: &SourceFile) -> Result<Manifest, Problems> {
    let mut problems = Problems::default();
    let only = Arc::new(SourceFile { name: file.name.clone(), text: only_config_maps(&file.text) });
    let mut manifest = Manifest::default();
    for document in yaml::documents(&only, &mut problems) {
        manifest.take(&document, &only, &mut problems);
    }
    if problems.is_empty() {
        return Ok(manifest);
    }
    if file.text.lines().any(|line| line.trim_start().starts_with("{{")) {
        problems = Problems::default();
        let problem = Problem::of_whole(format!("`{}` is a template and not a manifest", file.name));
        problems.push(problem.help("render it first: helm template … | tollgate validate --configmap -"));
    }
    Err(problems)
}

/// Loads the policies of manifests as one bundle. Problems stand at their lines of the manifests, where these are known.
pub fn load_packed(policies: &[Packed]) -> Result<Loaded, Problems> {
    let files: Vec<_> = policies.iter().map(|one| one.file.clone()).collect();
    load(&files).map_err(|problems| {
        let placed: Vec<_> = policies.iter().map(|one| one.placed.clone()).collect();
        load(&placed).err().unwrap_or(problems)
    })
}

/// Other manifests may hold what we do not read (anchors, deeper levels): their lines are left empty.
fn only_config_maps(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut document = String::new();
    for line in text.split_inclusive('\n') {
        if line.starts_with("---") {
            keep(&document, &mut kept);
            document.clear();
        }
        document.push_str(line);
    }
    keep(&document, &mut kept);
    kept
}

fn keep(document: &str, kept: &mut String) {
    let is_kind = |line: &str| {
        let kind = line.strip_prefix("kind:").map(|kind| kind.trim().trim_matches(['"', '\'']));
        matches!(kind, Some("ConfigMap" | "ConfigMapList" | "List"))
    };
    // Manifests may be JSON, which is YAML.
    if document.lines().any(is_kind) || document.trim_start().starts_with('{') {
        kept.push_str(document);
    } else {
        kept.extend(document.matches('\n'));
    }
}

impl Manifest {
    fn take(&mut self, document: &Node, file: &Arc<SourceFile>, problems: &mut Problems) {
        match value(document, "kind").and_then(Node::text) {
            Some("List" | "ConfigMapList") => {
                let items = match value(document, "items").map(|items| &items.kind) {
                    Some(Kind::List(items)) => items.as_slice(),
                    _ => &[],
                };
                for item in items {
                    self.take(item, file, problems);
                }
            }
            Some("ConfigMap") => self.take_config_map(document, file, problems),
            _ => {}
        }
    }

    fn take_config_map(&mut self, document: &Node, file: &Arc<SourceFile>, problems: &mut Problems) {
        let text = |key| value(document, "metadata").and_then(|metadata| value(metadata, key)).and_then(Node::text);
        let name = text("name").unwrap_or("without a name");
        let config_map = text("namespace").map_or_else(|| name.to_owned(), |namespace| format!("{namespace}/{name}"));
        let data = entries(value(document, "data"));
        let is_policy = |key: &Node| key.text().is_some_and(is_policy_file);
        let is_ours = |text: &str| text.contains(API_VERSION);
        if !data.iter().any(|(key, value)| is_policy(key) && value.text().is_some_and(is_ours)) {
            self.left_out.push(format!("ConfigMap {config_map}"));
            return;
        }
        let bytes: usize = data.iter().filter_map(|(_, value)| value.text()).map(str::len).sum();
        if bytes > MAX_CONFIG_MAP {
            let problem = Problem::at(&document.place, format!("the ConfigMap {config_map} has more than 1 MiB"));
            problems.push(problem.help("several ConfigMaps make one bundle"));
        }
        for (key, _) in entries(value(document, "binaryData")).iter().filter(|(key, _)| is_policy(key)) {
            problems.push(Problem::at(&key.place, "policies are text").help("put it under `data`"));
        }
        for (key, value) in data {
            match (key.text(), value.text()) {
                (Some(name), Some(text)) if is_policy(key) => {
                    self.policies.push(Packed::new(&config_map, (name, &key.place), text, file));
                }
                (Some(name), _) => self.left_out.push(format!("key {name} of ConfigMap {config_map}")),
                (None, _) => {}
            }
        }
    }
}

impl Packed {
    fn new(config_map: &str, (key, place): (&str, &Place), text: &str, manifest: &SourceFile) -> Self {
        let file = SourceFile {
            name: format!("{}:{}: {key} of ConfigMap {config_map}", manifest.name, place.line()),
            text: text.to_owned(),
        };
        let placed = place.embedded(text);
        let lines = place.line()..=place.line() + text.lines().count();
        let placed = placed.unwrap_or_else(|| file.clone());
        Self { config_map: config_map.to_owned(), key: key.to_owned(), file, placed, lines }
    }

    /// Whether a problem's place lies in it.
    pub fn holds(&self, place: &Place) -> bool {
        place.file() == self.file.name || (place.file() == self.placed.name && self.lines.contains(&place.line()))
    }
}

fn entries(node: Option<&Node>) -> &[(Node, Node)] {
    match node.map(|node| &node.kind) {
        Some(Kind::Map(entries)) => entries,
        _ => &[],
    }
}

fn value<'n>(node: &'n Node, key: &str) -> Option<&'n Node> {
    entries(Some(node)).iter().find(|(one, _)| one.text() == Some(key)).map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANIFEST: &str = r#"# Not ours: an anchor, and deeper than we look.
apiVersion: apps/v1
kind: Deployment
metadata: &m { name: shop }
spec: *m
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: policies
  namespace: shop
data:
  README.md: hello
  ground.yaml: |
    # The ground.
    apiVersion: tollgate.dev/v1alpha1
    kind: Defaults
    metadata: { name: d }

    mode: enforce
    ---
    apiVersion: tollgate.dev/v1alpha1
    kind: Contract
    metadata: { name: c }
    who: anyone
    purposes: [essential]
    actions:
      order.reed:
  more.yaml: "apiVersion: tollgate.dev/v1alpha1\nkind: Service\nmetadata: { name: s }\nhosts: [a.example]\nactions:\n  order.read: { tier: open, routes: [{ http: GET /o }] }\n"
---
kind: ConfigMap
metadata: { name: other }
data: { app.yaml: "a: 1" }
"#;

    fn read(text: &str) -> Result<Manifest, String> {
        let file = SourceFile { name: "m.yaml".to_owned(), text: text.to_owned() };
        read_manifest(&file).map_err(|problems| problems.to_string())
    }

    #[test]
    fn policies_are_found_among_other_manifests() {
        let manifest = read(MANIFEST).unwrap();
        let found: Vec<_> = manifest.policies.iter().map(|one| (one.config_map.as_str(), one.key.as_str())).collect();
        assert_eq!(found, [("shop/policies", "ground.yaml"), ("shop/policies", "more.yaml")]);
        assert_eq!(manifest.left_out, ["key README.md of ConfigMap shop/policies", "ConfigMap other"]);
        let list = format!("kind: List\nitems:\n- {}", MANIFEST.split("---\n").nth(1).unwrap().replace('\n', "\n  "));
        assert_eq!(
            read(&list).map(|manifest| manifest.policies.len()),
            Ok(1),
            "up to the first marker, which ends it here"
        );
        let json =
            r#"{"kind":"ConfigMap","metadata":{"name":"j"},"data":{"p.yaml":"apiVersion: tollgate.dev/v1alpha1\n"}}"#;
        assert_eq!(read(json).unwrap().policies.len(), 1);
    }

    #[test]
    fn a_problem_stands_at_its_line_of_the_manifest() {
        let manifest = read(MANIFEST).unwrap();
        let problems = load_packed(&manifest.policies).unwrap_err();
        let problem = problems.iter().next().unwrap();
        let place = problem.place.as_ref().unwrap();
        assert_eq!((place.file(), place.line(), place.column()), ("m.yaml", 28, 7), "{problem}");
        assert!(manifest.policies[0].holds(place) && !manifest.policies[1].holds(place));
        let shown = problem.render(&annotate_snippets::Renderer::plain());
        assert!(shown.contains("order.reed") && shown.contains("m.yaml:28:7"), "{shown}");
    }

    #[test]
    fn a_problem_in_a_quoted_value_stands_at_its_key() {
        let manifest = read(&MANIFEST.replace("tier: open", "tier: opn").replace("order.reed", "order.read")).unwrap();
        let problems = load_packed(&manifest.policies).unwrap_err();
        let place = problems.iter().next().unwrap().place.clone().unwrap();
        assert_eq!(place.file(), "m.yaml:29: more.yaml of ConfigMap shop/policies");
        assert!(manifest.policies[1].holds(&place));
    }

    #[test]
    fn what_is_in_force_is_what_the_volume_holds() {
        let mended = MANIFEST.replace("order.reed", "order.read");
        let loaded = load_packed(&read(&mended).unwrap().policies).unwrap();
        let block = mended.split("ground.yaml: |\n").nth(1).unwrap().split("  more.yaml").next().unwrap();
        let plain: String = block.lines().map(|line| format!("{}\n", line.get(4..).unwrap_or_default())).collect();
        let file = |text: String| SourceFile { name: "f".into(), text };
        let more = read(&mended).unwrap().policies.remove(1).file.text;
        assert_eq!(loaded.bundle.digest, super::super::digest(&[file(plain), file(more)]));
    }

    #[test]
    fn what_is_no_manifest_says_so() {
        assert!(read("kind: ConfigMap\ndata:\n{{- range .Values }}\n").unwrap_err().contains("template"));
        let huge = MANIFEST.replace("hello", &"a".repeat(MAX_CONFIG_MAP));
        assert!(read(&huge).unwrap_err().contains("more than 1 MiB"));
        let binary = MANIFEST.replace("data:\n  README", "binaryData: { x.yaml: YQ== }\ndata:\n  README");
        assert!(read(&binary).unwrap_err().contains("policies are text"));
    }
}

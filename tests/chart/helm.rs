//! Helm, and what it renders.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::object::{Object, objects};

/// The namespace that releases are rendered for.
pub const NAMESPACE: &str = "tollgate-system";

pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

pub fn chart() -> PathBuf {
    root().join("deploy/helm/tollgate")
}

/// What a file of the chart's `ci` is rendered as.
pub struct Render {
    pub text: String,
    pub objects: Vec<Object>,
}

/// What Helm prints, or says against it.
pub fn helm(arguments: &[&str]) -> Result<String, String> {
    let helm = std::env::var_os("TOLLGATE_HELM").map_or_else(|| root().join(".tools/helm"), PathBuf::from);
    let output = Command::new(&helm).args(arguments).current_dir(root()).output();
    let output =
        output.unwrap_or_else(|error| panic!("cannot run {} ({error}): `make helm` puts it there", helm.display()));
    if output.status.success() {
        Ok(String::from_utf8(output.stdout).unwrap())
    } else {
        Err(String::from_utf8(output.stderr).unwrap())
    }
}

/// What a chart is rendered as, or why it is not.
pub fn template(release: &str, chart: &Path, arguments: &[&str]) -> Result<String, String> {
    let chart = chart.to_str().unwrap();
    helm(&[&["template", release, chart, "--namespace", NAMESPACE], arguments].concat())
}

/// What the chart is rendered as with values as they stand in a file.
pub fn with_values(values: &str) -> Result<Vec<Object>, String> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), values).unwrap();
    template("rel", &chart(), &["--values", file.path().to_str().unwrap()]).map(|text| objects(&text))
}

/// The files of the chart's `ci`, by name.
pub fn ci_files() -> BTreeMap<String, PathBuf> {
    let files = std::fs::read_dir(chart().join("ci")).unwrap().map(|entry| entry.unwrap().path());
    let named = files.map(|path| {
        let name = path.file_name().unwrap().to_str().unwrap();
        let name = name.strip_suffix("-values.yaml").unwrap_or_else(|| panic!("ci/{name} is not called …-values.yaml"));
        (name.to_owned(), path.clone())
    });
    named.collect()
}

/// The renders of the files of the chart's `ci`, by name.
pub fn renders() -> &'static BTreeMap<String, Render> {
    static RENDERS: OnceLock<BTreeMap<String, Render>> = OnceLock::new();
    RENDERS.get_or_init(|| {
        let render = |path: &PathBuf| {
            let text = template("rel", &chart(), &["--values", path.to_str().unwrap()]);
            let text = text.unwrap_or_else(|said| panic!("{}: {said}", path.display()));
            Render { objects: objects(&text), text }
        };
        ci_files().iter().map(|(name, path)| (name.clone(), render(path))).collect()
    })
}

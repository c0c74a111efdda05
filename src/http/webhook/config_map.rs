//! What can be said of one ConfigMap with policies.
//!
//! A bundle may be spread over several ConfigMaps, and only one of them is seen here. What is wrong whatever the others hold is a
//! problem; what would be wrong only if there were no others is a warning, unless the ConfigMap says that it is the whole.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::bundle::{self, is_policy_file};
use crate::yaml::{Problems, SourceFile};

/// What is read of a ConfigMap.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct ConfigMap {
    metadata: Option<Metadata>,
    data: Option<BTreeMap<String, String>>,
    binary_data: Option<BTreeMap<String, String>>,
    immutable: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Metadata {
    annotations: Option<BTreeMap<String, String>>,
}

/// What is to be said.
#[derive(Debug, Default)]
pub(super) struct Judged {
    /// Why it is not stored.
    pub(super) problems: Vec<String>,
    /// What whoever stores it should know.
    pub(super) warnings: Vec<String>,
}

/// Whether the ConfigMap is a bundle by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Share {
    Whole,
    Part,
}

const ANNOTATION: &str = "tollgate.dev/bundle";

impl ConfigMap {
    /// Judges it.
    pub(super) fn judge(self) -> Judged {
        let mut judged = Judged::default();
        let share = self.share(&mut judged);
        if self.immutable == Some(true) {
            judged.warn("an immutable ConfigMap is never edited: its policies change with its name, and pods must be told of that");
        }
        for key in self.binary_data.unwrap_or_default().into_keys() {
            match is_read(&key) {
                true => judged.problems.push(format!("{key}: policies are text; help: put it under `data`")),
                false => judged.warn(format!("{key} is not read: it is no text")),
            }
        }
        let (mut files, mut others) = (Vec::new(), Vec::new());
        for (name, text) in self.data.unwrap_or_default() {
            if is_read(&name) { files.push(SourceFile { name, text }) } else { others.push(name) }
        }
        for name in others {
            let why = if name.starts_with('.') { "begins with a dot" } else { "does not end in `.yaml` or `.yml`" };
            judged.warn(format!("{name} is not read: it {why}"));
        }
        judged.load(files, share);
        judged
    }

    fn share(&self, judged: &mut Judged) -> Share {
        let annotations = self.metadata.as_ref().and_then(|metadata| metadata.annotations.as_ref());
        match annotations.and_then(|annotations| annotations.get(ANNOTATION)).map(String::as_str) {
            Some("whole") => Share::Whole,
            Some("part") | None => Share::Part,
            Some(_) => {
                judged.warn(format!("`{ANNOTATION}` is `whole` or `part`, and anything else is taken for `part`"));
                Share::Part
            }
        }
    }
}

impl Judged {
    pub(super) fn warning(text: String) -> Self {
        Self { problems: Vec::new(), warnings: vec![text] }
    }

    fn warn(&mut self, text: impl Into<String>) {
        self.warnings.push(text.into());
    }

    fn load(&mut self, files: Vec<SourceFile>, share: Share) {
        if share == Share::Part
            && let Err(problems) = bundle::check_part(files.clone())
        {
            self.problems.extend(lines(&problems));
            return;
        }
        match (share, bundle::load_owned(files)) {
            (_, Ok(_)) => {}
            (Share::Whole, Err(problems)) => self.problems.extend(lines(&problems)),
            (Share::Part, Err(problems)) => {
                self.warn(format!(
                    "by itself this is no bundle, which is well where other ConfigMaps hold the rest; with the annotation `{ANNOTATION}: whole` this would be refused:"
                ));
                self.warnings.extend(lines(&problems));
            }
        }
    }
}

fn lines(problems: &Problems) -> impl Iterator<Item = String> {
    problems.iter().map(ToString::to_string)
}

/// Whether a pod reads this key of the volume.
fn is_read(key: &str) -> bool {
    is_policy_file(key) && !key.starts_with('.')
}

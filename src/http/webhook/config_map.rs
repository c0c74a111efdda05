//! What can be said of one ConfigMap with policies.
//!
//! A bundle may be spread over several ConfigMaps, and only one of them is seen here. What is wrong whatever the others hold is a
//! problem; what would be wrong only if there were no others is a warning, unless the ConfigMap says that it is the whole.

use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::bundle::{self, is_policy_file};
use crate::yaml::{Problems, SourceFile};

/// What is read of a ConfigMap.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct ConfigMap {
    metadata: Option<Metadata>,
    data: Option<Texts>,
    binary_data: Option<Texts>,
    immutable: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Metadata {
    annotations: Option<Annotations>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Annotations {
    #[serde(rename = "tollgate.dev/bundle")]
    bundle: Option<String>,
}

/// Keys and their texts, as many as can be stored. What is beyond is counted only.
#[derive(Debug, Default)]
struct Texts {
    files: Vec<SourceFile>,
    bytes: usize,
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
/// The API server stores a ConfigMap whose texts have at most 1 MiB. Their names come to it, which are few and short.
const MAX_DATA: usize = (1024 + 64) * 1024;
/// What a key holds besides, in etcd: in protobuf three tags, and three lengths.
const OF_EACH_KEY: usize = 6;

impl ConfigMap {
    /// Judges it.
    pub(super) fn judge(self) -> Judged {
        let mut judged = Judged::default();
        let share = self.share(&mut judged);
        if self.immutable == Some(true) {
            judged.warn("an immutable ConfigMap is never edited: its policies change with its name, and pods must be told of that");
        }
        let (data, binary) = (self.data.unwrap_or_default(), self.binary_data.unwrap_or_default());
        // Base64 writes three bytes as four.
        if data.bytes.saturating_add(binary.bytes / 4 * 3) > MAX_DATA {
            let problem = format!("a ConfigMap of more than {MAX_DATA} bytes cannot be stored; help: divide it");
            judged.problems.push(problem);
            return judged;
        }
        for SourceFile { name: key, .. } in binary.files {
            match is_read(&key) {
                true => judged.problems.push(format!("{key}: policies are text; help: put it under `data`")),
                false => judged.warn(format!("{key} is not read: it is no text")),
            }
        }
        let (mut files, mut others) = (Vec::new(), Vec::new());
        for file in data.files {
            if is_read(&file.name) { files.push(file) } else { others.push(file.name) }
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
        match annotations.and_then(|annotations| annotations.bundle.as_deref()) {
            Some("whole") => Share::Whole,
            Some("part") | None => Share::Part,
            Some(_) => {
                judged.warn(format!("`{ANNOTATION}` is `whole` or `part`, and anything else is taken for `part`"));
                Share::Part
            }
        }
    }
}

impl<'de> Deserialize<'de> for Texts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Self::default())
    }
}

impl<'de> Visitor<'de> for Texts {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map of texts")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Self, A::Error> {
        while let Some((name, text)) = map.next_entry::<String, String>()? {
            self.bytes = self.bytes.saturating_add(name.len() + text.len() + OF_EACH_KEY);
            if self.bytes <= MAX_DATA {
                self.files.push(SourceFile { name, text });
            }
        }
        Ok(self)
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

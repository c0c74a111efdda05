//! Where a value comes from: the file, over it the environment, over it the command line.
//!
//! Nothing is understood here but names. What was given is kept as text, with its origin, until it is read.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::setting::Setting;
use super::value::{Disclosed, Value};
use crate::yaml::{self, Kind, Node, Place, Problem, Problems, SourceFile};

/// Where a value was given.
#[derive(Debug, Clone)]
pub enum Origin {
    /// Nowhere.
    Default,
    /// In the file.
    File(Place),
    /// In a variable of the environment.
    Environment(String),
    /// On the command line.
    CommandLine(String),
}

/// A value as it was given.
#[derive(Debug, Clone)]
struct Given {
    texts: Vec<String>,
    origin: Origin,
}

/// All that was given.
#[derive(Debug, Clone)]
pub struct Layers {
    settings: &'static [Setting],
    /// By the keys of the file.
    given: BTreeMap<String, Given>,
}

/// A setting as it is in force, for people.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Effective {
    /// Its key in the file.
    pub setting: String,
    /// Its value, unless that is a secret; nothing where there is none.
    pub value: Option<String>,
    /// Where it was given.
    pub origin: String,
}

const MASKED: &str = "***";

impl Layers {
    /// Nothing yet, of these settings.
    pub const fn new(settings: &'static [Setting]) -> Self {
        Self { settings, given: BTreeMap::new() }
    }

    /// Takes what a file says. Keys that are not known are problems, and so are values that are no texts.
    pub fn read(&mut self, file: SourceFile, problems: &mut Problems) {
        let documents = yaml::documents(&Arc::new(file), problems);
        if let [_, second, ..] = documents.as_slice() {
            problems.push(Problem::at(&second.place, "the configuration is one document"));
        }
        let Some(document) = documents.first() else { return };
        let Kind::Map(entries) = &document.kind else {
            problems
                .push(Problem::at(&document.place, "the configuration is a map: `policies: /etc/tollgate/policies`"));
            return;
        };
        let keys: Vec<_> = self.settings.iter().map(Setting::key).collect();
        for (key, value) in entries {
            let Some((name, setting)) = keys.iter().zip(self.settings).find(|(name, _)| key.text() == Some(name))
            else {
                let problem =
                    Problem::at(&key.place, format!("there is no setting `{}`", key.text().unwrap_or_default()));
                let meant = problems.nearest(key.text().unwrap_or_default(), keys.iter().map(String::as_str));
                let help = meant.map_or("`tollgate serve --help` lists all of them".to_owned(), |meant| {
                    format!("did you mean `{meant}`?")
                });
                problems.push(problem.help(help));
                continue;
            };
            match texts(value, setting) {
                Ok(texts) => self.set(name.clone(), texts, Origin::File(value.place.clone())),
                Err(place) => {
                    let what = if setting.many { "a text, or a list of texts" } else { "a text" };
                    problems.push(Problem::at(&place, format!("`{name}` is {what}")));
                }
            }
        }
    }

    /// Puts a value over whatever there was.
    pub fn set(&mut self, key: String, texts: Vec<String>, origin: Origin) {
        self.given.insert(key, Given { texts, origin });
    }

    /// Reads a value, or says what is wrong with it.
    pub(super) fn value<T: Value>(&self, setting: &Setting, problems: &mut Problems) -> Option<T> {
        let given = self.given(setting);
        match T::read(&given.texts) {
            Ok(value) => Some(value),
            Err(what) => {
                problems.push(given.problem(setting, &what));
                None
            }
        }
    }

    /// Says that a value cannot be used, with its name as it was given and its place.
    pub(super) fn refuse(&self, name: &str, what: &str, problems: &mut Problems) {
        if let Some(setting) = self.settings.iter().find(|setting| setting.key() == name) {
            problems.push(self.given(setting).problem(setting, what));
        }
    }

    /// Everything that can be set, as it is in force.
    pub fn effective(&self) -> Vec<Effective> {
        let all = self.settings.iter().map(|setting| {
            let given = self.given(setting);
            let shown = |texts: &[String]| match setting.disclosed {
                Disclosed::Shown => texts.join(", "),
                Disclosed::Masked => MASKED.to_owned(),
            };
            let value = (!given.texts.is_empty()).then(|| shown(&given.texts));
            Effective { setting: setting.key(), value, origin: given.origin.to_string() }
        });
        all.collect()
    }

    fn given(&self, setting: &Setting) -> Given {
        let default =
            || Given { texts: setting.default.into_iter().map(str::to_owned).collect(), origin: Origin::Default };
        self.given.get(&setting.key()).cloned().unwrap_or_else(default)
    }
}

impl Given {
    fn problem(&self, setting: &Setting, what: &str) -> Problem {
        match &self.origin {
            Origin::File(place) => Problem::at(place, format!("`{}` {what}", setting.key())),
            Origin::Environment(name) | Origin::CommandLine(name) => Problem::of_whole(format!("{name} {what}")),
            Origin::Default => Problem::of_whole(format!("--{} {what}", setting.flag())).help(format!(
                "or `{}` in the environment, or `{}` in the file that `--config` names",
                setting.variable(),
                setting.key()
            )),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(place) => place.fmt(f),
            Self::Environment(name) | Self::CommandLine(name) => f.write_str(name),
        }
    }
}

/// The texts of a value, or the place of what is none.
fn texts(value: &Node, setting: &Setting) -> Result<Vec<String>, Place> {
    let text = |node: &Node| node.text().map(str::to_owned).ok_or_else(|| node.place.clone());
    match &value.kind {
        Kind::List(list) if setting.many => list.iter().map(text).collect(),
        _ => text(value).map(|text| vec![text]),
    }
}

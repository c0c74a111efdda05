//! One thing that can be set, and its names.
//!
//! Names are a public interface: `max_check_time` is `--max-check-time`, `TOLLGATE_MAX_CHECK_TIME` and `maxCheckTime`.

use super::value::Disclosed;

/// One thing that can be set.
#[derive(Debug)]
pub struct Setting {
    /// Its name in words joined by underscores, from which all others are made.
    pub(super) name: &'static str,
    /// What its value is, in a word.
    pub value_name: &'static str,
    /// What it is where nothing is set.
    pub default: Option<&'static str>,
    /// Whether it may be given several times.
    pub many: bool,
    /// Whether its value is never shown.
    pub disclosed: Disclosed,
    /// What it does, line by line.
    pub(super) help: &'static [&'static str],
}

impl Setting {
    /// The flag, without its hyphens.
    pub fn flag(&self) -> String {
        self.name.replace('_', "-")
    }

    /// The variable of the environment.
    pub fn variable(&self) -> String {
        format!("TOLLGATE_{}", self.name.to_ascii_uppercase())
    }

    /// The key in the file.
    pub fn key(&self) -> String {
        let mut words = self.name.split('_');
        let first = words.next().unwrap_or_default().to_owned();
        words.fold(first, |mut key, word| {
            let (initial, rest) = word.split_at_checked(1).unwrap_or_default();
            key.push_str(&initial.to_ascii_uppercase());
            key.push_str(rest);
            key
        })
    }

    /// What it does, in a sentence.
    pub fn help(&self) -> String {
        self.help.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" ")
    }
}

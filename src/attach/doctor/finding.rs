//! What the doctor can find: codes that never change their meaning, and a finding with its place.
//!
//! Each family of checks has its table beside its checks. `docs/doctor.md` is printed from the tables, and a planted file in
//! `tests/doctor/bad` shows each code.

use std::collections::BTreeSet;

use super::field::Field;
use super::object::Object;
use crate::yaml::Problem;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The gate is off or open, or refuses everything.
    Error,
    /// The gate is weaker, or more fragile, than is meant.
    Warning,
    /// Good to know; it counts as nothing found.
    Note,
}

/// A failure that is known by name.
#[derive(Debug, PartialEq, Eq)]
pub struct Code {
    /// The stable name, such as `istio.fail-open`.
    pub name: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, in a line.
    pub says: &'static str,
    /// What happens because of it.
    pub happens: &'static str,
    /// How to mend it.
    pub mend: &'static str,
}

/// A failure at its place.
#[derive(Debug, Clone)]
pub struct Finding {
    /// Which one.
    pub code: &'static Code,
    /// Kind, namespace and name of the object that it stands in.
    pub object: String,
    /// The field, from the root of the object.
    pub field: String,
    /// Where, what, and what would mend it.
    pub problem: Problem,
}

/// What an examination has found so far.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) findings: Vec<Finding>,
    /// What could not be told from what was given.
    pub(super) notes: BTreeSet<String>,
}

impl Found {
    /// A failure at a field.
    pub(super) fn add(&mut self, code: &'static Code, object: &Object<'_>, field: &Field<'_>) {
        self.push(code, object, field, code.says.to_owned());
    }

    /// The same, with what sets this one apart from others.
    pub(super) fn add_about(
        &mut self,
        code: &'static Code,
        object: &Object<'_>,
        field: &Field<'_>,
        about: impl AsRef<str>,
    ) {
        self.push(code, object, field, format!("{}: {}", code.says, about.as_ref()));
    }

    fn push(&mut self, code: &'static Code, object: &Object<'_>, field: &Field<'_>, message: String) {
        let problem = Problem::at(field.place(), message).help(code.mend);
        self.findings.push(Finding { code, object: object.title(), field: field.path(), problem });
    }

    /// Something that cannot be told from what was given.
    pub(super) fn note(&mut self, text: impl Into<String>) {
        self.notes.insert(text.into());
    }
}

impl Severity {
    /// As it is printed.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

macro_rules! codes {
    ($($id:ident = $name:literal, $severity:ident: $says:literal, $happens:literal, $mend:literal;)+) => {
        $(static $id: crate::attach::doctor::finding::Code = crate::attach::doctor::finding::Code {
            name: $name,
            severity: crate::attach::doctor::finding::Severity::$severity,
            says: $says,
            happens: $happens,
            mend: $mend,
        };)+

        /// All codes of this family.
        pub(in crate::attach::doctor) static CODES: &[&crate::attach::doctor::finding::Code] = &[$(&$id),+];
    };
}
pub(super) use codes;

//! Conditions where documents have them: what is wrong with one is said at its own place in the text.

use crate::bundle::read::Spanned;
use crate::contract::{Condition, Conditions, Scope};
use crate::yaml::{Problem, Problems};

/// Reads a condition.
pub(super) fn condition(
    text: &Spanned<String>,
    scope: &Scope<'_>,
    conditions: &Conditions,
    problems: &mut Problems,
) -> Option<Condition> {
    match conditions.compile(text, scope) {
        Ok(condition) => Some(condition),
        Err(faults) => {
            for fault in faults {
                let problem = Problem::at(&text.place.part(&text.value, fault.range), fault.message);
                problems.push(match fault.help {
                    Some(help) => problem.help(help),
                    None => problem,
                });
            }
            None
        }
    }
}

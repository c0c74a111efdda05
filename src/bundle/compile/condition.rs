//! Conditions where documents have them: what is wrong with one is said at its own place in the text.

use std::sync::Arc;

use crate::bundle::read::Spanned;
use crate::contract::{Condition, Conditions, Fault, Scope};
use crate::yaml::{Problem, Problems};

/// Reads a condition.
pub(super) fn condition(
    text: &Spanned<String>,
    scope: &Scope<'_>,
    conditions: &Conditions,
    problems: &mut Problems,
) -> Option<Arc<Condition>> {
    match conditions.compile(text, scope) {
        Ok(condition) => Some(condition),
        Err(faults) => {
            say(text, faults, problems);
            None
        }
    }
}

/// Says what is wrong with a condition that is about actions which are not known here.
pub(super) fn syntax(text: &Spanned<String>, problems: &mut Problems) {
    if let Err(faults) = Condition::check_syntax(text) {
        say(text, faults, problems);
    }
}

fn say(text: &Spanned<String>, faults: Vec<Fault>, problems: &mut Problems) {
    for fault in faults {
        // Finding the place takes a look through the file.
        if problems.is_full() {
            return;
        }
        let problem = Problem::at(&text.place.part(&text.value, fault.range), fault.message);
        problems.push(match fault.help {
            Some(help) => problem.help(help),
            None => problem,
        });
    }
}

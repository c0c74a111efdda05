//! Conditions where documents have them: what is wrong with one is said at its own place in the text.

use std::sync::Arc;

use crate::bundle::read::Spanned;
use crate::catalog::Input;
use crate::contract::{Condition, Conditions, Fault};
use crate::yaml::{Problem, Problems};

/// Reads a condition about an action with these inputs.
pub(super) fn condition(
    text: &Spanned<String>,
    inputs: &[Arc<Input>],
    has_subject: bool,
    conditions: &Conditions<'_>,
    problems: &mut Problems,
) -> Option<Arc<Condition>> {
    match conditions.compile(text, inputs, has_subject) {
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

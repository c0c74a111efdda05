//! The delegation chain of a token: RFC 8693, section 4.1, the `act` claim.
//!
//! The outermost actor is the one that acts; those inside acted before. All of them stand behind the call here, so all must
//! be covered: that is stricter than the RFC, which leaves the earlier ones as information.

use crate::facts::Metadata;
use crate::secret::Secret;
use crate::terms::AgentId;

/// Deeper chains are refused. An agent that acts for an agent that acts for an agent is already hard to answer for.
const MAX_DEPTH: usize = 8;
/// The same bound as for a user's id.
pub(super) const MAX_ID: usize = 256;

/// The actors, the one that acts first.
pub(super) fn read(actor: Option<&Metadata<'_>>) -> Result<Vec<AgentId>, &'static str> {
    let mut agents = Vec::new();
    let mut next = actor;
    while let Some(actor) = next {
        if agents.len() == MAX_DEPTH {
            return Err("the delegation chain is too long");
        }
        agents.push(Secret::new(read_id(actor.get("sub")).ok_or("an actor of the token has no usable `sub`")?));
        next = actor.get("act");
    }
    Ok(agents)
}

/// An id that can be compared: text, not empty, without blanks at its ends or controls in it.
pub(super) fn read_id(value: Option<&Metadata<'_>>) -> Option<String> {
    let text = value?.text()?;
    let sound = !text.is_empty() && text.len() <= MAX_ID && text.trim() == text && !text.chars().any(char::is_control);
    sound.then(|| text.to_owned())
}

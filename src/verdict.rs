//! What was decided, and what must be done along with it.
//!
//! A verdict is what the rules say; obligations are what an allow asks of the proxy. Who may make an allow is not decided
//! here: that is the gate's `Passage`.

use std::borrow::Cow;

use crate::terms::{Kind, Reason, spelled};

spelled! {
    /// What the rules say.
    Verdict, "a verdict" {
        /// It may pass.
        Allow = "allow",
        /// It may not.
        Deny = "deny",
        /// The user must prove more.
        Challenge = "challenge",
        /// Someone else must approve.
        Hold = "hold",
        /// Later.
        Throttle = "throttle",
        /// No decision could be made.
        Error = "error",
    }
}

impl From<Reason> for Verdict {
    fn from(reason: Reason) -> Self {
        match reason.kind() {
            Kind::Granted => Self::Allow,
            Kind::Malformed | Kind::TooLarge | Kind::Unsupported | Kind::CallerUnknown | Kind::NotGranted => Self::Deny,
            Kind::Challenge => Self::Challenge,
            Kind::Error => Self::Error,
        }
    }
}

/// What the proxy must change along with an allow, borrowed from the bundle where it stands there. No name is both set
/// and removed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Obligations<'b> {
    /// Request headers that are set, whatever was there.
    pub set_headers: Vec<(&'b str, Cow<'b, str>)>,
    /// Request headers that are taken out, by exact name.
    pub remove_headers: Vec<Cow<'b, str>>,
    /// Whether caches on the way back may keep nothing.
    pub no_store: bool,
    /// Query parameters that are set, decoded.
    pub set_query: Vec<&'b (String, String)>,
    /// Query parameters that are taken out, by exact name.
    pub remove_query: Vec<&'b str>,
}
